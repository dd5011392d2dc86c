"""Settings of workers, however briefly they are written."""

import copy
import functools
import json
from functools import cached_property, lru_cache, partial
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, computed_field, field_validator

from planai import InitialTaskWorker, JoinedTaskWorker, Task, TaskWorker
from planai.errors import ConfigurationError
from planai.testing import run_inline


class Number(Task):
    value: int = 0


class Other(Task):
    pass


class Plain(TaskWorker):
    def consume_work(self, task: Number) -> None:
        """Do nothing."""


# ---- bare names


def test_a_bare_override_of_a_field_is_a_setting() -> None:
    class Mine(Plain):
        output_types = [Number]
        num_retries = 3

    assert Mine().output_types == [Number]
    assert Mine().num_retries == 3
    assert Mine(num_retries=1).num_retries == 1
    assert Plain().num_retries == 0


def test_a_bare_override_reaches_further_subclasses() -> None:
    class Middle(Plain):
        num_retries = 3

    class Leaf(Middle):
        pass

    class Back(Middle):
        num_retries = 0

    assert (Leaf().num_retries, Back().num_retries) == (3, 0)


@pytest.mark.parametrize("wrong", ["three", -1, None, 1.5])
def test_a_bare_override_is_validated_against_the_type_of_the_field(wrong: Any) -> None:
    class Mine(Plain):
        num_retries = wrong

    with pytest.raises(ValidationError, match="num_retries"):
        Mine()


def test_bare_output_types_have_to_be_task_types() -> None:
    class Mine(Plain):
        output_types = [int]  # type: ignore[list-item]

    with pytest.raises(ValidationError, match="output_types"):
        Mine()


def test_a_class_is_a_bare_override_where_the_field_holds_one() -> None:
    class Join(JoinedTaskWorker):
        join_type = Plain

        def consume_work_joined(self, tasks: list[Number]) -> None:
            """Do nothing."""

    assert Join().join_type is Plain


def test_instances_do_not_share_a_mutable_default() -> None:
    class Mine(Plain):
        output_types = [Number]

    Mine().output_types.append(Other)
    assert Mine().output_types == [Number]


def test_a_bare_name_that_is_no_field_is_a_class_variable() -> None:
    class Mine(Plain):
        limit = 5
        table = {"a": 1}

    assert Mine.limit == 5
    assert Mine().table is Mine.table
    assert "limit" not in Mine.model_fields
    with pytest.raises(ConfigurationError, match="limit"):
        Mine(limit=6)


def test_a_class_variable_can_be_counted_up_on_an_instance() -> None:
    class Mine(Plain):
        count = 0

        def consume_work(self, task: Number) -> None:
            self.count += 1

    worker = Mine()
    run_inline(worker, Number(), Number())
    assert (worker.count, Mine.count) == (2, 0)


def test_a_class_variable_can_be_overridden_bare() -> None:
    class Mine(Plain):
        limit = 5

    class Leaf(Mine):
        limit = 6

    assert (Mine.limit, Leaf.limit) == (5, 6)


def test_a_partial_is_a_class_variable() -> None:
    class Mine(Plain):
        as_text = partial(json.dumps, sort_keys=True)

    assert Mine.as_text({"b": 1, "a": 2}) == '{"a": 2, "b": 1}'


def test_a_class_can_be_a_class_variable() -> None:
    class Mine(Plain):
        decoder = json.JSONDecoder

    assert Mine.decoder is json.JSONDecoder


def test_a_builtin_function_can_be_a_class_variable() -> None:
    class Mine(Plain):
        size = len

    assert Mine.size is len


def test_a_nested_class_stays_one() -> None:
    class Mine(Plain):
        class Inner(BaseModel):
            x: int = 1

    assert Mine.Inner().x == 1


# ---- methods and pydantic's own


def test_lru_cache_and_other_wrapped_methods_are_left_alone() -> None:
    class Mine(Plain):
        @lru_cache(maxsize=8)  # noqa: B019 - what the specification does
        def square(self, x: int) -> int:
            return x * x

        @functools.cache  # noqa: B019 - what the specification does
        def cube(self, x: int) -> int:
            return x**3

        @cached_property
        def once(self) -> list[int]:
            return []

        @staticmethod
        def half(x: int) -> float:
            return x / 2

        @classmethod
        def title(cls) -> str:
            return cls.__name__

        @property
        def prop(self) -> int:
            return 1

    worker = Mine()
    assert (worker.square(3), worker.square(3), worker.cube(2), worker.half(3)) == (9, 9, 8, 1.5)
    assert Mine.square.cache_info().hits == 1
    assert worker.once is worker.once
    assert (worker.title(), worker.prop) == ("Mine", 1)
    assert set(Mine.model_fields) == set(Plain.model_fields)


