"""TaskWorker: consumes tasks of one type, publishes tasks of others, and has its settings as typed fields."""

from __future__ import annotations

import contextlib
import inspect
import logging
import typing
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol

from pydantic import Field

from planai.call import Activation, Router, Scope, current_activation, need_activation
from planai.configurable import Configurable
from planai.cost import FREE, Cost
from planai.desk import Desk
from planai.errors import ConfigurationError, PublishedOutside, TypeMismatch
from planai.planai_worker import PlanAIWorker
from planai.settings import is_async
from planai.task import ClassNameAttribute, Task
from planai.task_types import task_types_of, type_names

SinkCallback = Callable[[dict[str, Any], Task], None]


class Wiring(Protocol):
    """What a worker asks of the graph that it was added to, so that ``worker.next(...)`` works."""

    @property
    def desk(self) -> Desk | None:
        """What workers ask of the present run; None where there is none."""

    def set_dependency(self, upstream: TaskWorker, downstream: TaskWorker) -> TaskWorker:
        """Let `downstream` consume what `upstream` publishes, and return it."""

    def set_sink(self, worker: TaskWorker, output_type: type[Task], notify: SinkCallback | None = None) -> None:
        """Collect what `worker` publishes of `output_type`."""


class Foreseen(NamedTuple):
    """What is known of a call before it is made.

    Attributes:
        outputs: what it will publish, with the consumers that are asked for; None where it has to compute.
        reason: why it has to.
        cost: what the outputs took to compute at first.
        key: what is computed once, however often it is asked for.
        expected: what computing will cost, where that is known better than by experience.
    """

    outputs: tuple[tuple[Any, str | None], ...] | None
    reason: str = ""
    cost: Cost = FREE
    key: str = ""
    expected: Cost | None = None


