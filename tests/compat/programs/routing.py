"""Two consumers of one type, a circle that ends, and what is known of the tasks.

Prints:
    even: [0, 2, 4], odd: [1, 3]
    rounds: [3]
    private: secret None
    chain: ['InitialTaskWorker', 'Source']
"""

from typing import List, Type


from planai import Graph, Task, TaskWorker


class Start(Task):
    count: int


class Number(Task):
    value: int


class Even(Task):
    value: int


class Odd(Task):
    value: int


class TakeEven(TaskWorker):
    output_types: List[Type[Task]] = [Even]

    def consume_work(self, task: Number):
        self.publish_work(Even(value=task.value), input_task=task)


class TakeOdd(TaskWorker):
    output_types: List[Type[Task]] = [Odd]

    def consume_work(self, task: Number):
        self.publish_work(Odd(value=task.value), input_task=task)


class Source(TaskWorker):
    output_types: List[Type[Task]] = [Number]
    even: TaskWorker
    odd: TaskWorker

    def consume_work(self, task: Start):
        for value in range(task.count):
            consumer = self.odd if value % 2 else self.even
            self.publish_work(Number(value=value), input_task=task, consumer=consumer)


graph = Graph(name="Routing")
even, odd = TakeEven(), TakeOdd()
source = Source(even=even, odd=odd)
graph.add_workers(source, even, odd)
graph.set_dependency(source, even)
graph.set_dependency(source, odd)
evens, odds = [], []
graph.set_sink(even, Even, lambda metadata, task: evens.append(task.value))
graph.set_sink(odd, Odd, lambda metadata, task: odds.append(task.value))
graph.run(initial_tasks=[(source, Start(count=5))], display_terminal=False)
print(f"even: {sorted(evens)}, odd: {sorted(odds)}")


class Draft(Task):
    rounds: int = 0


class Review(Task):
    rounds: int


class Final(Task):
    rounds: int


class Writer(TaskWorker):
    output_types: List[Type[Task]] = [Review]

    def consume_work(self, task: Draft):
        self.publish_work(Review(rounds=task.rounds + 1), input_task=task)


class Reviewer(TaskWorker):
    output_types: List[Type[Task]] = [Draft, Final]

    def consume_work(self, task: Review):
        if task.rounds < 3:
            self.publish_work(Draft(rounds=task.rounds), input_task=task)
        else:
            self.publish_work(Final(rounds=task.rounds), input_task=task)


graph = Graph(name="Circle")
writer, reviewer = Writer(), Reviewer()
graph.add_workers(writer, reviewer)
graph.set_dependency(writer, reviewer)
graph.set_dependency(reviewer, writer)
graph.set_sink(reviewer, Final)
graph.run(initial_tasks=[(writer, Draft())], display_terminal=False)
print("rounds:", [task.rounds for task in graph.get_output_tasks()])


class Keep(TaskWorker):
    output_types: List[Type[Task]] = [Number]

    def consume_work(self, task: Start):
        task.add_private_state("key", "secret")
        self.publish_work(Number(value=1), input_task=task)


class Tell(TaskWorker):
    output_types: List[Type[Task]] = [Even]

    def consume_work(self, task: Number):
        print("private:", task.get_private_state("key"), task.get_private_state("key"))
        previous = task.previous_input_task()
        assert isinstance(previous, Start) and len(task.find_input_tasks(Start)) == 1
        self.publish_work(Even(value=1), input_task=task)


class Source2(TaskWorker):
    output_types: List[Type[Task]] = [Number]

    @property
    def name(self) -> str:
        return "Source"

    def consume_work(self, task: Start):
        self.publish_work(Number(value=1), input_task=task)


graph = Graph(name="Private")
keep, tell = Keep(), Tell()
graph.add_workers(keep, tell)
graph.set_dependency(keep, tell).sink(Even)
graph.run(initial_tasks=[(keep, Start(count=1))], display_terminal=False)

graph = Graph(name="Chain")
source = Source2()
graph.add_workers(source)
graph.set_sink(source, Number)
graph.run(initial_tasks=[(source, Start(count=1))], display_terminal=False)
print("chain:", [name for name, _ in graph.get_output_tasks()[0].provenance()])
