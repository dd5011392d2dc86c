"""Tests of workers, as users write them.

Prints:
    ran 5 tests, 0 failures
"""

import io
import sys
import unittest

from planai import CachedLLMTaskWorker, InitialTaskWorker, JoinedTaskWorker, Task, TaskWorker
from planai.testing import InvokeTaskWorker, MockLLM, MockLLMResponse, add_input_provenance


class Article(Task):
    title: str


class Sentence(Task):
    text: str


class Summary(Task):
    text: str


class Shorten(TaskWorker):
    output_types: list[type[Task]] = [Sentence]
    limit: int = 5

    def consume_work(self, task: Sentence):
        if not task.text:
            raise ValueError("nothing to shorten")
        article = task.find_input_task(Article)
        title = article.title + ": " if article else ""
        self.publish_work(Sentence(text=title + task.text[: self.limit]), input_task=task)


class Together(JoinedTaskWorker):
    output_types: list[type[Task]] = [Summary]
    join_type: type[TaskWorker] = InitialTaskWorker

    def consume_work_joined(self, tasks: list[Sentence]):
        self.publish_work(Summary(text=" ".join(task.text for task in tasks)), input_task=tasks[0])


class Summarise(CachedLLMTaskWorker):
    output_types: list[type[Task]] = [Summary]
    llm_input_type: type[Task] = Sentence
    prompt: str = "Summarise the sentence."


class TestWorkers(unittest.TestCase):
    def test_shorten(self):
        invoke = InvokeTaskWorker(Shorten, limit=3)
        published = invoke.invoke(Sentence(text="abcdef"))
        invoke.assert_published_task_count(1)
        invoke.assert_published_task_types([Sentence])
        self.assertEqual(published[0].text, "abc")
        self.assertEqual(invoke.worker.limit, 3)

    def test_provenance(self):
        task = add_input_provenance(Sentence(text="abcdef"), Article(title="News"))
        self.assertEqual(InvokeTaskWorker(Shorten).invoke(task)[0].text, "News: abcde")

    def test_errors(self):
        with self.assertRaises(ValueError):
            InvokeTaskWorker(Shorten).invoke(Sentence(text=""))
        with self.assertRaises(AssertionError):
            InvokeTaskWorker(Shorten).assert_published_task_count(1)
        with self.assertRaises(TypeError):
            InvokeTaskWorker(Shorten).invoke(Article(title="x"))

    def test_join(self):
        published = InvokeTaskWorker(Together).invoke_joined([Sentence(text="a"), Sentence(text="b")])
        self.assertEqual([task.text for task in published], ["a b"])

    def test_model(self):
        llm = MockLLM(responses=[MockLLMResponse(pattern="Summarise", response=Summary(text="short"))])
        invoke = InvokeTaskWorker(Summarise, llm=llm)
        self.assertEqual(invoke.invoke(Sentence(text="long"))[0].text, "short")


suite = unittest.defaultTestLoader.loadTestsFromTestCase(TestWorkers)
result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
for _, trace in result.failures + result.errors:
    print(trace, file=sys.stderr)
print(f"ran {result.testsRun} tests, {len(result.failures) + len(result.errors)} failures")
