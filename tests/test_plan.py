"""Plans: wiring mistakes raised together, and where a published task goes."""

from functools import partial
from typing import Any

import pytest

from planai import Graph, JoinedTaskWorker, MergedTaskWorker, Task, TaskWorker
from planai.errors import ConfigurationError, PublishError, TypeMismatch, WiringError
from planai.plan import Plan
from planai.planning import make_plan
from planai.provenance import ROOT
from planai.task import Lineage, set_lineage
from planai.wires import Sink, Wires


class Number(Task):
    value: int = 0


class BigNumber(Number):
    pass


class HugeNumber(BigNumber):
    pass


class Text(Task):
    text: str = ""


class Make(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Text) -> None:
        """Do nothing."""


class Use(TaskWorker):
    output_types = [Text]

    def consume_work(self, task: Number) -> None:
        """Do nothing."""


class UseBig(TaskWorker):
    def consume_work(self, task: BigNumber) -> None:
        """Do nothing."""


class Untyped(TaskWorker):
    def consume_work(self, task) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the mistake under test
        """Do nothing."""


class JoinNumbers(JoinedTaskWorker):
    output_types = [Text]

    def consume_work_joined(self, tasks: list[Number]) -> None:
        """Do nothing."""


class JoinOnUse(JoinedTaskWorker):
    join_type = Use

    def consume_work_joined(self, tasks: list[Number]) -> None:
        """Do nothing."""


def plan_of(*edges: tuple[TaskWorker, TaskWorker], sinks: list[tuple[TaskWorker, Sink]] | None = None) -> Plan:
    workers = list(dict.fromkeys(worker for edge in edges for worker in edge))
    workers += [worker for worker, _ in sinks or [] if worker not in workers]
    return make_plan(Wires("test", workers, list(edges), sinks or []))


def problems_of(graph: Graph) -> list[str]:
    with pytest.raises(WiringError) as caught:
        graph.run([], display_terminal=False)
    return caught.value.problems


# ---- mistakes


def test_an_edge_without_a_common_type_names_workers_types_and_remedy() -> None:
    graph = Graph(name="g")
    use, big = Use(), UseBig()
    graph.add_workers(use, big)
    with pytest.raises(TypeMismatch) as caught:
        graph.set_dependency(use, big)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == (
        "'Use' publishes 'Text', but 'UseBig' consumes 'BigNumber': "
        "add the type to Use.output_types, or put a worker between the two"
    )
    with pytest.raises(TypeMismatch):
        use.next(big)
    assert graph.dependencies == {}


def test_an_edge_that_lost_its_type_later_is_a_mistake_when_the_graph_runs() -> None:
    graph = Graph(name="g")
    make, use = Make(), Use()
    graph.add_workers(make, use).set_dependency(make, use)
    make.output_types = [Text]
    [problem] = problems_of(graph)
    assert problem.startswith("'Make' publishes 'Text', but 'Use' consumes 'Number'")


def test_a_worker_that_does_not_say_what_it_consumes_is_fed_by_nobody() -> None:
    graph = Graph(name="g")
    make, untyped = Make(), Untyped()
    graph.add_workers(make, untyped)
    with pytest.raises(ConfigurationError, match=r"Untyped\.consume_work does not say what it consumes"):
        graph.set_dependency(make, untyped)


@pytest.mark.parametrize("kind", [Number, int, "Text"])
def test_a_sink_for_a_type_that_is_not_published_is_a_mistake(kind: Any) -> None:
    graph = Graph(name="g")
    use = Use()
    graph.add_workers(use)
    for collect in (partial(graph.set_sink, use), use.sink):
        with pytest.raises(TypeMismatch, match="the sink of 'Use' collects"):
            collect(kind)
    assert graph.run([(use, Number())], display_terminal=False).outputs == []


def test_a_join_on_a_worker_that_is_not_upstream_is_a_mistake() -> None:
    graph = Graph(name="g")
    make, join = Make(), JoinOnUse()
    graph.add_workers(make, join).set_dependency(make, join)
    [problem] = problems_of(graph)
    assert problem == (
        "'JoinOnUse' joins on 'Use', but upstream of it there is Make: "
        "set join_type to one of these, or to InitialTaskWorker"
    )


