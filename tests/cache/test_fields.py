"""Fields that are marked: left out of keys, or something else in their place; and marks that would have no effect."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import pytest
from pydantic import create_model
from typing_extensions import TypeAliasType

from planai import CachedTaskWorker, CacheIgnore, CacheKey, Task
from planai.cache.canonical import canonical
from planai.errors import UnkeyableValue

Stamp = TypeAliasType("Stamp", Annotated[int, CacheIgnore()])
Tree = TypeAliasType("Tree", "list[Tree] | int")  # which names itself


@dataclasses.dataclass
class Order:
    name: Annotated[str, CacheKey(str.lower)]
    number: int = 0
    run_id: Annotated[int, CacheIgnore()] = 0


def made(name: str, annotation: Any, value: Any) -> Task:
    fields: dict[str, Any] = {name: (annotation, ...)}
    kind: Any = create_model("Page", __base__=Task, **fields)
    task: Task = kind(**{name: value})
    return task


class Basket(Task):
    orders: list[Order]


def test_marks_of_a_dataclass_count_as_those_of_a_model() -> None:
    key = canonical(Basket(orders=[Order("tea")]))
    assert canonical(Basket(orders=[Order("TEA", run_id=5)])) == key
    assert canonical(Basket(orders=[Order("milk")])) != key
    assert canonical(Basket(orders=[Order("tea", number=1)])) != key


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (list[Annotated[int, CacheIgnore()]], [1]),
        (Annotated[int, CacheIgnore()] | None, 1),
        (dict[str, list[Annotated[str, CacheKey(str.lower)]]], {}),
        (tuple[Annotated[int, CacheIgnore], ...], (1,)),
        (Annotated[int, CacheKey], 1),
        (Stamp, 1),
        (list[Stamp], [1]),
    ],
    ids=["list", "optional", "dict", "class", "class that takes a function", "alias", "list of aliases"],
)
def test_a_mark_without_effect_is_refused(annotation: Any, value: Any) -> None:
    for task in (
        made("stamp", annotation, value),
        dataclasses.make_dataclass("Page", [("stamp", annotation)])(value),
    ):
        with pytest.raises(UnkeyableValue, match=r"the key\.stamp is marked where that has no effect: write Annotated"):
            canonical(task, "the key")


@pytest.mark.parametrize(
    ("annotation", "value"), [(Annotated[list[int], CacheIgnore()], [1]), (list[Order], [Order("tea")]), (Tree, [[1]])]
)
def test_a_mark_of_all_of_a_field_and_marks_of_its_parts_are_fine(annotation: Any, value: Any) -> None:
    canonical(made("parts", annotation, value))


def test_a_mark_inside_of_the_type_of_a_setting_is_refused() -> None:
    class Work(CachedTaskWorker):
        output_types = [Basket]
        stamps: list[Annotated[int, CacheIgnore()]] = []

        def consume_work(self, task: Basket) -> None:
            self.publish_work(task.model_copy())

    with pytest.raises(UnkeyableValue, match=r"the setting 'stamps' of .*Work is marked inside of its type"):
        Work().get_cache_key(Basket(orders=[]))


def test_a_function_that_fails_for_a_value_is_named_by_its_field() -> None:
    order = Order("tea")
    order.name = None  # type: ignore[assignment]
    with pytest.raises(
        UnkeyableValue, match=r"value\.orders\[0\]\.name has a CacheKey whose function raised TypeError"
    ):
        canonical(Basket.model_construct(orders=[order]))
