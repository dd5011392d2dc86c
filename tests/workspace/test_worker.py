"""A model that works with files: which folder, what is kept, and what is done again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from planai import Graph, RunResult, Task, TaskWorker
from planai.llm.client import Answer, Request, ToolCall
from planai.testing import ScriptedLLM, run_inline
from planai.testing.models import Line
from planai.workspace.worker import WorkspaceLLMTaskWorker, WorkspaceTask


class Job(WorkspaceTask):
    text: str


class Topic(Task):
    text: str


class Done(Task):
    text: str


class Write(WorkspaceLLMTaskWorker):
    llm_input_type = Job
    output_types = [Done]
    prompt = "Write down what the job says."

    def expected_output_files(self, task: Job) -> list[str]:
        return ["out.txt"]


class Plain(WorkspaceLLMTaskWorker):
    llm_input_type = Topic
    output_types = [Done]
    prompt = "Go."


class Split(TaskWorker):
    output_types = [Topic]

    def consume_work(self, task: Job) -> None:
        self.publish_work(Topic(text=task.text), input_task=task)


def writer(request: Request) -> Line:
    """Write a file by a tool, then be done."""
    if request.messages[-1].role == "tool":
        return Done(text=request.messages[-1].text)
    arguments = json.dumps({"path": "out.txt", "content": "written"})
    return Answer("", "tool_calls", calls=(ToolCall("1", "write_file", arguments),))


@pytest.fixture
def room(tmp_path: Path) -> Path:
    return tmp_path / "room"


@pytest.fixture
def run(tmp_path: Path, room: Path) -> Callable[[ScriptedLLM], RunResult]:
    def run(model: ScriptedLLM) -> RunResult:
        worker = Write(llm=model, cache_dir=str(tmp_path / "cache"), input_globs=["in.txt"])
        return run_inline(worker, Job(workspace=str(room), text="x"))

    return run


def test_a_model_writes_files_of_the_workspace(run: Callable[[ScriptedLLM], RunResult], room: Path) -> None:
    result = run(ScriptedLLM(writer))
    assert result.outputs == [Done(text="Wrote 7 bytes (1 lines) to out.txt")]
    assert (room / "out.txt").read_text() == "written"


def test_an_answer_is_replayed_while_its_files_are_there(run: Callable[[ScriptedLLM], RunResult]) -> None:
    first = run(ScriptedLLM(writer))
    model = ScriptedLLM(writer)
    again = run(model)
    assert (again.cache_hits, again.outputs) == (1, first.outputs)
    assert model.requests == []


def test_files_that_are_gone_are_written_again_without_asking(
    run: Callable[[ScriptedLLM], RunResult], room: Path
) -> None:
    first = run(ScriptedLLM(writer))
    (room / "out.txt").unlink()
    model = ScriptedLLM(writer)
    again = run(model)
    assert (again.cache_misses, again.outputs) == (1, first.outputs)
    assert (room / "out.txt").read_text() == "written"
    assert model.requests == []


def test_another_input_file_is_another_question(run: Callable[[ScriptedLLM], RunResult], room: Path) -> None:
    run(ScriptedLLM(writer))
    (room / "in.txt").write_text("new")
    assert run(ScriptedLLM(writer)).cache_misses == 1


def test_another_folder_is_another_question(tmp_path: Path) -> None:
    worker = Write(llm=ScriptedLLM(writer), cache_dir=str(tmp_path / "cache"))
    for name in ("one", "two"):
        assert run_inline(worker, Job(workspace=str(tmp_path / name), text="x")).cache_misses == 1
        assert (tmp_path / name / "out.txt").exists()


def test_the_workspace_is_that_of_the_nearest_task_that_names_one(tmp_path: Path) -> None:
    model = ScriptedLLM(writer)
    split, plain = Split(), Plain(llm=model, cache_dir=str(tmp_path / "cache"))
    graph = Graph().add_workers(split, plain)
    graph.set_dependency(split, plain).sink(Done)
    result = graph.run([(split, Job(workspace=str(tmp_path / "room"), text="x"))], executor="inline")
    assert result.ok
    assert (tmp_path / "room" / "out.txt").exists()


def test_a_task_without_a_workspace_says_what_to_do(tmp_path: Path) -> None:
    result = run_inline(Plain(llm=ScriptedLLM(writer), cache_dir=str(tmp_path)), Topic(text="x"))
    assert "let it come from a WorkspaceTask" in str(result.failures[0].error)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    worker = Plain(llm=ScriptedLLM(writer), cache_dir=str(tmp_path / "cache"), read_only=True)
    room = tmp_path / "room"
    task = Topic(text="x").inject_input(WorkspaceTask(workspace=str(room)))
    run_inline(worker, task)
    assert not room.exists()
    assert [one.name for one in worker.get_tools(task)] == ["read_file", "list_files", "grep_files"]


def test_a_tool_called_like_one_for_files_is_refused(tmp_path: Path) -> None:
    def read_file(path: str) -> str:
        """Read another file."""
        return path

    def other(path: str) -> str:
        """Do something else."""
        return path

    task = WorkspaceTask(workspace=str(tmp_path))
    worker = Plain(llm=ScriptedLLM([]), tools=[other])
    assert {"other", "read_file", "write_file"} <= {tool.name for tool in worker.get_tools(task)}
    worker = Plain(llm=ScriptedLLM([]), tools=[read_file, other])
    with pytest.raises(ValueError, match="'Plain' has tools called 'read_file', as those for files are: rename them"):
        worker.get_tools(task)


def test_without_a_folder_there_is_a_key_all_the_same() -> None:
    assert Plain(llm=ScriptedLLM([])).extra_cache_key(Topic(text="of nowhere")) == ""
