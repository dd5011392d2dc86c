"""Markdown of HTML, as it is found in the wild."""

import pytest

from planai.errors import WebError
from planai.integrations.markdown import markdown_of

pytest.importorskip("markdownify", reason="the extra 'web' is not installed")


def test_what_only_a_browser_needs_is_left_out() -> None:
    html = "<head><title>T</title><style>p{}</style></head><body><script>x()</script><p>seen</p><svg>no</svg></body>"
    assert markdown_of(html) == ("T", "seen")


def test_the_encoding_is_that_of_the_server_or_of_the_page() -> None:
    assert markdown_of("<p>é</p>".encode("latin-1"), charset="latin-1")[1] == "é"
    assert markdown_of("<meta charset='latin-1'><p>é</p>".encode("latin-1"))[1] == "é"


def test_blank_lines_do_not_pile_up() -> None:
    assert markdown_of("<div><div><p>a</p></div></div><br><br><div><p>b</p></div>")[1].count("\n") <= 4


def test_broken_html_is_read_as_far_as_it_goes() -> None:
    assert markdown_of("</i><p>one <b>two</p><ul><li>three") == ("", "one **two**\n\n- three")


def test_a_page_nested_too_deep_is_an_error_and_no_crash() -> None:
    with pytest.raises(WebError, match="nested too deep"):
        markdown_of("<div>" * 5000 + "x" + "</div>" * 5000)


def test_what_stands_around_the_text_is_left_out() -> None:
    page = "<nav>Menu</nav><main><p>Text</p><aside>Advertisement</aside></main><footer>Imprint</footer>"
    assert markdown_of(page)[1] == "Text"
