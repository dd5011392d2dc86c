"""Optimising a prompt: variants are proposed, tried on recorded inputs, judged and compared, within a budget.

Every question that is asked of a model on the way is kept, so that doing it again with one more iteration pays for that
iteration alone.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from planai.bills import Bill, Bills
from planai.errors import ConfigurationError, InvalidAnswer, ModelError
from planai.flow import go_through
from planai.llm.asking import Conversation, Outcome, Said
from planai.llm.base import TOOL_ROUNDS
from planai.llm.budget import Budget, usage_of, usage_of_all
from planai.llm.client import LLM, Answer, Message, Request
from planai.llm.prompt import between_markers
from planai.llm.responses import SPACE, KeptRound, Responses, Room, owned_by
from planai.llm.worker import LLMTaskWorker
from planai.task import Task

T = TypeVar("T", bound=BaseModel)

_OWNER = "planai optimize-prompt"
_THREADS = 16
_WORST = 3
_BEST_SCORE = 10.0

_PROPOSE = (
    "You improve the instructions that a language model is given for one step of a program. Write clear, complete "
    "instructions; keep what works. Answer in JSON."
)
_JUDGE = (
    "You judge answers of a language model by a goal: 10 is an answer that nobody could improve, 0 one that misses the "
    "goal. Be strict, and the same for all. Answer in JSON."
)


class Proposal(BaseModel):
    """Another version of the instructions."""

    prompt: str = Field(min_length=1, description="the improved instructions, in full")
    change: str = Field(description="what was changed, and why, in a sentence")


class Verdict(BaseModel):
    """What an answer is worth."""

    score: float = Field(ge=0, le=_BEST_SCORE)
    critique: str = Field(description="what is wrong with the answer, or could be better, in a sentence")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a prompt on one input."""

    task: Task
    answer: str
    score: float
    critique: str


@dataclass(frozen=True, slots=True)
class Variant:
    """A prompt with what came of it.

    Attributes:
        number: 0 for the prompt as it was.
        prompt: the instructions.
        change: what was changed from the variant before it, as its author says.
        trials: how it did on each input.
    """

    number: int
    prompt: str
    change: str = ""
    trials: tuple[Trial, ...] = ()

    @property
    def score(self) -> float:
        """The mean of all trials, from 0 to 10."""
        return sum(trial.score for trial in self.trials) / max(1, len(self.trials))


@dataclass(frozen=True, slots=True)
class Report:
    """What came of optimising a prompt.

    Attributes:
        worker: the name of the worker.
        variants: all that were tried, in order; the prompt as it was comes first, if only without trials.
        bill: what was spent now, and what earlier runs had paid for.
        ended: why it ended before all iterations were done; empty when they were.
    """

    worker: str
    variants: tuple[Variant, ...]
    bill: Bill
    ended: str = ""

    @property
    def best(self) -> Variant:
        """The variant with the highest score; of equal ones, the first."""
        return max(self.variants, key=lambda variant: variant.score)

    def diff(self) -> str:
        """Return the winning prompt as a unified diff from the one that was there; empty if that one has won."""
        lines = (self.variants[0].prompt.splitlines(), self.best.prompt.splitlines())
        return "\n".join(unified_diff(*lines, "before", f"variant {self.best.number}", lineterm=""))


