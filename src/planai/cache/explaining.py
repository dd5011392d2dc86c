"""ExplainingTaskWorker: a worker that can say why an answer is there, or is not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import Any

from planai.cache.about import PROFILES, About, Profile, load_about, load_profile, whole_cost
from planai.cache.entries import EXPIRED, PROVENANCE
from planai.cache.explain import Difference, compare, nearest
from planai.cache.key import key_of
from planai.cache.reads import may_look_up
from planai.cache.reasons import FIRST, NEW_INPUT, NEW_KEY, Change, change_between, volatile_field, words_for
from planai.cache.store import Info
from planai.cache.storing import StoringTaskWorker
from planai.cache.tracing import is_traced
from planai.call import Activation, Scope, current_activation
from planai.copies import snapshot
from planai.cost import FREE, Cost
from planai.task import Task, lineage_of, set_lineage

_PROFILES_TRIED = 8
_SAMPLE = 50
_COMPARED = 2_000
_number = attrgetter("number")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an answer is there, or is not.

    Attributes:
        worker: what the worker is called in keys.
        key: the key of the answer, before what is looked up in the provenance.
        hit: whether there is an answer that can be used.
        reason: why not, in a few words.
        differences: what differs from the nearest earlier answer; empty for a hit.
        nearest: how the nearest earlier answer came about; for a hit, how this one did.
        stored_at: when that was stored, in seconds since the epoch; None where there is none.
        cost: what it took to compute.
        size: its bytes.
    """

    worker: str
    key: str
    hit: bool
    reason: str = ""
    differences: list[Difference] = field(default_factory=list)
    nearest: About | None = None
    stored_at: float | None = None
    cost: Cost = FREE
    size: int = 0

    def __str__(self) -> str:
        who = f"{self.worker!r} at the key {self.key[:16]!r}"
        if self.hit:
            return f"{who} is a hit: {self._entry()}"
        lines = [f"{who} is a miss: {self.reason}"]
        if self.nearest is not None:
            lines.append(f"  the nearest earlier answer is {self.nearest.id}: {self._entry()}")
        lines += [f"  {item.part} {item.name}: {item.old} -> {item.new}" for item in self.differences]
        return "\n".join(lines)

    def _entry(self) -> str:
        size = f"{self.size} bytes"
        if not self.stored_at:  # a fixture, of which no times are known
            return size
        age = timedelta(seconds=max(0, round(time.time() - self.stored_at)))
        return f"stored {age} ago, took {self.cost.seconds:.3g} s to compute, {size}"