def test_fields_private_attributes_and_validators_of_pydantic_go_on_working() -> None:
    class Mine(Plain):
        size: int = Field(default=1, gt=0)
        kind: ClassVar[str] = "k"
        _seen: list[int] = PrivateAttr(default_factory=list)
        _bare = 5

        @field_validator("size")
        @classmethod
        def _even(cls, size: int) -> int:
            return size + size % 2

        @computed_field  # type: ignore[prop-decorator]
        @property
        def double(self) -> int:
            return 2 * self.size

    worker = Mine(size=3)
    assert (worker.size, worker.double, worker.kind, worker._seen, worker._bare) == (4, 8, "k", [], 5)
    with pytest.raises(ValidationError, match="size"):
        Mine(size=0)


def test_private_attributes_may_be_set_while_the_worker_is_made_and_go_on_changing() -> None:
    class After(Plain):
        _count: int = PrivateAttr(default=0)

        def model_post_init(self, context: Any) -> None:
            self._count = 4

    class Before(Plain):
        _count: int = PrivateAttr(default=0)

        def __init__(self, **settings: Any) -> None:
            self._count = 4
            super().__init__(**settings)

    for worker in (After(), Before()):
        worker._count += 1
        worker._count += 1
        assert worker._count == 6
        assert copy.deepcopy(worker)._count == 6


def test_a_setting_may_be_called_model_something_without_a_warning() -> None:
    class Mine(Plain):
        model_name: str = "tiny"

    assert Mine(model_name="big").model_name == "big"


def test_settings_keep_arbitrary_objects() -> None:
    class Client:
        pass

    class Mine(Plain):
        client: Client

    client = Client()
    assert Mine(client=client).client is client


# ---- constructors


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match=r"Plain has no setting 'num_retrys': did you mean 'num_retries'\?"):
        Plain(num_retrys=3)


def test_an_unknown_setting_like_no_other_is_refused_with_all_names() -> None:
    with pytest.raises(ConfigurationError, match="no setting 'zzz': it has num_retries, output_types"):
        Plain(zzz=3)


def test_a_setting_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="num_retries"):
        Plain(num_retries="many")


def test_assigning_a_wrong_value_to_a_setting_is_refused() -> None:
    worker = Plain()
    with pytest.raises(ValidationError, match="num_retries"):
        worker.num_retries = "many"  # type: ignore[assignment]
    worker.num_retries = 2
    assert worker.num_retries == 2


def test_attributes_may_be_set_before_and_after_the_constructor_of_the_base() -> None:
    class Mine(Plain):
        def __init__(self, path: str, **settings: Any) -> None:
            self.early = path
            self._early = [path]
            super().__init__(**settings)
            self.late = path + "!"
            self._late = {path}

    worker = Mine("p", num_retries=2)
    assert (worker.early, worker._early, worker.late, worker._late) == ("p", ["p"], "p!", {"p"})
    assert worker.num_retries == 2
    worker.early = "again"
    assert worker.early == "again"


def test_a_setting_may_be_set_before_the_constructor_of_the_base() -> None:
    class Mine(Plain):
        def __init__(self, **settings: Any) -> None:
            self.num_retries = 2
            super().__init__(**settings)

    assert Mine().num_retries == 2


def test_a_consume_work_can_call_that_of_its_base() -> None:
    class Base(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value + 1))

    class Leaf(Base):
        def consume_work(self, task: Number) -> None:
            super().consume_work(task)
            super().consume_work(task)

    assert run_inline(Leaf(), Number(value=1)).outputs == [Number(value=2), Number(value=2)]


def test_a_default_that_its_author_annotates_is_his_to_choose() -> None:
    class Fetch(TaskWorker):
        consumer: TaskWorker = None  # type: ignore[assignment]  # as programs for PlanAI have it
        address: str = Field(None, description="where to look")  # type: ignore[assignment]
        num_retries: int = 1

        def consume_work(self, task: Task) -> None: ...

    class Gather(JoinedTaskWorker):
        join_type: type[Task] = InitialTaskWorker  # type: ignore[assignment]

        def consume_work_joined(self, tasks: list[Task]) -> None: ...

    fetch: Any = Fetch()
    assert (fetch.consumer, fetch.address, fetch.num_retries) == (None, None, 1)
    assert issubclass(InitialTaskWorker, Gather().join_type)
    with pytest.raises(ValidationError, match="address"):
        Fetch(address=7)
