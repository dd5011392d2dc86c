"""The canonical form: equal exactly when the values are, in every process."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import types
import uuid
from collections import OrderedDict, UserDict
from typing import Annotated, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from planai.cache.canonical import CacheIgnore, canonical, digest, qualified
from planai.errors import UnkeyableValue
from planai.task import Task

BRIEFLY = settings(deadline=None, max_examples=60)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Shade(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Span:
    start: int
    end: int


class Page(Task):
    url: str
    tags: list[str] = []


class Sheet(Task):
    url: str
    tags: list[str] = []


class LongPage(Page):
    text: str = ""


class Shelf(Task):
    page: Page


class Loose(Task):
    model_config = ConfigDict(extra="allow")
    url: str


class Hidden(Task):
    url: str
    note: str = Field(default="", exclude=True, repr=False)


class Stamped(Task):
    url: str
    run_id: Annotated[str, CacheIgnore()] = ""
    by_class: Annotated[str, CacheIgnore] = ""


class Lazy(Task):
    url: str

    @functools.cached_property
    def length(self) -> int:
        return len(self.url)


class Tagged(list[int]):
    tag = ""


class Masked(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "***"


class Name(str):
    __slots__ = ()


# ---- distinct values, distinct bytes

CONFUSABLE: list[Any] = [
    *(None, "None", "", b"", 0, False, 0.0, -0.0, "0", b"0", 1, True, 1.0, "1", b"1", 1j, math.nan, "nan", math.inf),
    *(dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), "2024-01-01", dt.timedelta(1), dt.time(1)),  # noqa: DTZ001 - naive
    *(decimal.Decimal(1), decimal.Decimal("1.0"), uuid.UUID(int=1), pathlib.PurePosixPath("1"), range(1), ...),
    *(Colour.RED, Shade.RED, Level.LOW, Point(1, 1), "a,b", "a:b", "\ud800", "int:", 2**70, -1, -2),
]
scalars = st.sampled_from(CONFUSABLE)
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=2), max_leaves=3
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(hashables, max_size=3)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.builds(Span, inner, inner)
        | st.lists(st.sampled_from([0.0, -0.0, 1.0]), max_size=3)
    ),
    max_leaves=6,
)


def same(left: Any, right: Any) -> bool:
    """Tell whether two of the generated values are alike, types included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            any(same(key, other) and same(item, right[other]) for other in right) for key, item in left.items()
        )
    if isinstance(left, set | frozenset):
        return len(left) == len(right) and all(any(same(one, other) for other in right) for one in left)
    if isinstance(left, Span):
        return same((left.start, left.end), (right.start, right.end))
    return repr(left) == repr(right)


@BRIEFLY
@given(values, values)
def test_bytes_are_equal_exactly_when_the_values_are(left: Any, right: Any) -> None:
    assert (canonical(left) == canonical(right)) == same(left, right)


def test_no_two_of_the_confusable_values_share_bytes() -> None:
    assert len({canonical(value) for value in CONFUSABLE}) == len(CONFUSABLE)


@BRIEFLY
@given(values, values)
def test_where_one_value_ends_and_the_next_begins_counts(one: Any, two: Any) -> None:
    forms = [[one, two], [[one, two]], [[one], two], [one, [two]], (one, two), [[one], [two]]]
    assert len({canonical(form) for form in forms}) == len(forms)


@BRIEFLY
@given(st.dictionaries(hashables, values, max_size=5))
def test_order_in_a_dict_counts_for_nothing(mapping: dict[Any, Any]) -> None:
    assert canonical(dict(reversed(mapping.items()))) == canonical(mapping)


@BRIEFLY
@given(st.sets(hashables, max_size=6), st.randoms(use_true_random=False))
def test_order_in_a_set_counts_for_nothing(items: set[Any], random: Any) -> None:
    shuffled = random.sample(list(items), len(items))
    assert canonical(set(shuffled)) == canonical(items)
    assert canonical(frozenset(shuffled)) == canonical(frozenset(items)) != canonical(items)


