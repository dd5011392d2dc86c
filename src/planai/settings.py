"""The metaclass by which a worker's settings are pydantic fields, however briefly a subclass writes them.

``cache_ttl = 3600`` and ``output_types = [Result]`` in the body of a subclass override the inherited fields and are
validated against their types; a bare name that is no field becomes a class variable, as in any other class.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
import types
import warnings
from collections.abc import Callable, Container, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo, ModelPrivateAttr

from planai.errors import ConfigurationError, PublishError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:  # it has no public name
    ModelMetaclass = type(BaseModel)

GUARD = "__planai_guard__"
"""The mark of a method that `WorkerMeta` has wrapped; it tells whether the method is to be awaited."""


class WorkerMeta(ModelMetaclass):
    """Annotates bare names before pydantic sees them, and guards ``consume_work`` afterwards."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        """Make the class."""
        inherited = _inherited_fields(bases)
        added = {
            key: _checked(inherited[key]) if key in inherited else ClassVar[Any]
            for key, value in namespace.items()
            if key not in _annotated(namespace) and _is_bare_setting(key, value, inherited)
        }
        _annotate(namespace, added)
        namespace["__pydantic_parent_namespace__"] = _local_classes(inspect.currentframe())
        kwargs.setdefault("__pydantic_reset_parent_namespace__", False)
        cls = super().__new__(mcs, name, bases, namespace, **kwargs)
        _refuse_async_hooks(cls, namespace)
        _guard_consume_work(cls)
        return cls


def _local_classes(frame: types.FrameType | None) -> dict[str, type] | None:
    """Return the classes local to the caller of `frame`, which the annotations of the class may name as strings.

    pydantic would look for them one frame too near, in the metaclass.
    """
    frame = frame and frame.f_back
    if frame is None or frame.f_locals is frame.f_globals:
        return None
    return {name: value for name, value in frame.f_locals.items() if isinstance(value, type)}


def _inherited_fields(bases: tuple[type, ...]) -> dict[str, FieldInfo]:
    fields: dict[str, FieldInfo] = {}
    for base in reversed(bases):
        fields.update(getattr(base, "model_fields", {}))
    return fields


def _is_bare_setting(name: str, value: object, inherited: Container[str]) -> bool:
    """Tell plain data from methods, properties, nested classes and what pydantic handles itself."""
    if name.startswith("_") or name == "model_config":
        return False
    if isinstance(value, FieldInfo):
        return name in inherited  # a new one is for pydantic to judge
    if inspect.isclass(value):
        return True
    return not (
        isinstance(value, types.FunctionType)
        or hasattr(type(value), "__get__")  # property, cached_property, lru_cache, pydantic's decorators
        or isinstance(value, ModelPrivateAttr)
    )


def _checked(field: FieldInfo) -> Any:
    """Return the annotation of an inherited field under which a default is validated.

    The default of a field that a class annotates itself is not, as in any other pydantic model.
    """
    return Annotated[field.rebuild_annotation(), Field(validate_default=True)]


def _annotated(namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the annotations of a class body that is about to become a class."""
    if "__annotations__" in namespace or sys.version_info < (3, 14):
        return dict(namespace.get("__annotations__", {}))
    annotationlib = importlib.import_module("annotationlib")  # exists from Python 3.14 on

    annotate = annotationlib.get_annotate_from_class_namespace(namespace)
    if annotate is None:
        return {}
    forward = annotationlib.Format.FORWARDREF
    return dict(annotationlib.call_annotate_function(annotate, forward))


def _annotate(namespace: dict[str, Any], added: dict[str, Any]) -> None:
    """Add annotations to a class body; from Python 3.14 on, by a function that is asked for them later."""
    if not added:
        return
    if "__annotations__" in namespace or sys.version_info < (3, 14):
        namespace["__annotations__"] = {**namespace.get("__annotations__", {}), **added}
        return
    annotationlib = importlib.import_module("annotationlib")  # exists from Python 3.14 on

    own = annotationlib.get_annotate_from_class_namespace(namespace)

    def annotate(wanted: Any, /) -> dict[str, Any]:
        return {**added, **(annotationlib.call_annotate_function(own, wanted) if own else {})}

    namespace.pop("__annotate_func__", None)
    namespace["__annotate__"] = annotate


