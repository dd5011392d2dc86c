"""Planning, with a model that answers from a script."""

from collections.abc import Callable
from pathlib import Path

import pytest

from planai import Graph, RunResult, TaskWorker
from planai.llm.client import Request
from planai.patterns.planner import (
    FinalPlan,
    PlanCritique,
    PlanDraft,
    PlanRequest,
    create_planning_graph,
    create_planning_worker,
    create_simple_planning_graph,
)
from planai.testing import MockLLM, MockLLMResponse, ScriptedLLM
from planai.testing.models import Line

REQUEST = PlanRequest(request="Move the library", request_context="600 books, one afternoon")
SCORES = {"1": 0.2, "2": 1.0, "3": 0.5}


def planner(request: Request) -> Line:
    """Draft plans that can be told apart, and judge them by SCORES."""
    told = request.messages[-1].text
    if request.schema_name == "PlanDraft":
        return PlanDraft(plan=f"plan {next((n for n in SCORES if f'draft {n} of' in told), 'alone')}")
    if request.schema_name == "PlanCritique":
        score = next(score for n, score in SCORES.items() if f"plan {n}" in told)
        return PlanCritique(
            comprehensiveness=score,
            detail_orientation=score,
            goal_achievement=score,
            overall_score=0.9,
            improvement_suggestions="more vans",
        )
    return FinalPlan(plan="the end", rationale=told)


def run(model: ScriptedLLM, cache_dir: Path, num_variations: int) -> RunResult:
    graph, entry, last = create_planning_graph(model, num_variations=num_variations, cache_dir=str(cache_dir))
    graph.set_sink(last, FinalPlan)
    return graph.run([(entry, REQUEST)], executor="inline", display_terminal=False)


def test_drafts_are_judged_and_the_best_leads(tmp_path: Path) -> None:
    model = ScriptedLLM(planner)
    (final,) = run(model, tmp_path, 3).outputs
    assert isinstance(final, FinalPlan)
    told = final.rationale
    assert [told.index(f"plan {n}") for n in ("2", "3", "1")] == sorted(told.index(f"plan {n}") for n in SCORES)
    assert told.count("more vans") == 3
    assert "Move the library" in told
    assert "600 books, one afternoon" in told
    assert len(model.requests) == 7


def test_the_overall_score_is_worked_out_and_reaches_1(tmp_path: Path) -> None:
    (final,) = run(ScriptedLLM(planner), tmp_path, 3).outputs
    critiques = [task for task in final.copy_input_provenance() if isinstance(task, PlanCritique)]
    assert [critique.overall_score for critique in critiques] == [1.0]


def test_a_second_run_asks_the_model_nothing(tmp_path: Path) -> None:
    model = ScriptedLLM(planner)
    first, second = (run(model, tmp_path, 2) for _ in range(2))
    assert first.outputs == second.outputs
    assert len(model.requests) == 5
    assert second.cache_misses == 0


def test_more_drafts_leave_the_first_ones_as_they_are(tmp_path: Path) -> None:
    run(ScriptedLLM(planner), tmp_path, 2)
    model = ScriptedLLM(planner)
    run(model, tmp_path, 3)
    assert [request.schema_name for request in model.requests] == ["PlanDraft", "PlanCritique", "FinalPlan"]


def test_a_draft_that_fails_leaves_the_others(tmp_path: Path) -> None:
    def failing(request: Request) -> Line:
        return ConnectionError("gone") if "draft 2 of" in request.messages[-1].text else planner(request)

    result = run(ScriptedLLM(failing), tmp_path, 3)
    (final,) = result.outputs
    assert isinstance(final, FinalPlan)
    assert "plan 3" in final.rationale
    assert "plan 2" not in final.rationale
    assert [failure.worker for failure in result.failures] == ["PlanCreator"]


def test_without_variations_the_first_draft_is_the_plan(tmp_path: Path) -> None:
    model = ScriptedLLM(planner)
    assert [plan.plan for plan in run(model, tmp_path, 0).outputs if isinstance(plan, FinalPlan)] == ["plan alone"]
    assert len(model.requests) == 1


@pytest.mark.parametrize("create", [create_planning_graph, create_simple_planning_graph])
def test_a_graph_comes_with_its_ends(create: Callable[..., tuple[Graph, TaskWorker, TaskWorker]]) -> None:
    graph, entry, last = create(ScriptedLLM([]), name="Mine")
    assert graph.name == "MineGraph"
    assert (graph.get_entry_workers(), graph.get_exit_worker()) == ([entry], last)
    assert (entry.get_task_class(), last.output_types) == (PlanRequest, [FinalPlan])


@pytest.mark.parametrize("num_variations", [0, 2])
def test_a_graph_can_plan_in_the_place_of_a_worker(tmp_path: Path, num_variations: int) -> None:
    worker = create_planning_worker(
        ScriptedLLM(planner), name="Planner", num_variations=num_variations, cache_dir=str(tmp_path)
    )
    assert (worker.name, worker.get_task_class(), worker.output_types) == ("Planner", PlanRequest, [FinalPlan])
    graph = Graph().add_workers(worker)
    graph.set_sink(worker, FinalPlan)
    (final,) = graph.run([(worker, REQUEST)], executor="inline").outputs
    assert final.find_input_task(PlanRequest) == REQUEST


def test_mocks_that_know_the_first_words_of_the_prompts_plan(tmp_path: Path) -> None:
    critique = PlanCritique(
        comprehensiveness=0.5, detail_orientation=0.5, goal_achievement=0.5, improvement_suggestions="more"
    )
    model = MockLLM(
        [
            MockLLMResponse("Create a detailed plan", response=PlanDraft(plan="draft")),
            MockLLMResponse("Score each criterion", response=critique),
            MockLLMResponse("Create a refined", response=FinalPlan(plan="final", rationale="because")),
        ]
    )
    assert run(model, tmp_path, 2).outputs == [FinalPlan(plan="final", rationale="because")]


def test_who_asked_is_told_that_it_has_begun(tmp_path: Path) -> None:
    graph, entry, last = create_simple_planning_graph(ScriptedLLM(planner), cache_dir=str(tmp_path))
    told: list[str | None] = []
    graph.set_sink(last, FinalPlan)
    graph.prepare(display_terminal=False)
    graph.add_work(entry, PlanRequest(request="a shed"), status_callback=lambda *status: told.append(status[4]))
    graph.execute([])
    assert told == ["Planning", "Task removed"]
