"""The chain of steps behind a task."""

from hypothesis import given
from hypothesis import strategies as st

from planai.provenance import INITIAL, ROOT, Provenance, ProvenanceChain

steps = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 9)), max_size=8)


def chain_of(made: list[tuple[str, int]]) -> Provenance:
    node = ROOT
    for worker, index in made:
        node = node.child(worker, index)
    return node


def test_a_chain_reads_oldest_step_first() -> None:
    node = ROOT.child(INITIAL, 1).child("Split", 2).child("Count", 7)
    assert node.chain() == (("InitialTaskWorker", 1), ("Split", 2), ("Count", 7))
    assert node.order() == (1, 2, 7)
    assert node.depth == 3


def test_the_root_has_no_steps() -> None:
    assert ROOT.chain() == ()
    assert ROOT.order() == ()
    assert ROOT.depth == 0
    assert ROOT.nearest({""}) is None


def test_children_share_their_parent() -> None:
    parent = ROOT.child(INITIAL, 1)
    assert parent.child("A", 1).parent is parent.child("A", 2).parent is parent
    assert parent.chain() == ((INITIAL, 1),)


def test_nearest_finds_the_last_step_of_any_of_the_workers() -> None:
    node = chain_of([("A", 1), ("B", 1), ("A", 2), ("C", 1)])
    found = node.nearest({"A", "B"})
    assert found is not None
    assert found.chain() == (("A", 1), ("B", 1), ("A", 2))
    assert node.nearest({"C"}) is node
    assert node.nearest({"D"}) is None


@given(steps)
def test_what_is_put_in_comes_out(made: list[tuple[str, int]]) -> None:
    node = chain_of(made)
    expected: ProvenanceChain = tuple(made)
    assert node.chain() == expected
    assert node.depth == len(made)
    assert [ancestor.depth for ancestor in node.ancestry()] == list(range(len(made), 0, -1))
    assert repr(node) == f"Provenance{expected!r}"
