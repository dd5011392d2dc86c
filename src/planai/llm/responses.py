"""Responses: what models have said, kept under the request alone, whoever asks and whatever is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, NamedTuple

from pydantic import BaseModel, field_validator

from planai.cache.about import RESPONSES, About, load_about
from planai.cache.answer import Answer as KeptAnswer
from planai.cache.cache import Cache
from planai.cache.codec import Codec
from planai.cache.flight import Flights
from planai.cache.opening import StoreName, open_flights, open_store, override
from planai.cache.store import CacheMode, Info, Store
from planai.errors import CacheMiss
from planai.flow import Blocking, Flow, Until
from planai.llm.asking import Keeper, Said
from planai.llm.budget import cost_of, usage_of_all
from planai.llm.client import LLM, Answer, Message, Request, ToolCall
from planai.llm.missing import Recording, explain_missing
from planai.llm.request_key import ANSWER, Asked, key_of_request, shown

SPACE = RESPONSES
"""What the responses of all models are called in stores, where the answers of workers have the worker's name."""

_OWNER = "asked by"
_COMPARED = 200


class KeptCall(BaseModel):
    """A tool that a model wants to have called."""

    id: str
    name: str
    arguments: str


class KeptTurn(BaseModel):
    """One turn of a conversation; of pictures, only a digest is written."""

    role: str
    text: str
    calls: list[KeptCall] = []
    native: str = ""
    images: list[str] = []

    @field_validator("native")
    @classmethod
    def _has_to_be_a_turn(cls, native: str) -> str:
        """Refuse what a model could not be told again: then the entry is damaged, and as good as none."""
        if native:
            from planai.llm.translate import spoken  # noqa: PLC0415 - a second of CPU, for thoughts before tools alone

            spoken(native)
        return native


