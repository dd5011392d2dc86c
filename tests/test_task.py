"""Tasks: fields, equality, copies, and what they remember of where they come from."""

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic import ConfigDict, Field, PrivateAttr

from planai import InitialTaskWorker, Task, TaskWorker
from planai.provenance import INITIAL, ROOT
from planai.task import Lineage, lineage_of, set_lineage
from planai.testing import run_inline


class Page(Task):
    url: str
    tags: list[str] = Field(default_factory=list)
    note: str | None = "none given"


class SubPage(Page):
    depth: int = 0


class Named(Task):
    name: str


class Extras(Task):
    model_config = ConfigDict(extra="allow", populate_by_name=True)

    link: str = Field(alias="href")


def extras(**more: Any) -> Extras:
    return Extras.model_validate({"href": "a", **more})


class Sized(Task):
    items: list[int]

    def __len__(self) -> int:
        return len(self.items)


class Frozen(Task):
    model_config = ConfigDict(frozen=True)

    value: int


class WithPrivate(Task):
    value: int
    _secret: str = PrivateAttr(default="x")


class Lazy(Task):
    value: int

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.value


class Pair(Task):
    left: int
    right: int


class Word(Task):
    text: str


class Thing:
    """Something that is neither a container nor a model."""


class Marker(TaskWorker):
    def consume_work(self, task: Page) -> None:
        raise NotImplementedError


class Echo(TaskWorker):
    """Publishes whatever `make` returns for a page."""

    output_types = [Word, Page]
    make: Callable[[Page], Task]

    def consume_work(self, task: Page) -> None:
        self.publish_work(self.make(task))


def published(make: Callable[[Page], Task], page: Page | None = None) -> Task:
    result = run_inline(Echo(make=make), page or Page(url="in"))
    assert not result.failures
    return result.outputs[0]


def from_step(task: Task, *steps: tuple[str, int]) -> None:
    node = ROOT
    for worker, index in steps:
        node = node.child(worker, index)
    set_lineage(task, Lineage(provenance=node))


# ---- name


def test_the_name_of_a_task_is_its_class_name() -> None:
    assert Page(url="a").name == "Page"
    assert SubPage(url="a").name == "SubPage"


def test_a_field_called_name_takes_the_place_of_the_class_name() -> None:
    task = Named(name="mine")
    assert task.name == "mine"
    assert task.model_dump() == {"name": "mine"}
    assert task.copy_public() == task


def test_a_required_field_called_name_stays_required() -> None:
    with pytest.raises(ValueError, match="name"):
        Named()  # type: ignore[call-arg]


# ---- equality


def test_equality_does_not_look_at_where_a_task_comes_from() -> None:
    one, other = Page(url="a"), Page(url="a")
    from_step(one, ("W", 1))
    one.add_private_state("k", 1)
    one.increment_retry_count()
    assert one == other


def test_a_published_task_equals_one_made_by_hand() -> None:
    out = published(lambda _: Word(text="hi"))
    assert out.provenance()
    assert out == Word(text="hi")


@pytest.mark.parametrize(
    "other",
    [Page(url="b"), Page(url="a", note=None), SubPage(url="a"), {"url": "a"}, None],
)
def test_other_fields_or_another_class_are_unequal(other: object) -> None:
    assert Page(url="a") != other


def test_extras_count_for_equality() -> None:
    assert extras(more=1) == extras(more=1)
    assert extras(more=1) != extras(more=2)


def test_a_cached_property_that_was_read_does_not_make_equal_tasks_unequal() -> None:
    one, other = Lazy(value=1), Lazy(value=1)
    assert one.twice == 2
    assert one == other


def test_a_task_is_true_even_when_its_length_is_zero() -> None:
    assert len(Sized(items=[])) == 0
    assert Sized(items=[])


