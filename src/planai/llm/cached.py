"""CachedLLMTaskWorker: a model worker that asks the same question once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from typing import Any

from pydantic import Field

from planai.bills import usage_of_texts
from planai.cache.about import About, load_about
from planai.cache.answer import Hit, Limits
from planai.cache.canonical import canonical, digest
from planai.cache.opening import override
from planai.cache.source import code_of_model
from planai.cache.store import CacheMode
from planai.cache.worker import CachedTaskWorker
from planai.call import current_activation, need_activation
from planai.events import Output
from planai.llm.asking import Keeper, Said, show_again
from planai.llm.budget import usage_of_all
from planai.llm.client import LLM, Answer
from planai.llm.request_key import Asked, deciding, told, whose
from planai.llm.responses import SPACE, Responses, Room, open_room, owned_by
from planai.llm.worker import LLMTaskWorker
from planai.task import Task


class CachedLLMTaskWorker(CachedTaskWorker, LLMTaskWorker):
    """A model worker whose answers are kept on two levels.

    What the model *says* is kept under all that it is told; what the worker *publishes*, under that and all that is
    done with it. After an edit of ``post_process``, of ``extra_validation`` or of an output's type, Python runs again
    and the kept response is validated again; the model is asked only where it would be told something else.

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

    # ---- the output level

    def key_parts(self, task: Any) -> dict[str, bytes]:
        """Return what decides the answer to `task`: also what the model is told."""
        rendered = self.rendered_request(task)
        parts = super().key_parts(task) | told(rendered) | whose(self._whose_question_(task))
        if rendered.shown:
            parts["task"] += rendered.shown.encode("utf-8", "surrogatepass")
        return parts

    def profile_parts(self, kind: type[Task]) -> dict[str, bytes]:
        """Return what decides all answers: also the code of the answer's type, and of the tools."""
        parts = super().profile_parts(kind)
        if self.cache_code:
            parts["answer"] = code_of_model(self.answer_type()).digest().encode()
            if self.tools:
                parts["code of tools"] = canonical([tool.code.digest() for tool in self.tools])
        return parts

    def _settings_(self) -> dict[str, Any]:
        """Return the settings that decide: also the models, and theirs."""
        found = super()._settings_()
        for name, llm in (("llm", self.llm), *((f"fallback {llm.model_name}", llm) for llm in self.fallback_llms)):
            told_of = dict(llm.identity()) if self.include_model_in_key else {}
            found |= {f"{name}: {key}": value for key, value in {**told_of, **deciding(llm.settings())}.items()}
        return found

    def _replay_(self, key: str, *, waited: bool = False) -> bool:
        """Publish the answer at `key`, if there is one; where the worker streams, what was said is shown once more.

        In a test with recordings, those of the responses are used, too: the next edit of what is made of them asks for
        them.
        """
        found = super()._replay_(key, waited=waited)
        if not found:
            return False
        activation = need_activation("a call")
        hit: Hit | None = activation.notes.get("hit")
        about = load_about(b"" if hit is None else hit.about) or About("")
        if about.usage:
            self.note_saving(usage_of_texts(about.usage))
        if self.stream or override() is not None:
            keeper = self._responses_(activation.tasks[0], self.cache_mode_now())
            rounds = [keeper.look(one) for one in about.responses]
            if self.stream:
                made = "\n".join(output.task.model_dump_json() for output in activation.outputs)
                show = partial(show_again, rounds, made, self.handle_stream)
                activation.notes["to show"] = show
                if not self.is_async_worker:
                    show()
        return True

    def perform_call(self, tasks: tuple[Task, ...]) -> Awaitable[None] | None:
        """Replay the answer, or compute and keep it; what an async worker replays is shown on its event loop."""
        pending = super().perform_call(tasks)
        return pending if pending is None or not self.stream else self._then_show_(pending)

    async def _then_show_(self, pending: Awaitable[None]) -> None:
        await pending
        show = need_activation("a call").notes.get("to show")
        if show is not None:
            show()

    def _keep_outputs_(self, key: str, outputs: list[Output]) -> None:
        """Store what was published, unless another model has stood in: this one is asked again when it is there.

        What the other one said is kept as its own, and costs nothing for as long as it stands in.
        """
        if not need_activation("a call").notes.get("stood in"):
            super()._keep_outputs_(key, outputs)

    # ---- the response level

    @property
    def computes_in_replay(self) -> bool:
        """Whether a replay may compute: over responses that were kept, Python may run as it likes."""
        return True

    def note_spending(self, llm: LLM, answer: Answer) -> None:
        """Let the present call have cost what an answer did, whichever model it is of."""
        self._note_answers_(llm, [answer])
        super().note_spending(llm, answer)

    def note_found(self, llm: LLM, said: Said) -> None:
        """Let the present call have saved what was kept, whichever model it is of."""
        self._note_answers_(llm, said.answers)
        super().note_found(llm, said)

    def _note_answers_(self, llm: LLM, answers: Sequence[Answer]) -> None:
        activation = current_activation()
        if activation is None:
            return
        usage = usage_of_all(answers).plus(usage_of_texts(activation.notes.get("usage", {})))
        activation.notes["usage"] = usage.as_texts()
        if llm is not self.llm:
            activation.notes["stood in"] = True

    def response_keeper(self, task: Any) -> Keeper:
        """Return where what the model says is kept, beside what the worker publishes."""
        mode = self.cache_mode_now()
        if mode == "off":
            return Keeper()
        known, wanted = self._notes_().get("should cache", (None, False))
        if known is not task:
            wanted = self.should_cache(task)
        return self._responses_(task, mode) if wanted else Keeper()

    def _notes_(self) -> dict[str, Any]:
        activation = current_activation()
        return {} if activation is None or activation.worker is not self else activation.notes

    def _responses_(self, task: Any, mode: CacheMode) -> Responses:
        notes = self._notes_()
        return Responses(
            room=self.response_room(),
            mode=mode,
            owner=self.cache_space,
            asked=self._whose_question_(task),
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

    def _whose_question_(self, task: Any) -> Asked:
        notes = self._notes_()
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
