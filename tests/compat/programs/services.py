"""A graph that serves: metadata, status messages, state, watchers, aborts, and requests to people.

Prints:
    output 3 of 2 with {'user': 'ann'}
    status: [('ann', 'working', 'Count', 2), ('ann', 'Task removed', None, None)]
    state: [0, 1, 2]
    chain: (('InitialTaskWorker', 1),)
    aborted: True, then []
    asked: ('InitialTaskWorker', 1) Which one? ['text/plain']
    answered: b'that one' text/plain
"""

import threading
from typing import List, Optional, Type

from pydantic import PrivateAttr

from planai import Graph, Task, TaskWorker, UserInputRequest


class Request(Task):
    count: int


class Step(Task):
    number: int


class Total(Task):
    total: int


class Count(TaskWorker):
    output_types: List[Type[Task]] = [Step]

    def consume_work(self, task: Request):
        self.notify_status(task, message="working", object=Step(number=task.count))
        for number in range(task.count + 1):
            self.publish_work(Step(number=number), input_task=task)


class Sum(TaskWorker):
    output_types: List[Type[Task]] = [Total]
    _seen: List[int] = PrivateAttr(default_factory=list)

    def consume_work(self, task: Step):
        prefix = task.prefix(1)
        with self.lock:
            state = self.get_worker_state(prefix)
            if not state:
                self.watch(prefix)
            state.setdefault("task", task)
            state.setdefault("numbers", []).append(task.number)

    def notify(self, prefix):
        state = self.get_worker_state(prefix)
        self._seen = sorted(state["numbers"])
        self.unwatch(prefix)
        with self.work_buffer_context(state["task"]):
            self.publish_work(Total(total=sum(state["numbers"])), input_task=state["task"])


def serve(graph):
    graph.prepare(display_terminal=False)
    thread = threading.Thread(target=graph.execute, args=([],))
    thread.start()
    return thread


done = threading.Event()
statuses = []


def on_status(metadata, prefix, worker, task, message: Optional[str] = None, object=None):
    statuses.append((metadata["user"], message, worker.name if worker else None, object.number if object else None))
    if worker is None:
        done.set()


def on_output(metadata, task):
    print(f"output {task.total} of {task.find_input_task(Request).count} with {metadata}")


graph = Graph(name="Service")
count, total = Count(), Sum()
graph.add_workers(count, total)
graph.set_dependency(count, total)
graph.set_entry(count)
graph.set_sink(total, Total, on_output)
thread = serve(graph)
chain = graph.add_work(count, Request(count=2), metadata={"user": "ann"}, status_callback=on_status)
done.wait(10)
graph.shutdown(timeout=10)
thread.join(10)
print("status:", statuses)
print("state:", total._seen)
print("chain:", chain)


class Slow(TaskWorker):
    output_types: List[Type[Task]] = [Total]
    started: threading.Event
    go_on: threading.Event
    model_config = {"arbitrary_types_allowed": True}

    def consume_work(self, task: Step):
        self.started.set()
        self.go_on.wait(10)
        self.publish_work(Total(total=task.number), input_task=task)


started, go_on, outputs = threading.Event(), threading.Event(), []
graph = Graph(name="Abort")
count, slow = Count(), Slow(started=started, go_on=go_on)
graph.add_workers(count, slow)
graph.set_dependency(count, slow)
graph.set_entry(count)
graph.set_max_parallel_tasks(Slow, 1)
graph.set_sink(slow, Total, lambda metadata, task: outputs.append(task.total))
thread = serve(graph)
chain = graph.add_work(count, Request(count=3))
started.wait(10)
aborted = graph.abort_work(chain)
go_on.set()
graph.shutdown(timeout=10)
thread.join(10)
print(f"aborted: {aborted}, then {outputs[1:]}")


class Ask(TaskWorker):
    output_types: List[Type[Task]] = [Total]

    def consume_work(self, task: Request):
        data, mime_type = self.request_user_input(task, "Which one?", accepted_mime_types=["text/plain"])
        print("answered:", data, mime_type)
        self.publish_work(Total(total=len(data)), input_task=task)


def on_request(metadata, request: UserInputRequest):
    print("asked:", request.provenance[0], request.instruction, request.accepted_mime_types)
    request.respond(b"that one", "text/plain")


answered = threading.Event()
graph = Graph(name="Ask")
ask = Ask()
graph.add_workers(ask)
graph.set_entry(ask)
graph.set_sink(ask, Total, lambda metadata, task: answered.set())
graph.set_user_request_callback(on_request)
thread = serve(graph)
graph.add_work(ask, Request(count=1))
answered.wait(10)
graph.shutdown(timeout=10)
thread.join(10)
