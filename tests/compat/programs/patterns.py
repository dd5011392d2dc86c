"""Research with the patterns, tested as PlanAI's guide to testing says: mock models, mock caches, tools replaced.

Prints:
    search: ('rain in Rome', 2)
    pages: [('One', 'clean one'), ('Two', 'clean two')]
    plan: final, of 2 drafts
    drafts: ['draft', 'draft', 'draft']
    asked again: 2
    alone: Paris, and no answer
"""

import contextlib
import io
from typing import List, Type
from unittest.mock import patch

from planai import Graph, Task, TaskWorker
from planai.llm_task import LLMTaskWorker
from planai.patterns.planner import (
    FinalPlan,
    PlanCritique,
    PlanDraft,
    PlanRequest,
    RefinementRequest,
    create_planning_graph,
    create_planning_worker,
)
from planai.patterns.search_fetch import ConsolidatedPages, PageAnalysis, SearchQuery, create_search_fetch_worker
from planai.testing import (
    InvokeTaskWorker,
    MockCache,
    MockLLM,
    MockLLMResponse,
    inject_mock_cache,
    unregister_output_type,
)


class Reader(TaskWorker):
    output_types: List[Type[Task]] = [ConsolidatedPages]

    def consume_work(self, task: ConsolidatedPages):
        self.publish_work(task.copy_public(), input_task=task)


def analysis(word):
    return PageAnalysis(is_relevant=True, summary=word, cleaned_content=f"clean {word}")


def outputs(graph, worker, task):
    inject_mock_cache(graph, cache)
    with contextlib.redirect_stdout(io.StringIO()):  # the patterns tell how they get on
        graph.run(initial_tasks=[(worker, task)], run_dashboard=False, display_terminal=False)
    return graph.get_output_tasks()


cache = MockCache(dont_store=True)
judge = MockLLM(responses=[MockLLMResponse(pattern=f"about {word}", response=analysis(word)) for word in ("one", "two")])
results = [{"title": title, "link": f"https://example.com/{title}", "snippet": ""} for title in ("One", "Two")]
with (
    patch("planai.patterns.search_fetch.SerperGoogleSearchTool.search_internet", return_value=results) as search,
    patch("planai.patterns.search_fetch.WebBrowser") as browser,
):
    browser.get_markdown_from_page.side_effect = lambda url, **settings: f"about {url[20:].lower()}"
    graph = Graph(name="Research")
    research, reader = create_search_fetch_worker(llm=judge, name="Research"), Reader()
    graph.add_workers(research, reader)
    graph.set_dependency(research, reader).sink(ConsolidatedPages)
    (found,) = outputs(graph, research, SearchQuery(query="rain in Rome"))
    print("search:", (search.call_args.args[0], browser.get_markdown_from_page.call_count))
    print("pages:", sorted((page.title, page.content) for page in found.pages))

critique = PlanCritique(
    comprehensiveness=0.5, detail_orientation=0.5, goal_achievement=0.5, overall_score=0.5, improvement_suggestions="-"
)
planner = MockLLM(
    responses=[
        MockLLMResponse(pattern="Create a detailed plan.*", response=PlanDraft(plan="draft")),
        MockLLMResponse(pattern=".*Score each criterion.*", response=critique),
        MockLLMResponse(pattern="Create a refined.*plan.*", response=FinalPlan(plan="final", rationale="-")),
    ]
)
graph = Graph(name="Planning")
planning = create_planning_worker(llm=planner, name="Planning")
graph.add_workers(planning)
graph.set_sink(planning, FinalPlan)
(plan,) = outputs(graph, planning, PlanRequest(request="Move"))
graph, entry, _ = create_planning_graph(llm=planner, name="Half", num_variations=2)
joiner = graph.get_worker_by_output_type(RefinementRequest)
unregister_output_type(joiner, RefinementRequest)
graph.set_sink(joiner, RefinementRequest)
(refinement,) = outputs(graph, entry, PlanRequest(request="Move"))
print(f"plan: {plan.plan}, of {len(refinement.plans)} drafts")
graph, entry, _ = create_planning_graph(llm=planner, name="Drafts", num_variations=3)
creator = graph.get_worker_by_output_type(PlanDraft)
unregister_output_type(creator, PlanDraft)
graph.set_sink(creator, PlanDraft)
print("drafts:", [draft.plan for draft in outputs(graph, entry, PlanRequest(request="Move"))])


class Word(Task):
    text: str


class Describe(LLMTaskWorker):
    llm_input_type: Type[Task] = Word
    output_types: List[Type[Task]] = [PageAnalysis]
    prompt: str = "Describe the word."


told = MockLLM(
    responses=[
        MockLLMResponse(
            pattern=r'Here is your input data:\s+\{\s+"text": "sea"\s+\}\s+Here are your instructions:\s+Describe the word',
            response=analysis("sea"),
        )
    ]
)
describe = InvokeTaskWorker(Describe, llm=told)
print("asked again:", sum(describe.invoke(Word(text="sea"))[0].summary == "sea" for _ in range(2)))
alone = MockLLM(
    responses=[
        MockLLMResponse(pattern="capital of France", response=Word(text="Paris")),
        MockLLMResponse(pattern="capital of Mu", response=None),
    ]
)
towns = [alone.generate_pydantic("The capital of {land}?", Word, land=land) for land in ("France", "Mu")]
print("alone:", f"{towns[0].text}, and {towns[1] or 'no answer'}")
