"""What programs get away with: defaults of another type, no answer, a merge of one kind, figures after the run.

Prints:
    combined: ['a-0', 'a-1']
    without an answer: ['a: nobody knows', 'b: nobody knows']
    merged: ['Left'] and no Right: []
    figures: 2 completed, failed: [('Fail', 'LookupError_no')] with LookupError_no
    last: ['Left', 'Left'] from ['InitialTaskWorker_1', 'InitialTaskWorker_2']
    asked: 2, stored: 2
"""

from typing import Dict, List, Optional, Type


from planai import CachedTaskWorker, Graph, InitialTaskWorker, JoinedTaskWorker, LLMTaskWorker, Task, TaskWorker
from planai.merged_task import MergedTaskWorker
from planai.testing import MockCache, MockLLM, MockLLMResponse, inject_mock_cache


class Topic(Task):
    text: str


class Part(Task):
    text: str


class Whole(Task):
    texts: List[str]


class Split(TaskWorker):
    output_types: List[Type[Task]] = [Part]
    separator: str = None
    limit: int = None

    def consume_work(self, task: Topic):
        for number in range(self.limit or 2):
            self.publish_work(Part(text=f"{task.text}{self.separator or '-'}{number}"), input_task=task)


class Combine(JoinedTaskWorker):
    join_type: Type[Task] = InitialTaskWorker
    output_types: List[Type[Task]] = [Whole]

    def consume_work_joined(self, tasks: List[Part]):
        tasks = [Part(text=task.text[:19000]) for task in tasks]
        self.publish_work(Whole(texts=[task.text for task in tasks]), input_task=tasks[0])


def run(graph, *work):
    graph.run(initial_tasks=list(work), run_dashboard=False, display_terminal=False)
    return graph.get_output_tasks()


graph = Graph(name="Combine")
split, combine = Split(), Combine()
graph.add_workers(split, combine)
graph.set_dependency(split, combine).sink(Whole)
print("combined:", run(graph, (split, Topic(text="a")))[0].texts)


class Ask(LLMTaskWorker):
    output_types: List[Type[Task]] = [Part]
    llm_input_type: Type[Task] = Topic
    prompt: str = "What is it?"

    def post_process(self, response: Optional[Part], input_task: Topic):
        if response is None:
            self.publish_work(Part(text=f"{input_task.text}: nobody knows"), input_task=input_task)
            return
        super().post_process(response, input_task)


graph = Graph(name="Ask")
ask = Ask(llm=MockLLM(responses=[MockLLMResponse(pattern=".*", response_string="no JSON")]))
graph.add_workers(ask)
graph.set_sink(ask, Part)
found = run(graph, (ask, Topic(text="a")), (ask, Topic(text="b")))
print("without an answer:", sorted(task.text for task in found))


class Left(Task):
    number: int


class Right(Task):
    number: int


class Fork(TaskWorker):
    output_types: List[Type[Task]] = [Left, Right]

    def consume_work(self, task: Topic):
        self.publish_work(Left(number=1), input_task=task)


class PassLeft(TaskWorker):
    output_types: List[Type[Task]] = [Left]

    def consume_work(self, task: Left):
        self.publish_work(task.copy_public(), input_task=task)


class PassRight(TaskWorker):
    output_types: List[Type[Task]] = [Right]

    def consume_work(self, task: Right):
        self.publish_work(task.copy_public(), input_task=task)


class Merge(MergedTaskWorker):
    join_type: Type[TaskWorker] = InitialTaskWorker
    merged_types: List[Type[Task]] = [Left, Right]

    def consume_work_merged(self, tasks: Dict[str, List[Task]]):
        print("merged:", list(tasks), "and no Right:", tasks["Right"])


graph = Graph(name="Merge")
fork, left, right, merge = Fork(), PassLeft(), PassRight(), Merge()
graph.add_workers(fork, left, right, merge)
graph.set_dependency(fork, left).next(merge)
graph.set_dependency(fork, right).next(merge)
run(graph, (fork, Topic(text="a")))


class Fail(TaskWorker):
    num_retries: int = 2

    def consume_work(self, task: Left):
        if task.number == 3:
            raise LookupError("LookupError_no")


graph = Graph(name="Fail")
fail = Fail()
graph.add_workers(fail)
run(graph, *((fail, Left(number=number)) for number in (1, 2, 3)))
dispatcher = graph.get_dispatcher()
(failed,) = dispatcher.get_failed_tasks()
print(
    f"figures: {dispatcher.total_completed_tasks} completed, failed:",
    [(worker.name, error) for worker, _, error in dispatcher.failed_tasks],
    f"with {failed['error']}",
)
completed = dispatcher.get_completed_tasks()
print("last:", [task["type"] for task in completed], "from", sorted(task["provenance"][0] for task in completed))


class Double(CachedTaskWorker):
    output_types: List[Type[Task]] = [Left]

    def consume_work(self, task: Left):
        self.publish_work(Left(number=2 * task.number), input_task=task)


cache = MockCache()
graph = Graph(name="Double")
double = Double()
graph.add_workers(double)
graph.set_sink(double, Left)
inject_mock_cache(graph, cache)
assert double._cache is cache
run(graph, (double, Left(number=1)), (double, Left(number=2)))
print(f"asked: {sum(cache.get_stats.values())}, stored: {sum(cache.set_stats.values())}")