def _refuse_async_hooks(cls: type, namespace: dict[str, Any]) -> None:
    """Make sure that nothing is written as ``async def`` that nobody awaits.

    Which of planai's methods may be is told by what they are annotated to return.

    Raises:
        ConfigurationError: a method is.
    """
    for name, value in namespace.items():
        if name.startswith("_") or not is_async(value):
            continue
        hidden = next((vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)), None)
        is_hook = isinstance(hidden, types.FunctionType) and hidden.__module__.startswith("planai.")
        if is_hook and "Awaitable" not in str(hidden.__annotations__.get("return")):
            raise ConfigurationError(f"{cls.__name__}.{name} is async, which nobody awaits: write it as a plain def")


def _guard_consume_work(cls: type) -> None:
    """Let a call of ``consume_work`` from outside of a run be made the way a run makes it."""
    consume: Callable[..., None] | None = getattr(cls, "consume_work", None)
    if consume is None or hasattr(consume, GUARD) or getattr(consume, "__isabstractmethod__", False):
        return
    cls.consume_work = _guarded(consume)  # type: ignore[attr-defined]


def _guarded(consume: Callable[..., Any]) -> Callable[..., Any]:
    awaits = is_async(consume)
    guarded = _guarded_async(consume) if awaits else _guarded_plain(consume)
    setattr(guarded, GUARD, awaits)
    return guarded


def is_async(function: object) -> bool:
    """Tell whether a function is an ``async def``, or one that decorators have been put around."""
    known: bool | None = getattr(function, GUARD, None)
    if known is not None:
        return known
    return callable(function) and inspect.iscoroutinefunction(inspect.unwrap(function))


def _guarded_plain(consume: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(consume)
    def consume_work(self: Any, task: Any) -> Any:
        if not self.is_consuming():
            return self.consume_outside_run(task)
        returned = consume(self, task)
        if returned is not None and not (self.is_async_worker and inspect.isawaitable(returned)):
            _look_at_returned(self, returned)
        return returned

    return consume_work


def _guarded_async(consume: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(consume)
    async def consume_work(self: Any, task: Any) -> None:
        if self.is_consuming():
            pending = consume(self, task)  # a decorator may have waited already
            _look_at_returned(self, await pending if inspect.isawaitable(pending) else pending)
        else:
            await self.consume_outside_run(task)

    return consume_work


def _look_at_returned(worker: Any, returned: object) -> None:
    """Warn of what ``consume_work`` returned: nobody gets it.

    Raises:
        PublishError: it is to be awaited, and so the work is not done.
    """
    if returned is None:
        return
    if inspect.iscoroutine(returned):
        returned.close()  # else Python warns that it was never awaited
        raise PublishError(
            f"{worker.name}.consume_work returned a coroutine: write it as async def, and await it there"
        )
    warnings.warn(
        f"{worker.name}.consume_work returned a {type(returned).__name__}, which nobody gets: "
        "publish it with self.publish_work(...)",
        stacklevel=3,
    )


def refuse_unknown(worker: type[BaseModel], error: ValidationError) -> None:
    """Say which setting does not exist, and which one may have been meant.

    Raises:
        ConfigurationError: one does not; where `error` is about something else, nothing happens.
    """
    wrong = [item["loc"] for item in error.errors() if item["type"] == "extra_forbidden"]
    unknown = [str(where[0]) for where in wrong if len(where) == 1]  # and none within the value of one that exists
    for name in unknown:
        if hasattr(worker, name):
            raise ConfigurationError(
                f"{worker.__name__}.{name} is a class variable: annotate it, as in `{name}: str = ...`, to pass it"
            ) from None
        close = difflib.get_close_matches(name, worker.model_fields, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(sorted(worker.model_fields))}"
        raise ConfigurationError(f"{worker.__name__} has no setting {name!r}: {hint}") from None
