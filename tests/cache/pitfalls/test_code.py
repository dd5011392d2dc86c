"""Pitfalls 12, 13 and 36: another code is another answer, the same code is the same one, and versions live together."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from cache.pitfalls.kit import Number, Versions, Word, figures, program, run, values_of
from llm.openai_server import OpenAIServer, answer
from planai import CachedLLMTaskWorker, CachedTaskWorker, Task, llm_from_config

# pitfall 12

WORK = """
import helpers

LIMIT = 10

def helper(value):
    def inner(item):
        return item + 1
    return inner(value)

class Base(CachedTaskWorker):
    def shift(self, value, by=100):
        return value + by

class Work(Base):
    output_types = [Number]
    prompt = (Path(__file__).parent / "prompt.txt").read_text()

    def consume_work(self, task: Number) -> None:
        value = helper(task.value) + LIMIT + helpers.more(task.value)
        self.publish_work(Number(value=self.shift(value) + len(self.prompt)))
"""
HELPERS = "def more(value):\n    return value * 1000\n"
PROMPT = "Say hello."

CHANGES: dict[str, tuple[str, str, str]] = {
    "the body": (WORK.replace("+ LIMIT", "- LIMIT"), HELPERS, PROMPT),
    "a helper": (WORK.replace("return inner(value)", "return -inner(value)"), HELPERS, PROMPT),
    "a nested function": (WORK.replace("return item + 1", "return item + 2"), HELPERS, PROMPT),
    "a base class": (WORK.replace("return value + by", "return value - by"), HELPERS, PROMPT),
    "a default argument": (WORK.replace("by=100", "by=200"), HELPERS, PROMPT),
    "a constant": (WORK.replace("LIMIT = 10", "LIMIT = 11"), HELPERS, PROMPT),
    "another module": (WORK, HELPERS.replace("1000", "2000"), PROMPT),
    "a prompt file": (WORK, HELPERS, "Say hello and goodbye."),
}
COSMETICS: dict[str, tuple[str, str, str]] = {
    "a comment": (WORK.replace("LIMIT = 10", "# at most\nLIMIT = 10  # ten"), HELPERS, PROMPT),
    "blank lines": (WORK.replace("\n", "\n\n"), "\n\n" + HELPERS, PROMPT),
    "moved functions": ("\n" * 40 + WORK, HELPERS, PROMPT),
    "a docstring": (WORK.replace("(Base):\n", '(Base):\n    """Works."""\n'), '"""Help."""\n' + HELPERS, PROMPT),
    "what is not used": (WORK + "\nUNUSED = 1\n", HELPERS + "\ndef unused():\n    return 1\n", PROMPT),
}


def outcome(versions: Versions, modules: Path, folder: Path, source: tuple[str, str, str]) -> tuple[int, list[int]]:
    """Run a version of the worker, and return its hits and outputs."""
    work, helpers, prompt = source
    (modules / "prompt.txt").write_text(prompt)
    steps = versions.load(work, helpers=helpers)
    result = run(steps.Work(cache_dir=folder), steps.Number(value=1))
    assert result.ok, result.failures
    return result.cache_hits, [getattr(output, "value", 0) for output in result.outputs]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_edit_is_computed_again_and_taking_it_back_is_a_hit(
    versions: Versions, tmp_path: Path, folder: Path, change: tuple[str, str, str]
) -> None:
    modules = tmp_path / "modules"
    before = outcome(versions, modules, folder, (WORK, HELPERS, PROMPT))
    after = outcome(versions, modules, folder, change)
    assert (before[0], after[0]) == (0, 0)
    assert before[1] != after[1]
    assert outcome(versions, modules, folder, (WORK, HELPERS, PROMPT)) == (1, before[1])
    assert outcome(versions, modules, folder, change) == (1, after[1])


@pytest.mark.parametrize("change", COSMETICS.values(), ids=COSMETICS)
def test_an_edit_of_looks_alone_is_a_hit(
    versions: Versions, tmp_path: Path, folder: Path, change: tuple[str, str, str]
) -> None:
    modules = tmp_path / "modules"
    before = outcome(versions, modules, folder, (WORK, HELPERS, PROMPT))
    assert outcome(versions, modules, folder, change) == (1, before[1])


class Analysis(Task):
    insight: str


class FromFile(CachedLLMTaskWorker):
    prompt = "unused"
    llm_input_type = Word
    output_types = [Analysis]
    folder: Path

    def format_prompt(self, task: Word) -> str:
        return (self.folder / "prompt.txt").read_text()


def test_an_edited_prompt_file_asks_again(server: OpenAIServer, tmp_path: Path, folder: Path) -> None:
    server.fallback = lambda _: answer(insight=f"insight {len(server.seen)}")
    worker = FromFile(llm=llm_from_config("local", "m", base_url=server.url), cache_dir=folder, folder=tmp_path)
    for prompt, hits in (("one", 0), ("two", 0), ("one", 1)):
        (tmp_path / "prompt.txt").write_text(prompt)
        assert run(worker, Word(text="a")).cache_hits == hits
    assert len(server.seen) == 2


SCRIPT = """
def helper(value):
    return value * {factor}  {comment}

