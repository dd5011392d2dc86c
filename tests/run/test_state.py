"""The state of a run: its laws, on random graphs with random outcomes in any order."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from planai import Task
from planai.call import Call
from planai.events import Failed, Finished, Output, Parked, Printed, Stopped, Submitted, Woken
from planai.plan import Node, Plan, Retry
from planai.provenance import INITIAL, Provenance, ProvenanceChain
from planai.run.state import RunState
from planai.task import lineage_of
from planai.wires import Sink

CAPACITY = 4
COLLECTOR = Sink(Task)
NOTIFIER = Sink(Task, notify=lambda metadata, task: None)


class Item(Task):
    number: int = 0


def node(key: str, depth: int, *downstream: str, joins: str | None = None, retries: int = 0) -> Node:
    """Return a node that is performed by nobody: the tests tell how its calls end."""
    joined = None if joins is None else frozenset({joins})
    return Node(key, key, NOTIFIER, (Item,), (Item,), downstream, depth, (depth, depth), joined, Retry(retries))


def plan_of(*nodes: Node) -> Plan:
    sink = Node("sink", "sink", COLLECTOR, (Item,), depth=99)
    return Plan("test", {each.key: each for each in (*nodes, sink)}, {})


def outputs(call: Call, *targets: str) -> tuple[Output, ...]:
    return tuple(Output(Item(), (target,), call.tasks[0]) for target in targets)


def finish(state: RunState, call: Call, *targets: str) -> list[Call]:
    return state.handle(Finished(call.id, call.worker, outputs(call, *targets), 0.0))


def fail(state: RunState, call: Call) -> list[Call]:
    return state.handle(Failed(call.id, call.worker, LookupError("x"), "", 0.0))


# ---- one step at a time


def test_a_submitted_task_becomes_a_call_with_a_provenance() -> None:
    state = RunState(plan_of(node("A", 1)), CAPACITY)
    task = Item(number=3)
    [call] = state.handle(Submitted("A", task))
    assert (call.worker, call.attempt) == ("A", 0)
    assert call.tasks == (task,)
    assert call.tasks[0].provenance() == ((INITIAL, 1),)
    assert task.provenance() == ()
    assert (state.idle, state.running) == (False, 1)
    assert finish(state, call) == []
    assert state.idle


def test_a_sink_collects() -> None:
    state = RunState(plan_of(node("A", 1, "sink")), CAPACITY)
    [call] = state.handle(Submitted("A", Item()))
    assert finish(state, call, "sink", "sink") == []
    assert [task.provenance() for task in state.outputs] == [
        ((INITIAL, 1), ("A", 1)),
        ((INITIAL, 1), ("A", 2)),
    ]


def test_a_failed_call_is_tried_again_as_often_as_it_may() -> None:
    state = RunState(plan_of(node("A", 1, retries=1)), CAPACITY)
    [call] = state.handle(Submitted("A", Item()))
    [again] = fail(state, call)
    assert (again.attempt, again.tasks[0].retry_count) == (1, 1)
    assert again.id != call.id
    assert fail(state, again) == []
    assert [(failure.worker, failure.attempts) for failure in state.failures] == [("A", 2)]
    assert state.idle


def test_more_is_wanted_until_the_capacity_is_used() -> None:
    state = RunState(plan_of(node("A", 1)), 2)
    calls = state.handle(Submitted("A", Item()))
    assert state.hungry
    calls += state.handle(Submitted("A", Item()))
    assert not state.hungry
    finish(state, calls[0])
    assert state.hungry


def park(state: RunState, call: Call) -> list[Call]:
    return state.handle(Parked(call.id, call.worker, lambda wake: None))


def test_a_parked_call_gives_its_place_to_others_and_is_made_again_when_woken() -> None:
    state = RunState(plan_of(node("A", 1)), 1)
    [first] = state.handle(Submitted("A", Item(number=1)))
    assert state.handle(Submitted("A", Item(number=2))) == []
    [second] = park(state, first)
    assert not state.idle
    assert state.handle(Woken(first.id)) == []
    [again] = finish(state, second)
    assert (again.id, again.tasks, again.resumed) == (first.id, first.tasks, True)
    assert finish(state, again) == []
    assert state.idle
    assert state.board.total().completed == 2


def test_a_join_waits_for_a_parked_call() -> None:
    state = RunState(plan_of(node("A", 1, "B", "J"), node("B", 2, "J"), node("J", 3, joins=INITIAL)), CAPACITY)
    [call] = state.handle(Submitted("A", Item()))
    [parked] = finish(state, call, "J", "B")
    assert park(state, parked) == []
    [again] = state.handle(Woken(parked.id))
    [join] = finish(state, again, "J")
    assert (join.worker, len(join.tasks)) == ("J", 2)


def test_stopping_drops_parked_calls_and_waking_them_afterwards_does_nothing() -> None:
    state = RunState(plan_of(node("A", 1)), CAPACITY)
    [early] = state.handle(Submitted("A", Item()))
    [late] = state.handle(Submitted("A", Item()))
    park(state, early)
    state.handle(Stopped())
    assert park(state, late) == []
    assert (state.dropped, state.idle) == (2, True)
    assert state.handle(Woken(early.id)) == []
    assert state.idle


def test_stopping_drops_what_waits_and_what_is_published_afterwards() -> None:
    state = RunState(plan_of(node("A", 1, "B", "sink"), node("B", 2)), 1)
    [call] = state.handle(Submitted("A", Item()))
    assert state.handle(Submitted("A", Item())) == []
    assert state.handle(Stopped()) == []
    assert (state.dropped, state.hungry, state.idle) == (1, False, False)
    assert finish(state, call, "B", "sink") == []
    assert (state.dropped, state.idle, len(state.outputs)) == (2, True, 1)


def test_stopping_ends_retries_and_joins() -> None:
    state = RunState(plan_of(node("A", 1, "J", retries=5), node("J", 2, joins=INITIAL)), CAPACITY)
    calls = [*state.handle(Submitted("A", Item())), *state.handle(Submitted("A", Item()))]
    state.handle(Stopped())
    assert finish(state, calls[0], "J") == []
    assert fail(state, calls[1]) == []
    assert state.idle
    assert len(state.failures) == 1


def test_calls_that_are_given_back_count_as_dropped() -> None:
    state = RunState(plan_of(node("A", 1)), CAPACITY)
    calls = [*state.handle(Submitted("A", Item())), *state.handle(Submitted("A", Item()))]
    state.handle(Stopped())
    state.give_back(calls)
    assert (state.idle, state.running, state.dropped) == (True, 0, 2)


def test_what_is_printed_changes_nothing() -> None:
    state = RunState(plan_of(node("A", 1)), CAPACITY)
    assert state.handle(Printed("A", "hello")) == []
    assert state.idle


def test_a_task_for_several_targets_has_one_provenance() -> None:
    state = RunState(plan_of(node("A", 1, "B", "sink"), node("B", 2)), CAPACITY)
    [call] = state.handle(Submitted("A", Item()))
    output = Output(Item(), ("B", "sink"), call.tasks[0])
    [following] = state.handle(Finished(call.id, "A", (output,), 0.0))
    assert following.tasks[0].provenance() == state.outputs[0].provenance()


# ---- any number of steps

Edges = dict[str, list[str]]


class Group:
    """What a join waits for below one ancestor."""

    def __init__(self) -> None:
        self.expected: list[ProvenanceChain] = []
        self.fired = 0


@st.composite
def layered_plans(draw: st.DrawFn) -> Plan:
    """Draw a graph in layers, whose joins wait for the start or for workers upstream."""
    layers = [
        [f"N{layer}{place}" for place in range(draw(st.integers(1, 2)))] for layer in range(draw(st.integers(2, 5)))
    ]
    known: dict[str, Node] = {}
    depths = {INITIAL: 0} | {name: depth for depth, layer in enumerate(layers, 1) for name in layer}
    for depth, layer in enumerate(layers, 1):
        earlier = [name for above in layers[: depth - 1] for name in above]
        ancestors = [name for name in earlier if not joined_over(depths[name], known, depths)]
        for name in layer:
            joins = draw(st.sampled_from([None, None, INITIAL, *ancestors])) if earlier else None
            known[name] = node(name, depth, joins=joins, retries=draw(st.integers(0, 1)))
    return plan_of(*known.values())


def joined_over(depth: int, known: dict[str, Node], depths: dict[str, int]) -> bool:
    """Tell whether a join below `depth` waits for something above it.

    What it publishes descends from tasks at `depth` that have ended before: joining on them again means joining twice.
    """
    return any(
        each.depth > depth > depths[ancestor] for each in known.values() for ancestor in each.joins or frozenset()
    )


class Laws(RuleBasedStateMachine):
    """Submits tasks and ends calls at random, and checks each call that is given out against a simple model."""

    direct = False

    @initialize(plan=layered_plans())
    def start(self, plan: Plan) -> None:
        self.plan = plan
        self.state = RunState(plan, CAPACITY)
        self.workers = [key for key in plan.nodes if key != "sink"]
        self.running: list[Call] = []
        self.groups: dict[tuple[str, ProvenanceChain], Group] = {}
        self.owed: Counter[tuple[str, ProvenanceChain]] = Counter()
        self.steps: Counter[str] = Counter()
        self.submitted = self.ended = self.collected = self.orphans = self.failed = self.retries = 0

    # -- what happens

    @rule(place=st.integers(0, 9))
    def submit(self, place: int) -> None:
        entries = [key for key in self.workers if self.plan.nodes[key].joins is None]
        key = entries[place % len(entries)]
        self.submitted += 1
        self.steps[INITIAL] += 1
        self.owed[key, ((INITIAL, self.steps[INITIAL]),)] += 1
        self.accept(self.state.handle(Submitted(key, Item())))

    @precondition(lambda self: self.running)
    @rule(place=st.integers(0, CAPACITY - 1), counts=st.lists(st.integers(0, 3), max_size=4), which=st.integers(0, 99))
    def finish(self, place: int, counts: list[int], which: int) -> None:
        call = self.running.pop(place % len(self.running))
        targets = self.later(call.worker)
        published = [
            Output(Item(), (targets[(which + number) % len(targets)],), call.tasks[(which + number) % len(call.tasks)])
            for number, count in enumerate(counts)
            for _ in range(count)
        ]
        self.expect(call, published)
        self.ended += 1
        self.accept(self.state.handle(Finished(call.id, call.worker, tuple(published), 0.0)))

    @precondition(lambda self: self.running)
    @rule(place=st.integers(0, CAPACITY - 1))
    def fail(self, place: int) -> None:
        call = self.running.pop(place % len(self.running))
        if call.attempt < self.plan.nodes[call.worker].retry.count:
            self.retries += 1
            self.owed[call.worker, call.scope.chain()] += 1
        else:
            self.ended += 1
            self.failed += 1
        self.accept(fail(self.state, call))

    # -- what is expected of it

    def later(self, worker: str) -> list[str]:
        """Return to whom `worker` may publish; to joins on its own tasks only in `LawsOfDirectJoins`."""
        depth = self.plan.nodes[worker].depth
        return [
            key
            for key, each in self.plan.nodes.items()
            if each.depth > depth and (self.direct or worker not in (each.joins or ()))
        ]

    def expect(self, call: Call, published: list[Output]) -> None:
        for output in published:
            assert output.previous is not None
            self.steps[call.worker] += 1
            chain = (*output.previous.provenance(), (call.worker, self.steps[call.worker]))
            [target] = output.targets
            joins = self.plan.nodes[target].joins
            if target == "sink":
                self.collected += 1
            elif joins is None:
                self.owed[target, chain] += 1
            else:
                self.expect_in_group(target, chain, joins)

    def expect_in_group(self, target: str, chain: ProvenanceChain, joins: frozenset[str]) -> None:
        ends = [place for place, (worker, _) in enumerate(chain, 1) if worker in joins]
        if ends:
            group = self.groups.setdefault((target, chain[: ends[-1]]), Group())
            assert not group.fired
            group.expected.append(chain)
        else:
            self.orphans += 1

    def accept(self, calls: list[Call]) -> None:
        for call in calls:
            group = self.groups.get((call.worker, call.scope.chain()))
            if group is not None and call.attempt == 0:
                self.check_group(call, group)
            else:
                self.owed[call.worker, call.scope.chain()] -= 1
            self.running.append(call)

    def check_group(self, call: Call, group: Group) -> None:
        """A join fires once, after all work below its ancestor, with all tasks of its group in their order."""
        ancestor = call.scope.chain()
        group.fired += 1
        assert group.fired == 1
        chains = [task.provenance() for task in call.tasks]
        assert sorted(chains) == sorted(group.expected)
        orders = [lineage_of(task).provenance.order() for task in call.tasks]
        assert orders == sorted(orders)
        alive = [other.scope for other in self.running]
        assert not any(below(scope, ancestor) for scope in alive)
        assert not any(count and chain[: len(ancestor)] == ancestor for (_, chain), count in self.owed.items())

    # -- what holds at any time

    @invariant()
    def nothing_is_made_up(self) -> None:
        assert all(count >= 0 for count in self.owed.values())

    @invariant()
    def the_state_knows_what_runs(self) -> None:
        assert self.state.running == len(self.running) <= CAPACITY
        assert self.state.idle == (not self.running)

    @invariant()
    def everything_is_counted(self) -> None:
        total = self.state.board.total()
        assert total.completed + total.failed == self.ended
        assert (total.failed, total.retried) == (self.failed, self.retries)
        assert len(self.state.failures) == self.failed + self.orphans
        assert len(self.state.outputs) == self.collected

    def teardown(self) -> None:
        """Let everything end: then each task was consumed, and each group fired."""
        if not hasattr(self, "state"):
            return
        while self.running:
            self.finish(0, [1, 1], 0)
        assert self.state.idle
        assert self.state.hungry
        assert not +self.owed
        assert all(group.fired == 1 for group in self.groups.values())
        assert self.state.board.total().queued == 0


def below(scope: Provenance, ancestor: ProvenanceChain) -> bool:
    return scope.chain()[: len(ancestor)] == ancestor


class LawsOfDirectJoins(Laws):
    """The same where a worker may also publish to a join on its own tasks, which then never are calls."""

    direct = True


MANY = settings(max_examples=120, stateful_step_count=40, deadline=None)

Laws.TestCase.settings = MANY
LawsOfDirectJoins.TestCase.settings = MANY

TestLaws = Laws.TestCase
TestLawsOfDirectJoins = LawsOfDirectJoins.TestCase
