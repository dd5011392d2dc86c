"""Callbacks in place of notify, and what a dispatcher tells of a run.

Prints:
    callback (('InitialTaskWorker', 1),) undone True, then False
    then notify undone True
    graphs: [{'index': 0, 'name': 'watch'}]
    completed: ['Both', 'First', 'Last']
    took 0 or more: True
    traces: {} {}
    after remove_state: [('ann', 'half done')]
"""

import threading
from typing import List, Type

from planai import Graph, Task, TaskWorker


class Start(Task):
    number: int


class Step(Task):
    number: int


class First(TaskWorker):
    output_types: List[Type[Task]] = [Start]

    def consume_work(self, task: Start):
        self.watch(task.prefix(1), callback=self.on_end)
        self.publish_work(Start(number=task.number), input_task=task)

    def on_end(self, prefix):
        undone = [self.unwatch(prefix, callback=self.on_end) for _ in range(2)]
        lines.append(f"callback {prefix} undone {undone[0]}, then {undone[1]}")

    def notify(self, prefix):
        lines.append("never")


class Both(TaskWorker):
    output_types: List[Type[Task]] = [Step]

    def consume_work(self, task: Start):
        self.watch(task.prefix(1))
        self.publish_work(Step(number=task.number), input_task=task)

    def notify(self, prefix):
        lines.append(f"then notify undone {self.unwatch(prefix)}")


class Last(TaskWorker):
    def consume_work(self, task: Step):
        pass


lines: List[str] = []
graph = Graph(name="watch")
first, both, last = First(), Both(), Last()
graph.add_workers(first, both, last)
graph.set_dependency(first, both).next(last)
graph.run(initial_tasks=[(first, Start(number=1))], run_dashboard=False, display_terminal=False)
print("\n".join(sorted(lines)))

dispatcher = graph.get_dispatcher()
completed = [row for row in dispatcher.get_completed_tasks() if row["worker"] in ("First", "Both", "Last")]
completed = [row for row in completed if row["end_time"] is not None]
print("graphs:", dispatcher.get_graphs())
print("completed:", sorted({row["worker"] for row in completed}))
print("took 0 or more:", all(row["end_time"] >= row["start_time"] for row in completed))
print("traces:", dispatcher.get_traces(0), dispatcher.get_traces(7))


class Forget(TaskWorker):
    output_types: List[Type[Task]] = [Step]

    def consume_work(self, task: Start):
        self.notify_status(task, "half done")
        self.remove_state(task)
        self.notify_status(task, "nobody hears this")
        self.publish_work(Step(number=1), input_task=task)


told, done = [], threading.Event()
graph, forget = Graph(name="forget"), Forget()
graph.add_workers(forget)
graph.set_entry(forget)
graph.set_sink(forget, Step, notify=lambda metadata, task: done.set())
graph.prepare(run_dashboard=False, display_terminal=False)
service = threading.Thread(target=graph.execute, args=([],))
service.start()
graph.add_work(
    forget,
    Start(number=1),
    metadata={"who": "ann"},
    status_callback=lambda metadata, *rest: told.append((metadata["who"], rest[3])),
)
done.wait(30)
graph.shutdown(timeout=10)
service.join(10)
print("after remove_state:", told)
