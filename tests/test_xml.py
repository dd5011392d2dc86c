"""XML of plain data: its shape, and that it can always be parsed."""

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from planai.xml import dict_dump_xml, to_xml

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def test_the_shape_is_that_of_the_data() -> None:
    data = {"url": "a<b>&", "tags": ["x", None], "sub": {"empty": {}, "none": []}, "open": False}
    assert to_xml("page", data) == (
        "<page>\n  <url>a&lt;b&gt;&amp;</url>\n  <tags>\n    <item>x</item>\n    <item/>\n  </tags>\n"
        "  <sub>\n    <empty/>\n    <none/>\n  </sub>\n  <open>false</open>\n</page>\n"
    )


def test_text_that_ends_like_a_tag_stays_as_it_is() -> None:
    root = ET.fromstring(to_xml("page", {"text": "a />b"}))
    assert root.findtext("text") == "a />b"


def test_names_and_characters_that_xml_does_not_know_are_replaced() -> None:
    root = ET.fromstring(to_xml("a page", {"1st key": "\x00\ud800", "é:²": 1, "": 2, 3: 4}))
    assert root.tag == "a_page"
    assert [(element.tag, element.text) for element in root] == [
        ("_1st_key", "??"),
        ("___", "1"),
        ("_", "2"),
        ("_3", "4"),
    ]


def test_names_times_and_bytes_are_written_as_planai_writes_them() -> None:
    data = {
        "content-type": "a",
        "v1.0": datetime(2024, 1, 2, 3, 4, tzinfo=UTC),
        "raw": "é".encode(),
        "odd": b"a\xff\x00",
    }
    root = ET.fromstring(dict_dump_xml(data))
    assert [(element.tag, element.text) for element in root] == [
        ("content_type", "a"),
        ("v1_0", "2024-01-02T03:04:00+00:00"),
        ("raw", "é"),
        ("odd", "a\ufffd?"),
    ]


@given(st.text(max_size=6), PLAIN)
def test_whatever_comes_out_can_be_parsed(tag: str, value: Any) -> None:
    ET.fromstring(to_xml(tag, value))
