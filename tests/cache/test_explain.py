"""What differs between how two answers come about, and which earlier answer is most like one."""

from __future__ import annotations

from typing import Any

from cache.samples import about, digest_of, profile
from planai.cache.explain import INPUT_CLASS, UNKNOWN, Difference, compare, nearest
from planai.cache.shown import HIDDEN

OLD = profile()
NEW_CODE = profile(
    parts=OLD.parts | {"code": digest_of("code 2")},
    code={"shop.stock:Count.consume_work": digest_of("consume 2"), "shop.stock:helper": digest_of("helper")},
)
NEW_SETTING = profile(parts=OLD.parts | {"settings": digest_of("settings 2")}, settings={"threshold": "0.7"})


def of(name: str = "a", profile_name: str = "1", **changes: Any) -> Any:
    return about(name, profile=profile_name, **changes)


def test_nothing_differs_between_equals() -> None:
    assert compare(of(), OLD, of(), OLD) == []
    assert compare(of(), None, of(), None) == []


def test_functions_and_constants_that_changed_came_or_went() -> None:
    assert compare(of(), OLD, of(profile_name="2"), NEW_CODE) == [
        Difference("code", "shop.stock:Count.consume_work", digest_of("consume 1")[:16], digest_of("consume 2")[:16]),
        Difference("code", "shop.stock:LIMIT", "3", None),
        Difference("code", "shop.stock:helper", None, digest_of("helper")[:16]),
    ]


def test_a_setting_that_changed() -> None:
    assert compare(of(), OLD, of(profile_name="2"), NEW_SETTING) == [Difference("setting", "threshold", "0.5", "0.7")]


def test_what_is_in_a_part_whose_digest_is_the_same_decides_nothing() -> None:
    shown = profile(settings={"threshold": "0.5", "comment": "new"}, parts=OLD.parts | {"tools": "x"})
    assert compare(of(), OLD, of(profile_name="2"), shown) == [Difference("extra", "tools", None, "x")]
    assert compare(of(), OLD, of(fields={"name": "a", "note": "ignored"}), OLD) == []


def test_a_part_that_differs_without_a_visible_reason_is_named() -> None:
    other = profile(parts=OLD.parts | {"outputs": digest_of("outputs 2")})
    assert compare(of(), OLD, of(profile_name="2"), other) == [
        Difference("output", UNKNOWN, digest_of("outputs 1")[:16], digest_of("outputs 2")[:16])
    ]
    assert compare(of(), OLD, of(parts={"task": digest_of("task 2")}), OLD) == [
        Difference("field", UNKNOWN, digest_of("task a")[:16], digest_of("task 2")[:16])
    ]


def test_what_shows_no_difference_is_a_secret_if_there_are_some() -> None:
    hidden = {"api_key": "SecretStr('**********')", "name": '"a"', "options": "{'token': SecretStr('**********')}"}
    old, new = of(fields=hidden, parts={"task": digest_of("1")}), of(fields=hidden, parts={"task": digest_of("2")})
    assert compare(old, OLD, new, OLD) == [Difference("field", "api_key or options", "a secret", "another")]


def test_what_is_secret_by_its_name_is_named() -> None:
    parts = OLD.parts | {"code": digest_of("code 2"), "settings": digest_of("settings 2")}
    old = OLD._replace(code={"shop.TOKEN": HIDDEN, "shop.RATE": "2"}, settings={"api_key": HIDDEN, "size": "1"})
    assert compare(of(), old, of(profile_name="2"), old._replace(parts=parts)) == [
        Difference("code", "shop.TOKEN", "a secret", "another"),
        Difference("setting", "api_key", "a secret", "another"),
    ]


def test_an_output_type_that_changed() -> None:
    other = profile(
        parts=OLD.parts | {"outputs": digest_of("outputs 2")}, outputs={"shop.stock:Counted": digest_of("schema 2")}
    )
    (found,) = compare(of(), OLD, of(profile_name="2"), other)
    assert found[:2] == ("output", "shop.stock:Counted")


def test_a_profile_that_is_not_known_any_more_is_told() -> None:
    assert compare(of(), None, of(profile_name="2"), OLD) == [Difference("worker", UNKNOWN, "1", "2")]


def test_a_worker_that_is_another() -> None:
    (found,) = compare(of(), OLD, of(profile_name="2"), profile("shop.stock:Recount"))
    assert found == Difference("worker", "", "shop.stock:Count", "shop.stock:Recount")


def test_fields_and_the_class_of_the_input() -> None:
    assert compare(of("a"), OLD, of("b", input="shop.stock:Rack"), OLD) == [
        Difference("field", INPUT_CLASS, "shop.stock:Shelf", "shop.stock:Rack"),
        Difference("field", "name", "a", "b"),
    ]


def test_fields_are_compared_where_there_is_no_digest_of_the_task() -> None:
    assert compare(of(parts={}), OLD, of(parts={}, fields={"name": "a"}), OLD) == [
        Difference("field", "rows", "2", None)
    ]


def test_reads_extras_and_keys() -> None:
    task = of().parts
    old = of(parts=task | {"extra": "1", "key": "k1", "prompt": "p"}, reads=[("Shelf", "d1")])
    new = of(parts=task | {"extra": "2", "key": "k2"}, reads=[("Shelf", "d2"), ("Rack", "d3")])
    assert compare(old, OLD, new, OLD) == [
        Difference("read", "Rack", None, "d3"),
        Difference("read", "Shelf", "d1", "d2"),
        Difference("extra", "", "1", "2"),
        Difference("key", "", "k1", "k2"),
        Difference("extra", "prompt", "p", None),
    ]


# ---- the nearest


def test_without_candidates_there_is_no_nearest() -> None:
    assert nearest(of(), []) is None


def test_the_same_input_comes_before_the_same_profile() -> None:
    same_input = of("a", "old")
    same_profile = of("a", "1", fields={"name": "b", "rows": "2"}, parts={"task": digest_of("task b")})
    both_differ = of("c", "old")
    for candidates in ([same_input, same_profile, both_differ], [both_differ, same_profile, same_input]):
        found = nearest(of(), [(one, OLD if one.profile == "1" else NEW_CODE) for one in candidates], OLD)
        assert found is not None
        assert found.about is same_input
        assert {one.part for one in found.differences} == {"code"}
    found = nearest(of(), [(both_differ, NEW_CODE), (same_profile, OLD)], OLD)
    assert found is not None
    assert (found.about, found.profile) == (same_profile, OLD)
    assert [one.name for one in found.differences] == ["name"]


def test_the_fewest_differences_win_and_of_equal_ones_the_last() -> None:
    far, near, later = (
        of(name, fields={"name": name, "rows": rows}) for name, rows in (("x", "9"), ("y", "2"), ("z", "2"))
    )
    found = nearest(of(), [(far, OLD), (near, OLD)], OLD)
    assert found is not None
    assert found.about is near
    found = nearest(of(), [(near, OLD), (later, OLD), (far, OLD)], OLD)
    assert found is not None
    assert found.about is later