def test_an_ordered_dict_counts_with_its_order_as_it_is_equal() -> None:
    assert canonical(OrderedDict(a=1, b=2)) != canonical(OrderedDict(b=2, a=1))
    assert canonical(OrderedDict(a=1)) != canonical({"a": 1})


def test_shared_and_equal_objects_are_alike() -> None:
    shared = [1]
    assert canonical([shared, shared]) == canonical([[1], [1]])


def test_every_nan_is_one_value() -> None:
    assert canonical(math.nan) == canonical(-math.nan) == canonical(float("nan"))


def test_equal_instants_in_two_time_zones_are_equal_but_naive_times_are_of_their_own_kind() -> None:
    east = dt.timezone(dt.timedelta(hours=2))
    noon = dt.datetime(2024, 1, 1, 12, tzinfo=east)
    assert canonical(noon) == canonical(noon.astimezone(dt.UTC))
    assert canonical(noon) != canonical(noon.replace(tzinfo=None))


def test_the_second_hour_of_the_night_when_clocks_are_turned_back_is_another() -> None:
    late = dt.datetime(2024, 10, 27, 2, 30)  # noqa: DTZ001 - naive times are what this is about
    assert canonical(late) != canonical(late.replace(fold=1))


def test_large_values_count_to_their_last_part() -> None:
    assert canonical(list(range(100_000))) != canonical([*range(99_999), 0])
    assert canonical("a" * 10**6) != canonical("a" * (10**6 - 1) + "b")
    assert canonical(10**6000) != canonical(10**6000 + 1)


@pytest.mark.parametrize("value", [re.compile("a"), re.compile("a", re.IGNORECASE), re.compile("b"), re.compile(b"a")])
def test_patterns_are_their_source_and_flags(value: re.Pattern[Any]) -> None:
    others = [re.compile("a", re.DOTALL), re.compile("c"), "a", b"a"]
    assert canonical(value) == canonical(re.compile(value.pattern, value.flags))
    assert canonical(value) not in map(canonical, others)


# ---- models


def test_two_classes_with_the_same_fields_differ() -> None:
    assert canonical(Page(url="a")) != canonical(Sheet(url="a"))


def test_what_is_unset_and_what_is_set_to_its_default_are_equal() -> None:
    assert canonical(Page(url="a")) == canonical(Page(url="a", tags=[]))


def test_a_subclass_in_a_field_of_its_base_counts_with_its_class_and_fields() -> None:
    forms = [Shelf(page=Page(url="a")), Shelf(page=LongPage(url="a")), Shelf(page=LongPage(url="a", text="b"))]
    assert len({canonical(form) for form in forms}) == 3


def test_extras_count() -> None:
    forms = [Loose(url="a"), Loose.model_validate({"url": "a", "n": 1}), Loose.model_validate({"url": "a", "n": "1"})]
    assert len({canonical(form) for form in forms}) == 3


def test_excluded_fields_count() -> None:
    assert canonical(Hidden(url="a", note="b")) != canonical(Hidden(url="a"))


def test_fields_marked_with_cache_ignore_count_for_nothing() -> None:
    assert canonical(Stamped(url="a", run_id="1", by_class="2")) == canonical(Stamped(url="a"))
    assert canonical(Stamped(url="a")) != canonical(Stamped(url="b"))


def test_where_a_task_comes_from_counts_for_nothing() -> None:
    task = Page(url="a")
    plain = canonical(task)
    task.add_private_state("run", 1)
    task.inject_input(Page(url="b"))
    assert canonical(task) == plain


def test_secrets_count_and_are_told_from_text() -> None:
    forms = [SecretStr("a"), SecretStr("b"), "a"]
    assert len({canonical(form) for form in forms}) == 3


def test_a_cached_property_that_was_read_counts_for_nothing() -> None:
    task = Lazy(url="a")
    before = canonical(task)
    assert task.length == 1
    assert canonical(task) == before


def test_a_str_that_shows_itself_masked_counts_with_its_text() -> None:
    assert canonical(Masked("a")) != canonical(Masked("b"))


