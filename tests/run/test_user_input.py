"""Requests to persons."""

from __future__ import annotations

import pytest

from planai.errors import ConfigurationError, WorkAborted
from planai.run.user_input import UserInputRequest


def test_an_answer_has_the_first_accepted_type_if_none_is_said() -> None:
    request = UserInputRequest("1", "Well?")
    assert not request.is_answered
    request.respond(b"%PDF", "application/pdf")
    request.respond("too late")
    assert request.is_answered
    assert request.wait() == (b"%PDF", "application/pdf")


def test_no_answer_needs_no_type() -> None:
    request = UserInputRequest("1", "Well?", accepted_mime_types=[])
    request.respond(None)
    assert request.wait() == (None, None)


def test_a_type_that_is_not_accepted_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'image/png' is not accepted: pass one of 'text/html'"):
        UserInputRequest("1", "Well?").respond("x", "image/png")


def test_a_cancelled_request_is_not_answered() -> None:
    request = UserInputRequest("1", "Well?")
    request.cancel()
    request.respond("too late")
    with pytest.raises(WorkAborted, match="'Well\\?'"):
        request.wait()


def test_programs_for_planai_put_answers_into_a_queue() -> None:
    request = UserInputRequest("1", "Well?", accepted_mime_types=["text/plain"])
    request._response_queue.put(("yes", "text/plain"))
    assert request.wait() == ("yes", "text/plain")


def test_a_request_can_be_read_as_a_dictionary() -> None:
    request = UserInputRequest("1", "Well?", accepted_mime_types=["text/plain"])
    assert (request["task_id"], request["instruction"], request["accepted_mime_types"]) == (
        "1",
        "Well?",
        ["text/plain"],
    )