class TaskWorker(PlanAIWorker, Configurable, ABC):
    """A step of a graph. Subclasses declare settings, ``output_types``, and ``consume_work``.

    >>> class Number(Task):
    ...     value: int
    >>> class Double(TaskWorker):
    ...     output_types = [Number]
    ...     factor = 2
    ...     def consume_work(self, task: Number) -> None:
    ...         self.publish_work(Number(value=task.value * self.factor))

    Attributes:
        output_types: the task types that the worker may publish, subclasses included.
        num_retries: how often a call that raised is tried again.
        retry_delay: seconds to wait before the second try; twice as long before each that follows, 300 at most, and
            always up to a half more or less, so that calls that failed together do not come back together.
        retry_on: the exceptions after which a call is tried again, if it may be.
        timeout: seconds that a call may take; None for any. A call that takes longer has failed with `TimeoutError`;
            Python cannot end its thread, but tells it through `aborted`, and nobody waits for it any more.

    Raises:
        ConfigurationError: a setting is passed that does not exist.
        pydantic.ValidationError: a setting has the wrong type.
    """

    output_types: list[type[Task]] = Field(default_factory=list)
    num_retries: int = Field(default=0, ge=0)
    retry_delay: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    timeout: float | None = Field(default=None, gt=0.0)

    if typing.TYPE_CHECKING:

        @property
        def name(self) -> str:
            """The name of the class."""
    else:
        name: ClassVar[ClassNameAttribute] = ClassNameAttribute()

    def _begin_(self) -> dict[str, Any]:
        return super()._begin_() | {"_wirings_": [], "_registered_": []}  # a copy is in no graph yet

    # ---- what subclasses write

    @abstractmethod
    def consume_work(self, task: Any) -> Awaitable[None] | None:
        """Compute, and publish results with `publish_work`.

        The parameter is called ``task``, and its annotation is the type that the worker consumes. Written as
        ``async def``, it runs on an event loop that all async workers share.
        """

    def init(self) -> Awaitable[None] | None:
        """Get ready; called once when a run starts, in the thread that runs the graph, or, if async, on its loop."""
        return None

    def completed(self) -> Awaitable[None] | None:
        """Clean up; called once when a run ends, however it ends."""
        return None

    def foresee(self, task: Any) -> Foreseen | None:
        """Return what is known of the call that would consume `task`; None for nothing."""
        return None

    def expected_call_cost(self) -> Cost | None:
        """Return what a call that has to compute costs on the average, by past experience; None without any."""
        return None

    def run_remarks(self, scope: Scope) -> list[str]:
        """Return what somebody should know about a run that is over, a sentence each."""
        return []

    # ---- what they use meanwhile

    def publish_work(self, task: Task, input_task: Task | None = None, consumer: TaskWorker | None = None) -> None:
        """Publish `task`; it leaves the call when the call ends well, so that a retry cannot publish twice.

        Args:
            task: an instance of one of `output_types`. A copy is taken, so the object may be used again.
            input_task: the task from which it was computed; by default the one that is being consumed. Threads that
                ``consume_work`` starts, and waits for, pass what it consumes.
            consumer: who shall get it, where several workers downstream consume its type; nobody else gets it, no sink
                either.

        Raises:
            PublishError: the type is not declared, or nobody (or more than one) would get the task.
            PublishedOutside: nothing is being consumed.
        """
        activation = current_activation() or self._call_of_input_(task, input_task)
        activation.publish(task, input_task, consumer)

    @contextlib.contextmanager
    def work_buffer_context(self, task: Task) -> Iterator[None]:
        """Publish within the block as anywhere else: what a call publishes leaves it together in any case."""
        yield

    def print(self, *args: object) -> None:
        """Show a line to the person who watches the run, above its progress display."""
        stand_in = self._stand_in_()
        if stand_in is not None:
            stand_in.print(*args)
            return
        activation = current_activation()
        text = " ".join(str(arg) for arg in args)
        (print if activation is None else activation.tell)(text)

    @property
    def elapsed_time(self) -> float:
        """Seconds since the present call of ``consume_work`` began."""
        return need_activation(f"{self.name}.elapsed_time").elapsed

    @property
    def logger(self) -> logging.Logger:
        """The logger called after the worker's module and class."""
        return logging.getLogger(f"{type(self).__module__}.{type(self).__name__}")

    # ---- wiring

    def next(self, downstream: TaskWorker) -> TaskWorker:
        """Let `downstream` consume what this worker publishes, and return it, for the next link of the chain."""
        self._wiring_().set_dependency(self, downstream)
        return downstream

    def sink(self, output_type: type[Task], notify: SinkCallback | None = None) -> None:
        """Collect what this worker publishes of `output_type`; see `Graph.set_sink`."""
        self._wiring_().set_sink(self, output_type, notify)

    def register_consumer(self, task_cls: type[Task], consumer: TaskWorker) -> None:
        """Let `consumer` get what this worker publishes of `task_cls`; `next` does the same with fewer words.

        Of a worker that is in no graph yet, it holds for the graph that the two will be in.

        Raises:
            TypeMismatch: `task_cls` is no Task class, or `consumer` does not consume it.
            ConfigurationError: this worker does not publish it, or `consumer` is registered for it already.
        """
        if not (inspect.isclass(task_cls) and issubclass(task_cls, Task)):
            raise TypeMismatch(f"{task_cls!r} is registered for {self.name!r}: pass a Task class")
        _, problem = self.validate_task(task_cls, consumer)
        if problem is not None:
            raise problem
        if not issubclass(task_cls, tuple(self.output_types)):
            raise ConfigurationError(
                f"{self.name!r} publishes {type_names(self.output_types)}, and no {task_cls.__name__!r} "
                f"for {consumer.name!r}: add the type to its output_types"
            )
        registered: list[tuple[type[Task], TaskWorker]] = self.__dict__["_registered_"]
        if (task_cls, consumer) in registered:
            raise ConfigurationError(
                f"{consumer.name!r} is registered with {self.name!r} for {task_cls.__name__!r} already"
            )
        registered.append((task_cls, consumer))
        if self.wirings:
            self.next(consumer)

    @property
    def registered_consumers(self) -> tuple[TaskWorker, ...]:
        """The workers that `register_consumer` named."""
        return tuple(consumer for _, consumer in self.__dict__["_registered_"])

    def forget_consumers(self, task_cls: type[Task]) -> bool:
        """Undo `register_consumer` for `task_cls`, and tell whether there was something to undo."""
        registered: list[tuple[type[Task], TaskWorker]] = self.__dict__["_registered_"]
        kept = [known for known in registered if known[0] is not task_cls]
        had_some, registered[:] = len(kept) < len(registered), kept
        return had_some

    def validate_task(self, task_cls: type[Task], consumer: TaskWorker) -> tuple[bool, Exception | None]:
        """Return whether `consumer` consumes `task_cls`, and the error that says what it consumes if it does not."""
        accepted = consumer.get_task_classes()
        if issubclass(task_cls, tuple(accepted)):
            return True, None
        return False, TypeMismatch(f"{consumer.name!r} consumes {type_names(accepted)}, and no {task_cls.__name__!r}")

    def attach_to_graph(self, wiring: Wiring) -> None:
        """Remember the graph that the worker was added to. Graphs call this.

        Raises:
            ConfigurationError: the worker's ``__init__`` was not completed.
        """
        if "_wirings_" not in self.__dict__:
            raise ConfigurationError(f"{type(self).__name__}.__init__ does not call super().__init__(**settings)")
        self.__dict__["_wirings_"].append(wiring)

    def set_graph(self, graph: Wiring) -> None:
        """Remember the graph that the worker is in; ``graph.add_workers`` does so, too."""
        if graph not in self.wirings:
            self.attach_to_graph(graph)

    @property
    def wirings(self) -> tuple[Wiring, ...]:
        """The graphs that the worker was added to."""
        return tuple(self.__dict__["_wirings_"])

    def get_task_class(self) -> type[Task]:
        """Return the type that the worker consumes.

        Raises:
            ConfigurationError: ``consume_work`` has no parameter ``task`` with a Task type as its annotation.
        """
        return self.get_task_classes()[0]

    def get_task_classes(self) -> list[type[Task]]:
        """Return the types that the worker consumes: one, or those of a union."""
        return task_types_of(type(self), "consume_work", ("task",))

    # ---- how a call is made

    @property
    def is_async_worker(self) -> bool:
        """Whether what the worker does is to be awaited, and so runs on the event loop."""
        return is_async(type(self).consume_work)

    def perform_call(self, tasks: tuple[Task, ...]) -> Awaitable[None] | None:
        """Consume what a call brings, or return what is to be awaited for it.

        Kinds of workers differ here; what is to be computed is `consume_work`.
        """
        return self.consume_work(tasks[0])

    def is_consuming(self) -> bool:
        """Tell whether the present call is one of this worker's."""
        activation = current_activation()
        return activation is not None and activation.worker is self

    def consume_outside_run(self, task: Task) -> Awaitable[None] | None:
        """Make a call that nobody routes: ``worker.consume_work(task)``, called by hand."""
        if self.is_async_worker:
            return self._consume_outside_run_(task)
        with Activation(self, (task,), self.outside_router()):
            return self.perform_call((task,))

    async def _consume_outside_run_(self, task: Task) -> None:
        with Activation(self, (task,), self.outside_router()):
            pending = self.perform_call((task,))
            if pending is not None:
                await pending

    def outside_router(self) -> Router:
        """Return what becomes of tasks that are published outside of a run: here, an error."""

        def refuse(task: Task, consumer: object) -> tuple[str, ...]:
            raise PublishedOutside(
                f"{self.name!r} publishes a {type(task).__name__!r} outside of a run, where nobody gets it: "
                "run the worker in a graph, or use planai.testing.run_inline"
            )

        return refuse

    def _wiring_(self) -> Wiring:
        wirings: list[Wiring] = self.__dict__["_wirings_"]
        stand_in: Wiring | None = None if wirings else self._stand_in_()
        if stand_in is not None:
            return stand_in
        if len(wirings) != 1:
            state = "in no graph yet: call graph.add_workers first" if not wirings else "in several graphs"
            raise ConfigurationError(
                f"worker {self.name!r} is {state}; graph.set_dependency(...) and graph.set_sink(...) name the graph"
            )
        return wirings[0]