def test_frozen_tasks_hash_by_value_and_others_do_not_hash() -> None:
    assert len({Frozen(value=1), Frozen(value=1), Frozen(value=2)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Page(url="a"))


# ---- copies


@pytest.mark.parametrize(
    "task",
    [
        Page(url="a", note=None),
        Page(url="a", tags=[], note="none given"),
        SubPage(url="a", depth=0),
        extras(more={"x": [1, None]}),
        Named(name=""),
        WithPrivate(value=1),
    ],
    ids=lambda task: type(task).__name__,
)
@pytest.mark.parametrize("deep", [False, True])
def test_copy_public_loses_nothing(task: Task, deep: bool) -> None:
    copied = task.copy_public(deep=deep)
    assert copied == task
    assert type(copied) is type(task)
    assert copied.model_dump() == task.model_dump()
    assert copied.model_dump(by_alias=True) == task.model_dump(by_alias=True)


def test_copy_public_keeps_which_fields_were_given() -> None:
    assert Page(url="a").copy_public().model_fields_set == {"url"}
    assert Page(url="a", note="none given").copy_public().model_dump(exclude_unset=True) == {
        "url": "a",
        "note": "none given",
    }


def test_copy_public_keeps_private_attributes_of_the_model() -> None:
    task = WithPrivate(value=1)
    task._secret = "changed"
    assert task.copy_public()._secret == "changed"


def test_copy_public_has_no_provenance_and_no_private_state() -> None:
    task = Page(url="a")
    from_step(task, ("W", 1))
    task.add_private_state("k", 1)
    copied = task.copy_public()
    assert copied.provenance() == ()
    assert copied.get_private_state("k") is None
    assert task.get_private_state("k") == 1


@pytest.mark.parametrize(("deep", "shared"), [(False, True), (True, False)])
def test_only_a_deep_copy_has_objects_of_its_own(deep: bool, shared: bool) -> None:
    class Holder(Task):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        thing: object

    task = Holder(thing=Thing())
    assert (task.copy_public(deep=deep).thing is task.thing) is shared


@pytest.mark.parametrize("deep", [False, True])
def test_any_copy_has_containers_of_its_own(deep: bool) -> None:
    task = Page(url="a", tags=["x"])
    task.copy_public(deep=deep).tags.append("y")
    assert task.tags == ["x"]


def test_assigning_to_a_copy_leaves_the_original() -> None:
    task = Page(url="a")
    copied = task.copy_public()
    copied.note = "changed"
    assert task.note == "none given"
    assert task.model_fields_set == {"url"}


def test_copies_of_a_partly_constructed_task_do_not_decide_for_others() -> None:
    """Copies share the set of given fields between tasks of a class; `model_construct` must not spoil it."""
    Pair.model_construct(left=1).copy_public()
    assert Pair(left=1, right=2).copy_public().model_dump(exclude_unset=True) == {"left": 1, "right": 2}


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, Page.model_copy])
def test_ordinary_copies_keep_the_provenance(copier: Callable[[Page], Page]) -> None:
    task = Page(url="a")
    from_step(task, ("W", 1))
    task.add_private_state("k", "v")
    copied = copier(task)
    assert copied.provenance() == (("W", 1),)
    assert copied.get_private_state("k") == "v"


def test_a_task_survives_pickle() -> None:
    assert pickle.loads(pickle.dumps(Page(url="a", note=None))) == Page(url="a", note=None)


# ---- provenance


def test_a_task_outside_of_a_run_comes_from_nowhere() -> None:
    task = Page(url="a")
    assert task.provenance() == ()
    assert task.copy_provenance() == []
    assert task.prefix(2) == ()
    assert task.prefix_for_input_task(Marker) is None
    assert task.previous_input_task() is None
    assert task.find_input_task(Task) is None
    assert task.copy_input_provenance() == []


def test_a_published_task_knows_its_steps() -> None:
    out = published(lambda _: Word(text="hi"))
    assert out.provenance() == ((INITIAL, 1), ("Echo", 1))
    assert out.copy_provenance() == [(INITIAL, 1), ("Echo", 1)]
    assert out.prefix(1) == ((INITIAL, 1),)
    assert out.prefix_for_input_task(InitialTaskWorker) == ((INITIAL, 1),)
    assert out.prefix_for_input_task(Echo) == out.provenance()
    assert out.prefix_for_input_task(Marker) is None


def test_prefix_for_input_task_ends_with_the_last_step_of_the_worker() -> None:
    task = Page(url="a")
    from_step(task, (INITIAL, 1), ("Marker", 1), ("W", 1), ("Marker", 5), ("W", 2))
    assert task.prefix_for_input_task(Marker) == ((INITIAL, 1), ("Marker", 1), ("W", 1), ("Marker", 5))


def test_a_list_of_steps_is_ones_own() -> None:
    out = published(lambda _: Word(text="hi"))
    out.copy_provenance().clear()
    assert len(out.copy_provenance()) == 2


# ---- inputs


def history() -> Word:
    """Return a word that came from a page, that came from a sub-page, that came from a page."""
    first = Page(url="1")
    second = set_lineage(SubPage(url="2"), Lineage(previous=first))
    third = set_lineage(Page(url="3"), Lineage(previous=second))
    return set_lineage(Word(text="end"), Lineage(previous=third))


def test_find_input_task_returns_the_nearest_of_the_type() -> None:
    word = history()
    assert word.find_input_task(Page) == Page(url="3")
    assert word.find_input_task(SubPage) == SubPage(url="2")
    assert word.find_input_task(Word) is None


def test_a_subclass_is_found_where_there_is_none_of_the_type_itself() -> None:
    newest = set_lineage(SubPage(url="2"), Lineage(previous=SubPage(url="1")))
    assert set_lineage(Word(text="end"), Lineage(previous=newest)).find_input_task(Page) == SubPage(url="2")
    below = set_lineage(SubPage(url="4"), Lineage(previous=Page(url="3")))
    assert set_lineage(Word(text="end"), Lineage(previous=below)).find_input_task(Page) == Page(url="3")


def test_find_input_tasks_returns_all_of_the_type_oldest_first() -> None:
    word = history()
    assert [page.url for page in word.find_input_tasks(Page)] == ["1", "2", "3"]
    assert word.find_input_tasks(Word) == []
    assert [type(task) for task in word.copy_input_provenance()] == [Page, SubPage, Page]


