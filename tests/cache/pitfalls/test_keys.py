"""Pitfalls 1 to 11 and 14: what decides an answer is in its key, and nothing else is."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import pathlib
import re
import threading
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, SerializeAsAny, computed_field

from cache.pitfalls.kit import Counting, Double, Echo, Number, Versions, Word, figures, program, run, text_of
from llm.openai_server import OpenAIServer, answer
from planai import CachedLLMTaskWorker, CachedTaskWorker, Graph, Task, TaskWorker, llm_from_config
from planai.cache.canonical import CacheIgnore
from planai.errors import ConfigurationError, UnkeyableValue
from planai.llm.client import LLM

T = TypeVar("T")


class Anything(Task):
    value: Any


class AnythingElse(Task):
    value: Any


class Box(Task, Generic[T]):
    value: T


class Loose(Task):
    model_config = ConfigDict(extra="allow")


class Hidden(Task):
    _note: Any = None


class Shape(BaseModel):
    pass


class Circle(Shape):
    radius: int = 1


class Square(Shape):
    radius: int = 1


class Canvas(Task):
    shape: SerializeAsAny[Shape]


class Sized(Task):
    words: list[str]

    @computed_field  # type: ignore[prop-decorator]  # mypy does not know decorated properties
    @property
    def size(self) -> int:
        return len(self.words)


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


class Other(enum.Enum):
    FAST = 1


def hidden(note: object) -> Hidden:
    task = Hidden()
    task._note = note
    return task


# pitfall 1

DIFFERENT: list[Any] = [
    *(1, "1", True, 1.0, b"1", 0, False, "", b"", None, "None", "null"),
    *([1, 2], (1, 2), {1, 2}, frozenset({1, 2}), "[1, 2]", [[1], 2], [[1, 2]]),
    *({1: "a"}, {"1": "a"}, {True: "a"}, {1.0: "a"}, [], (), {}),
]


def test_values_that_look_alike_share_no_answer(folder: pathlib.Path) -> None:
    worker = Echo(cache_dir=folder)
    for value in DIFFERENT:
        assert text_of(run(worker, Anything(value=value))) == repr(Anything(value=value))
    assert [run(worker, Anything(value=value)).cache_hits for value in DIFFERENT] == [1] * len(DIFFERENT)


def test_what_validation_makes_equal_shares_its_answer(folder: pathlib.Path) -> None:
    worker = Double(cache_dir=folder)
    assert figures(run(worker, Number(value=1))) == (0, 1)
    assert figures(run(worker, Number.model_validate({"value": "1"}))) == (1, 0)


# pitfalls 2, 3 and 4

PAIRS: dict[str, tuple[Task, Task]] = {
    "two classes with the same fields": (Anything(value=1), AnythingElse(value=1)),
    "a generic class of two types": (Box[int](value=1), Box[int | str](value=1)),
    "extras": (Loose.model_validate({"more": 1}), Loose.model_validate({"more": 2})),
    "names of extras": (Loose.model_validate({"more": 1}), Loose.model_validate({"less": 1})),
    "private attributes": (hidden(1), hidden(2)),
    "what a computed field is made of": (Sized(words=["a"]), Sized(words=["b"])),
    "fields of a subclass in a field": (Canvas(shape=Circle(radius=1)), Canvas(shape=Circle(radius=2))),
    "subclasses in a field": (Canvas(shape=Circle()), Canvas(shape=Square())),
}
VALUES: dict[str, tuple[Any, Any]] = {
    "dates": (dt.date(2024, 1, 1), dt.date(2024, 1, 2)),
    "a date and its text": (dt.date(2024, 1, 1), "2024-01-01"),
    "times": (dt.time(1), dt.time(1, fold=1)),
    "durations": (dt.timedelta(1), dt.timedelta(2)),
    "decimals": (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    "members of an enum": (Mode.FAST, Mode.SLOW),
    "members of two enums": (Mode.FAST, Other.FAST),
    "bytes": (b"\xff\xfe", b"\xff\xfd"),
    "paths": (pathlib.Path("a"), pathlib.Path("b")),
    "a path and its text": (pathlib.Path("a"), "a"),
    "ids": (uuid.UUID(int=1), uuid.UUID(int=2)),
    "patterns": (re.compile("a"), re.compile("a", re.IGNORECASE)),
    "classes": (Circle, Square),
    "complex numbers": (1j, 2j),
    "ranges": (range(3), range(4)),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_tasks_that_differ_anywhere_share_no_answer(folder: pathlib.Path, pair: tuple[Task, Task]) -> None:
    worker = Echo(cache_dir=folder)
    assert [figures(run(worker, task)) for task in (*pair, *pair)] == [(0, 1), (0, 1), (1, 0), (1, 0)]


def test_classes_of_one_name_in_two_modules_share_no_answer(folder: pathlib.Path, versions: Versions) -> None:
    modules = versions.load("import left, right", left=SAME_NAME, right=SAME_NAME)
    worker = Echo(cache_dir=folder)
    for module in (modules.left, modules.right):
        assert figures(run(worker, module.Item(value=1))) == (0, 1)


SAME_NAME = "from planai import Task\nclass Item(Task):\n    value: int\n"


@pytest.mark.parametrize("pair", VALUES.values(), ids=VALUES)
def test_values_that_json_does_not_know_do_not_collapse(folder: pathlib.Path, pair: tuple[Any, Any]) -> None:
    worker = Echo(cache_dir=folder)
    assert [figures(run(worker, Anything(value=value))) for value in pair] == [(0, 1), (0, 1)]


# pitfall 5

HASHED = """
class Kind(enum.Enum):
    A = "a"
    B = "b"

