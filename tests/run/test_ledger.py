"""The ledger: what is alive, what ends, and what waits for it."""

from planai import Task
from planai.provenance import INITIAL, ROOT, Provenance
from planai.run.ledger import Ledger
from planai.task import Lineage, set_lineage


class Number(Task):
    value: int = 0


START = ROOT.child(INITIAL, 1)
RANKS = {"near": (0, 9), "far": (1, 3)}


def at(node: Provenance) -> Number:
    return set_lineage(Number(value=node.index), Lineage(provenance=node))


def test_a_node_without_joins_ends_silently() -> None:
    ledger = Ledger()
    ledger.hold(START)
    assert ledger.is_alive(START)
    assert ledger.release(START) is None
    assert not ledger.is_alive(START)


def test_a_join_waits_until_the_last_hold_is_released() -> None:
    ledger = Ledger()
    ledger.hold(START)
    ledger.hold(START)
    ledger.gather(START, "near", at(START.child("W", 1)))
    assert ledger.release(START) is None
    assert ledger.release(START) is START


def test_descendants_keep_their_ancestors_alive() -> None:
    ledger = Ledger()
    child = START.child("W", 1)
    grandchild = child.child("V", 1)
    ledger.hold(START)
    ledger.hold(child)
    ledger.gather(START, "near", at(child))
    assert ledger.release(START) is None
    ledger.hold(grandchild)
    assert ledger.release(child) is None
    assert ledger.release(grandchild) is START


def test_what_descends_from_ended_work_is_held_further_up() -> None:
    ledger = Ledger()
    ended = START.child("W", 1)
    ledger.hold(START)
    ledger.hold(ended)
    ledger.release(ended)
    late = ended.child("V", 1)
    ledger.hold(late)
    ledger.gather(START, "near", at(late))
    assert ledger.release(START) is None
    assert ledger.release(late) is START


def test_the_nearest_join_of_a_node_fires_first_and_the_next_after_it() -> None:
    ledger = Ledger()
    ledger.hold(START)
    ledger.gather(START, "far", at(START.child("W", 1)))
    ledger.gather(START, "near", at(START.child("W", 2)))
    assert ledger.release(START) is START
    assert ledger.take(START, RANKS)[0] == "near"
    ledger.hold(START)
    assert ledger.release(START) is START
    assert ledger.take(START, RANKS)[0] == "far"
    ledger.hold(START)
    assert ledger.release(START) is None
    assert not ledger.is_alive(START)


def test_the_inner_node_ends_before_the_outer_one() -> None:
    ledger = Ledger()
    inner = START.child("W", 1)
    ledger.hold(START)
    ledger.hold(inner)
    ledger.release(START)
    ledger.gather(START, "far", at(inner))
    ledger.gather(inner, "near", at(inner))
    assert ledger.release(inner) is inner
    ledger.take(inner, RANKS)
    ledger.hold(inner)
    assert ledger.release(inner) is START


def test_a_group_is_in_the_order_of_provenance() -> None:
    ledger = Ledger()
    ledger.hold(START)
    for path in ((2, 1), (1, 3), (10, 0), (1, 2)):
        ledger.gather(START, "near", at(START.child("W", path[0]).child("V", path[1])))
    ledger.release(START)
    due = ledger.take(START, RANKS)
    assert due.worker == "near"
    assert [task.provenance()[1:] for task in due.tasks] == [
        (("W", 1), ("V", 2)),
        (("W", 1), ("V", 3)),
        (("W", 2), ("V", 1)),
        (("W", 10), ("V", 0)),
    ]
