"""A pipeline of plain workers, with settings, private attributes, a retry and a lock.

Prints:
    ['alpha: 5', 'beta: 4', 'gamma: 5']
    retried once: True
    seen 3, done: True
"""

from typing import List, Optional, Type


from pydantic import ConfigDict, Field, PrivateAttr

from planai import Graph, Task, TaskWorker


class Text(Task):
    content: str = Field(description="The text")
    language: Optional[str] = Field(None, description="Its language")


class Word(Task):
    word: str


class Count(Task):
    word: str
    letters: int = Field(ge=0)


class Splitter(TaskWorker):
    output_types: List[Type[Task]] = [Word]
    separator: str = Field(" ", description="What is between words")

    def consume_work(self, task: Text):
        for part in task.content.split(self.separator):
            self.publish_work(task=Word(word=part), input_task=task)


class Counter(TaskWorker):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    output_types: List[Type[Task]] = [Count]
    num_retries: int = 2
    _seen: List[str] = PrivateAttr(default_factory=list)
    _failed: bool = PrivateAttr(default=False)
    _done: bool = PrivateAttr(default=False)

    def consume_work(self, task: Word):
        with self.lock:
            if task.word == "beta" and not self._failed:
                self._failed = True
                raise RuntimeError("try again")
            self._seen.append(task.word)
        assert task.retry_count == (1 if task.word == "beta" else 0)
        original = task.find_input_task(Text)
        assert original is not None and original.language == "greek"
        self.publish_work(Count(word=task.word, letters=len(task.word)), input_task=task)

    def completed(self):
        self._done = True


graph = Graph(name="Words")
splitter = Splitter(separator=",")
counter = Counter()
graph.add_workers(splitter, counter)
graph.set_dependency(splitter, counter).sink(Count)
graph.run(
    initial_tasks=[(splitter, Text(content="alpha,beta,gamma", language="greek"))],
    run_dashboard=False,
    display_terminal=False,
)
print(sorted(f"{task.word}: {task.letters}" for task in graph.get_output_tasks()))
print("retried once:", counter._failed)
print(f"seen {len(counter._seen)}, done: {counter._done}")