def test_the_attributes_of_a_list_of_a_subclass_count() -> None:
    one, two = Tagged([1]), Tagged([1])
    one.tag, two.tag = "one", "two"
    assert canonical(one) != canonical(two)


def test_windows_and_posix_paths_differ() -> None:
    assert canonical(pathlib.PureWindowsPath("a\\b")) != canonical(pathlib.PurePosixPath("a/b"))


@pytest.mark.parametrize(
    ("left", "right"), [(Name("a"), "a"), (Level.LOW, 1), (Tagged([1]), [1]), (Point(1, 2), (1, 2))]
)
def test_a_subclass_differs_from_its_base(left: Any, right: Any) -> None:
    assert left == right
    assert canonical(left) != canonical(right)


def test_any_mapping_counts_by_its_items() -> None:
    assert canonical(UserDict(a=1)) == canonical(UserDict(a=1)) != canonical(UserDict(a=2))
    assert canonical(types.MappingProxyType({"a": 1})) != canonical(types.MappingProxyType({"a": "1"}))


# ---- what has no identity


@pytest.mark.parametrize(
    "value",
    [
        object(),
        threading.Lock(),
        lambda: None,
        iter([]),
        (item for item in "a"),
        os.environ.__class__.get,
        random.Random(),
    ],
)
def test_a_value_without_identity_is_refused(value: object) -> None:
    with pytest.raises(UnkeyableValue, match="no identity"):
        canonical(value)


def test_the_error_names_the_path_to_what_has_no_identity() -> None:
    task = Loose.model_validate({"url": "a", "more": {"k": [0, Span(1, object())]}})  # type: ignore[arg-type]
    with pytest.raises(UnkeyableValue, match=r"^the task\.more\['k'\]\[1\]\.end is a builtins\.object"):
        canonical(task, "the task")


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append({"again": loop})
    with pytest.raises(UnkeyableValue, match="contains itself"):
        canonical(loop)


def test_a_value_nested_too_deeply_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    with pytest.raises(UnkeyableValue):
        canonical(deep)


def test_the_first_moment_of_the_calendar_has_a_key_in_every_time_zone() -> None:
    assert canonical(dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))))


def test_an_error_inside_a_property_is_not_taken_for_a_missing_identity() -> None:
    class Odd(UserDict[str, int]):
        def items(self) -> Any:
            raise LookupError

    with pytest.raises(LookupError):
        canonical(Odd())


# ---- every process

SCRIPT = """
import datetime, decimal, enum, pathlib, uuid
from planai.cache.canonical import canonical, digest, qualified
from planai.task import Task

class Kind(enum.Enum):
    A = "a"

class Doc(Task):
    kind: Kind
    words: set[str]
    more: dict[str, frozenset[int]]

words = {"one", "two", "three", "four", "five"}
doc = Doc(kind=Kind.A, words=words, more={word: frozenset({1, 2, 2**70}) for word in words})
value = [doc, Doc, float("nan"), -0.0, [0.1, 0.2], decimal.Decimal("1.10"), uuid.UUID(int=5), pathlib.Path("a"),
         datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), {None: 1, "a": 2, 3: 4, (1, "x"): 5}, words]
print(digest(canonical(value)), qualified(Doc))
"""


def run(script: pathlib.Path, seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo" if seed == "1" else "UTC"}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_processes_with_different_hash_seeds_and_time_zones_agree(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "pipeline.py"
    script.write_text(SCRIPT)
    first = run(script, "1")
    assert first == run(script, "2")
    assert first.split()[1] == "pipeline:Doc", "classes of a script are in the module that its file would be"


def test_a_class_is_called_by_its_module_and_nesting() -> None:
    class Inner(BaseModel):
        pass

    assert qualified(Page) == f"{__name__}:Page"
    assert qualified(Inner).endswith(":test_a_class_is_called_by_its_module_and_nesting.<locals>.Inner")


@BRIEFLY
@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_a_digest_frames_its_parts(left: list[bytes], right: list[bytes]) -> None:
    assert (digest(*left) == digest(*right)) == (left == right)
    assert re.fullmatch("[0-9a-f]{64}", digest(*left))
