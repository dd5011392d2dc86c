"""CachedLLMTaskWorker: a model worker that asks the same question once."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from functools import partial
from typing import Any

from planai.cache.about import About, load_about
from planai.cache.answer import Hit
from planai.cache.canonical import canonical
from planai.cache.opening import override
from planai.cache.source import code_of_model
from planai.call import current_activation, need_activation
from planai.cost import FREE
from planai.events import Output
from planai.llm.asking import Said
from planai.llm.borrowed import way_in_key
from planai.llm.client import LLM, Answer
from planai.llm.request_key import deciding, told, whose
from planai.llm.responding import RespondingTaskWorker
from planai.llm.responses import open_room
from planai.llm.showing import show_again
from planai.llm.tools import as_tool
from planai.task import Task
from planai.worker import Foreseen


class CachedLLMTaskWorker(RespondingTaskWorker):
    """A model worker whose answers are kept on two levels.

    What the model *says* is kept under all that it is told; what the worker *publishes*, under that and all that is
    done with it. After an edit of ``post_process``, of ``extra_validation`` or of an output's type, Python runs again
    and the kept response is validated again; the model is asked only where it would be told something else.

    Attributes:
        include_model_in_key: whether another model is asked again. With False, an answer of any model will do.
        cache_scope: such as a tenant: nobody gets an answer from another scope.
        sample: which of several answers to the same question this worker gets; 0 for the first.
    """

    # ---- the output level

    def key_parts(self, task: Any) -> dict[str, bytes]:
        """Return what decides the answer to `task`: also what the model is told."""
        rendered = self.rendered_request(task)
        parts = super().key_parts(task) | told(rendered) | whose(self.whose_question(task))
        if rendered.shown:
            parts["task"] += rendered.shown.encode("utf-8", "surrogatepass")
        return parts

    def profile_parts(self, kind: type[Task]) -> dict[str, bytes]:
        """Return what decides all answers: also the code of the answer's type, and of the tools."""
        parts = super().profile_parts(kind)
        if self.cache_code:
            parts["answer"] = code_of_model(self.answer_type()).digest().encode()
            if self.tools:
                parts["code of tools"] = canonical([as_tool(tool).code.digest() for tool in self.tools])
        return parts

    def _settings_(self) -> dict[str, Any]:
        """Return the settings that decide: also the models, and theirs."""
        found = super()._settings_()
        for name, llm in (("llm", self.llm), *((f"fallback {llm.model_name}", llm) for llm in self.fallback_llms)):
            told_of = dict(llm.identity()) if self.include_model_in_key else {}
            found |= {f"{name}: {key}": value for key, value in {**told_of, **deciding(llm.settings())}.items()}
            way = way_in_key(llm, "generate_pydantic")
            if way is not None:
                found[f"{name}: asked by"] = way
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
        if self.stream or override() is not None:
            keeper = self.responses_of(activation.tasks[0], self.cache_mode_now())
            recall = keeper.recall if override() is None else keeper.look  # the use of a recording is noted
            rounds = [recall(one) for one in about.responses]
            if self.stream:
                made = "\n".join(output.task.model_dump_json() for output in activation.outputs)
                said = [None if one is None else one.last for one in rounds]
                show = partial(show_again, said, made, self.handle_stream)
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

        What the other one said is kept as its own, and costs nothing for as long as it stands in. What was published
        without any answer is not kept either.
        """
        notes = need_activation("a call").notes
        if notes.get("stood in"):
            self._stood_in_().add(key)
        elif not notes.get("unanswered"):
            super()._keep_outputs_(key, outputs)

    def _stood_in_(self) -> set[str]:
        """Return the keys of the present run where another model has stood in."""
        activation = current_activation()
        found: set[str] = set() if activation is None else activation.scope.notes.setdefault((self, "stood in"), set())
        return found

    def models_to_ask(self) -> list[LLM]:
        """Return the models in order; of equal calls in a run, one alone finds out that the first is not available."""
        first, *others = super().models_to_ask()
        known = others and self.notes_now().get("key") in self._stood_in_()
        return [*others, first] if known else [first, *others]

    def foresee(self, task: Task) -> Foreseen | None:
        """Return what is known of a call: also that nobody has to be paid, where what the model will say is kept."""
        found = super().foresee(task)
        if found is None or found.outputs is not None or self.cache_mode_now() == "refresh":
            return found
        room = open_room(self.cache_dir, self.cache_store, writes=False)
        turn = self.responses_of(task, "read_only", room).peek(self.llm, self.request_for(task))
        with contextlib.suppress(Exception):  # a user's method, which is to say whether the answer will do
            if turn is not None and not turn.calls and not self.accept_answer(task, turn.text).problem:
                return found._replace(expected=FREE)
        return found

    # ---- the response level

    @property
    def computes_in_replay(self) -> bool:
        """Whether a replay may compute: over responses that were kept, Python may run as it likes."""
        return True

    def note_spending(self, llm: LLM, answer: Answer) -> None:
        """Let the present call have cost what an answer did, whichever model it is of."""
        self._note_model_(llm)
        super().note_spending(llm, answer)

    def note_found(self, llm: LLM, said: Said) -> None:
        """Let the present call have saved what was kept, whichever model it is of."""
        self._note_model_(llm)
        super().note_found(llm, said)

    def _note_model_(self, llm: LLM) -> None:
        activation = current_activation()
        if activation is not None and llm is not self.llm:
            activation.notes["stood in"] = True