class KeptUsage(BaseModel):
    """What one answer took."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    dollars: str | None = None
    priced: str = ""
    model: str = ""


class KeptRound(BaseModel):
    """What was said in one round.

    Attributes:
        asked: what is new in the request since the model spoke last, for people; the key has all of it.
        said: the turns that followed, of which the last one counts.
        usage: what each answer took.
    """

    asked: list[KeptTurn]
    said: list[KeptTurn]
    usage: list[KeptUsage]


_CODEC = Codec((KeptRound,))


class Room(NamedTuple):
    """Where responses are kept, and who is asking for which of them."""

    cache: Cache
    flights: Flights


def open_room(cache_dir: Any, cache_store: StoreName | Store = "sqlite", *, writes: bool = True) -> Room:
    """Return the responses in a folder, or in the store that a test has put in place of all others.

    Args:
        cache_dir: the folder.
        cache_store: how entries are kept there.
        writes: whether anything may be written there, if only a lock.
    """
    over = override()
    if over is not None:
        cache_store = over.store
    cache = Cache(open_store(cache_dir, cache_store), SPACE, _CODEC)
    return Room(cache, open_flights(cache_dir, cache_store if writes else "memory"))


@dataclass(slots=True)
class Responses(Keeper):
    """Keeps what models say, as one caller wants it.

    Attributes:
        room: where.
        mode: how the room is used; see `CachedTaskWorker`.
        owner: who asks, for people.
        asked: whose question it is.
        ttl: seconds after which a response is asked for again; None for never.
        refreshed: keys of what was said since the caller began, which the mode ``refresh`` need not ask for again.
        kept: is called with the size of each response that was stored.
        heard: is called with the key of each response, found or stored.
        occasion: tells for what a question is asked. At a temperature above 0, what is said on one occasion is no
            answer on another: several samples stay several.
    """

    room: Room
    mode: CacheMode = "read_write"
    owner: str = ""
    asked: Asked = field(default_factory=Asked)
    ttl: float | None = None
    refreshed: set[str] = field(default_factory=set)
    kept: Callable[[int], None] = lambda _: None
    heard: Callable[[str], None] = lambda _: None
    occasion: Callable[[], str] = lambda: ""
    _owned: set[str] = field(default_factory=set)

    def begin(self, llm: LLM, request: Request) -> Flow[Said | None]:
        """Return what was said to `request` before, also where somebody else asks it just now.

        Raises:
            CacheMiss: nothing was, and the mode is ``replay``.
        """
        key = self.key(llm, request)
        name = f"{SPACE}\0{key}"
        said: Said | None = yield Blocking(partial(self._look, key))
        while said is None:
            if self.mode == "replay":
                raise CacheMiss((yield Blocking(partial(self.explain, llm, request))))
            if self.room.flights.begin(name):
                self._owned.add(key)
                try:
                    said = yield Blocking(partial(self._look_as_owner, key))
                except BaseException:  # Ctrl-C: whoever asks next must not wait for this
                    self._end(key)
                    raise
                break
            yield Until(partial(self.room.flights.when_over, name))
            said = yield Blocking(partial(self._look, key))
        if said is not None:
            self.heard(key)
        return said

    def peek(self, llm: LLM, request: Request) -> Message | None:
        """Return the turn that counts of what was said to `request` before, without counting it as used."""
        said = self.recall(self.key(llm, request))
        return None if said is None else said.last

    def look(self, key: str) -> Said | None:
        """Return what is kept at `key`, if anything is."""
        return self._look(key)

    def recall(self, key: str) -> Said | None:
        """Do what `look` does, for an answer that has been counted already, with what was made of it."""
        hit = self.room.cache.peek(key, ttl=self.ttl, repair=False)[0]
        return _said(hit.value) if hit is not None and isinstance(hit.value, KeptRound) and hit.value.said else None

    def keep(self, llm: LLM, request: Request, said: Said) -> None:
        """Store what was said."""
        key = self.key(llm, request)
        if self.mode not in ("read_write", "refresh"):
            return
        seconds = sum(answer.seconds for answer in said.answers)
        told = shown(llm, request, self.asked) | ({_OWNER: self.owner} if self.owner else {})
        about = About(_id(key), fields=told, usage=usage_of_all(said.answers).as_texts())
        answer = KeptAnswer(
            _round(request, said), self.ttl, cost=cost_of(said.answers, seconds), about=about.dump(), id=about.id
        )
        size = self.room.cache.keep(key, answer)
        if size:
            self.refreshed.add(key)
            self.kept(size)
            self.heard(key)

    def end(self, llm: LLM, request: Request) -> None:
        """Let those look who wait."""
        self._end(self.key(llm, request))

    def key(self, llm: LLM, request: Request) -> str:
        """Return the key of what is said to `request`."""
        asked = self.asked
        if {**llm.settings(), **request.settings}.get("temperature"):
            asked = asked._replace(salt=f"{asked.salt}\n{self.occasion()}")
        return key_of_request(llm, request, asked)

    def explain(self, llm: LLM, request: Request) -> str:
        """Return why there is no response to a request: the nearest that there is, and what differs."""
        who = f"{self.owner!r} asks {llm.model_name!r}" if self.owner else f"{llm.model_name!r} is asked"
        return explain_missing(
            f"{who} what is not recorded, and the mode is 'replay'",
            About("", fields=shown(llm, request, self.asked)),
            _lines(_round(request, Said(())).asked),
            [
                Recording(about, partial(self._lines_of, info.key))
                for info in self.room.cache.notes(SPACE, _COMPARED)
                if (about := _plain_about(info)) and ANSWER in about.fields
            ],
            "user prompt",
        )

    # ---- inside

    def _look(self, key: str) -> Said | None:
        if self.mode == "off" or (self.mode == "refresh" and key not in self.refreshed):
            return None
        hit, _ = self.room.cache.look(key, ttl=self.ttl, repair=self.mode in ("read_write", "refresh"))
        if hit is None or not isinstance(hit.value, KeptRound) or not hit.value.said:
            return None
        said = _said(hit.value)
        return said._replace(cost=cost_of(said.answers, hit.cost.seconds))

    def _look_as_owner(self, key: str) -> Said | None:
        """Look once more, now that nobody else asks; what is not there is to be asked, and then `end` has to follow."""
        said = self._look(key) if self._may_be_there(key) else None  # stored since, by who asked meanwhile
        if said is not None:
            self._end(key)
        return said

    def _may_be_there(self, key: str) -> bool:
        return self.mode != "refresh" and self.room.cache.peek(key, ttl=self.ttl)[0] is not None

    def _lines_of(self, key: str) -> list[str]:
        hit = self.room.cache.peek(key)[0]
        return _lines(hit.value.asked) if hit is not None and isinstance(hit.value, KeptRound) else []

    def _end(self, key: str) -> None:
        if key in self._owned:
            self._owned.discard(key)
            self.room.flights.end(f"{SPACE}\0{key}")


def owned_by(infos: Sequence[Info], owner: str) -> list[Info]:
    """Return those of the responses that `owner` has asked for first."""
    return [info for info in infos if (about := load_about(info.about)) and about.fields.get(_OWNER) == owner]


def _round(request: Request, said: Said) -> KeptRound:
    spoke = [number for number, message in enumerate(request.messages, 1) if message.role == "assistant"]
    new = request.messages[spoke[-1] if spoke else 0 :]
    return KeptRound(
        asked=list(map(_turn, new)), said=list(map(_turn, said.turns)), usage=list(map(_usage, said.answers))
    )


def _turn(message: Message) -> KeptTurn:
    return KeptTurn(
        role=message.role,
        text=message.text,
        calls=[KeptCall(id=call.id, name=call.name, arguments=call.arguments) for call in message.calls],
        native=message.native,
        images=[image.url or hashlib.blake2b(image.data, digest_size=8).hexdigest() for image in message.images],
    )


def _usage(answer: Answer) -> KeptUsage:
    return KeptUsage(
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cached_tokens=answer.cached_tokens,
        dollars=None if answer.dollars is None else str(answer.dollars),
        priced=answer.priced,
        model=answer.model,
    )


def _said(kept: KeptRound) -> Said:
    turns = tuple(
        Message(
            "assistant" if turn.role == "assistant" else "user",
            turn.text,
            calls=tuple(ToolCall(call.id, call.name, call.arguments) for call in turn.calls),
            native=turn.native,
        )
        for turn in kept.said
    )
    return Said(turns, tuple(_answer(usage) for usage in kept.usage))


def _answer(usage: KeptUsage) -> Answer:
    return Answer(
        "",
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        dollars=None if usage.dollars is None else _decimal(usage.dollars),
        priced=usage.priced,
        model=usage.model,
    )


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _plain_about(info: Info) -> About | None:
    about = load_about(info.about)
    return about and about._replace(fields={name: text for name, text in about.fields.items() if name != _OWNER})


def _lines(turns: list[KeptTurn]) -> list[str]:
    return [line for turn in turns for line in turn.text.splitlines()]


def _id(key: str) -> str:
    return hashlib.blake2b(f"{SPACE}\0{key}".encode(), digest_size=8).hexdigest()
