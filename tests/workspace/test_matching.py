"""What patterns mean: the same as for `Path.glob`, in a time that they cannot prolong."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planai.workspace.matching import LINKS, matching

NAMES = ["a", "b.md", ".c", "d"]
PATTERNS = st.lists(st.sampled_from(["**", "*", "a", "*.md", "?", "[ad]", "d", "link", "."]), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for folder in ("", "a", "a/d", "d", "d/a", "d/a/d"):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / "b.md").touch()
        (root / folder / ".c").touch()
    (root / "link").symlink_to("d")
    return root


def names(start: Path, pattern: str) -> set[str]:
    return {str(Path(entry.path).relative_to(start)) for entry in matching(start, pattern, lambda _: True)}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATTERNS)
def test_patterns_mean_what_they_do_for_paths(tree: Path, parts: list[str]) -> None:
    pattern = "/".join([*parts, "*"])  # files alone: of a last **, versions of Python differ
    known = {str(path.relative_to(tree)) for path in tree.glob(pattern) if not path.is_dir()}
    assert names(tree, pattern) == known


def test_many_stars_take_no_time(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(14):
        folder = folder / "d"
        folder.mkdir()
    (folder / "f").touch()
    assert names(tmp_path, "**/" * 14 + "*") == {"d/" * 14 + "f"}


def test_links_are_gone_through_where_they_may(tree: Path) -> None:
    asked = []

    def refuse(path: Path) -> bool:
        asked.append(path.name)
        return False

    assert "link/b.md" in names(tree, "*/b.md")
    assert {entry.path for entry in matching(tree, "link/*", refuse)} == set()
    assert asked == ["link"]


def test_of_links_in_circles_there_is_an_end(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / name).symlink_to(".")
    with pytest.raises(OSError, match=f"more than {LINKS} links") as raised:
        names(tmp_path, "*/" * 40 + "*")
    assert raised.value.errno == errno.ELOOP