class ExplainingTaskWorker(StoringTaskWorker):
    """A worker that can say why an answer is there, or is not."""

    def explain(self, task: Task) -> Explanation:
        """Return why the answer to `task` is there, or is not: the nearest earlier answer, and what differs.

        >>> import tempfile
        >>> from planai import CachedTaskWorker, Task
        >>> class Number(Task):
        ...     value: int
        >>> class Square(CachedTaskWorker):
        ...     output_types = [Number]
        ...     def consume_work(self, task: Number) -> None:
        ...         self.publish_work(Number(value=task.value ** 2))
        >>> square = Square(cache_dir=tempfile.mkdtemp())
        >>> square.explain(Number(value=3)).reason
        'nothing is stored by this worker yet'
        >>> square.consume_work(Number(value=3))
        >>> square.explain(Number(value=3)).hit, square.explain(Number(value=4)).reason
        (True, 'new input')
        """
        task = set_lineage(snapshot(task), lineage_of(task)._replace(watch=None))  # to explain is not to look up
        key = self._key_(task)
        cache = self.get_cache()
        find = self._finder_(task)
        last = cache.resolve(key, find)
        if self.cache_has(key, task):
            return self._explanation_(key, cache.known([last]), hit=True)
        if not is_traced(type(self)):  # a key of the user's own making has no parts
            return Explanation(self.cache_space, key, hit=False, reason=EXPIRED if cache.known([last]) else NEW_KEY)
        profile, parts = self.cache_profile(type(task)), self.cache_parts(task)
        about = self.about_answer(key, task)._replace(profile=profile, parts=parts)
        known = cache.known([last])
        if known:
            return self._explanation_(key, known, reason=EXPIRED)
        return self._compare_(key, about, self.cache_description(type(task)), looked_up=last != key)

    def run_remarks(self, scope: Scope) -> list[str]:
        """Return also that all misses of the run differ from other answers in the same field only, if they do."""
        remarks = super().run_remarks(scope)
        earlier, sample = scope.notes.get((self, "sample"), ([], []))
        name = volatile_field(sample, earlier) if sample else None
        if name is None:
            return remarks
        remark = (
            f"{self.name} computes again and again what differs from earlier answers in {name!r} only: "
            f"if {name!r} decides nothing, mark it with Annotated[..., CacheIgnore()]"
        )
        return [*remarks, remark]

    def expected_call_cost(self) -> Cost | None:
        """Return what an answer of this worker took to compute on the average, of those that were used last."""
        known = self.get_cache().notes(self.cache_space, _COMPARED)
        if not known:
            return None
        total = Cost()
        for info in known:
            total = total.plus(whole_cost(info.cost, info.about))
        return total.mean(len(known))

    def _why_missing_(self, key: str) -> str:
        activation = current_activation()
        if activation is None or activation.notes.get("key") != key or not is_traced(type(self)):
            return super()._why_missing_(key)
        return str(self.explain(activation.tasks[0]))

    def _explain_miss_(self, activation: Activation, key: str) -> None:
        """Note why the present call is a miss, if it is one."""
        lookup = activation.lookup
        if lookup is None or lookup.hit:
            return
        known, lookup.reason = lookup.reason, self._reason_(activation, key, lookup.reason)
        if not known:
            self.cache_stats.explain_miss(lookup.reason)

    def _reason_(self, activation: Activation | None, key: str, known: str) -> str:
        """Return why the present call is a miss, in a few words."""
        if known or activation is None or "parts" not in activation.notes:
            return known or NEW_KEY
        profiles = self._earlier_profiles_()
        if not profiles:
            return FIRST
        (profile, parts), notes = activation.notes["parts"], activation.scope.notes
        others = {key_of(name, parts): name for name in list(profiles)[-_PROFILES_TRIED:] if name != profile}
        found = self.get_cache().known(others) if others else []
        if found:
            names = [others[info.key] for info in sorted(found, key=lambda info: info.stored_at, reverse=True)]
            kind = type(activation.tasks[0])
            return min((self._change_(profile, kind, name, profiles[name]) for name in names), key=_number).words
        words = self._same_input_(profile, parts, type(activation.tasks[0]))
        if words:
            return words
        if profile in profiles:
            if (self, "sample") not in notes:
                notes.setdefault((self, "sample"), (self.get_cache().notes(self.cache_space, _COMPARED), []))
            _, sample = notes[self, "sample"]
            if len(sample) < _SAMPLE:
                sample.append(self.about_answer(key, activation.tasks[0]))
        return NEW_INPUT

    def _change_(self, profile: str, kind: type[Task], name: str, old: Profile) -> Change:
        activation = current_activation()
        notes = {} if activation is None else activation.scope.notes
        known: Change | None = notes.get((self, "change", name, profile))
        if known is None:
            known = notes[self, "change", name, profile] = change_between(old, self.cache_description(kind))
        return known

    def _earlier_inputs_(self) -> dict[str, About]:
        """Return how answers came about that were there when the run first asked, by the digests of their inputs."""
        activation = current_activation()
        notes = {} if activation is None else activation.scope.notes
        known: dict[str, About] | None = notes.get((self, "earlier inputs"))
        if known is None:
            abouts = (load_about(info.about) for info in self.get_cache().notes(self.cache_space, _COMPARED))
            known = {about.parts["task"]: about for about in abouts if about is not None and "task" in about.parts}
            notes[self, "earlier inputs"] = known
        return known

    def _same_input_(self, profile: str, parts: dict[str, str], kind: type[Task]) -> str:
        """Return what differs from an answer to the same input, such as what a model is told; nothing without any.

        Only where the key of that answer is not known: it has other parts, or look-ups in the provenance lead to it.
        """
        if len(parts) == 1 and not (may_look_up(type(self)) or may_look_up(kind)):
            return ""
        old = self._earlier_inputs_().get(parts.get("task", ""))
        if old is None:
            return ""
        now = old._replace(profile=profile, parts=parts)
        profiles: tuple[Profile | None, Profile | None] = (None, None)
        if old.profile != profile:
            profiles = (self._earlier_profiles_().get(old.profile), self.cache_description(kind))
        differences = compare(old, profiles[0], now, profiles[1])
        return words_for(differences) if differences else ""

    def _earlier_profiles_(self) -> dict[str, Profile]:
        """Return the profiles that the worker had when the run first asked, the oldest first; none once cleared."""
        activation = current_activation()
        notes = {} if activation is None else activation.scope.notes
        known: dict[str, Profile] | None = notes.get((self, "earlier profiles"))
        if known is None:
            cache = self.get_cache()
            is_cleared = cache.generation() > 0 and not cache.notes(self.cache_space, 1)
            known = notes[self, "earlier profiles"] = {} if is_cleared else self._profiles_()
        return known

    def _profiles_(self) -> dict[str, Profile]:
        """Return the profiles that the worker had up to now, the oldest first."""
        infos = sorted(self.get_cache().notes(PROFILES + self.cache_space), key=lambda info: info.stored_at)
        loaded = {info.key: load_profile(info.about) for info in infos}
        return {name: profile for name, profile in loaded.items() if profile is not None}

    def _compare_(self, key: str, about: About, profile: Profile, *, looked_up: bool) -> Explanation:
        """Explain a miss by the nearest earlier answer."""
        cache, profiles = self.get_cache(), self._profiles_()
        infos = cache.known([key_of(name, about.parts) for name in profiles if name != about.profile])
        infos = infos or cache.notes(self.cache_space, _COMPARED)
        candidates = {found.id: (info, found) for info in infos if (found := load_about(info.about)) is not None}
        near = nearest(about, ((found, profiles.get(found.profile)) for _, found in candidates.values()), profile)
        if near is None:
            return Explanation(self.cache_space, key, hit=False, reason=FIRST)
        same_input = near.about.parts.get("task") == about.parts.get("task")
        # What will be looked up is known where earlier answers lead to it, and else only once it is computed.
        differences = [one for one in near.differences if looked_up or one.part != "read" or one.new is not None]
        reason = PROVENANCE if looked_up else words_for(differences) if same_input else NEW_INPUT
        return self._explanation_(key, [candidates[near.about.id][0]], reason=reason, differences=differences)

    def _explanation_(
        self,
        key: str,
        infos: list[Info],
        *,
        hit: bool = False,
        reason: str = "",
        differences: list[Difference] | None = None,
    ) -> Explanation:
        info: Any = infos[0] if infos else None
        if info is None:
            return Explanation(self.cache_space, key, hit, reason, differences or [])
        about, cost = load_about(info.about), whole_cost(info.cost, info.about)
        return Explanation(
            self.cache_space, key, hit, reason, differences or [], about, info.stored_at, cost, info.size
        )