def test_the_input_provenance_is_copied_without_what_is_known_of_it() -> None:
    page = set_lineage(Page(url="1"), Lineage(previous=SubPage(url="0"), provenance=ROOT.child("Fetch", 1)))
    word = set_lineage(Word(text="end"), Lineage(previous=page))
    copied = word.copy_input_provenance()[-1]
    assert copied == page
    assert (copied.provenance(), copied.copy_input_provenance()) == ((), [])
    assert isinstance(copied, Page)
    copied.url = "changed"
    assert word.find_input_task(Page) == Page(url="1")


def test_previous_input_task_has_its_own_provenance() -> None:
    out = published(lambda _: Word(text="hi"))
    previous = out.previous_input_task()
    assert previous == Page(url="in")
    assert previous is not None
    assert previous.provenance() == ((INITIAL, 1),)


def test_injected_inputs_are_the_newest() -> None:
    word = history().inject_input(Page(url="4")).inject_input(Page(url="5"))
    assert word.find_input_task(Page) == Page(url="5")
    assert [page.url for page in word.find_input_tasks(Page)] == ["1", "2", "3", "4", "5"]


def test_what_is_injected_before_publishing_is_found_downstream() -> None:
    out = published(lambda _: Word(text="hi").inject_input(SubPage(url="aside")))
    assert out.find_input_task(SubPage) == SubPage(url="aside")
    assert out.find_input_tasks(Page) == [Page(url="in"), SubPage(url="aside")]


# ---- private state


def test_private_state_is_taken_out_once() -> None:
    task = Page(url="a")
    task.add_private_state("k", {"x": 1})
    assert task.get_private_state("k") == {"x": 1}
    assert task.get_private_state("k") is None


def test_private_state_is_no_field() -> None:
    task = Page(url="a")
    task.add_private_state("k", object())
    assert task.model_dump() == Page(url="a").model_dump()


def test_private_state_is_inherited_by_what_is_published() -> None:
    page = Page(url="in")
    page.add_private_state("k", "v")
    assert published(lambda _: Word(text="hi"), page).get_private_state("k") == "v"


def test_private_state_that_was_taken_out_is_not_inherited() -> None:
    def take(task: Page) -> Task:
        return Word(text=task.get_private_state("k"))

    page = Page(url="in")
    page.add_private_state("k", "v")
    out = published(take, page)
    assert out == Word(text="v")
    assert out.get_private_state("k") is None


def test_private_state_of_ones_own_is_added_to_what_is_inherited() -> None:
    def add(_: Page) -> Task:
        word = Word(text="hi")
        word.add_private_state("own", 2)
        return word

    page = Page(url="in")
    page.add_private_state("inherited", 1)
    out = published(add, page)
    assert (out.get_private_state("inherited"), out.get_private_state("own")) == (1, 2)


def test_two_outputs_do_not_share_their_private_state() -> None:
    class Twice(TaskWorker):
        output_types = [Word]

        def consume_work(self, task: Page) -> None:
            self.publish_work(Word(text="1"))
            self.publish_work(Word(text="2"))

    page = Page(url="in")
    page.add_private_state("k", "v")
    one, two = run_inline(Twice(), page).outputs
    assert one.get_private_state("k") == "v"
    assert two.get_private_state("k") == "v"


# ---- the rest


def test_retry_count_counts() -> None:
    task = Page(url="a")
    assert task.retry_count == 0
    task.increment_retry_count()
    task.increment_retry_count()
    assert task.retry_count == 2


def test_is_type_wants_exactly_the_class() -> None:
    assert SubPage(url="a").is_type(SubPage)
    assert not SubPage(url="a").is_type(Page)


def test_xml_escapes_and_nests() -> None:
    page = Page(url="<&>", tags=["a", "b"], note=None)
    root = ET.fromstring(page.model_dump_xml())
    assert root.tag == "Page"
    assert root.findtext("url") == "<&>"
    assert [item.text for item in root.iterfind("tags/item")] == ["a", "b"]
    assert root.findtext("note") == ""


def test_xml_shows_what_json_does_not_know_by_its_text() -> None:
    class Held(Task):
        thing: Any
        is_open: bool = True

    root = ET.fromstring(Held(thing=Thing()).model_dump_xml())
    assert "Thing object" in (root.findtext("thing") or "")
    assert root.findtext("is_open") == "true"


def test_lineage_is_no_attribute_that_a_field_could_hide() -> None:
    class Odd(Task):
        provenance_: str
        lineage: str

    task = Odd(provenance_="p", lineage="l")
    task.add_private_state("k", 1)
    assert task.model_dump() == {"provenance_": "p", "lineage": "l"}
    assert lineage_of(task).private_state == {"k": 1}


def test_fields_may_hold_anything_pydantic_allows() -> None:
    class Free(Task):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        thing: Any

    thing = object()
    assert Free(thing=thing).copy_public().thing is thing


def test_quotes_are_escaped_in_xml() -> None:
    class Said(Task):
        text: str

    assert Said(text="\"a\" & 'b'").model_dump_xml() == "<Said>\n  <text>&quot;a&quot; &amp; 'b'</text>\n</Said>\n"
