"""Look-ups as data: what they find is what the methods of a task find, whoever asks and whenever."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planai import CachedTaskWorker, Task
from planai.cache.canonical import canonical, digest, qualified
from planai.cache.reads import Read, found_by, load_read, may_look_up, private_keys, read_of
from planai.cache.source import code_of_model
from planai.errors import UnkeyableValue
from planai.provenance import ROOT
from planai.task import Lineage, lineage_of, set_lineage
from planai.trace import Question, Trace, Watch


class Page(Task):
    url: str = ""


class Part(Page):
    number: int = 0


class Text(Task):
    text: str = ""


class Loose(Task):
    value: Any = None


WORKERS = ("Fetch", "Split", "Count")
KINDS = st.sampled_from([Task, Page, Part, Text])
TASKS = st.one_of(
    st.builds(Page, url=st.text(max_size=2)),
    st.builds(Part, number=st.integers(0, 2)),
    st.builds(Text, text=st.text(max_size=2)),
)
STATES = st.none() | st.dictionaries(st.sampled_from("ab"), st.integers(0, 2) | TASKS)


class Generation(NamedTuple):
    """A task, by whom it was published, and what was attached to it."""

    task: Task
    worker: str
    state: dict[str, Any] | None
    injected: list[Task]
    retries: int


GENERATIONS = st.lists(
    st.builds(Generation, TASKS, st.sampled_from(WORKERS), STATES, st.lists(TASKS, max_size=2), st.integers(0, 3)),
    min_size=1,
    max_size=5,
)


def descendant(generations: list[Generation]) -> Task:
    """Return the last of `generations`, each computed from the one before."""
    node, previous = ROOT, None
    for number, made in enumerate(generations):
        node = node.child(made.worker, number)
        lineage = Lineage(node, previous, tuple(made.injected), made.state, made.retries)
        previous = set_lineage(made.task.model_copy(), lineage)
    assert previous is not None
    return previous


class Ask(NamedTuple):
    """A question: how a worker asks it, and what is noted of it."""

    what: str
    argument: Any

    def of(self, task: Task) -> Any:
        return getattr(task, self.what)(*([] if self.argument is None else [self.argument]))


ASKS = st.one_of(
    st.sampled_from(["provenance", "previous_input_task", "copy_input_provenance"]).map(lambda what: Ask(what, None)),
    st.builds(Ask, st.sampled_from(["find_input_task", "find_input_tasks"]), KINDS),
    st.builds(Ask, st.just("get_private_state"), st.sampled_from("abc")),
    st.builds(Ask, st.just("prefix_for_input_task"), st.sampled_from([type(name, (), {}) for name in WORKERS])),
)


def digest_of(value: Any) -> str:
    tasks = value if isinstance(value, list) else [value]
    codes = [code_of_model(type(task)).digest().encode() for task in tasks if isinstance(task, Task)]
    return digest(canonical(value), *codes)


def asked(task: Task, asks: list[Ask], items: list[int]) -> tuple[Any, list[Question]]:
    """Ask one question of what the one before it found, as far as that goes; of lists, one of the items."""
    trace = Trace()
    value: Any = set_lineage(task.model_copy(), lineage_of(task)._replace(watch=Watch(trace)))
    for ask, item in zip(asks, items, strict=False):
        if isinstance(value, list) and value:
            value = value[item % len(value)]
        if not isinstance(value, Task):
            break
        value = ask.of(value)
    return value, list(trace.questions)


@settings(deadline=None)
@given(GENERATIONS, st.lists(ASKS, min_size=1, max_size=3), st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_a_look_up_finds_what_the_methods_of_the_task_found(
    generations: list[Generation], asks: list[Ask], items: list[int]
) -> None:
    found, questions = asked(descendant(generations), asks, items)
    again = descendant(generations)
    assert found_by(load_read(read_of(questions[-1]).dump()), again) == digest_of(found)
    assert lineage_of(again).private_state == generations[-1].state, "a look-up takes nothing away"


@settings(deadline=None)
@given(GENERATIONS, GENERATIONS, st.lists(ASKS, min_size=1, max_size=3), st.lists(st.integers(0, 9), min_size=3))
def test_a_look_up_finds_the_same_in_two_lineages_exactly_when_the_methods_do(
    one: list[Generation], other: list[Generation], asks: list[Ask], items: list[int]
) -> None:
    found, questions = asked(descendant(one), asks, items)
    others, others_questions = asked(descendant(other), asks, items)
    if questions == others_questions:
        read = read_of(questions[-1])
        same = found_by(read, descendant(one)) == found_by(read, descendant(other))
        assert same == (digest_of(found) == digest_of(others))


@settings(deadline=None)
@given(GENERATIONS, st.lists(st.tuples(st.text(), st.integers() | st.text() | st.none())))
def test_a_look_up_of_any_form_is_written_and_read_again(
    generations: list[Generation], steps: list[tuple[str, Any]]
) -> None:
    read = Read(tuple(steps))
    assert load_read(read.dump()) == read
    assert str(read).startswith("task")


@pytest.mark.parametrize("text", ["{}", "1", '["a"]', '[["a"]]', '[["a", "b", "c"]]', "[", ""])
def test_what_is_no_look_up_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        load_read(text)


def test_classes_are_kept_by_name_and_a_look_up_reads_like_code() -> None:
    read = read_of((("find_input_tasks", Page), ("item", 1), ("get_private_state", "user"), ("provenance", None)))
    assert read.steps[0] == ("find_input_tasks", qualified(Page))
    assert str(read) == f"task.find_input_tasks({qualified(Page)})[1].get_private_state(user).provenance()"


def test_what_is_not_there_is_found_as_nothing() -> None:
    nothing = digest_of(None)
    task = descendant([Generation(Text(), "Fetch", None, [], 0)])
    for steps in [
        (("copy_input_provenance", None), ("item", 3)),
        (("find_input_task", qualified(Page)), ("previous_input_task", None)),
        (("provenance", None), ("item", 0)),
    ]:
        assert found_by(Read(steps), task) == nothing


def test_what_is_found_has_to_have_an_identity() -> None:
    task = descendant(
        [Generation(Loose(value=object()), "Fetch", None, [], 0), Generation(Text(), "Split", None, [], 0)]
    )
    with pytest.raises(UnkeyableValue, match=r"task\.previous_input_task\(\) finds\.value"):
        found_by(Read((("previous_input_task", None),)), task)


def test_the_code_of_what_is_found_counts_too() -> None:
    def make(factor: int) -> type[Task]:
        class Sized(Task):
            value: int = 1

            def size(self) -> int:
                return self.value * factor

        return Sized

    read = Read((("previous_input_task", None),))
    found = {
        found_by(read, descendant([Generation(make(factor)(), "A", None, [], 0), Generation(Text(), "B", None, [], 0)]))
        for factor in (2, 3, 2)
    }
    assert len(found) == 2


def test_the_private_state_that_was_taken_out_of_the_input_is_known() -> None:
    reads = [
        Read((("get_private_state", "user"),)),
        Read((("previous_input_task", None), ("get_private_state", "other"))),
        Read((("provenance", None),)),
    ]
    assert private_keys(reads) == ["user"]


# ---- which workers are asked at all


class Plain(CachedTaskWorker):
    output_types = [Text]

    def consume_work(self, task: Page) -> None:
        self.publish_work(Text(text=task.url))


class Asking(Plain):
    def consume_work(self, task: Page) -> None:
        self.publish_work(Text(text=str(task.find_input_task(Page))))


def origin(task: Task) -> Page | None:
    return task.find_input_task(Page)


class AskingByHelper(Plain):
    def consume_work(self, task: Page) -> None:
        self.publish_work(Text(text=str(origin(task))))


class Curious(Page):
    def origin(self) -> Task | None:
        return self.previous_input_task()


LOOKING: list[tuple[type, bool]] = [
    (Plain, False),
    (Page, False),
    (Text, False),
    (Asking, True),
    (AskingByHelper, True),
    (Curious, True),
]


@pytest.mark.parametrize(("kind", "looks"), LOOKING, ids=[kind.__name__ for kind, _ in LOOKING])
def test_a_look_up_is_seen_in_the_code(kind: type, looks: bool) -> None:
    assert may_look_up(kind) is looks


def test_reads_are_plain_json() -> None:
    assert json.loads(Read((("find_input_task", "a:B"), ("item", 1))).dump()) == [
        ["find_input_task", "a:B"],
        ["item", 1],
    ]
