"""KeyedTaskWorker: a worker that knows all that decides its answers, and makes keys of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain
from operator import is_, itemgetter
from typing import Any

from pydantic import Field

from planai.cache.about import Profile
from planai.cache.canonical import Reader, SettingsReader, canonical, digest, ignored_fields, qualified, stand_ins
from planai.cache.changes import calls_on_attributes, changed_names, filled_names
from planai.cache.fields import misplaced_mark
from planai.cache.key import digest_of_parts, key_of, schemas_of
from planai.cache.memo import per_class
from planai.cache.own import Own
from planai.cache.places import changes_of_call
from planai.cache.shown import constant_text, named_text
from planai.cache.source import CodeIdentity, code_of_model, code_of_worker
from planai.cache.state import INTERNAL, lazy_names
from planai.call import current_activation
from planai.errors import UnkeyableValue
from planai.task import Task
from planai.worker import TaskWorker

_working_out = threading.RLock()
os.register_at_fork(
    before=_working_out.acquire, after_in_parent=_working_out.release, after_in_child=_working_out.release
)


@dataclass(frozen=True, slots=True)
class Known:
    """The profile of a worker, as it was found at a certain time.

    Attributes:
        digest: what stands for the profile in keys.
        names: the attributes of the worker that count.
        values: their values then.
    """

    digest: str
    names: tuple[str, ...]
    values: tuple[Any, ...]

    def holds_for(self, attributes: dict[str, Any]) -> bool:
        """Tell whether the worker has the same attributes still."""
        return all(map(is_, map(attributes.get, self.names), self.values))


class KeyedTaskWorker(TaskWorker):
    """A worker that knows all that decides its answers.

    Attributes:
        cache_code: whether the worker's code, and that of the types it consumes and publishes, decides. With False,
            answers are kept when the code changes: change `cache_name` or a setting when they no longer hold.
        cache_name: what the worker is called in keys, in place of its class and module, so that these may be renamed.
    """

    cache_code: bool = True
    cache_name: str | None = Field(default=None, min_length=1)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.__dict__["_first_"] = {}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        first = dict(self.__dict__["_first_"])  # what calls change later is up to each copy
        seen = first.pop("changed by calls", {})
        first["changed by calls"] = {(id(place), name): (place, value) for (_, name), (place, value) in seen.items()}
        self.__dict__["_first_"] = first

    # ---- what subclasses may override

    def extra_cache_key(self, task: Any) -> str:
        """Return what decides the answer besides the task, the settings and the code, such as the version of a plugin.

        A worker with this method may take modules by names that are made up while it runs, whose edits nobody sees.
        """
        return ""

    def get_cache_key(self, task: Any) -> str:
        """Return the key of the answer to `task`.

        An override replaces all of it: code and settings, and what is looked up in the task's provenance, count only
        where ``super().get_cache_key(task)`` is part of the result. Keys of different workers never meet.

        Raises:
            UnkeyableValue: a field of the task, or a setting, has no identity, or the code takes modules by names that
                are made up while it runs; the message says where.
        """
        profile, parts = self.cache_profile(type(task)), self.cache_parts(task)
        activation = current_activation()
        if activation is not None and activation.worker is self:
            activation.notes["parts"] = (profile, parts)
        return key_of(profile, parts)

    def key_parts(self, task: Any) -> dict[str, bytes]:
        """Return what decides the answer to `task`, but not to all tasks, by name."""
        reader = Reader()
        parts = {"task": reader.read(task, f"the key of {self.name!r}: {type(task).__name__}")}
        if self.cache_code and (len(reader.kinds) > 1 or reader.functions):
            held = self._code_held_(reader, type(task))
            if held:
                parts["code that the task holds"] = held.encode()
        extra = self.extra_cache_key(task)
        if extra != "":
            parts["extra"] = canonical(extra, f"extra_cache_key of {self.name!r}")
        return parts

    def profile_parts(self, kind: type[Task]) -> dict[str, bytes]:
        """Return what decides the answers to all tasks of the type `kind`, by name."""
        reader = SettingsReader(with_code=self.cache_code)
        parts = {
            "worker": self.cache_space.encode(),
            "outputs": canonical(schemas_of(self.output_types)),
            "settings": reader.read(self._settings_(), f"the key of {self.name!r}: settings"),
            "attributes": self._attributes_().encode(),
        }
        if self.cache_code:
            parts["code"] = f"{self._code_(code_of_worker(type(self)))}{self._code_held_(reader)}".encode()
            parts["input"] = self._code_(self._code_of_(kind)).encode()
            parts["types"] = canonical([self._code_(self._code_of_(one)) for one in self.output_types])
        return parts

    def deciding_state(self) -> dict[str, Any]:
        """Return what decides of this worker where another one holds it: its settings and attributes."""
        if id(self) in _telling.get():
            return {}  # it holds itself, or somebody who holds it
        return {"settings": self._settings_(), "attributes": self._attributes_()}

    # ---- what the cache uses

    @property
    def cache_space(self) -> str:
        """What the worker is called in keys."""
        return self.cache_name or qualified(type(self))

    def cache_parts(self, task: Task) -> dict[str, str]:
        """Return the digest of each of the `key_parts`."""
        return {name: digest(part) for name, part in self.key_parts(task).items()}

    def cache_profile(self, kind: type[Task]) -> str:
        """Return the digest of what decides the answers to all tasks of the type `kind`.

        Within a run it is worked out once, and again when the worker has got another attribute.
        """
        activation = current_activation()
        notes = {} if activation is None else activation.scope.notes
        known: Known | None = notes.get((self, kind))
        if known is None or not known.holds_for(self.__dict__):
            with _working_out:  # once, though all threads of a run begin by asking for it
                known = notes.get((self, kind))
                if known is None or not known.holds_for(self.__dict__):
                    known = notes[self, kind] = self._present_(kind)
        return known.digest

    def _present_(self, kind: type[Task]) -> Known:
        parts = {name: digest(part) for name, part in self.profile_parts(kind).items()}
        changed = changed_names(type(self)) | INTERNAL
        names = tuple(name for name in self.__dict__ if name not in changed)
        return Known(digest_of_parts(parts), names, tuple(self.__dict__[name] for name in names))

    def cache_description(self, kind: type[Task]) -> Profile:
        """Return the profile for people who ask what has changed."""
        logic = CodeIdentity(type(self), opaque=self.output_types).digest() if self.cache_code else ""
        return Profile(
            worker=self.cache_space,
            parts={name: digest(part) for name, part in self.profile_parts(kind).items()} | {"logic": logic},
            code=self._outline_(kind) if self.cache_code else {},
            settings={name: named_text(name, value) for name, value in self._settings_().items()}
            | {name: self._attribute_text_(name, value) for name, value in self._given_().items()},
            outputs=schemas_of(self.output_types),
        )

    def _outline_(self, kind: type[Task]) -> dict[str, str]:
        """Return a short digest of each function, and the value of each constant, of the worker and its types."""
        outline: dict[str, str] = {}
        reader = SettingsReader(with_code=True)
        reader.read(self._settings_(), "settings")
        for one in (kind, *self.output_types, *self._own_kinds_(reader)):
            outline |= self._code_of_(one).outline()
        return outline | code_of_worker(type(self)).outline()

    def _settings_(self) -> dict[str, Any]:
        """Return the settings that the worker's own classes declare, without those marked with `CacheIgnore`."""
        settings = {name: self._setting_(name, getattr(self, name)) for name in _deciding_settings(type(self))}
        return settings | {name: function(settings[name]) for name, function in stand_ins(type(self)).items()}

    def _setting_(self, name: str, value: Any) -> Any:
        """Return the value of a setting; of one that calls fill, a digest of what was in it at first."""
        if name not in filled_names(type(self)) or name in stand_ins(type(self)):
            return self._deciding_(name, value)
        first: dict[str, Any] = self.__dict__["_first_"]
        known = first.get(f"{name}, filled", (None, ""))
        if known[0] is value:
            return known[1]
        return self._at_first_(name, value, digest(canonical(value, f"the key of {self.name!r}: settings[{name!r}]")))

    def _attributes_(self) -> str:
        """Return a digest of the attributes that the worker was given besides its settings.

        What its calls assign to, such as a counter, and what its methods fill, such as a memo, count as they were at
        first.
        """
        if not (given := self._given_()):
            return ""
        with _while_telling(self):
            parts = [self._attribute_(name, value).encode() for name, value in sorted(given.items(), key=itemgetter(0))]
        return digest(*parts)

    def _given_(self) -> dict[str, Any]:
        """Return the attributes that the worker was given besides its settings, by name."""
        own = {**self.__dict__, **(self.__pydantic_private__ or {})}
        apart = type(self).model_fields.keys() | INTERNAL
        first: dict[str, Any] = self.__dict__["_first_"]
        later = first.setdefault("set by calls", _set_by_calls(type(self)) - own.keys())  # and not there at first
        return {name: value for name, value in own.items() if name not in apart and name not in later}

    def _attribute_text_(self, name: str, value: Any) -> str:
        """Return what people are shown of an attribute; of what calls fill, a digest of what was in it at first."""
        with _while_telling(self):
            form = self._attribute_(name, value).encode()
        if name in filled_names(type(self)):
            return f"{type(value).__name__} #{digest(form)[:12]}"
        return constant_text(name, self._deciding_(name, value), form)

    def _attribute_(self, name: str, value: Any) -> str:
        first: dict[str, Any] = self.__dict__["_first_"]
        known = first.get(f"{name}, filled", (None, ""))
        if known[0] is value and name in filled_names(type(self)):
            return str(known[1])
        identity = code_of_worker(type(self))
        changed = first.setdefault("changed by calls", {})
        methods = [method for attribute, method in calls_on_attributes(type(self)) if attribute == name]
        for place, inside in chain.from_iterable(changes_of_call(value, method) for method in methods):
            identity.see_first(place, inside, changed)
        found = self._followed_(*identity.look_at([(name, self._deciding_(name, value))], first=changed))
        return self._at_first_(name, value, found) if name in filled_names(type(self)) else found

    def _at_first_(self, name: str, value: Any, found: str) -> str:
        """Return what was found first of something that calls fill; that may have been in another thread."""
        first: dict[str, Any] = self.__dict__["_first_"]
        known = first.setdefault(f"{name}, filled", (value, found))
        if known[0] is not value:
            known = first[f"{name}, filled"] = (value, found)
        return str(known[1])

    def _code_of_(self, kind: type) -> CodeIdentity:
        """Return the identity of the code of a type that the worker is given, with what its own code asks of that."""
        return code_of_model(kind).asked_by(code_of_worker(type(self)))

    def _code_(self, identity: CodeIdentity) -> str:
        """Return the digest of code, all of which can be followed, or is vouched for."""
        return self._followed_(identity.digest(), identity.unknown())

    def _followed_(self, found: str, unknown: set[str]) -> str:
        """Return what was found of code, unless it has functions that nobody can follow or vouches for."""
        if unknown and self.cache_code and type(self).extra_cache_key is KeyedTaskWorker.extra_cache_key:
            functions = " and ".join(sorted(unknown))
            raise UnkeyableValue(
                f"the key of {self.name!r}: {functions} takes a module by a name that is made up while it runs, "
                "so that an edit of that module would go unseen: name it in the code, "
                "return what tells its versions apart from extra_cache_key, or set cache_code = False"
            )
        return found

    def _code_held_(self, reader: Reader, known: type[Task] | None = None) -> str:
        """Return a digest of the code of what was read, as far as it is not a part of the key by itself.

        Args:
            reader: who has read a task, or settings.
            known: the type of the task, whose code counts, and that of the classes that its annotations name.
        """
        activation = current_activation()
        notes = {} if activation is None else activation.scope.notes
        key = (self, known, frozenset(reader.kinds))
        found: str | None = None if reader.functions else notes.get(key)
        if found is None:
            kinds = self._own_kinds_(reader)
            if known is not None and kinds:
                kinds = [kind for kind in kinds if kind not in self._code_of_(known).kinds()]
            codes = [self._code_(self._code_of_(kind)).encode() for kind in kinds]
            if reader.functions:
                codes.append(self._followed_(*code_of_worker(type(self)).look_at(reader.functions)).encode())
            found = digest(*codes) if codes else ""
            if not reader.functions:
                notes[key] = found
        return found

    def _own_kinds_(self, reader: Reader) -> list[type]:
        own = Own(type(self).__module__)
        return sorted(filter(own.holds, reader.kinds), key=qualified)

    def _deciding_(self, name: str, value: Any) -> Any:
        """Return the value that counts: the present one, or the first one of what calls change."""
        first: dict[str, Any] = self.__dict__["_first_"]
        return first.setdefault(name, value) if name in changed_names(type(self)) else value


