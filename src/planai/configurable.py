"""Configurable: an object whose settings are typed fields, and which is equal to nothing but itself."""

from __future__ import annotations

import copy
import threading
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from planai.settings import WorkerMeta, refuse_unknown


class Configurable(BaseModel, metaclass=WorkerMeta):
    """What workers are as Python objects.

    Raises:
        ConfigurationError: a setting is passed that does not exist.
        pydantic.ValidationError: a setting has the wrong type.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        extra="forbid",
        protected_namespaces=(),
        validate_assignment=True,
    )

    def __init__(self, **settings: Any) -> None:
        early = dict(self.__dict__)  # set by a subclass before it called this
        known = type(self).model_fields
        try:
            super().__init__(**{**{name: early.pop(name) for name in list(early) if name in known}, **settings})
        except ValidationError as error:
            refuse_unknown(type(self), error)
            raise
        for name, value in early.items():
            setattr(self, name, value)
        self.__dict__.update(self._begin_())

    def _begin_(self) -> dict[str, Any]:
        """Return what this object has for itself, and no copy of it takes over."""
        return {"_lock_": threading.RLock()}

    # A copy, also one in another process, is an object of its own, with nothing open.
    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        apart = self._begin_().keys()
        return state | {"__dict__": {name: item for name, item in state["__dict__"].items() if name not in apart}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.update(self._begin_())

    def __copy__(self) -> Self:
        made = type(self).__new__(type(self))
        made.__setstate__({name: copy.copy(part) for name, part in self.__getstate__().items()})
        return made

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        known = {} if memo is None else memo
        made = known[id(self)] = type(self).__new__(type(self))  # before the rest, which may lead back here
        made.__setstate__(copy.deepcopy(self.__getstate__(), known))
        return made

    # Workers are told apart by identity: two with the same settings are two steps of a graph.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __setattr__(self, name: str, value: Any) -> None:
        """Validate what is a setting; keep anything else as an ordinary attribute."""
        is_made = "_lock_" in self.__dict__
        if self._keeps_apart_(name) or (is_made and (name in type(self).model_fields or name.startswith("_"))):
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    def _keeps_apart_(self, name: str) -> bool:
        """Tell whether pydantic keeps `name`, a private attribute, by now: from before ``model_post_init`` on.

        An attribute of that name beside it would hide all later changes.
        """
        return name in type(self).__private_attributes__ and getattr(self, "__pydantic_private__", None) is not None

    @property
    def lock(self) -> threading.RLock:
        """A lock for what the worker's threads share."""
        return self.__dict__["_lock_"]  # type: ignore[no-any-return]
