"""Laws of a run: each chain has one end, after all its work, whatever fails, is aborted, waits or comes late."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from planai import Task
from planai.call import Call
from planai.events import (
    Abandoned,
    Aborted,
    Began,
    Event,
    Expired,
    Failed,
    Finished,
    Lent,
    Output,
    Parked,
    Returned,
    Step,
    Submitted,
    Watched,
    Woken,
)
from planai.plan import Node, Plan, Retry
from planai.provenance import INITIAL, ROOT, Provenance
from planai.run.orders import Alarm, Answer, Ended, Tell
from planai.run.state import RunState
from planai.task import lineage_of
from planai.wires import Sink

CAPACITY = 3


class Item(Task):
    pass


def node(key: str, depth: int, joins: str | None, retries: int, needed_by: tuple[str, ...]) -> Node:
    performer = Sink(Task, notify=lambda metadata, task: None)
    joined = None if joins is None else frozenset({joins})
    retry = Retry(retries, delay=0.5 if retries == 2 else 0.0)
    rank = (depth, depth)
    return Node(key, key, performer, (Item,), (Item,), (), depth, rank, joined, retry, timeout=1.0, needed_by=needed_by)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw workers of increasing depth, of which some join on the start or on one before them."""
    size = draw(st.integers(2, 6))
    names = [f"W{place}" for place in range(size)]
    joins: list[str | None] = [None, *(draw(st.sampled_from([None, None, INITIAL, "W0"])) for _ in names[1:])]
    refusing = [name for name, joined in zip(names, joins, strict=True) if joined and draw(st.booleans())]
    nodes = [
        node(name, place + 1, joins[place], draw(st.integers(0, 2)), tuple(key for key in refusing if key > name))
        for place, name in enumerate(names)
    ]
    sink = Node("sink", "sink", Sink(Task), (Item,), depth=99)
    return Plan("laws", {each.key: each for each in (*nodes, sink)}, {})


