"""Plain data as XML, the way models read it well; whatever the data is, what comes out can be parsed."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

_NO_XML_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_xml(tag: str, value: Any) -> str:
    r"""Return `value` as an indented element called `tag`, with a line end after it.

    Members of lists become elements called ``item``. What a name may not hold becomes ``_``, what XML cannot hold at
    all ``?``.

    >>> print(to_xml("page", {"url": "a<b", "page size": [4, None], "open": True}))
    <page>
      <url>a&lt;b</url>
      <page_size>
        <item>4</item>
        <item/>
      </page_size>
      <open>true</open>
    </page>
    <BLANKLINE>
    """
    root = _element(tag, value)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode").replace(" />", "/>") + "\n"  # in text, ">" is escaped


def dict_dump_xml(dict: Any, root: str = "root") -> str:  # noqa: A002 - PlanAI's name
    """Return a dictionary as `to_xml` does, below an element called `root`; quotes are escaped, as in PlanAI.

    >>> dict_dump_xml({"said": 'a "b"'}).split()[1:-1]
    ['<said>a', '&quot;b&quot;</said>']
    """
    return to_xml(root, dict).replace('"', "&quot;")  # no tag has any


def _element(tag: str, value: Any) -> ET.Element:
    element = ET.Element(_name(tag))
    if isinstance(value, Mapping):
        element.extend(_element(str(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        element.extend(_element("item", item) for item in value)
    elif value is not None:
        element.text = _NO_XML_CHARACTER.sub("?", _text(value))
    return element


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@functools.lru_cache(maxsize=1024)
def _name(text: str) -> str:
    """Return `text` as a name; letters that the parsers of XML know none of are replaced, too."""
    name = re.sub(r"\W", "_", text)
    name = name if re.match(r"[^\W\d]", name) else f"_{name}"
    try:
        ET.fromstring(f"<{name}/>")  # noqa: S314 - a name alone
    except (ET.ParseError, UnicodeEncodeError):
        return re.sub(r"\W", "_", name, flags=re.ASCII)
    return name
