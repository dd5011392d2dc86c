"""Slots: deepest first, within capacity and limits."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from planai import Task
from planai.call import Call
from planai.plan import Limit, Node, Plan
from planai.provenance import ROOT
from planai.run.slots import Slots
from planai.wires import Sink

NAMES = ("A", "B", "C")


def plan_of(*limits: Limit) -> Plan:
    nodes = {name: Node(name, name, Sink(Task), (Task,), depth=depth) for depth, name in enumerate(NAMES, 1)}
    return Plan("test", nodes, {}, limits)


def call(number: int, worker: str) -> Call:
    return Call(number, worker, (), ROOT)


def limit(count: int, *workers: str) -> Limit:
    return Limit(frozenset(workers), count)


def test_the_deepest_call_is_given_out_first_and_equals_in_their_order() -> None:
    slots = Slots(plan_of(), capacity=9)
    for number, worker in enumerate("ACBCA"):
        slots.add(call(number, worker))
    assert [(taken.worker, taken.id) for taken in slots.take()] == [("C", 1), ("C", 3), ("B", 2), ("A", 0), ("A", 4)]


def test_no_more_than_the_capacity_run() -> None:
    slots = Slots(plan_of(), capacity=2)
    for number in range(3):
        slots.add(call(number, "A"))
    first = slots.take()
    assert (len(first), slots.running, len(slots)) == (2, 2, 1)
    assert slots.take() == []
    slots.release(first[0])
    assert [taken.id for taken in slots.take()] == [2]


def test_hungry_means_that_more_could_start_at_once() -> None:
    slots = Slots(plan_of(), capacity=2)
    assert slots.hungry
    slots.add(call(1, "A"))
    slots.take()
    assert slots.hungry
    slots.add(call(2, "A"))
    assert not slots.hungry


def test_a_limited_worker_lets_others_pass() -> None:
    slots = Slots(plan_of(limit(1, "C")), capacity=9)
    for number, worker in enumerate("CCA"):
        slots.add(call(number, worker))
    taken = slots.take()
    assert [given.id for given in taken] == [0, 2]
    slots.release(taken[1])
    assert slots.take() == []
    slots.release(taken[0])
    assert [given.id for given in slots.take()] == [1]


def test_a_shared_limit_is_given_on_to_another_worker_of_it() -> None:
    slots = Slots(plan_of(limit(1, "A", "B")), capacity=9)
    slots.add(call(1, "A"))
    [taken] = slots.take()
    slots.add(call(2, "B"))
    assert slots.take() == []
    slots.release(taken)
    assert [given.id for given in slots.take()] == [2]


def test_a_limit_that_comes_later_counts_what_runs() -> None:
    slots = Slots(plan_of(), capacity=9)
    for number in range(3):
        slots.add(call(number, "A"))
    running = slots.take()
    slots.limit(Limit(frozenset("A"), 1, "later"), used=3)
    slots.add(call(3, "A"))
    for taken in running:
        assert slots.take() == []
        slots.release(taken)
    assert [given.id for given in slots.take()] == [3]


def test_a_limit_takes_the_place_of_an_earlier_one_of_the_same() -> None:
    slots = Slots(plan_of(Limit(frozenset("AB"), 1, "same")), capacity=9)
    for number, worker in enumerate("ABA"):
        slots.add(call(number, worker))
    [first] = slots.take()
    slots.limit(Limit(frozenset("AB"), 2, "same"), used=1)
    [second] = slots.take()
    slots.limit(Limit(frozenset("AB"), 1, "same"), used=2)
    slots.release(first)
    assert slots.take() == []
    slots.release(second)
    assert len(slots.take()) == 1


def test_clear_drops_what_waits_and_keeps_what_runs() -> None:
    slots = Slots(plan_of(), capacity=1)
    for number in range(3):
        slots.add(call(number, "A"))
    slots.take()
    assert slots.clear() == 2
    assert (len(slots), slots.running) == (0, 1)
    assert slots.take() == []


limits = st.lists(
    st.builds(
        lambda count, workers: Limit(frozenset(workers), count), st.integers(1, 2), st.sets(st.sampled_from(NAMES))
    ),
    max_size=3,
)


@given(limits, st.integers(1, 4), st.lists(st.sampled_from(NAMES), max_size=12), st.randoms(use_true_random=False))
def test_limits_hold_and_nothing_is_lost(
    limits: list[Limit], capacity: int, workers: list[str], chance: object
) -> None:
    slots = Slots(plan_of(*limits), capacity)
    for number, worker in enumerate(workers):
        slots.add(call(number, worker))
    running: list[Call] = []
    given_out: list[int] = []
    while len(slots) or running:
        new = slots.take()
        running += new
        given_out += [taken.id for taken in new]
        used = Counter(taken.worker for taken in running)
        assert len(running) <= capacity
        assert all(sum(used[name] for name in each.workers) <= each.count for each in limits)
        assert running  # something always goes on
        slots.release(running.pop(chance.randrange(len(running))))  # type: ignore[attr-defined]
    assert sorted(given_out) == list(range(len(workers)))
