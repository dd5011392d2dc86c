"""RespondingTaskWorker: a cached model worker that keeps what its model says, apart from what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import Field

from planai.cache.answer import Limits
from planai.cache.canonical import canonical, digest
from planai.cache.store import CacheMode
from planai.cache.worker import CachedTaskWorker
from planai.call import Park, current_activation, need_activation
from planai.flow import Flow
from planai.llm.asking import Keeper
from planai.llm.client import Rendered
from planai.llm.request_key import Asked
from planai.llm.responses import SPACE, Responses, Room, open_room, owned_by
from planai.llm.worker import LLMTaskWorker


class RespondingTaskWorker(CachedTaskWorker, LLMTaskWorker):
    """A cached model worker that keeps what its model says, for all who tell a model the same.

    Attributes:
        include_model_in_key: whether another model is asked again. With False, an answer of any model will do.
        cache_scope: such as a tenant: nobody gets an answer from another scope.
        sample: which of several answers to the same question this worker gets; 0 for the first.
    """

    include_model_in_key: bool = True
    cache_scope: str = ""
    sample: int = Field(default=0, ge=0)

    # ---- what subclasses may override

    def get_cache_salt(self, task: Any) -> str | None:
        """Return what tells answers to the same question apart besides what the model is told; None for nothing."""
        return None

    # ---- how it works

    def response_keeper(self, task: Any) -> Keeper:
        """Return where what the model says is kept, beside what the worker publishes."""
        mode = self.cache_mode_now()
        if mode == "off":
            return Keeper()
        known, wanted = self.notes_now().get("should cache", (None, False))
        if known is not task:
            wanted = self.should_cache(task)
        return self.responses_of(task, mode) if wanted else Keeper()

    def rendered_request(self, task: Any) -> Rendered:
        """Return what the model is told; a call that has waited for an equal one does not work it out again."""
        activation = current_activation()
        if activation is None or activation.call is None or activation.worker is not self:
            return super().rendered_request(task)
        if activation.call.resumed and "request" not in activation.notes:
            waited: Rendered | None = activation.scope.notes.pop((self, activation.call.id), None)
            if waited is not None:
                activation.notes["request"] = (task, waited)
        return super().rendered_request(task)

    def _compute_once_(self, key: str, compute: Callable[[], Flow[None]], find: Callable[[], Flow[bool]]) -> Flow[None]:
        try:
            yield from super()._compute_once_(key, compute, find)
        except Park:
            activation = need_activation("a call")
            if activation.call is not None:
                activation.scope.notes[self, activation.call.id] = self.rendered_request(activation.tasks[0])
            raise

    def notes_now(self) -> dict[str, Any]:
        """Return what is remembered until the present call of this worker ends."""
        activation = current_activation()
        return {} if activation is None or activation.worker is not self else activation.notes

    def responses_of(self, task: Any, mode: CacheMode, room: Room | None = None) -> Responses:
        """Return what the model has said, as this worker wants it for `task`."""
        notes = self.notes_now()
        return Responses(
            room=room or self.response_room(),
            mode=mode,
            owner=self.cache_space,
            asked=self.whose_question(task),
            ttl=self.cache_age_limit(task),
            refreshed=self._refreshed_(),
            kept=self._limit_responses_,
            heard=notes.setdefault("responses", []).append,
            occasion=self._occasion_of_(task),
        )

    def _occasion_of_(self, task: Any) -> Callable[[], str]:
        """Return what tells for which task a question is asked, and whether it is the first one in a call."""
        activation = current_activation()
        number = 0
        if activation is not None and activation.worker is self:
            number = activation.notes["questions"] = activation.notes.get("questions", 0) + 1
            task = activation.tasks[0]
        return cache(lambda: digest(canonical(task, f"the key of {self.name!r}"), str(number).encode()))

    def response_room(self) -> Room:
        """Return the responses in the worker's folder, which others may share."""
        activation = current_activation()
        notes = {} if activation is None else activation.scope.notes
        found: Room | None = notes.get((self, "room"))
        if found is None:
            writes = self.cache_mode_now() != "read_only"
            found = notes[self, "room"] = open_room(self.cache_dir, self.cache_store, writes=writes)
        return found

    def clear_cache(self) -> None:
        """Remove all entries of this worker, and the responses that it has asked for."""
        super().clear_cache()
        cache = self.response_room().cache
        for info in owned_by(cache.notes(SPACE), self.cache_space):
            del cache[info.key]

    def whose_question(self, task: Any) -> Asked:
        """Return what tells answers to the same question about `task` apart."""
        notes = self.notes_now()
        known: tuple[object, str] = notes.get("salt", (None, ""))
        if known[0] is not task:
            known = notes["salt"] = (task, self.get_cache_salt(task) or "")
        return Asked(self.cache_scope, self.sample, known[1], self.include_model_in_key)

    def _limit_responses_(self, size: int) -> None:
        """Let the worker's limits hold for its responses, too: the least recently used go first."""
        limits = Limits(self.cache_size_limit, self.cache_disk_limit)
        if limits[:2] == (None, None):
            return
        notes = need_activation("a call").scope.notes
        count, total = notes.get((self, "responses kept"), (0, 0))
        added = (count + 1, total + size)
        if count and not limits.are_due(*added):
            notes[self, "responses kept"] = added
            return
        notes[self, "responses kept"] = (1, 0)
        cache, total, room = self.response_room().cache, 0, limits.room(size)
        for number, info in enumerate(reversed(owned_by(cache.notes(SPACE), self.cache_space)), 1):
            total += info.size
            if (room.entries is not None and number > room.entries) or (room.size is not None and total > room.size):
                del cache[info.key]