def test_all_mistakes_are_raised_together_when_the_graph_runs() -> None:
    graph = Graph(name="wrong")
    make, use, big, join, untyped = Make(), Use(), UseBig(), JoinOnUse(), Untyped()
    graph.add_workers(make, use, big, join, untyped)
    graph.set_dependency(make, use)
    graph.set_dependency(make, big)
    graph.set_dependency(make, join)
    graph.set_sink(make, Number)
    make.output_types = [Text]
    with pytest.raises(WiringError) as caught:
        graph.run([(make, Text())], display_terminal=False)
    assert len(caught.value.problems) == 6
    message = str(caught.value)
    assert message.startswith("graph 'wrong' cannot run:")
    for number, word in enumerate(
        ["Untyped.consume_work", "'Use'", "'UseBig'", "'JoinOnUse'", "sink of 'Make'", "'JoinOnUse' joins"], 1
    ):
        assert f"  {number}. " in message
        assert word in message


def test_no_worker_starts_when_the_wiring_is_wrong() -> None:
    started: list[str] = []

    class Starts(Make):
        def init(self) -> None:
            started.append(self.name)

    graph = Graph(name="g")
    worker = Starts()
    graph.add_workers(worker, join := JoinOnUse()).set_dependency(worker, join)
    problems_of(graph)
    assert started == []


def test_a_right_graph_plans_without_complaint_whatever_the_direction_of_inheritance() -> None:
    class MakeBig(Make):
        output_types = [BigNumber]

    assert set(plan_of((Make(), UseBig())).nodes) == {"Make", "UseBig"}
    assert set(plan_of((MakeBig(), Use())).nodes) == {"MakeBig", "Use"}


def test_a_cycle_can_be_planned() -> None:
    use, make = Use(), Make()
    plan = plan_of((use, make), (make, use))
    assert plan.nodes["Use"].downstream == ("Make",)
    assert plan.nodes["Make"].downstream == ("Use",)


# ---- names


def test_workers_of_one_name_are_numbered() -> None:
    plan = make_plan(Wires("test", [Use(), Use(), Use()]))
    assert list(plan.nodes) == ["Use#1", "Use#2", "Use#3"]
    assert {node.name for node in plan.nodes.values()} == {"Use"}


def test_a_join_on_a_base_class_joins_on_all_its_workers() -> None:
    class UseA(Use):
        output_types = [Number]

    class UseB(Use):
        output_types = [Number]

    one, other, join = UseA(), UseB(), JoinOnUse()
    plan = plan_of((one, other), (other, join))
    assert plan.nodes["JoinOnUse"].joins == frozenset({"UseA", "UseB"})


def test_depth_counts_the_steps_from_the_start() -> None:
    make, use, join = Make(), Use(), JoinNumbers()
    plan = plan_of((use, make), (make, join), sinks=[(join, Sink(Text))])
    depths = {key: node.depth for key, node in plan.nodes.items()}
    assert depths == {"Use": 1, "Make": 2, "JoinNumbers": 3, "sink 1 of JoinNumbers": 4}


# ---- entries


def test_an_initial_task_for_a_worker_that_is_not_in_the_graph_is_refused() -> None:
    plan = plan_of((Make(), Use()))
    with pytest.raises(ConfigurationError, match=r"'UseBig', which is not in graph 'test': add it with"):
        plan.entry(UseBig(), BigNumber())


def test_an_initial_task_of_the_wrong_type_is_refused() -> None:
    make = Make()
    plan = plan_of((make, Use()))
    assert plan.entry(make, Text()) == "Make"
    with pytest.raises(ConfigurationError, match="'Make' is a 'Number', but the worker consumes 'Text'"):
        plan.entry(make, Number())


# ---- routes


class Anything(TaskWorker):
    output_types = [Number, Text]

    def consume_work(self, task: Text) -> None:
        """Do nothing."""


def test_a_task_goes_to_the_worker_that_consumes_its_type() -> None:
    up = Anything()
    route = plan_of((up, Use()), (up, Make())).router("Anything")
    assert route(Number(), None) == ("Use",)
    assert route(Text(), None) == ("Make",)


