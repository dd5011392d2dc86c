"""UserInputRequest: a question to a person, and where its answer comes in."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from planai.errors import ConfigurationError, WorkAborted
from planai.listening import result_of
from planai.provenance import ProvenanceChain


class UserInputRequest:
    """What a person is asked for; whoever shows it to them calls `respond`, from any thread.

    >>> request = UserInputRequest("7", "Which page?", accepted_mime_types=["text/plain"])
    >>> request.respond("the second")
    >>> request.wait()
    ('the second', 'text/plain')

    Attributes:
        task_id: tells requests apart.
        instruction: what the person is to do.
        provenance: where the task came from for which the answer is needed.
        accepted_mime_types: the types that an answer may have.
    """

    def __init__(
        self,
        task_id: str,
        instruction: str,
        provenance: ProvenanceChain | None = None,
        accepted_mime_types: Sequence[str] = ("text/html", "application/pdf"),
    ) -> None:
        self.task_id = task_id
        self.instruction = instruction
        self.provenance = provenance
        self.accepted_mime_types = list(accepted_mime_types)
        self._answer: Future[tuple[Any, str | None]] = Future()

    @property
    def _response_queue(self) -> Answers:
        """Where programs for PlanAI put answers."""
        return Answers(self)

    def __getitem__(self, name: str) -> Any:
        """Read an attribute the way programs for PlanAI do, to whom a dispatcher gives requests as dictionaries."""
        return getattr(self, name)

    @property
    def is_answered(self) -> bool:
        """Whether nobody waits for an answer any more."""
        return self._answer.done()

    def respond(self, response: Any, mime_type: str | None = None) -> None:
        """Answer; a second answer changes nothing.

        Args:
            response: what the worker gets; None for no answer.
            mime_type: its type; by default the first that is accepted.

        Raises:
            ConfigurationError: the type is not one that is accepted.
        """
        if response is not None:
            mime_type = mime_type or next(iter(self.accepted_mime_types), None)
            if mime_type not in self.accepted_mime_types:
                accepted = ", ".join(map(repr, self.accepted_mime_types))
                raise ConfigurationError(f"an answer of the type {mime_type!r} is not accepted: pass one of {accepted}")
        if not self._answer.done():
            self._answer.set_result((response, None if response is None else mime_type))

    def cancel(self) -> None:
        """Let whoever waits know that there will be no answer."""
        self._answer.cancel()

    def wait(self) -> tuple[Any, str | None]:
        """Wait for the answer, and return it with its type.

        Raises:
            WorkAborted: the request was cancelled.
        """
        try:
            return result_of(self._answer)
        except CancelledError:
            raise WorkAborted(f"nobody answers {self.instruction!r} any more: its work was aborted") from None

    async def answer(self) -> tuple[Any, str | None]:
        """Await the answer, and return it with its type; no thread waits meanwhile."""
        import asyncio  # noqa: PLC0415 - costs 50 ms, and programs without async workers need none of it

        return await asyncio.wrap_future(self._answer)


class Answers:
    """Takes the answer to a request as a queue takes it: with its type, as a pair."""

    def __init__(self, request: UserInputRequest) -> None:
        self._request = request

    def put(self, answer: tuple[Any, str | None]) -> None:
        """Answer; see `UserInputRequest.respond`."""
        self._request.respond(*answer)
