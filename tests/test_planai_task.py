"""Where a task comes from can be said and seen by the names that tests written for PlanAI use."""

import copy

from planai import InitialTaskWorker, Task
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
