"""Where a task comes from can be said and seen by the names that tests written for PlanAI use."""

import copy

from planai import Graph, InitialTaskWorker, JoinedTaskWorker, Task, TaskWorker
from planai.provenance import ROOT
from planai.task import lineage_of, set_lineage


class Page(Task):
    url: str = ""


class Word(Task):
    text: str = ""


def test_the_provenance_of_a_new_task_is_empty() -> None:
    assert (Page()._provenance, Page()._input_provenance) == ([], [])


def test_a_provenance_that_is_set_is_the_tasks_own() -> None:
    word = Word(text="a")
    word._provenance = [("InitialTaskWorker", 1), ("Split", 7)]
    assert word.provenance() == (("InitialTaskWorker", 1), ("Split", 7))
    assert word._provenance == [("InitialTaskWorker", 1), ("Split", 7)]
    assert word.prefix(1) == (("InitialTaskWorker", 1),)
    assert copy.deepcopy(word)._provenance == word._provenance
    assert word.copy_public()._provenance == []
    assert word == Word(text="a")
    assert word.model_dump() == {"text": "a"}


def test_input_tasks_that_are_set_are_found_and_keep_their_order() -> None:
    first, second, word = Page(url="1"), Page(url="2"), Word()
    word._input_provenance = [first, second]
    assert word._input_provenance == [first, second]
    assert word.find_input_task(Page) is second
    assert word.find_input_tasks(Page) == [first, second]
    word._input_provenance = []
    assert word.find_input_task(Page) is None


def test_what_is_known_otherwise_stays() -> None:
    word = Word()
    word.add_private_state("key", 1)
    word._provenance = [("Split", 1)]
    word._input_provenance = [Page()]
    assert word.get_private_state("key") == 1
    assert word._provenance == [("Split", 1)]


def test_the_list_is_the_readers_own() -> None:
    word = set_lineage(Word(), lineage_of(Word())._replace(provenance=ROOT.child("Split", 1)))
    word._provenance.append(("Count", 1))
    assert word._provenance == [("Split", 1)]


def test_a_test_may_take_planais_steps_of_publishing_by_hand() -> None:
    first, second = Page(), Page()
    first._provenance = [("Fetch", 1)]
    assert second._add_input_provenance(first)._add_worker_provenance(InitialTaskWorker()) is second
    assert (second._provenance, second._input_provenance) == ([("Fetch", 1), ("InitialTaskWorker", 1)], [first])
    second._add_input_provenance(None)
    assert (second._provenance, second._input_provenance) == ([], [])


class Split(TaskWorker):
    """Publishes words with a provenance that was put together by hand, one with a step that nobody took."""

    output_types = [Word]

    def consume_work(self, task: Page) -> None:
        for text in task.url:
            origin = task.model_copy(deep=True)
            origin._provenance = [*origin._provenance, *([("Upper", 1)] if text == "c" else [])]
            self.publish_work(Word(text=text), input_task=origin)


class Upper(TaskWorker):
    output_types = [Word]

    def consume_work(self, task: Word) -> None:
        self.publish_work(Word(text=task.text.upper()), input_task=task)


class Concat(JoinedTaskWorker):
    join_type = InitialTaskWorker
    output_types = [Page]

    def consume_work_joined(self, tasks: list[Word]) -> None:
        chains = {task.text: task.prefix_for_input_task(Upper) for task in tasks}
        self.publish_work(Page(url=f"{''.join(sorted(chains))} {chains.get('C')}"), input_task=tasks[0])


def test_a_join_waits_for_what_was_given_its_provenance_by_hand() -> None:
    split, upper, concat = Split(), Upper(), Concat()
    graph = Graph().add_workers(split, upper, concat)
    graph.set_dependency(split, upper).next(concat).sink(Page)
    outputs = graph.run([(split, Page(url="abc")), (split, Page(url="d"))], executor="inline").outputs
    chain = (("InitialTaskWorker", 1), ("Upper", 1), ("Split", 3), ("Upper", 3))
    assert sorted(page.url for page in outputs if isinstance(page, Page)) == [f"ABC {chain}", "D None"]