class Work(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=helper(task.value)))

result = run_inline(Work(cache_dir=sys.argv[1]), Number(value=int(sys.argv[2])))
print(result.cache_hits, result.outputs[0].value)
"""


def test_a_project_that_was_moved_to_another_folder_hits(tmp_path: Path, folder: Path) -> None:
    found = []
    for number, home in enumerate([tmp_path / "one", tmp_path / "another" / "deep"]):
        home.mkdir(parents=True)
        text = "\n" * number + SCRIPT.format(factor=2, comment="# twice" * number)
        found.append(program(home, text, folder, 3, PYTHONHASHSEED=str(number)))
    assert found == [["0", "6"], ["1", "6"]]


# pitfall 13


def test_two_processes_of_two_versions_do_not_wipe_each_others_answers(tmp_path: Path, folder: Path) -> None:
    def says(factor: int, value: int) -> list[str]:
        return program(tmp_path, SCRIPT.format(factor=factor, comment=""), folder, value)

    assert [says(2, 1), says(3, 1), says(2, 1), says(3, 1)] == [["0", "2"], ["0", "3"], ["1", "2"], ["1", "3"]]
    assert says(2, 5) == ["0", "10"], "and what one adds does not drop what the other has"
    assert says(3, 1) == ["1", "3"]


# pitfall 36

PIPELINE = """
class Middle(Task):
    value: int

class First(CachedTaskWorker):
    output_types = [Middle]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Middle(value={first}))

class Second(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Middle) -> None:
        self.publish_work(Number(value={second}))

first, second = First(cache_dir=sys.argv[1]), Second(cache_dir=sys.argv[1])
graph = Graph(name="pipeline").add_workers(first, second)
graph.set_dependency(first, second).sink(Number)
result = graph.run([(first, Number(value=3))])
print(*(result.workers[name].hits for name in ("First", "Second")), result.outputs[0].value)
"""


def test_a_hit_upstream_hides_no_change_downstream_and_the_other_way_round(tmp_path: Path, folder: Path) -> None:
    def says(first: str, second: str) -> list[str]:
        return program(tmp_path, PIPELINE.format(first=first, second=second), folder)

    assert says("task.value + 1", "task.value * 2") == ["0", "0", "8"]
    assert says("task.value + 1", "task.value * 3") == ["1", "0", "12"]
    assert says("task.value + 2", "task.value * 3") == ["0", "0", "15"]
    assert says("1 + task.value + 1", "task.value * 3") == ["0", "1", "15"], "equal results are the end of a change"
    assert says("task.value + 1", "task.value * 2") == ["1", "1", "8"]


class Inner(CachedTaskWorker):
    output_types = [Number]
    factor: int

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * self.factor))


class Outer(CachedTaskWorker):
    """Lets another worker do a part of its work, in a graph inside of its call."""

    output_types = [Number]

    def __init__(self, inner: Inner, **settings: object) -> None:
        super().__init__(**settings)
        self.inner = inner

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=sum(values_of(run(self.inner, task)))))


def test_a_hit_hides_no_change_of_a_worker_that_is_run_inside(folder: Path) -> None:
    for factor in (2, 3):
        outer = Outer(Inner(factor=factor, cache_dir=folder), cache_dir=folder)
        result = run(outer, Number(value=1))
        assert (figures(result), values_of(result)) == ((0, 1), [factor])


def test_a_version_that_was_compiled_before_is_the_same_as_one_that_was_not(tmp_path: Path, folder: Path) -> None:
    module = "from planai import CachedTaskWorker, Task\n" + dedent(
        """
        class Item(Task):
            value: int

        class Work(CachedTaskWorker):
            output_types = [Item]
            def consume_work(self, task: Item) -> None:
                self.publish_work(Item(value=len({"a", "b"}) if task.value in {1, 2, 3} else 0))
        """
    )
    (tmp_path / "parts.py").write_text(module)
    text = f"from parts import Item, Work\nprint(run_inline(Work(cache_dir={str(folder)!r}), Item(value=1)).cache_hits)"
    hits = [program(tmp_path, text, PYTHONDONTWRITEBYTECODE="") for _ in range(3)]
    assert hits == [["0"], ["1"], ["1"]]
    assert os.listdir(tmp_path / "__pycache__"), "the second and the third were read from bytecode"  # noqa: PTH208