class Doc(Task):
    kinds: set[Kind]
    words: frozenset[str]
    counts: dict[str, float]
    pairs: set[tuple[str, int]]
    more: str = "default"

class Count(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Doc) -> None:
        self.publish_work(Number(value=len(task.words)))

words = ["one", "two", "three", "four", "five"]
if sys.argv[1] == "reversed":
    words.reverse()
shared = {word: float("nan") if word == "one" else -0.0 for word in words}
given = {"more": "default"} if sys.argv[1] == "reversed" else {}
doc = Doc(kinds=set(Kind), words=set(words), counts=shared, pairs={(word, 1) for word in words}, **given)
result = run_inline(Count(cache_dir="cache"), doc)
print(result.cache_hits, result.cache_misses)
"""


def test_processes_with_other_hash_seeds_and_orders_share_an_answer(tmp_path: pathlib.Path) -> None:
    assert program(tmp_path, HASHED, "straight", PYTHONHASHSEED="1") == ["0", "1"]
    assert program(tmp_path, HASHED, "straight", PYTHONHASHSEED="2") == ["1", "0"]
    assert program(tmp_path, HASHED, "reversed", PYTHONHASHSEED="3") == ["1", "0"]


# pitfall 6


def test_leaving_one_setting_out_leaves_all_others_in(folder: pathlib.Path) -> None:
    class Settled(Counting):
        verbose: Annotated[bool, CacheIgnore()] = False
        factor: int = 2

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value * self.factor))

    assert figures(run(Settled(cache_dir=folder), Number(value=1))) == (0, 1)
    assert figures(run(Settled(cache_dir=folder, verbose=True), Number(value=1))) == (1, 0)
    assert figures(run(Settled(factor=3, verbose=True, cache_dir=folder), Number(value=1))) == (0, 1)
    assert figures(run(Settled(cache_dir=folder, verbose=True, factor=3), Number(value=1))) == (1, 0)
    assert figures(run(Settled(cache_dir=folder), Number(value=2))) == (0, 1)


# pitfall 7


def test_a_part_of_the_key_that_fails_is_an_error_and_stores_nothing(folder: pathlib.Path) -> None:
    class Dated(Double):
        broken: Annotated[bool, CacheIgnore()] = True

        def extra_cache_key(self, task: Any) -> str:
            if self.broken:
                raise LookupError("no day")
            return "monday"

    result = run(Dated(cache_dir=folder), Number(value=1))
    assert [type(failure.error) for failure in result.failures] == [LookupError]
    worker = Dated(cache_dir=folder, broken=False)
    assert len(worker.get_cache()) == 0
    assert figures(run(worker, Number(value=1))) == (0, 1)


def test_a_setting_without_identity_is_an_error_and_not_left_out(folder: pathlib.Path) -> None:
    class Hooked(Double):
        hook: Any

    result = run(Hooked(cache_dir=folder, hook=threading.Lock()), Number(value=1))
    assert [type(failure.error) for failure in result.failures] == [UnkeyableValue]
    assert "hook" in str(result.failures[0])


class Calling(Counting):
    fn: Any

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=self.fn(task.value)))


def test_functions_that_are_settings_are_told_apart_by_their_code(folder: pathlib.Path) -> None:
    def times(factor: int) -> Callable[[int], int]:
        return lambda value: value * factor

    for fn in (times(2), times(3), lambda value: value + 1, abs):
        assert figures(run(Calling(cache_dir=folder, fn=fn), Number(value=1))) == (0, 1)
    assert figures(run(Calling(cache_dir=folder, fn=times(2)), Number(value=1))) == (1, 0)


def test_without_code_a_function_that_is_a_setting_needs_a_name_of_its_own(folder: pathlib.Path) -> None:
    worker = Calling(cache_dir=folder, cache_code=False, fn=figures)
    assert worker.get_cache_key(Number(value=1)) != Calling(cache_code=False, fn=run).get_cache_key(Number(value=1))
    with pytest.raises(UnkeyableValue, match=r"settings.*'fn'"):
        Calling(cache_code=False, fn=lambda value: value).get_cache_key(Number(value=1))


# pitfall 8; what a worker itself can set is in tests/llm/test_cached.py


class Analysis(Task):
    insight: str


class Analyze(CachedLLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Word
    output_types = [Analysis]


def model(server: OpenAIServer, **settings: Any) -> LLM:
    return llm_from_config(**{"provider": "local", "model_name": "m", "base_url": server.url, **settings})


MODELS: dict[str, dict[str, Any]] = {
    "the provider": {"provider": "elsewhere"},
    "the address": {"base_url": "http://127.0.0.1:9/v1"},
    "the model": {"model_name": "n"},
    "a temperature of 0 instead of none": {"temperature": 0},
    "a temperature": {"temperature": 0.5},
    "a limit of tokens": {"max_tokens": 100},
    "a seed": {"seed": 0},
    "how a schema is sent": {"structured_outputs": False},
}


@pytest.mark.parametrize("change", MODELS.values(), ids=MODELS)
def test_each_setting_of_a_model_decides(server: OpenAIServer, folder: pathlib.Path, change: dict[str, Any]) -> None:
    server.fallback = lambda _: answer(insight="x")
    assert figures(run(Analyze(llm=model(server), cache_dir=folder), Word(text="a"))) == (0, 1)
    assert not Analyze(llm=model(server, **change), cache_dir=folder).is_cached(Word(text="a"))
    assert Analyze(llm=model(server), cache_dir=folder).is_cached(Word(text="a"))


@pytest.mark.parametrize("setting", ["top_p", "stop", "tools", "tool_choice", "logit_bias"])
def test_a_setting_that_no_key_would_hold_is_refused(server: OpenAIServer, setting: str) -> None:
    with pytest.raises(ConfigurationError, match=setting):
        model(server, **{setting: 1})
    with pytest.raises(ValueError, match=setting):
        Analyze(llm=model(server), **{setting: 1})


def test_a_key_to_the_provider_decides_nothing_and_is_nowhere_in_the_cache(
    server: OpenAIServer, folder: pathlib.Path
) -> None:
    server.fallback = lambda _: answer(insight="x")
    for key, hits in (("sk-very-secret", 0), ("sk-another", 1)):
        assert run(Analyze(llm=model(server, api_key=key), cache_dir=folder), Word(text="a")).cache_hits == hits
    written = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"sk-very-secret" not in written
    assert server.seen[0].headers["authorization"] == "Bearer sk-very-secret"


# pitfall 10


@pytest.mark.parametrize("border", [",", ":", "-", "\n", "\0", "|", "/", "::", "\u2028", "'", '"', "{", "%s"])
def test_no_character_in_a_text_moves_a_border(folder: pathlib.Path, border: str) -> None:
    class Pair(Task):
        left: str
        right: str

    worker = Echo(cache_dir=folder)
    pairs = [
        Pair(left=f"a{border}b", right="c"),
        Pair(left="a", right=f"b{border}c"),
        Pair(left=f"a{border}", right=""),
    ]
    assert [figures(run(worker, pair)) for pair in pairs] == [(0, 1)] * 3
    assert [text_of(run(worker, pair)) for pair in pairs] == [repr(pair) for pair in pairs]


def test_a_key_of_ones_own_may_hold_any_character(folder: pathlib.Path) -> None:
    class Keyed(Echo):
        def get_cache_key(self, task: Any) -> str:
            return str(task.text)

    worker = Keyed(cache_dir=folder)
    keys = ["a:b", "a,b", "a\nb", "a b", "a-b", "a%b", "a*", "", "ä" * 1000, "a\0b", "a"]
    for key in keys:
        run(worker, Word(text=key))
    assert [text_of(run(worker, Word(text=key))) for key in keys] == [repr(Word(text=key)) for key in keys]
    assert sorted(worker.get_cache()) == sorted(keys)
    del worker.get_cache()["a*"]
    assert sorted(worker.get_cache()) == sorted(set(keys) - {"a*"})


# pitfall 11


def times(factor: int) -> Callable[[int], int]:
    return lambda value: value * factor


class Adder:
    def __init__(self, summand: int) -> None:
        self.summand = summand

    def __call__(self, value: int) -> int:
        return value + self.summand


def power(value: int, exponent: int) -> int:
    return int(value**exponent)


FUNCTIONS: dict[str, tuple[Callable[[int], int], Callable[[int], int]]] = {
    "closures of one factory": (times(2), times(5)),
    "lambdas": (lambda value: value + 1, lambda value: value + 2),
    "partials": (functools.partial(power, exponent=2), functools.partial(power, exponent=3)),
    "callable objects": (Adder(1), Adder(2)),
}


class Apply(CachedTaskWorker):
    output_types = [Number]

    def __init__(self, function: Callable[[int], int], **settings: Any) -> None:
        super().__init__(**settings)
        self.function = function

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=self.function(task.value)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_count_by_what_they_do_also_in_two_graphs(folder: pathlib.Path, name: str) -> None:
    workers = [Apply(function, cache_dir=folder) for function in FUNCTIONS[name]]
    graphs = [Graph(name="one").add_workers(worker) for worker in workers]
    for expected in ((0, 1), (1, 0)):
        for graph, worker in zip(graphs, workers, strict=True):
            if expected == (0, 1):
                graph.set_sink(worker, Number)
            result = graph.run([(worker, Number(value=7))], executor="inline")
            assert figures(result) == expected
            assert result.outputs == [Number(value=worker.function(7))]


def test_a_worker_that_is_a_setting_of_another_is_no_data(folder: pathlib.Path) -> None:
    class Holding(Double):
        other: TaskWorker

    result = run(Holding(cache_dir=folder, other=Double(cache_dir=folder)), Number(value=1))
    assert figures(result) == (0, 1)


# pitfall 14


def test_the_last_part_of_a_large_value_counts(folder: pathlib.Path) -> None:
    class Last(CachedTaskWorker):
        output_types = [Word]

        def consume_work(self, task: Anything) -> None:
            self.publish_work(Word(text=str(task.value[-1:])))

    worker = Last(cache_dir=folder)
    ends: list[tuple[Any, Any, Any]] = [
        (["x"] * 200_000, ["y"], ["z"]),
        ([0.5] * 200_000, [1.5], [2.5]),
        ("x" * 1_000_000, "y", "z"),
        (b"x" * 1_000_000, b"y", b"z"),
    ]
    for start, one, other in ends:
        assert [text_of(run(worker, Anything(value=start + end))) for end in (one, other)] == [str(one), str(other)]
        assert [figures(run(worker, Anything(value=start + end))) for end in (one, other)] == [(1, 0), (1, 0)]
