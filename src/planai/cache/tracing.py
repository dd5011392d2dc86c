"""TracingTaskWorker: a keyed worker that knows what its computations look up in the provenance of their input."""

from __future__ import annotations

from collections.abc import Callable

from planai.cache.keyed import KeyedTaskWorker, library_classes
from planai.cache.manual import replaces
from planai.cache.memo import per_class
from planai.cache.reads import Read, found_by, load_read, may_look_up, read_of
from planai.call import Activation, current_activation
from planai.copies import snapshot
from planai.task import Lineage, Task, lineage_of, set_lineage
from planai.trace import Trace, Watch


class TracingTaskWorker(KeyedTaskWorker):
    """A worker that knows what its computations look up in the provenance of their input."""

    def _start_trace_(self, task: Task) -> None:
        """Let `task` note what is looked up in its provenance, until `_end_trace`."""
        activation = own_activation(self)
        if activation is not None and is_traced(type(self)):
            trace = Trace()
            origin = activation.notes["origin"] = lineage_of(task)
            activation.notes["trace"] = trace
            set_lineage(task, Lineage(*origin[:-1], Watch(trace)))

    def _end_trace_(self, task: Task) -> None:
        set_lineage(task, Lineage(*lineage_of(task)[:-1]))

    def _reads_(self, activation: Activation) -> list[tuple[str, str]]:
        """Return what a call has looked up, with a digest of what it found.

        Raises:
            UnkeyableValue: something of that has no identity.
        """
        trace: Trace | None = activation.notes.get("trace")
        if trace is None or not trace.questions:
            return []
        task = self._as_it_came_(activation)
        asked = [read_of(question) for question in trace.questions]
        return [(read.dump(), found_by(read, task)) for read in asked]

    def _as_it_came_(self, activation: Activation) -> Task:
        """Return the consumed task with the provenance and private state that it came with, and nobody who watches."""
        task = activation.tasks[0]
        lineage = activation.notes.get("origin") or lineage_of(task)
        return set_lineage(snapshot(task), lineage._replace(watch=None))

    def _finder_(self, task: Task | None) -> Callable[[str], str] | None:
        """Return what tells what a look-up finds for the task that is being consumed, or else for `task`."""
        if not is_traced(type(self)):
            return None
        activation = own_activation(self)
        subject_type = type(task) if activation is None else type(activation.tasks[0])
        if (activation is None and task is None) or not (may_look_up(type(self)) or may_look_up(subject_type)):
            return None

        def find(look_up: str) -> str:
            subject = task if activation is None else self._as_it_came_(activation)
            read: Read = load_read(look_up)
            return found_by(read, subject)  # type: ignore[arg-type]  # one of the two is there

        return find


def own_activation(worker: object) -> Activation | None:
    """Return the call that runs in this thread, if it is one of `worker`'s."""
    activation = current_activation()
    return activation if activation is not None and activation.worker is worker else None


@per_class
def is_traced(worker: type) -> bool:
    """Tell whether look-ups in the provenance count: where all of the key is replaced, they do not."""
    return not replaces(worker, "get_cache_key", library_classes(worker))
