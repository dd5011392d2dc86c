"""Which task types a worker's methods consume, and what it may publish."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import pytest

from planai import Task, TaskWorker
from planai.errors import ConfigurationError, PublishError
from planai.task_types import check_published, task_types_of, type_names


class Fruit(Task):
    pass


class Apple(Fruit):
    pass


class Nail(Task):
    pass


class Shapes:
    def one(self, task: Fruit) -> None: ...

    def either(self, task: Fruit | Nail) -> None: ...

    def perhaps(self, task: Optional[Fruit]) -> None: ...  # noqa: UP045 - as programs write it

    def many(self, tasks: list[Annotated[Fruit, "ripe"]]) -> None: ...

    def by_another_name(self, fruit: Fruit) -> None: ...

    def of_anything(self, task: Any) -> None: ...

    def of_nothing_known(self, task: Unknown) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("method", "expected"),
    [("one", [Fruit]), ("either", [Fruit, Nail]), ("perhaps", [Fruit]), ("many", [Fruit])],
)
def test_the_annotation_of_the_parameter_tells(method: str, expected: list[type[Task]]) -> None:
    assert task_types_of(Shapes, method, ("task", "tasks")) == expected


@pytest.mark.parametrize("method", ["by_another_name", "of_anything", "of_nothing_known"])
def test_a_method_that_does_not_tell_is_refused_with_what_to_write(method: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"in {method}\(self, task: MyTask\)"):
        task_types_of(Shapes, method, ("task",))


def test_what_is_declared_may_be_published_and_what_is_derived_from_it() -> None:
    check_published("W", [Fruit], Fruit)
    check_published("W", [Fruit], Apple)
    with pytest.raises(PublishError, match="'W' publishes a 'Nail', but its output_types are 'Fruit'"):
        check_published("W", [Fruit], Nail)


def test_types_are_named_for_people() -> None:
    assert (type_names([Fruit, Nail]), type_names([])) == ("'Fruit', 'Nail'", "nothing")


def test_a_worker_that_does_not_say_what_it_consumes_has_the_wrong_type() -> None:
    class Silent(TaskWorker):
        def consume_work(self, task: Any) -> None: ...

    with pytest.raises(TypeError, match="does not say what it consumes"):
        Silent().get_task_class()
