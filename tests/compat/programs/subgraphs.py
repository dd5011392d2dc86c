"""A graph as a worker of another, with a join in each, and limits on how much runs at once.

Prints:
    [('a', 6), ('b', 9)]
    at most 2 at once: True
    workers: ['Join', 'Split', 'Squares']
"""

import threading
from typing import List, Type

from planai import Graph, InitialTaskWorker, JoinedTaskWorker, SubGraphWorker, Task, TaskWorker


class Job(Task):
    label: str
    numbers: List[int]


class Part(Task):
    label: str
    numbers: List[int]


class Number(Task):
    value: int


class PartSum(Task):
    total: int


class JobSum(Task):
    label: str
    total: int


running, most, guard = [], [], threading.Lock()


class Fork(TaskWorker):
    output_types: List[Type[Task]] = [Number]

    def consume_work(self, task: Part):
        for value in task.numbers:
            self.publish_work(Number(value=value), input_task=task)


class Add(TaskWorker):
    output_types: List[Type[Task]] = [Number]

    def consume_work(self, task: Number):
        with guard:
            running.append(task)
            most.append(len(running))
        self.publish_work(Number(value=task.value + 1), input_task=task)
        with guard:
            running.pop()


class InnerJoin(JoinedTaskWorker):
    join_type: Type[TaskWorker] = InitialTaskWorker
    output_types: List[Type[Task]] = [PartSum]

    def consume_work_joined(self, tasks: List[Number]):
        self.publish_work(PartSum(total=sum(task.value for task in tasks)), input_task=tasks[0])


class Split(TaskWorker):
    output_types: List[Type[Task]] = [Part]

    def consume_work(self, task: Job):
        for number in task.numbers:
            self.publish_work(Part(label=task.label, numbers=list(range(number))), input_task=task)


class Join(JoinedTaskWorker):
    join_type: Type[TaskWorker] = InitialTaskWorker
    output_types: List[Type[Task]] = [JobSum]

    def consume_work_joined(self, tasks: List[PartSum]):
        label = tasks[0].find_input_task(Job).label
        self.publish_work(JobSum(label=label, total=sum(task.total for task in tasks)), input_task=tasks[0])


inner = Graph(name="Inner")
fork, add, inner_join = Fork(), Add(), InnerJoin()
inner.add_workers(fork, add, inner_join)
inner.set_dependency(fork, add).next(inner_join)
inner.set_entry(fork)
inner.set_exit(inner_join)

graph = Graph(name="Outer")
split, join = Split(), Join()
squares = SubGraphWorker(name="Squares", graph=inner)
graph.add_workers(split, squares, join)
graph.set_dependency(split, squares).next(join)
graph.set_sink(join, JobSum)
graph.set_max_parallel_tasks(Add, 2)
inner.set_max_parallel_tasks(Add, 2)
graph.run(
    initial_tasks=[(split, Job(label="a", numbers=[2, 2])), (split, Job(label="b", numbers=[3, 2]))],
    display_terminal=False,
)
print(sorted((task.label, task.total) for task in graph.get_output_tasks()))
print("at most 2 at once:", max(most) <= 2)
print("workers:", sorted(worker.name for worker in graph.workers if worker.name != "InitialTaskWorker" and "Sink" not in worker.name))
