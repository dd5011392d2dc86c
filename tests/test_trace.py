"""What a computation looks up of where its input comes from: noted once, in order, and wherever it leads."""

from __future__ import annotations

from planai.task import NOWHERE, Task, lineage_of, set_lineage
from planai.trace import Trace, Watch


class Page(Task):
    url: str


class Part(Page):
    number: int = 0


class Text(Task):
    text: str = ""


def watched(*above: Task) -> tuple[Text, Trace]:
    """Return a task with a trace that was computed from those `above`, the oldest first."""
    previous: Task | None = None
    for task in above:
        set_lineage(task, NOWHERE._replace(previous=previous))
        previous = task
    trace = Trace()
    return set_lineage(Text(), NOWHERE._replace(previous=previous, watch=Watch(trace))), trace


def test_a_task_that_is_not_asked_leaves_no_trace() -> None:
    task, trace = watched(Page(url="a"))
    assert task.text == ""
    assert task.model_copy(update={"text": "b"}).text == "b"
    assert task == Text()
    assert repr(task) == "Text(text='')"
    assert list(trace.questions) == []


def test_questions_are_noted_once_and_in_order() -> None:
    task, trace = watched(Page(url="a"))
    for _ in range(2):
        task.find_input_task(Page)
        assert task.provenance() == ()
        task.get_private_state("key")
    assert list(trace.questions) == [
        (("find_input_task", Page),),
        (("provenance", None),),
        (("get_private_state", "key"),),
    ]


def test_every_way_to_look_is_noted() -> None:
    task, trace = watched(Page(url="a"))
    task.provenance()
    task.copy_provenance()
    task.prefix(1)
    task.prefix_for_input_task(Text)
    task.find_input_tasks(Page)
    task.previous_input_task()
    task.copy_input_provenance()
    assert [question[0] for question in trace.questions] == [
        ("provenance", None),
        ("prefix_for_input_task", "Text"),
        ("find_input_tasks", Page),
        ("previous_input_task", None),
        ("copy_input_provenance", None),
    ]


def test_what_is_found_is_watched_too_with_the_way_that_led_there() -> None:
    task, trace = watched(Page(url="a"), Part(url="b"))
    part = task.find_input_task(Part)
    assert part is not None
    page = part.previous_input_task()
    assert page == Page(url="a")
    assert list(trace.questions) == [
        (("find_input_task", Part),),
        (("find_input_task", Part), ("previous_input_task", None)),
    ]


def test_each_of_several_that_are_found_is_watched_by_its_number() -> None:
    task, trace = watched(Page(url="a"), Part(url="b"))
    last = task.copy_input_provenance()[-1]
    last.get_private_state("key")
    assert list(trace.questions)[-1] == (("copy_input_provenance", None), ("item", 1), ("get_private_state", "key"))


def test_what_is_found_is_a_copy_so_that_others_are_not_watched() -> None:
    page = Page(url="a")
    task, trace = watched(page)
    found = task.find_input_task(Page)
    assert found is not None
    assert found is not page
    found.url = "changed"
    assert page.url == "a"
    page.find_input_task(Page)
    assert lineage_of(page).watch is None
    assert len(trace.questions) == 1


def test_copies_of_a_watched_task_are_watched() -> None:
    task, trace = watched(Page(url="a"))
    task.model_copy().find_input_task(Page)
    task.model_copy(deep=True).previous_input_task()
    assert len(trace.questions) == 2


def test_a_public_copy_knows_nothing_and_tells_nothing() -> None:
    task, trace = watched(Page(url="a"))
    assert task.copy_public().find_input_task(Page) is None
    assert list(trace.questions) == []


def test_a_paused_trace_notes_nothing_and_still_watches_what_is_found() -> None:
    task, trace = watched(Page(url="a"))
    trace.paused = True
    page = task.find_input_task(Page)
    trace.paused = False
    assert list(trace.questions) == []
    assert page is not None
    page.previous_input_task()
    assert list(trace.questions) == [(("find_input_task", Page), ("previous_input_task", None))]
