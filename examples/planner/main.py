"""Plan something, and turn the plan into a list to tick off: a graph from planai.patterns as one worker of another."""

from __future__ import annotations

import argparse
import re

from planai import Graph, RunResult, Task, TaskWorker
from planai import llm_from_config as make_llm
from planai.llm.client import LLM, Request
from planai.patterns import FinalPlan, PlanRequest, create_planning_worker
from planai.patterns.planner import PlanCritique, PlanDraft
from planai.testing import ScriptedLLM

STEP = re.compile(r"^\s*(?:\d+\.|-)\s+(.+)$", re.MULTILINE)


class Checklist(Task):
    """The steps of a plan."""

    title: str
    steps: list[str]
    why: str


class WriteChecklist(TaskWorker):
    """Takes the steps out of a plan."""

    output_types = [Checklist]

    def consume_work(self, task: FinalPlan) -> None:
        """Publish them."""
        request = task.find_input_task(PlanRequest)
        title = request.request if request else "Plan"
        self.publish_work(Checklist(title=title, steps=STEP.findall(task.plan), why=task.rationale), input_task=task)


def stand_in(request: Request) -> PlanDraft | PlanCritique | FinalPlan:
    """Answer as a model might, by rules: so that the example runs without one."""
    told = request.messages[-1].text
    drafts = {
        "draft 1 of": "1. Carry everything over at once",
        "draft 2 of": "1. Number the shelves\n2. Pack one shelf to a box\n3. Unpack by number",
        "draft 3 of": "1. Ask everybody to take ten books along\n2. Collect them there",
    }
    if request.schema_name == "PlanDraft":
        return PlanDraft(plan=next((plan for name, plan in drafts.items() if name in told), drafts["draft 2 of"]))
    if request.schema_name == "PlanCritique":
        steps = len(STEP.findall(PlanDraft.model_validate_json(told[told.index("{") : told.index("}") + 1]).plan))
        score = min(1.0, steps / 3)
        return PlanCritique(
            comprehensiveness=score,
            detail_orientation=score,
            goal_achievement=score,
            improvement_suggestions="Say who does it.",
        )
    best = told.split("<item>")[1].split("</item>")[0]
    return FinalPlan(plan=f"{best}\n4. Thank everybody", rationale="The draft with the most steps, and a good end.")


def run(llm: LLM, request: PlanRequest, drafts: int, cache_dir: str) -> RunResult:
    """Wire the two workers, and run them."""
    planner = create_planning_worker(llm, num_variations=drafts, cache_dir=cache_dir)
    write = WriteChecklist()
    graph = Graph(name="planner").add_workers(planner, write)
    graph.set_dependency(planner, write).sink(Checklist)
    return graph.run([(planner, request)], raise_on_failure=True)


def main() -> None:
    """Print the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("request", nargs="?", default="Move a small library", help="what is to be planned")
    parser.add_argument("--context", help="what else the planner should know")
    parser.add_argument("--drafts", type=int, default=3, help="how many drafts are made; 0 for one without critique")
    parser.add_argument("--provider", help="who serves the model, such as ollama or openai (default: rules, no model)")
    parser.add_argument("--model", default="llama3", help="what the model is called")
    parser.add_argument("--cache-dir", default="./cache", help="where answers are kept")
    args = parser.parse_args()
    llm = make_llm(args.provider, args.model) if args.provider else ScriptedLLM(stand_in)
    request = PlanRequest(request=args.request, request_context=args.context)
    result = run(llm, request, args.drafts, args.cache_dir)
    for checklist in result.outputs:
        assert isinstance(checklist, Checklist)
        print(f"# {checklist.title}\n")
        for step in checklist.steps:
            print(f"- [ ] {step}")
        print(f"\n{checklist.why}")
    print(f"({result.cache_misses} calls made, {result.cache_hits} answered from the cache)")


if __name__ == "__main__":
    main()
