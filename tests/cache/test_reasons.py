"""Why answers were not there, in a few words; and what all misses of a run have in common."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.samples import profile
from planai.cache.about import About
from planai.cache.explain import UNKNOWN, Difference
from planai.cache.reasons import UNKNOWN_CHANGE, change_between, volatile_field, words_for
from planai.cache.shown import short_text
from planai.cache.store import Info
from planai.cost import FREE

# ---- words


def test_a_change_of_code_names_what_changed() -> None:
    new = profile()._replace(
        parts={**profile().parts, "code": "b" * 64},
        code={**profile().code, "shop.stock:Count.consume_work": "c" * 64, "shop.stock:LIMIT": "4"},
    )
    assert (
        change_between(profile(), new).words
        == "code of shop.stock:Count.consume_work changed, code of shop.stock:LIMIT changed"
    )


def test_a_change_of_a_setting_tells_both_values() -> None:
    new = profile()._replace(parts={**profile().parts, "settings": "b" * 64}, settings={"threshold": "0.7"})
    assert change_between(profile(), new).words == "setting threshold changed from 0.5 to 0.7"


def test_a_setting_that_is_new_has_no_earlier_value() -> None:
    words = words_for([Difference("setting", "depth", None, "3"), Difference("setting", "width", "1", None)])
    assert words == "setting depth is new, setting width is gone"


def test_a_change_of_an_output_type_names_the_type() -> None:
    new = profile()._replace(parts={**profile().parts, "outputs": "b" * 64}, outputs={"shop.stock:Counted": "d" * 64})
    assert change_between(profile(), new).words == "output type shop.stock:Counted changed"


def test_a_change_that_nothing_shows_is_told_all_the_same() -> None:
    assert change_between(profile(), profile()) == (0, UNKNOWN_CHANGE)
    assert words_for([]) == UNKNOWN_CHANGE
    secret = profile()._replace(parts={**profile().parts, "settings": "b" * 64})
    assert change_between(profile(), secret).words == "a setting that is not shown changed"


def test_no_digest_is_in_any_words() -> None:
    for part in ("code", "setting", "field", "output", "read", "extra", "worker", "key"):
        words = words_for([Difference(part, UNKNOWN, "a" * 16, "b" * 16)])
        assert "aaaa" not in words
        assert UNKNOWN not in words
        assert words.endswith("changed")


def test_of_many_changes_the_first_are_named_and_the_others_counted() -> None:
    words = words_for(Difference("code", f"shop:f{number}", "a", "b") for number in range(5))
    assert words == "code of shop:f0 changed, code of shop:f1 changed, code of shop:f2 changed and 2 more"


@settings(deadline=None)
@given(st.lists(st.builds(Difference, st.sampled_from(["code", "extra"]), st.text(), st.text(), st.text()), max_size=9))
def test_words_are_said_once_each(differences: list[Difference]) -> None:
    assert words_for(differences) == words_for(differences * 2)
    assert words_for(differences)


# ---- the field that comes and goes


def abouts(*fields: Mapping[str, str]) -> list[About]:
    return [About(str(sorted(one.items())), fields=dict(one)) for one in fields]


def infos(*fields: Mapping[str, str], hits: int = 0) -> list[Info]:
    made: Iterable[About] = abouts(*fields)
    return [Info("s", about.id, 0.0, 0.0, None, 1, hits, FREE, about.dump()) for about in made]


def of_run(run: str, texts: Iterable[object] = range(5), **more: str) -> list[dict[str, str]]:
    return [{"text": str(text), "run_id": run, **more} for text in texts]


def test_a_field_that_is_another_in_each_run_is_found() -> None:
    assert volatile_field(abouts(*of_run("2")), infos(*of_run("1"))) == "run_id"


def test_a_field_that_is_another_in_each_task_is_found() -> None:
    def stamped(start: int) -> list[dict[str, str]]:
        return [{"text": str(number), "at": str(start + number)} for number in range(5)]

    assert volatile_field(abouts(*stamped(100)), infos(*stamped(0))) == "at"


MADE_BY_MACHINES: list[object] = [
    uuid.UUID(int=5),
    uuid.UUID(int=5).hex,
    dt.datetime(2026, 11, 23, 12, 22, 52, tzinfo=dt.UTC),
    "2026-11-23T12:22:52Z",
    1732360000.5,
    1732360000500,
]


@pytest.mark.parametrize("value", MADE_BY_MACHINES)
def test_an_id_or_time_that_a_run_has_made_up_is_found(value: object) -> None:
    earlier, later = ([{"text": str(n), "mark": text} for n in range(5)] for text in ("before", short_text(value)))
    assert volatile_field(abouts(*later), infos(*earlier)) == "mark"


@pytest.mark.parametrize("name", ["run", "runId", "trace_id", "created_at", "timestamp", "start_time", "nonce"])
def test_a_name_tells_what_is_made_up_for_a_run(name: str) -> None:
    earlier, later = ([{"text": str(n), name: text} for n in range(5)] for text in ("one", "two"))
    assert volatile_field(abouts(*later), infos(*earlier)) == name


@pytest.mark.parametrize("value", ["2026-02", "2", 2, dt.date(2026, 2, 1), dt.datetime(2026, 2, 1), 1000000002])  # noqa: DTZ001
def test_a_new_month_for_each_customer_is_no_sign(value: object) -> None:
    earlier, later = (
        [{"customer": str(n), "month": text} for n in range(50)] for text in ("before", short_text(value))
    )
    assert volatile_field(abouts(*later), infos(*earlier)) is None


def test_it_is_found_though_some_tasks_are_new() -> None:
    assert volatile_field(abouts(*of_run("2", range(6))), infos(*of_run("1"))) == "run_id"


def test_it_is_found_among_many_earlier_answers() -> None:
    earlier = infos(*(one for run in range(3) for one in of_run(str(run), range(1000))))
    assert volatile_field(abouts(*of_run("9", range(50))), earlier) == "run_id"


def test_nothing_is_found_where_nothing_was_there_before() -> None:
    assert volatile_field(abouts(*of_run("1")), []) is None
    assert volatile_field([], infos(*of_run("1"))) is None


def test_two_misses_tell_nothing() -> None:
    assert volatile_field(abouts(*of_run("2", range(2))), infos(*of_run("1"))) is None


def test_a_task_of_one_field_has_none_that_comes_and_goes() -> None:
    assert (
        volatile_field(abouts(*({"text": str(n)} for n in range(5, 9))), infos(*({"text": str(n)} for n in range(5))))
        is None
    )


def test_new_pages_of_one_site_are_no_sign() -> None:
    known = infos(*({"url": str(number), "site": "a"} for number in range(5)))
    new = abouts(*({"url": str(number), "site": "a"} for number in range(5, 10)))
    assert volatile_field(new, known) is None


def test_new_pages_of_a_few_sites_are_no_sign() -> None:
    known = infos(*({"url": str(number), "site": "abc"[number % 3]} for number in range(9)))
    new = abouts(*({"url": str(number), "site": "abc"[number % 3]} for number in range(9, 18)))
    assert volatile_field(new, known) is None


def test_another_value_of_what_was_asked_again_is_no_sign() -> None:
    known = infos(*({"url": str(number), "language": "en"} for number in range(5)), hits=1)
    new = abouts(*({"url": str(number), "language": "de"} for number in range(5)))
    assert volatile_field(new, known) is None


def test_two_fields_that_come_and_go_together_are_not_told_apart() -> None:
    assert volatile_field(abouts(*of_run("2", at="2")), infos(*of_run("1", at="1"))) is None


def test_what_is_written_beside_entries_may_be_damaged() -> None:
    damaged = [info._replace(about=b'{"id":"a","fields":["x"]}') for info in infos(*of_run("1"))]
    assert volatile_field(abouts(*of_run("2")), damaged) is None
