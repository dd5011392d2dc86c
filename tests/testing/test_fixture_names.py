"""The names of fixtures: for people, the same after an edit of code, and never two for one file."""

from __future__ import annotations

from typing import Any

import pytest

from planai.cache.about import PROFILES
from planai.testing.fixture_names import folder_of, identity_of, likeness, name_of, variant_of


def answer(**changes: Any) -> dict[str, Any]:
    about = {
        "id": "1",
        "profile": "p",
        "parts": {"task": "t"},
        "input": "shop:Item",
        "fields": {"name": '"Grüner Tee"', "amount": "1"},
    }
    about |= {name: changes.pop(name) for name in list(changes) if name in about}
    return {"space": "shop:Rate", "key": "k", "variant": "v", "answer": 1, "about": about, **changes}


SAME: list[dict[str, Any]] = [
    {"key": "other"},
    {"answer": 2},
    {"profile": "other"},
    {"parts": {"task": "t", "code that the task holds": "c"}},
    {"parts": {"task": "t", "messages": "m", "request": "r"}},
]
OTHER: list[dict[str, Any]] = [
    {"space": "shop:Other"},
    {"variant": "other"},
    {"input": "shop:Other"},
    {"parts": {"task": "other"}},
    {"parts": {"task": "t", "extra": "e"}},
    {"parts": {}},
    {"of": "a"},
]


@pytest.mark.parametrize("changes", SAME)
def test_what_an_edit_of_code_changes_is_in_no_name(changes: dict[str, Any]) -> None:
    assert (identity_of(answer(**changes)), name_of(answer(**changes))) == (identity_of(answer()), name_of(answer()))


@pytest.mark.parametrize("changes", OTHER)
def test_what_else_decides_is_in_the_name(changes: dict[str, Any]) -> None:
    assert identity_of(answer(**changes)) != identity_of(answer())
    assert name_of(answer(**changes)) != name_of(answer())


def test_a_key_of_ones_own_is_its_identity() -> None:
    assert identity_of(answer(parts={}, key="a")) != identity_of(answer(parts={}, key="b"))


def test_names_are_short_and_for_people() -> None:
    assert name_of(answer()).startswith("Item-Gr-ner-Tee-")
    assert name_of({"space": "s", "key": "k"}) == identity_of({"space": "s", "key": "k"})[:8]
    assert len(name_of(answer(fields={"text": "../" * 1000}, input="shop:" + "x" * 1000))) <= 32 + 1 + 32 + 1 + 8
    assert folder_of("../a:b\0") == "..-a-b-"


def test_a_variant_is_of_settings_and_not_of_code() -> None:
    first = variant_of({"parts": {"settings": "s", "code": "c", "input": "i", "types": "t", "outputs": "o"}})
    assert (
        variant_of({"parts": {"settings": "s", "code": "c2", "input": "i2", "types": "t2", "outputs": "o2"}}) == first
    )
    assert variant_of({"parts": {"settings": "s2", "code": "c"}}) != first


def test_profiles_of_two_inputs_are_two() -> None:
    profile = {"space": PROFILES + "s", "key": "p", "about": {"parts": {"settings": "s"}}}
    assert identity_of({**profile, "input": "a:A"}) != identity_of({**profile, "input": "a:B"})
    assert name_of({**profile, "input": "a:A"}).startswith("A-profile-")


def test_the_likest_has_most_parts_in_common() -> None:
    one = answer(parts={"task": "t", "messages": "m"})
    others = [answer(parts={"task": "t", "messages": text}) for text in ("m", "n")]
    assert [likeness(one, other) for other in others] == [3, 2]
