"""Graphs put together wrongly and rightly, work added by hand, and workers with threads of their own.

Prints:
    refused: edge, sink, next, twice, limit, model
    edges: ['Fetch', 'Report', 'Report']
    prepared: ['a (1)', 'b (2)', 'c (3)']
    chains: [(('InitialTaskWorker', 1),), (('InitialTaskWorker', 2),)]
    came from: [[('InitialTaskWorker', 1), 'Fetch'], [('InitialTaskWorker', 2), 'Fetch'], [('InitialTaskWorker', 3), 'Fetch']]
    numbers: [('Report', 1), ('Report', 2)] True
    given: [('Split', 7)] site of page
    failed: 0
"""

import threading
from typing import List, Type

from planai.graph import Graph, InitialTaskWorker
from planai.joined_task import JoinedTaskWorker
from planai.llm_task import LLMTaskWorker
from planai.task import Task, TaskWorker
from planai.testing import MockLLM, add_input_provenance


class Site(Task):
    title: str


class Page(Task):
    text: str


class Line(Task):
    text: str


class Fetch(TaskWorker):
    output_types: List[Type[Task]] = [Page]

    def consume_work(self, task: Site):
        def fetch(number):
            with self.work_buffer_context(task):
                self.publish_work(Page(text=f"{task.title}{number}"), input_task=task)

        threads = [threading.Thread(target=fetch, args=(number,)) for number in range(int(task.title[1:]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Report(JoinedTaskWorker):
    output_types: List[Type[Task]] = [Line]
    join_type: Type[TaskWorker] = InitialTaskWorker

    def consume_work_joined(self, tasks: List[Page]):
        return self.publish_work(Line(text=f"{tasks[0].text[0]} ({len(tasks)})"), input_task=tasks[0])


def refused(what, attempt):
    try:
        attempt()
    except ValueError:
        return what
    return "nothing"


graph = Graph(name="Wiring")
fetch, report, other = Fetch(), Report(), Report()
graph.add_workers(fetch, report, other)
print(
    "refused:",
    ", ".join(
        [
            refused("edge", lambda: graph.set_dependency(report, fetch)),
            refused("sink", lambda: graph.set_sink(fetch, Line)),
            refused("next", lambda: other.next(report)),
            refused("twice", lambda: graph.add_workers(fetch)),
            refused("limit", lambda: graph.set_max_parallel_tasks(Fetch, 0)),
            refused("model", lambda: LLMTaskWorker(llm=MockLLM(responses=[]), prompt="?", output_types=[Page, Line])),
        ]
    ),
)
print("edges:", sorted(worker.name for worker in graph.workers if worker.name != "InitialTaskWorker"))

graph = Graph(name="Prepared")
fetch, report = Fetch(), Report()
graph.add_workers(fetch, report)
graph.set_dependency(fetch, report).sink(Line)
graph.prepare(display_terminal=False)
graph.set_entry(fetch)
chains = [graph.add_work(fetch, Site(title="a1")), fetch.add_work(Site(title="b2"))]
graph.run([(fetch, Site(title="c3"))], display_terminal=False)
lines = sorted(graph.get_output_tasks(), key=lambda task: task.text)
print("prepared:", [line.text for line in lines])
print("chains:", chains)
print("came from:", [[line._provenance[0], line._provenance[1][0]] for line in lines])
fresh = Report()
print("numbers:", [fresh.get_next_provenance(), fresh.get_next_provenance()], report._graph is graph)

page = add_input_provenance(Page(text="of page"), Site(title="site"))
page._provenance = [("Split", 7)]
print("given:", page.copy_provenance(), page._input_provenance[0].title, page.text)

dispatcher = graph.get_dispatcher()
print("failed:", dispatcher.total_failed_tasks)
