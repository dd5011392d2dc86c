"""The demo's graph: read modules, analyse each, let a model sort some of them, and join the results."""

from __future__ import annotations

from typing import Literal

from planai.cache.worker import CachedTaskWorker
from planai.demo.analysis import ModuleFacts, analyse, find_modules, read_source
from planai.graph import Graph
from planai.join import InitialTaskWorker, MergedTaskWorker
from planai.llm.base import BaseLLMTaskWorker
from planai.llm.cached import CachedLLMTaskWorker
from planai.llm.client import LLM
from planai.task import Task
from planai.worker import TaskWorker

Category = Literal["text", "data formats", "networking", "concurrency", "files and system", "language tools"]

EXAMPLES: dict[Category, tuple[str, str, str]] = {
    "text": ("re", "Regular expression operations.", "Searches and replaces patterns in strings."),
    "data formats": ("json", "JSON encoder and decoder.", "Reads and writes data in the JSON format."),
    "networking": ("http", "HTTP modules.", "Serves and requests web pages over HTTP."),
    "concurrency": ("threading", "Thread-based parallelism.", "Runs functions in threads and guards data with locks."),
    "files and system": ("os.path", "Common pathname manipulations.", "Joins, splits and checks the paths of files."),
    "language tools": (
        "symtable",
        "Access to the compiler symbol tables.",
        "Shows the names that the compiler found in Python code.",
    ),
}
"""One module of each category. So small a model learns from examples what no description teaches it."""


class Library(Task):
    """The modules to read, and which of them a model is asked about."""

    modules: list[str]
    classified: list[str] = []


class Module(Task):
    """A module's source."""

    name: str
    source: str


class Analysis(Task):
    """What was found out about a module."""

    facts: ModuleFacts


class Facts(Task):
    """An analysis that belongs into the report."""

    facts: ModuleFacts


class Question(Task):
    """A module that a model is asked about."""

    name: str
    synopsis: str
    description: str


class Sorted(Task):
    """The model's answer."""

    category: Category


class Label(Task):
    """A module's category."""

    name: str
    category: Category


class Report(Task):
    """All that the report tells."""

    facts: list[ModuleFacts]
    categories: dict[str, str]


class ReadModules(TaskWorker):
    """Read the source of each module."""

    output_types = [Module]

    def consume_work(self, task: Library) -> None:
        """Publish one task a module."""
        paths = dict(find_modules())
        for name in task.modules:
            self.publish_work(Module(name=name, source=read_source(paths[name])))


class Analyse(CachedTaskWorker):
    """Find out the facts about a module: the work that is worth keeping."""

    output_types = [Analysis]

    def consume_work(self, task: Module) -> None:
        """Publish the facts."""
        self.publish_work(Analysis(facts=analyse(task.name, task.source)))


class Choose(TaskWorker):
    """Pass every analysis on, and ask about the modules that were chosen, if they say what they are for."""

    output_types = [Facts, Question]

    def consume_work(self, task: Analysis) -> None:
        """Publish the facts, and perhaps a question."""
        self.publish_work(Facts(facts=task.facts))
        library = task.find_input_task(Library)
        if library is not None and task.facts.name in library.classified and task.facts.synopsis:
            facts = task.facts
            self.publish_work(Question(name=facts.name, synopsis=facts.synopsis, description=facts.description))


class Classify(CachedLLMTaskWorker):
    """Ask a model for the category of a module: a choice among six, which a very small model can make."""

    output_types = [Label]
    llm_input_type = Question
    llm_output_type = Sorted
    system_prompt = "You sort Python modules into categories."
    prompt = "Module: {name}\n{synopsis}\n{description}"
    few_shot = [
        (f"Module: {name}\n{synopsis}\n{description}", f'{{"category": "{category}"}}')
        for category, (name, synopsis, description) in EXAMPLES.items()
    ]

    def get_full_prompt(self, task: Question, system_prompt: str | None = None) -> str:
        """Return the module's own words, in the form of the examples."""
        return self.prompt.format(**task.model_dump()).strip()

    def post_process(self, response: Sorted, input_task: Question) -> None:
        """Publish the category under the module's name."""
        self.publish_work(Label(name=input_task.name, category=response.category), input_task=input_task)


class Join(MergedTaskWorker):
    """Bring all results together."""

    output_types = [Report]
    join_type = InitialTaskWorker
    merged_types = [Facts, Label]

    def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
        """Publish the report."""
        facts = [task.facts for task in tasks["Facts"] if isinstance(task, Facts)]
        labels = {task.name: str(task.category) for task in tasks.get("Label", ()) if isinstance(task, Label)}
        self.publish_work(Report(facts=facts, categories=labels))


def make_library(limit: int | None, classified: int) -> Library:
    """Choose the modules: all of them, or a mixed selection that never changes.

    Args:
        limit: how many modules to read; None for all.
        classified: how many of them to ask a model about: the largest of those that people import by name.
    """
    found = find_modules(limit)
    known = {name for name, _, _ in EXAMPLES.values()}
    candidates = [
        (-path.stat().st_size, name)
        for name, path in found
        if "." not in name and not name.startswith("_") and name not in known
    ]
    return Library(
        modules=[name for name, _ in found], classified=[name for _, name in sorted(candidates)[:classified]]
    )


def make_graph(cache_dir: str, llm: LLM | None) -> tuple[Graph, TaskWorker]:
    """Wire the workers, and return the graph and the worker that it starts with.

    Args:
        cache_dir: where answers are kept.
        llm: the model to ask; None for leaving the step out.
    """
    graph = Graph(name="standard library")
    read, analyse_modules = ReadModules(), Analyse(cache_dir=cache_dir)
    choose, join = Choose(), Join()
    if llm is None:  # nobody answers questions
        choose.output_types, join.merged_types = [Facts], [Facts]
    graph.add_workers(read, analyse_modules, choose, join)
    graph.set_dependency(read, analyse_modules).next(choose).next(join).sink(Report)
    graph.set_max_parallel_tasks(Analyse, 1)  # plain Python: two threads of it take longer than one
    if llm is not None:
        classify = Classify(llm=llm, cache_dir=cache_dir)
        graph.add_workers(classify)
        graph.set_dependency(choose, classify).next(join)
        graph.set_max_parallel_tasks(BaseLLMTaskWorker, 1 if llm.identity()["provider"] == "embedded" else 8)
    return graph, read