@dataclass(slots=True)
class Optimizer:
    """Improves the prompt of a worker.

    Attributes:
        worker: the worker; its model answers, and its type and ``extra_validation`` decide what is an answer.
        author: the model that proposes prompts, and judges answers.
        goal: what a good answer is, in words.
        room: where all responses are kept.
        limit: what may be spent, and is.
    """

    worker: LLMTaskWorker
    author: LLM
    goal: str
    room: Room
    limit: Bills = field(default_factory=Bills)

    def run(self, tasks: Sequence[Task], iterations: int = 3) -> Report:
        """Try the prompt as it is, then `iterations` variants, each made from the best one so far.

        Where the budget is used up, or a model refuses or fails, it ends with the variants that were tried up to then;
        a variant that was not tried on all inputs is none, but what was said about it is kept for the next run.

        Args:
            tasks: inputs to try them on.
            iterations: how many variants.

        Raises:
            ConfigurationError: there are no inputs.
            ModelError: it ended before anything was paid for.
        """
        if not tasks:
            raise ConfigurationError(f"there are no recorded inputs of {self.worker.name!r} to try prompts on")
        variants: list[Variant] = []
        as_it_was, ended = Variant(0, self.worker.prompt), ""
        try:
            variants.append(self._tried(as_it_was, tasks))
            for number in range(1, iterations + 1):
                best = max(variants, key=lambda variant: variant.score)
                variants.append(self._tried(self._proposed(number, best, variants), tasks))
        except ModelError as error:
            if self.limit.total() == Bill():
                raise
            ended = str(error)
        return Report(self.worker.name, tuple(variants) or (as_it_was,), self.limit.total(), ended)

    def _proposed(self, number: int, best: Variant, earlier: Iterable[Variant]) -> Variant:
        """Ask for another version of the best prompt, in the light of where it did worst, and of what was tried."""
        worst = sorted(best.trials, key=lambda one: (one.score, one.task.model_dump_json()))[:_WORST]
        cases = [
            f"Input:\n{trial.task.model_dump_json()}\nAnswer:\n{trial.answer}\n"
            f"Score: {trial.score:g} of {_BEST_SCORE:g}\nCritique: {trial.critique}"
            for trial in worst
        ]
        tried = [f"- {one.change} (score {one.score:.2f})" for one in earlier if one.change]
        names = sorted(_placeholders(best.prompt))
        parts = [
            f"The goal:\n{self.goal}",
            f"The instructions now:\n{best.prompt}",
            "Where they did worst:\n\n" + "\n\n".join(cases),
            *(["What was tried before:\n" + "\n".join(tried)] if tried else []),
            *([f"Keep these placeholders as they are: {', '.join(names)}"] if names else []),
            "Write better instructions.",
        ]

        def check(proposal: Proposal) -> str | None:
            found = _placeholders(proposal.prompt)
            if found != set(names):
                return f"the placeholders have to be {names or 'none'}, and are {sorted(found) or 'none'}"
            return "that is what is there already" if proposal.prompt.strip() == best.prompt.strip() else None

        made = self._ask(self.author, _PROPOSE, "\n\n".join(parts), Proposal, check)
        return Variant(number, made.prompt, made.change)

    def _tried(self, variant: Variant, tasks: Sequence[Task]) -> Variant:
        with ThreadPoolExecutor(_THREADS) as pool:
            trials = tuple(pool.map(partial(self._trial, variant.prompt), tasks))
        return Variant(variant.number, variant.prompt, variant.change, trials)

    def _trial(self, prompt: str, task: Task) -> Trial:
        """Answer one input with a prompt, and judge the answer; one that is no answer scores 0."""
        worker = self.worker.model_copy(update={"prompt": prompt})
        rendered = worker.rendered_request(task)
        try:
            answer = replace(
                self._conversation(worker.llm, partial(_checked, worker, task), worker.max_validation_retries),
                tools=rendered.tools,
                tool_rounds=TOOL_ROUNDS if worker.max_tool_rounds is None else worker.max_tool_rounds,
            )
            said: BaseModel = go_through(answer.ask(rendered.request))
        except InvalidAnswer as error:
            return Trial(task, "", 0.0, str(error))
        text = said.model_dump_json()
        parts = (f"The goal:\n{self.goal}", f"The input:\n{task.model_dump_json()}", f"The answer:\n{text}")
        about = "\n\n".join((*parts, "Judge the answer."))
        verdict = self._ask(self.author, _JUDGE, about, Verdict)
        return Trial(task, text, verdict.score, verdict.critique)

    def _ask(
        self, llm: LLM, system: str, text: str, kind: type[T], check: Callable[[T], str | None] = lambda _: None
    ) -> T:
        def accept(said: str) -> Outcome[T]:
            try:
                made = kind.model_validate_json(said)
            except ValidationError as error:
                return Outcome(None, "; ".join(f"{item['loc']}: {item['msg']}" for item in error.errors()))
            problem = check(made)
            return Outcome(made) if problem is None else Outcome(None, problem)

        messages = (Message("system", system), Message("user", text))
        request = Request(messages, kind.model_json_schema(), kind.__name__)
        made: T = go_through(self._conversation(llm, accept, retries=2).ask(request))
        return made

    def _conversation(self, llm: LLM, accept: Callable[[str], Outcome[Any]], retries: int) -> Conversation[Any]:
        def spend(_: LLM, answer: Answer) -> None:
            self.limit.spend(_OWNER, usage_of(answer))

        def find(_: LLM, said: Said) -> None:
            self.limit.save(_OWNER, usage_of_all(said.answers))

        return Conversation(
            who=self.worker.name,
            models=[llm],
            accept=accept,
            retries=retries,
            keeper=Responses(self.room, owner=_OWNER),
            spend=spend,
            find=find,
            budget=Budget(self.limit),
        )


def recorded_in_log(worker: LLMTaskWorker, path: Path) -> list[Task]:
    """Return the inputs that a worker with `debug_mode` has written down, each once.

    Raises:
        ConfigurationError: the file is not there, or none of its lines is an input of the worker.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}): run the worker with debug_mode=True first"
        ) from None
    return _once(worker, ((_read(line) or {}).get("input_task") for line in lines if line.strip()))


def recorded_in_cache(worker: LLMTaskWorker, room: Room, space: str) -> list[Task]:
    """Return the inputs that are in the responses that a worker has asked for, each once.

    Only where the message to the model has the form that planai gives it, with the input as JSON.
    """
    found = []
    for info in owned_by(room.cache.notes(SPACE), space):
        hit = room.cache.peek(info.key, repair=False)[0]
        if hit is not None and isinstance(hit.value, KeptRound):
            users = [turn.text for turn in hit.value.asked if turn.role == "user"]
            found += [between_markers(text) for text in users[:1]]
    return _once(worker, map(_read, found))


def _read(text: str) -> dict[str, Any] | None:
    """Return a JSON object; None for what is none, such as a line that was cut or an input in XML."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _once(worker: LLMTaskWorker, inputs: Iterable[Any]) -> list[Task]:
    kind = worker.get_task_classes()[0]
    tasks: dict[str, Task] = {}
    for fields in inputs:
        try:
            task = kind.model_validate(fields)
        except ValidationError:
            continue
        tasks.setdefault(task.model_dump_json(), task)
    return list(tasks.values())


def _checked(worker: LLMTaskWorker, task: Task, text: str) -> Outcome[BaseModel]:
    return worker.accept_answer(task, text)


def _placeholders(prompt: str) -> set[str]:
    """Return the names in braces, where the prompt is one that ``str.format`` takes."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(prompt) if name}
    except ValueError:
        return set()
