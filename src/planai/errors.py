"""Every error planai raises on purpose, as one tree.

::

    PlanaiError
    ├── ConfigurationError (ValueError)   a setting or an argument that cannot be meant
    │   ├── TypeMismatch (TypeError)      a task type that is none, or that a worker does not consume
    │   ├── UnusedHook (RuntimeError)     a method of a worker that nothing would ever call
    │   ├── NobodyConsumes (KeyError)     a task type whose consumers are to be taken away, and that has none
    │   └── WiringError                   all wiring mistakes of one graph, raised together
    ├── PublishError (ValueError)         a task published with the wrong type, or to nobody
    ├── OutsideCallError (RuntimeError)   something that exists only while a worker consumes a task
    │   └── PublishedOutside (PublishError) a task published while nothing is being consumed
    ├── WorkAborted                       raised where a call waits whose work is aborted
    ├── IncompleteGroup                   a join did not get its group, because work below its ancestor failed
    ├── RunFailed                         raised by ``run(raise_on_failure=True)``
    ├── CacheError
    │   ├── UnkeyableValue (TypeError)    a value that decides an answer, but has no identity
    │   ├── UnstorableValue (TypeError)   a value that would not come back from the cache as it went in
    │   └── CacheMiss (LookupError)       an answer that has to be in the cache, and is not
    ├── WebError                          a page or a search that cannot be had
    └── ModelError
        ├── MissingDependency (ImportError)  a package that is installed only on request
        ├── ModelUnavailable              no key, no server, no model file
        ├── RequestTooLong                more tokens than max_input_tokens; it was not sent
        ├── BudgetExceeded                asking might cost more than max_cost_usd; the run ends
        └── InvalidAnswer                 refused, cut off, or still not valid after asking again

Ctrl-C is a plain ``KeyboardInterrupt``, so that it ends a program as it always does.
"""

from __future__ import annotations

from typing import Any


class PlanaiError(Exception):
    """Base of every error that planai raises on purpose."""


class ConfigurationError(PlanaiError, ValueError):
    """A setting or an argument that cannot be meant."""


class TypeMismatch(ConfigurationError, TypeError):
    """A class is given as a task type and is none, or a worker does not consume it."""


class UnusedHook(ConfigurationError, RuntimeError):
    """A worker has a method that only another kind of worker is asked for."""


class NobodyConsumes(ConfigurationError, KeyError):
    """The consumers of a task type are to be taken away, and it has none."""

    __str__ = Exception.__str__  # a KeyError would show its message in quotes


class WiringError(ConfigurationError):
    """All wiring mistakes of a graph, raised together when it is planned.

    Attributes:
        problems: one sentence a mistake, each naming the workers, the types and the remedy.
        drawing: the graph as it is wired, as text; "" where it cannot be drawn.
    """

    def __init__(self, graph: str, problems: list[str], drawing: str = "") -> None:
        self.problems = problems
        self.drawing = drawing
        lines = "\n".join(f"  {number}. {text}" for number, text in enumerate(problems, 1))
        below = f"\n\n{drawing}" if drawing else ""
        super().__init__(f"graph {graph!r} cannot run:\n{lines}{below}")


class PublishError(PlanaiError, ValueError):
    """A task was published whose type is not declared, or that nobody consumes."""


class OutsideCallError(PlanaiError, RuntimeError):
    """Something was asked of a worker that it can only do while it consumes a task."""


class PublishedOutside(OutsideCallError, PublishError):
    """A task was published while nothing was being consumed, so that nobody gets it."""


class WorkAborted(PlanaiError):
    """A call waited for something, and its work was aborted meanwhile."""


class IncompleteGroup(PlanaiError):
    """A join whose ``on_failure`` is ``"fail"`` did not get its group, because work below its ancestor failed."""


class RunFailed(PlanaiError):
    """At least one call of a run failed for good, and ``raise_on_failure`` was set.

    Attributes:
        result: the `RunResult`, with the outputs that were reached and every failure.
    """

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


class CacheError(PlanaiError):
    """Base of what can go wrong with a cache in a way that must not be passed over."""


class UnkeyableValue(CacheError, TypeError):
    """A value decides the answer, but nothing about it can be put into a key."""


class UnstorableValue(CacheError, TypeError):
    """A value would not come back from the cache as it went in."""


class CacheMiss(CacheError, LookupError):
    """In the mode ``replay``, an answer is not in the cache; the message says what is there, and what differs."""


class WebError(PlanaiError):
    """A page or a search could not be had."""


class ModelError(PlanaiError):
    """Base of what can go wrong when a model is asked."""


class MissingDependency(ModelError, ImportError):
    """A package is needed that a default installation leaves out."""


class ModelUnavailable(ModelError):
    """The model cannot be reached: no key, no server, or no model file.

    Attributes:
        may_be_billed: whether the provider may have answered all the same, and charge for it: after a time-out, and
            where the answer was cut off or could not be read.
    """

    def __init__(self, message: str, *, may_be_billed: bool = False) -> None:
        super().__init__(message)
        self.may_be_billed = may_be_billed


class RequestTooLong(ModelError):
    """A request has more tokens than `max_input_tokens`; it was not sent."""


class BudgetExceeded(ModelError):
    """Asking the model might cost more than is left of `max_cost_usd`; it was not asked, and the run ends."""


class InvalidAnswer(ModelError):
    """The model refused, was cut off, or its answer stayed invalid after asking again."""
