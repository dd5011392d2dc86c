"""A cache in memory that counts."""

from pathlib import Path
from typing import ClassVar

import pytest

from planai import CachedTaskWorker, Graph, SubGraphWorker, Task, TaskWorker
from planai.testing import MockCache, inject_mock_cache


class Number(Task):
    value: int


class Split(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        for value in range(task.value):
            self.publish_work(Number(value=value), input_task=task)


class Square(CachedTaskWorker):
    output_types = [Number]
    computed: ClassVar[list[int]] = []

    def consume_work(self, task: Number) -> None:
        total = task.find_input_task(Number)
        self.computed.append(task.value)
        self.publish_work(Number(value=task.value**2 + (total.value if total else 0)), input_task=task)


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    Square.computed.clear()
    split, square = Split(), Square(cache_dir=str(tmp_path / "unused"))
    graph = Graph().add_workers(split, square)
    graph.set_dependency(split, square).sink(Number)
    return graph


def run(graph: Graph) -> list[Task]:
    split = graph.get_worker_by_input_type(Number)
    assert split is not None
    return graph.run([(split, Number(value=3))], executor="inline", raise_on_failure=True).outputs


def test_each_key_is_looked_up_once_a_call_and_stored_once(graph: Graph, tmp_path: Path) -> None:
    mock = MockCache()
    inject_mock_cache(graph, mock)
    assert [worker._cache for worker in graph.workers if isinstance(worker, CachedTaskWorker)] == [mock]
    first = run(graph)
    assert (sorted(mock.set_stats.values()), sorted(mock.get_stats.values())) == ([1, 1, 1], [1, 1, 1])
    mock.clear_stats()
    assert run(graph) == first
    assert (dict(mock.set_stats), sorted(mock.get_stats.values())) == ({}, [1, 1, 1])
    assert Square.computed == [0, 1, 2]
    assert len(mock.store) == 3
    assert not (tmp_path / "unused").exists()


def test_two_graphs_share_what_is_kept(graph: Graph, tmp_path: Path) -> None:
    mock = MockCache()
    inject_mock_cache(graph, mock)
    first = run(graph)
    split, square = Split(), Square(cache_dir=str(tmp_path))
    other = Graph().add_workers(split, square)
    other.set_dependency(split, square).sink(Number)
    inject_mock_cache(other, mock)
    assert run(other) == first
    assert Square.computed == [0, 1, 2]


def test_what_is_taken_out_is_computed_again(graph: Graph) -> None:
    mock = MockCache()
    inject_mock_cache(graph, mock)
    run(graph)
    mock.store.clear()
    run(graph)
    assert Square.computed == [0, 1, 2] * 2
    assert len(mock.store) == 3


def test_what_is_cleared_by_the_worker_is_gone(graph: Graph) -> None:
    mock = MockCache()
    inject_mock_cache(graph, mock)
    run(graph)
    (square,) = (worker for worker in graph.workers if isinstance(worker, Square))
    square.clear_cache()
    assert mock.store == {}


def test_a_cache_that_forgets_is_asked_all_the_same(graph: Graph) -> None:
    mock = MockCache(dont_store=True)
    inject_mock_cache(graph, mock)
    for _ in range(2):
        run(graph)
    assert Square.computed == [0, 1, 2] * 2
    assert sorted(mock.get_stats.values()) == [2, 2, 2]
    assert mock.set_stats == {}
    assert mock.store == {}


def test_it_is_a_dictionary_that_counts() -> None:
    mock = MockCache()
    assert mock.get("a") is None
    assert mock.get("a", 5) == 5
    mock.set("a", 1)
    assert mock.get("a") == 1
    assert (dict(mock.get_stats), dict(mock.set_stats)) == ({"a": 3}, {"a": 1})
    mock.clear_stats()
    assert (dict(mock.get_stats), dict(mock.set_stats), mock.store) == ({}, {}, {"a": 1})


def test_workers_of_graphs_inside_use_it_too(graph: Graph, tmp_path: Path) -> None:
    split, square = (worker for worker in sorted(graph.workers, key=lambda worker: worker.name))
    inner = SubGraphWorker(graph=graph, entry_worker=split, exit_worker=square)
    middle = Graph(name="middle").add_workers(inner)
    outer = SubGraphWorker(graph=middle, entry_worker=inner, exit_worker=inner)
    main, mock = Graph(name="main").add_workers(outer), MockCache()
    outer.sink(Number)
    inject_mock_cache(main, mock)
    for _ in range(2):
        assert len(main.run([(outer, Number(value=3))], display_terminal=False).outputs) == 3
    assert len(Square.computed) == 3
    assert sorted(mock.set_stats.values()) == [1, 1, 1]
    assert not (tmp_path / "unused").exists()


def test_a_question_is_counted_however_it_is_asked(tmp_path: Path) -> None:
    class Negate(CachedTaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=-task.value), input_task=task)

    negate, mock = Negate(cache_dir=tmp_path / "unused"), MockCache()
    graph = Graph(name="g").add_workers(negate)
    graph.set_sink(negate, Number)
    inject_mock_cache(graph, mock)
    for value in range(4):  # a worker that has found nothing looks in another way the next time
        graph.run([(negate, Number(value=value))], executor="inline")
    assert sorted(mock.get_stats.values()) == [1, 1, 1, 1]