def test_a_task_goes_to_a_worker_and_to_every_sink_of_its_type() -> None:
    up = Anything()
    route = plan_of((up, Use()), sinks=[(up, Sink(Number)), (up, Sink(Text)), (up, Sink(Number))]).router("Anything")
    assert route(Number(), None) == ("Use", "sink 1 of Anything", "sink 3 of Anything")
    assert route(Text(), None) == ("sink 2 of Anything",)


def test_a_subclass_goes_to_the_most_specific_consumer() -> None:
    up = Anything()
    route = plan_of((up, Use()), (up, UseBig())).router("Anything")
    assert route(Number(), None) == ("Use",)
    assert route(BigNumber(), None) == ("UseBig",)
    assert route(HugeNumber(), None) == ("UseBig",)


def test_a_subclass_that_somebody_consumes_is_not_collected_with_its_base() -> None:
    up = Anything()
    route = plan_of((up, UseBig()), sinks=[(up, Sink(Number)), (up, Sink(HugeNumber))]).router("Anything")
    assert route(Number(), None) == ("sink 1 of Anything",)
    assert route(BigNumber(), None) == ("UseBig",)
    assert route(HugeNumber(), None) == ("sink 2 of Anything",)


def test_two_consumers_need_a_choice() -> None:
    up, one, other = Anything(), Use(), JoinNumbers()
    route = plan_of((up, one), (up, other)).router("Anything")
    with pytest.raises(PublishError, match=r"'Use', 'JoinNumbers' all consume: say who gets it, with publish_work"):
        route(Number(), None)
    assert route(Number(), one) == ("Use",)
    assert route(Number(), other) == ("JoinNumbers",)
    assert route(Number(), "JoinNumbers") == ("JoinNumbers",)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Text(), r"'Make' publishes a 'Text', but its output_types are 'Number': add the type there"),
        (Number(), r"'Make' publishes a 'Number' that nobody consumes: wire a consumer with graph\.set_dependency"),
    ],
)
def test_a_task_that_nobody_may_get_is_refused(task: Task, message: str) -> None:
    route = make_plan(Wires("test", [Make()])).router("Make")
    with pytest.raises(PublishError, match=message):
        route(task, None)


def test_a_consumer_that_is_not_downstream_is_refused() -> None:
    up = Anything()
    route = plan_of((up, Use())).router("Anything")
    with pytest.raises(PublishError, match=r"for 'UseBig', which does not consume it from there: wire them with"):
        route(Number(), UseBig())


def strict_route(task: Task) -> tuple[str, ...]:
    up = Make()
    wires = Wires("test", [up], [], [(up, Sink(Number))], strict=True)
    return make_plan(wires).router("Make")(task, None)


def test_a_strict_plan_refuses_tasks_that_have_a_provenance() -> None:
    known = set_lineage(Number(), Lineage(provenance=ROOT.child("W", 1)))
    assert strict_route(Number()) == ("sink 1 of Make",)
    with pytest.raises(PublishError, match=r"publish task\.copy_public\(\)"):
        strict_route(known)
    assert strict_route(known.copy_public()) == ("sink 1 of Make",)


# ---- limits and merges


def test_a_limit_is_for_all_instances_of_a_class() -> None:
    class Special(Use):
        pass

    plan = make_plan(Wires("test", [Use(), Special(), Make()], limits={Use: 2, Special: 1}))
    assert {(limit.workers, limit.count) for limit in plan.limits} == {
        (frozenset({"Use", "Special"}), 2),
        (frozenset({"Special"}), 1),
    }


def test_a_merge_consumes_all_its_types() -> None:
    class Merge(MergedTaskWorker):
        merged_types = [Number, Text]

        def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
            """Do nothing."""

    up = Anything()
    plan = plan_of((up, Merge()))
    assert plan.nodes["Merge"].accepts == (Number, Text)
    assert plan.router("Anything")(Text(), None) == ("Merge",)


def test_a_merge_of_a_type_that_nobody_publishes_is_a_mistake() -> None:
    class Merge(MergedTaskWorker):
        merged_types = [Number, BigNumber, Text]

        def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
            """Do nothing."""

    with pytest.raises(WiringError, match="'Text'"):
        plan_of((Make(), Merge()))


def test_a_plan_is_frozen() -> None:
    plan = make_plan(Wires("test", [Use()]))
    with pytest.raises(AttributeError):
        plan.name = "other"  # type: ignore[misc]
