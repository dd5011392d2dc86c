"""Planning: several drafts of a plan, a critique of each, and a final plan made of what is best in them.

Mock models, in tests written for PlanAI, know the prompts by how their first words go: keep these.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from planai.graph import Graph
from planai.join import InitialTaskWorker, JoinedTaskWorker
from planai.llm.cached import CachedLLMTaskWorker
from planai.llm.client import LLM
from planai.subgraph import SubGraphWorker
from planai.task import Task
from planai.worker import TaskWorker

_WEIGHTS = {"comprehensiveness": 0.3, "detail_orientation": 0.3, "goal_achievement": 0.4}


class PlanRequest(Task):
    """What is to be planned."""

    request: str = Field(description="What the plan is for")
    request_context: str | None = Field(default=None, description="What else the planner should know")


class DraftRequest(Task):
    """One of several drafts that are wanted of the same plan."""

    request: str
    request_context: str | None = None
    number: int = Field(default=0, description="Which of several drafts this is; 0 for the only one")


class PlanDraft(Task):
    """A first plan."""

    plan: str = Field(description="The plan, as Markdown")


class PlanCritique(Task):
    """What is good in a plan, and what is not."""

    comprehensiveness: float = Field(ge=0, le=1, description="How much of what matters the plan covers, from 0 to 1")
    detail_orientation: float = Field(ge=0, le=1, description="How far its steps can be carried out, from 0 to 1")
    goal_achievement: float = Field(ge=0, le=1, description="How surely it leads to what was asked for, from 0 to 1")
    overall_score: float = Field(default=0.0, ge=0, le=1, description="All three together; it is worked out, leave 0")
    improvement_suggestions: str = Field(description="What would make the plan better")


class RefinementRequest(Task):
    """The drafts with their critiques, the best first."""

    original_request: str
    plans: list[str]
    critiques: list[PlanCritique]


class FinalPlan(Task):
    """The plan in the end."""

    plan: str = Field(description="The plan, as Markdown")
    rationale: str = Field(description="Why it is as it is, and what it takes from the drafts")


class PlanEntryWorker(TaskWorker):
    """Asks for so many drafts."""

    output_types = [DraftRequest]
    num_variations: int = Field(default=1, ge=1)

    def consume_work(self, task: PlanRequest) -> None:
        """Publish a request for each draft."""
        self.notify_status(task, "Planning")
        # How many there are is in none of them, so that with more drafts, the first ones are answered already.
        numbers = range(1, self.num_variations + 1) if self.num_variations > 1 else [0]
        for number in numbers:
            draft = DraftRequest(request=task.request, request_context=task.request_context, number=number)
            self.publish_work(draft, input_task=task)


class PlanCreator(CachedLLMTaskWorker):
    """Drafts a plan."""

    llm_input_type = DraftRequest
    output_types = [PlanDraft]
    prompt = (
        "Create a detailed plan for the request. Name the steps in their order, what each needs and what comes out of "
        "it, and how one sees that it is done. Keep to what the request and its context say."
    )

    def format_prompt(self, task: DraftRequest) -> str:
        """Ask for a draft that differs from the others."""
        if task.number == 0:
            return self.prompt
        return f"{self.prompt} This is draft {task.number} of several: choose an approach that others would not."


class PlanCritiqueWorker(CachedLLMTaskWorker):
    """Judges a draft."""

    llm_input_type = PlanDraft
    output_types = [PlanCritique]
    prompt = (
        "Judge how well this plan serves the request below. Score each criterion from 0 (worst) to 1 (best), and be "
        "strict: 1 is for what cannot be improved. Then suggest what would make it better."
        "\n\nThe request: {request}\n\nIts context: {context}"
    )

    def format_prompt(self, task: PlanDraft) -> str:
        """Fill in what was asked for."""
        return _filled(self.prompt, task)

    def post_process(self, response: PlanCritique, input_task: PlanDraft) -> None:
        """Work out the overall score, which models add up as they like."""
        score = sum(weight * getattr(response, name) for name, weight in _WEIGHTS.items())
        self.publish_work(response.model_copy(update={"overall_score": round(score, 3)}), input_task=input_task)


class PlanCritiqueJoiner(JoinedTaskWorker):
    """Waits for all drafts to be judged, and puts the best first."""

    output_types = [RefinementRequest]
    join_type: type[TaskWorker] = InitialTaskWorker

    def consume_work_joined(self, tasks: list[PlanCritique]) -> None:
        """Publish drafts and critiques together."""
        best_first = sorted(tasks, key=lambda critique: -critique.overall_score)
        judged = [(critique.find_input_task(PlanDraft), critique) for critique in best_first]
        request = tasks[0].find_input_task(PlanRequest)
        self.publish_work(
            RefinementRequest(
                original_request=request.request if request else "",
                plans=[draft.plan for draft, _ in judged if draft],
                critiques=[critique for draft, critique in judged if draft],
            ),
            input_task=best_first[0],
        )


class PlanRefinementWorker(CachedLLMTaskWorker):
    """Makes the final plan."""

    llm_input_type = RefinementRequest
    output_types = [FinalPlan]
    use_xml = True
    prompt = (
        "Create a refined, optimized plan of these drafts: start from the first, which was judged best, take over what "
        "others do better, and put right what the critiques found. Say in a few sentences what you took from where."
        "\n\nThe request: {request}\n\nIts context: {context}"
    )

    def format_prompt(self, task: RefinementRequest) -> str:
        """Fill in what was asked for."""
        return _filled(self.prompt, task)


class SimplePlanAdaptor(TaskWorker):
    """Takes the only draft for the final plan."""

    output_types = [FinalPlan]

    def consume_work(self, task: PlanDraft) -> None:
        """Publish it as it is."""
        self.publish_work(FinalPlan(plan=task.plan, rationale="The first draft, as it was made."), input_task=task)


def _filled(prompt: str, task: Task) -> str:
    request = task.find_input_task(PlanRequest)
    asked = request.request if request else ""
    context = (request.request_context if request else None) or "none"
    return prompt.replace("{request}", asked).replace("{context}", context)


def create_planning_graph(
    llm: LLM, name: str = "PlanningWorker", num_variations: int = 3, *, cache_dir: str = "./cache"
) -> tuple[Graph, TaskWorker, TaskWorker]:
    """Return a graph that plans, with the worker that consumes a `PlanRequest` and the one that gives a `FinalPlan`.

    Args:
        llm: the model that drafts, judges and refines.
        name: what the graph is called.
        num_variations: how many drafts are made; 0 for a single one that is not judged.
        cache_dir: where the model's answers are kept.
    """
    if num_variations < 1:
        return create_simple_planning_graph(llm, name, cache_dir=cache_dir)
    settings: dict[str, Any] = {"llm": llm, "cache_dir": cache_dir}
    entry, joiner = PlanEntryWorker(num_variations=num_variations), PlanCritiqueJoiner()
    creator, critique = PlanCreator(**settings), PlanCritiqueWorker(**settings)
    refinement = PlanRefinementWorker(**settings)
    graph = Graph(name=f"{name}Graph")
    graph.add_workers(entry, creator, critique, joiner, refinement)
    graph.set_dependency(entry, creator).next(critique).next(joiner).next(refinement)
    graph.set_entry(entry).set_exit(refinement)
    return graph, entry, refinement


def create_simple_planning_graph(
    llm: LLM, name: str = "SimplePlanningWorker", *, cache_dir: str = "./cache"
) -> tuple[Graph, TaskWorker, TaskWorker]:
    """Return a graph that makes one draft and takes it for the plan; see `create_planning_graph`."""
    entry, creator, adaptor = PlanEntryWorker(), PlanCreator(llm=llm, cache_dir=cache_dir), SimplePlanAdaptor()
    graph = Graph(name=f"{name}Graph")
    graph.add_workers(entry, creator, adaptor)
    graph.set_dependency(entry, creator).next(adaptor)
    graph.set_entry(entry).set_exit(adaptor)
    return graph, entry, adaptor


def create_planning_worker(
    llm: LLM, name: str = "PlanningWorker", num_variations: int = 2, *, cache_dir: str = "./cache"
) -> TaskWorker:
    """Return a worker that consumes a `PlanRequest` and publishes a `FinalPlan`; see `create_planning_graph`."""
    graph, entry, last = create_planning_graph(llm, name, num_variations, cache_dir=cache_dir)
    return SubGraphWorker(name=name, graph=graph, entry_worker=entry, exit_worker=last)
