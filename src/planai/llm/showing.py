"""Showing: what a model says, in pieces, to who listens; what is kept is shown as if it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planai.llm.client import Message, OnChunk

_CHUNK = 80


@dataclass(slots=True)
class Shown:
    """Shows the text of answers, and says of one that came to nothing that it is void.

    >>> heard = []
    >>> shown = Shown(heard.append)
    >>> shown.show("Hel")
    >>> shown.void(), shown.void()
    (None, None)
    >>> heard
    ['Hel', '']

    Attributes:
        listener: gets the pieces; an empty one says that what came before is void. None where nobody listens.
    """

    listener: OnChunk | None = None
    _is_open: bool = False

    @property
    def on_chunk(self) -> OnChunk | None:
        """What is to be called with each piece; None where nobody listens."""
        return None if self.listener is None else self.show

    def show(self, chunk: str) -> None:
        """Show a piece; an empty one is void() by another name."""
        if self.listener is not None and (chunk or self._is_open):
            self._is_open = bool(chunk)
            self.listener(chunk)

    def show_whole(self, text: str) -> None:
        """Show a text that is there already."""
        for start in range(0, len(text), _CHUNK):
            self.show(text[start : start + _CHUNK])

    def void(self) -> None:
        """Say that what was shown is void; nothing, where nothing was."""
        self.show("")


def show_again(said: Sequence[Message | None], made: str, listener: OnChunk) -> None:
    """Show the responses behind an answer the way they came; where one is gone, what was made of them.

    Args:
        said: the turn that counts of each round; None for one that is gone.
        made: what was made of them, as text.
        listener: gets the pieces.
    """
    shown = Shown(listener)
    turns = [turn for turn in said if turn is not None]
    if not turns or len(turns) < len(said):
        shown.show_whole(made)
        return
    for number, turn in enumerate(turns, 1):
        shown.show_whole(turn.text)
        if number < len(turns) and not turn.calls:  # it was not valid, and another one was asked for
            shown.void()
