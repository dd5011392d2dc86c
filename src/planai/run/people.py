"""People: whom workers ask, and how a call waits for them without keeping others from running."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

from planai.call import current_activation
from planai.errors import ConfigurationError
from planai.events import Event, Lent, Returned
from planai.executors.event_loop import LoopThread
from planai.run.user_input import UserInputRequest
from planai.task import Task, lineage_of

UserRequestCallback = Callable[[dict[str, Any], UserInputRequest], None]
"""Is called with metadata and a request, in the thread of the worker that asks."""


class People:
    """Whoever answers the workers of one run.

    Args:
        put: takes events: that a call waits, and that it goes on.

    Attributes:
        on_request: shows a request to somebody; None where nobody has said who does.
        takes_requests: whether somebody looks at `requests`.
        requests: what has not been answered, by id.
    """

    def __init__(self, put: Callable[[Event], None]) -> None:
        self.on_request: UserRequestCallback | None = None
        self.takes_requests = False
        self.requests: dict[str, UserInputRequest] = {}
        self._put = put
        self._asked: dict[str, int] = {}
        self._numbers = count(1)

    def ask(
        self, task: Task, instruction: str, accepted_mime_types: Sequence[str], metadata: dict[str, Any]
    ) -> tuple[Any, str | None]:
        """Ask, and wait; meanwhile somebody else has the place of this call.

        Raises:
            ConfigurationError: nobody would see the request, or an async worker would hold up all others.
        """
        if isinstance(threading.current_thread(), LoopThread):
            raise ConfigurationError("an async worker would hold up all others: await self.arequest_user_input(...)")
        return self.wait_for(self._request(task, instruction, accepted_mime_types), metadata)

    async def ask_async(
        self, task: Task, instruction: str, accepted_mime_types: Sequence[str], metadata: dict[str, Any]
    ) -> tuple[Any, str | None]:
        """Ask, and await the answer; meanwhile somebody else has the place of this call."""
        request = self._request(task, instruction, accepted_mime_types)
        with self._asking(request, metadata):
            return await request.answer()

    def wait_for(self, request: UserInputRequest, metadata: dict[str, Any]) -> tuple[Any, str | None]:
        """Hand `request` over to whoever shows it to a person, and wait for the answer."""
        with self._asking(request, metadata):
            return request.wait()

    def _request(self, task: Task, instruction: str, accepted_mime_types: Sequence[str]) -> UserInputRequest:
        chain = lineage_of(task).provenance.chain()
        return UserInputRequest(f"{next(self._numbers)}", instruction, chain, accepted_mime_types)

    @contextlib.contextmanager
    def _asking(self, request: UserInputRequest, metadata: dict[str, Any]) -> Iterator[None]:
        """Show `request`, and let somebody else have the place of the present call until the answer is there."""
        if self.on_request is None and not self.takes_requests:
            raise ConfigurationError(
                f"a person is asked {request.instruction!r}, but nobody would see it: call "
                "graph.set_user_request_callback(...), or look at graph.get_dispatcher().get_user_input_requests()"
            )
        activation = current_activation()
        call = activation.call if activation is not None else None
        self.requests[request.task_id] = request
        if call is not None:
            self._asked[request.task_id] = call.id
        try:
            if self.on_request is not None:
                self.on_request(metadata, request)
            if call is None or request.is_answered:
                yield
                return
            self._put(Lent(call.id))
            try:
                yield
            finally:
                self._put(Returned(call.id))
        finally:
            self.requests.pop(request.task_id, None)
            self._asked.pop(request.task_id, None)

    def cancel(self, call: int | None = None) -> None:
        """Let a call that waits for a person, or all of them, know that there will be no answer."""
        for number, asking in list(self._asked.items()):
            request = self.requests.get(number)
            if request is not None and call in (None, asking):
                request.cancel()