_telling: ContextVar[frozenset[int]] = ContextVar("planai_telling", default=frozenset())
"""The ids of the workers whose attributes are being read in this thread."""


@contextmanager
def _while_telling(worker: KeyedTaskWorker) -> Iterator[None]:
    token = _telling.set(_telling.get() | {id(worker)})
    try:
        yield
    finally:
        _telling.reset(token)


@per_class
def _set_by_calls(worker: type) -> frozenset[str]:
    """Return the attributes that may come into being with a call."""
    return changed_names(worker) | lazy_names(worker)


@per_class
def library_classes(worker: type) -> frozenset[type]:
    """Return the classes of `worker` that planai itself defines, outside of its examples."""
    return frozenset(
        base
        for base in worker.__mro__
        if base is object
        or base.__module__.partition(".")[0] in ("pydantic", "abc")
        or (base.__module__.startswith("planai.") and not base.__module__.startswith("planai.demo"))
    )


@per_class
def _deciding_settings(worker: type) -> tuple[str, ...]:
    """Return the names of the settings that decide answers: none that planai's own classes declare does by itself."""
    wrong = misplaced_mark(worker)
    if wrong:
        raise UnkeyableValue(
            f"the setting {wrong!r} of {qualified(worker)} is marked inside of its type: mark all of it"
        )
    library = {name for base in library_classes(worker) for name in getattr(base, "model_fields", ())}
    return tuple(sorted(getattr(worker, "model_fields", {}).keys() - library - ignored_fields(worker)))