class Ends(RuleBasedStateMachine):
    """Lets anything happen to a run, and looks at how its chains end."""

    @initialize(plan=plans())
    def start(self, plan: Plan) -> None:
        self.plan = plan
        self.state = RunState(plan, CAPACITY)
        self.names = [key for key in plan.nodes if key != "sink"]
        self.starts: list[Provenance] = []
        self.running: dict[int, Call] = {}
        self.parked: list[int] = []
        self.alarms: list[Event] = []
        self.lent: set[int] = set()
        self.gone: set[int] = set()
        self.ended: Counter[Step] = Counter()
        self.abandoned: list[Provenance] = []
        self.doomed: list[Provenance] = []
        self.late: set[Step] = set()
        self.told: Counter[tuple[str, Step]] = Counter()
        self.watching: set[tuple[str, Step]] = set()
        self.seen: list[Task] = []
        self.numbers = count(1)

    # -- what happens

    def feed(self, event: Event) -> None:
        for call in self.state.handle(event):
            self.check_given(call)
            self.running[call.id] = call
        orders, self.state.orders = self.state.orders, []
        for order in orders:
            match order:
                case Alarm():
                    self.alarms.append(order.event)
                case Ended():
                    self.check_ended(order.step)
                case Tell():
                    assert order.keeps_thread is False or order.call in self.gone
                case Answer():
                    order.to(order.found)
        self.doomed = [each for each in self.doomed if self.state.has(step_of(each))]

    def check_given(self, call: Call) -> None:
        assert not any(call.scope.is_below(each) for each in self.doomed)
        top = step_of(call.scope.top())
        assert not self.ended[top] or top in self.late
        if call.notice and not call.attempt and not call.resumed:
            self.told[call.worker, step_of(call.scope)] += 1

    def check_ended(self, step: Step) -> None:
        self.ended[step] += 1
        waiting, given = self.state.calls()
        below = [call for call in (*waiting, *given) if step in all_steps(call.scope)]
        assert below == []

    @rule(entry=st.integers(0, 5), promised=st.booleans())
    def submit(self, entry: int, promised: bool) -> None:
        entries = [name for name in self.names if self.plan.nodes[name].joins is None]
        start = ROOT.child(INITIAL, next(self.state.traffic.starts))
        self.starts.append(start)
        self.feed(Submitted(entries[entry % len(entries)], Item(), start))
        if promised:
            self.watch_node(start, entries[0])

    def watch_node(self, start: Provenance, worker: str) -> None:
        self.watching.add((worker, step_of(start)))
        self.feed(Watched(step_of(start), start, worker, Item()))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        call = self.take(data)
        sources = [*call.tasks, *(task for other in self.running.values() for task in other.tasks)]
        outputs = []
        for _ in range(data.draw(st.integers(0, 3))):
            targets = [key for key in (*self.names, "sink") if key > call.worker]
            previous = data.draw(st.sampled_from(sources)) if data.draw(st.booleans()) else call.tasks[0]
            outputs.append(Output(Item(), (data.draw(st.sampled_from(targets)),), previous))
        self.remember(call)
        self.feed(Finished(call.id, call.worker, tuple(outputs), 0.0))

    @precondition(lambda self: self.running and self.seen)
    @rule(data=st.data())
    def publish_late(self, data: st.DataObject) -> None:
        """Publish for a task that may have ended long ago."""
        call = self.take(data)
        previous = data.draw(st.sampled_from(self.seen))
        top = step_of(lineage_of(previous).provenance.top())
        if self.ended[top]:
            self.late.add(top)
        targets = [key for key in (*self.names, "sink") if key > call.worker]
        self.feed(Finished(call.id, call.worker, (Output(Item(), (targets[0],), previous),), 0.0))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), told=st.booleans())
    def fail(self, data: st.DataObject, told: bool) -> None:
        call = self.take(data)
        self.feed(Aborted(call.id, call.worker) if told else Failed(call.id, call.worker, LookupError("x"), "", 0.0))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def park(self, data: st.DataObject) -> None:
        call = self.take(data)
        self.parked.append(call.id)
        self.feed(Parked(call.id, call.worker, lambda wake: None))

    @precondition(lambda self: self.parked)
    @rule()
    def wake(self) -> None:
        self.feed(Woken(self.parked.pop(0)))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.running)))
        self.feed(Began(number))
        assert any(isinstance(event, Expired) and event.call == number for event in self.alarms)

    @precondition(lambda self: self.alarms)
    @rule(data=st.data())
    def ring(self, data: st.DataObject) -> None:
        self.let_ring(self.alarms.pop(data.draw(st.integers(0, len(self.alarms) - 1))))

    def let_ring(self, event: Event) -> None:
        before = set(self.running)
        if isinstance(event, Expired):
            self.gone.add(event.call)
        self.feed(event)
        if isinstance(event, Expired):
            waited_for = {call.id for call in self.state.calls()[1]}
            self.running = {number: call for number, call in self.running.items() if number in waited_for}
            self.lent &= waited_for
            self.gone -= waited_for | ({event.call} - before)

    @precondition(lambda self: self.gone)
    @rule()
    def end_late(self) -> None:
        """Let a call end that is not waited for any more."""
        number = self.gone.pop()
        self.feed(Finished(number, "W0", (Output(Item(), ("sink",), None),), 9.0))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.running)))
        if number in self.lent:
            self.lent.discard(number)
            self.feed(Returned(number))
        else:
            self.lent.add(number)
            self.feed(Lent(number))

    @precondition(lambda self: self.starts)
    @rule(data=st.data(), deep=st.booleans())
    def abandon(self, data: st.DataObject, deep: bool) -> None:
        scopes = [call.scope for call in self.running.values()] if deep else []
        target = data.draw(st.sampled_from(scopes or self.starts))
        answers: list[bool] = []
        alive = self.state.has(step_of(target))
        if alive:
            self.abandoned.append(target)
            self.doomed.append(target)
        self.feed(Abandoned(step_of(target), answers.append))
        assert answers == [alive]

    def take(self, data: st.DataObject) -> Call:
        call = self.running.pop(data.draw(st.sampled_from(sorted(self.running))))
        self.lent.discard(call.id)
        return call

    def remember(self, call: Call) -> None:
        self.seen = [*self.seen[-5:], call.tasks[0]] if lineage_of(call.tasks[0]).provenance is not ROOT else self.seen

    # -- what holds

    @invariant()
    def a_chain_ends_once(self) -> None:
        assert all(number == 1 for step, number in self.ended.items() if step[0] == INITIAL)

    @invariant()
    def a_watcher_is_told_once(self) -> None:
        assert all(number == 1 for number in self.told.values())
        assert set(self.told) <= self.watching

    @invariant()
    def the_state_knows_what_runs(self) -> None:
        assert {call.id for call in self.state.calls()[1]} == set(self.running)

    def teardown(self) -> None:
        """Let everything end: nothing is left, and each chain has had its end."""
        if not hasattr(self, "state"):
            return
        while self.running or self.parked or self.alarms:
            for number in [*self.running]:
                call = self.running.pop(number, None)
                if call is not None:
                    self.feed(Finished(call.id, call.worker, (), 0.0))
            while self.parked:
                self.feed(Woken(self.parked.pop()))
            while self.alarms:
                self.let_ring(self.alarms.pop())
        assert self.state.idle
        assert self.state.hungry
        assert {step_of(start): 1 for start in self.starts} == {
            step: number for step, number in self.ended.items() if step[0] == INITIAL
        }
        unabandoned = {
            (worker, step) for worker, step in self.watching if all(step_of(each) != step for each in self.abandoned)
        }
        assert unabandoned <= set(self.told)
        assert self.state.board.total().queued == 0
        ledger: Any = self.state._ledger
        assert (ledger._alive, ledger._waiting) == ({}, {})
        assert (self.state._as_they_came, self.state._told, self.state._lent) == ({}, set(), set())
        assert ledger.abandoned == set()


def step_of(node: Provenance) -> Step:
    return (node.worker, node.index)


def all_steps(scope: Provenance) -> set[Step]:
    found = set()
    current = scope
    while current.parent is not None:
        found.add(step_of(current))
        current = current.parent
    return found


Ends.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestEnds = Ends.TestCase
