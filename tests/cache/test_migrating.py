"""Taking answers along when classes or code change: what may be, and what has to be computed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planai import CachedTaskWorker, Task
from planai.cache.about import Profile
from planai.cache.migrating import may_be_migrated
from planai.testing import run_inline


class Number(Task):
    value: int


def profile(**parts: str) -> Profile:
    same = {name: name for name in ("worker", "code", "logic", "input", "types", "outputs", "settings", "attributes")}
    return Profile("shop:Quote", same | parts, {}, {}, {"shop:Price": parts.get("outputs", "")})


@pytest.mark.parametrize("changed", [{}, {"outputs": "2"}, {"types": "2", "code": "2"}])
def test_changed_classes_may_be_migrated(changed: dict[str, str]) -> None:
    assert may_be_migrated(profile(), profile(**changed))


@pytest.mark.parametrize("changed", ["logic", "settings", "attributes", "worker", "input"])
def test_what_else_decides_has_to_be_the_same(changed: str) -> None:
    assert not may_be_migrated(profile(), profile(**{changed: "2"}))


@pytest.mark.parametrize(("changed", "may"), [("logic", True), ("input", True), ("settings", False), ("worker", False)])
def test_other_code_may_be_accepted_but_no_other_settings(changed: str, *, may: bool) -> None:
    assert may_be_migrated(profile(), profile(**{changed: "2"}), accept_code=True) == may


def test_other_output_types_are_another_thing() -> None:
    other = profile()._replace(outputs={"shop:Cost": ""})
    assert not may_be_migrated(profile(), other, accept_code=True)


def worker_of(version: int, folder: Path, **settings: Any) -> CachedTaskWorker:
    """Make the same worker, whose output class has got a field and a way to take old answers along."""
    if version == 1:

        class Result(Task):
            size: int

    else:

        class Result(Task):  # type: ignore[no-redef]  # the next version of the class
            size: int
            label: str

            @staticmethod
            def cache_migrate(data: dict[str, Any], from_schema: str) -> dict[str, Any]:
                if data["size"] == 13:
                    raise ValueError("an unlucky number")
                return {**data, "label": f"{data['size']} pieces"}

    class Work(CachedTaskWorker):
        output_types = [Result]
        cache_code = False

        def consume_work(self, task: Number) -> None:
            self.publish_work(Result.model_validate({"size": task.value, "label": "new"}))

    return Work(cache_dir=folder, **settings)


def test_all_answers_are_migrated_at_once_and_those_that_cannot_be_are_left(tmp_path: Path) -> None:
    run_inline(worker_of(1, tmp_path), *(Number(value=value) for value in (1, 2, 13)))
    worker = worker_of(2, tmp_path)
    assert worker.migrate_cache() == 2
    assert worker.migrate_cache() == 0, "they are there"
    result = run_inline(worker, Number(value=1), Number(value=13))
    assert [task.model_dump() for task in result.outputs] == [
        {"size": 1, "label": "1 pieces"},
        {"size": 13, "label": "new"},
    ]
    assert (result.cache.hits, result.cache.misses) == (1, 1)
    assert run_inline(worker_of(1, tmp_path), Number(value=2)).cache.hits == 1, "the earlier version finds its own"


def test_what_is_migrated_keeps_its_cost(tmp_path: Path) -> None:
    spent = run_inline(worker_of(1, tmp_path), Number(value=1)).cache.spent
    saved = [run_inline(worker_of(2, tmp_path), Number(value=1)).cache.saved for _ in range(2)]
    assert saved[0] == saved[1]
    assert 0 < saved[0].seconds <= spent.seconds


def test_other_settings_are_computed_again(tmp_path: Path) -> None:
    class Scaled(CachedTaskWorker):
        output_types = [Number]
        factor: int = 1

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value * self.factor))

    run_inline(Scaled(cache_dir=tmp_path), Number(value=1))
    assert Scaled(cache_dir=tmp_path, factor=2).migrate_cache(accept_code=True) == 0
