"""What tests written for PlanAI read and set of workers with a cache."""

from pathlib import Path
from unittest.mock import patch

from planai import CachedTaskWorker, Graph, Task
from planai.testing import MockCache


class Number(Task):
    value: int = 0


class Square(CachedTaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value**2), input_task=task)


def test_a_mock_cache_that_is_set_is_used(tmp_path: Path) -> None:
    square, mock, graph = Square(cache_dir=tmp_path), MockCache(), Graph(name="g")
    square._cache = mock
    graph.add_workers(square).set_sink(square, Number)
    hits = [graph.run([(square, Number(value=3))], display_terminal=False).cache_hits for _ in range(2)]
    assert (hits, sum(mock.set_stats.values())) == ([0, 1], 1)
    assert square._cache is mock


def test_an_authors_own_attribute_of_that_name_is_his(tmp_path: Path) -> None:
    square = Square(cache_dir=tmp_path)
    square._cache = {"mine": 1}
    assert square._cache == {"mine": 1}


def test_the_key_of_an_input_is_told_by_planais_name(tmp_path: Path) -> None:
    square = Square(cache_dir=tmp_path)
    keys = [square._get_cache_key(Number(value=value)) for value in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0] == square.get_cache_key(Number(value=1))


def test_a_test_may_patch_the_class_of_caches() -> None:
    with patch("planai.cached_task.Cache") as cache:
        assert Square(cache_size_limit=1_000).cache_size_limit == 1_000
    cache.assert_not_called()
