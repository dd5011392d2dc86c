"""Write release notes from the commits of a git repository: each commit is read and described once."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Annotated, Literal

from planai import (
    CachedLLMTaskWorker,
    CachedTaskWorker,
    CacheIgnore,
    Graph,
    InitialTaskWorker,
    JoinedTaskWorker,
    RunResult,
    Task,
    TaskWorker,
)
from planai import llm_from_config as make_llm
from planai.llm.client import LLM, Request
from planai.testing import ScriptedLLM

Kind = Literal["new", "better", "fixed", "inside"]
HEADINGS: dict[Kind, str] = {"new": "New", "better": "Better", "fixed": "Fixed"}
LONGEST_DIFF = 6000


class Range(Task):
    """What to describe: the commits after one revision, up to another."""

    repository: str
    since: str
    until: str


class Commit(Task):
    """One commit, by its name: what it contains never changes."""

    # Another clone of the same repository has the same commits.
    repository: Annotated[str, CacheIgnore]
    name: str


class Change(Task):
    """What a commit says and does."""

    name: str
    message: str
    diff: str


class Note(Task):
    """A line of the release notes."""

    kind: Kind
    text: str


class Notes(Task):
    """The release notes, as Markdown."""

    markdown: str


class ListCommits(TaskWorker):
    """Asks git which commits there are."""

    output_types = [Commit]

    def consume_work(self, task: Range) -> None:
        """Publish the commits, the oldest first."""
        names = git(task.repository, "rev-list", "--reverse", "--no-merges", f"{task.since}..{task.until}").split()
        for name in names:
            self.publish_work(Commit(repository=task.repository, name=name), input_task=task)


class ReadCommit(CachedTaskWorker):
    """Asks git what is in a commit, which takes a while in a large repository."""

    output_types = [Change]

    def consume_work(self, task: Commit) -> None:
        """Publish its message and the beginning of its diff."""
        message = git(task.repository, "show", "--no-patch", "--format=%B", task.name).strip()
        diff = git(task.repository, "show", "--format=", "--unified=1", task.name)[:LONGEST_DIFF]
        self.publish_work(Change(name=task.name, message=message, diff=diff), input_task=task)


class Describe(CachedLLMTaskWorker):
    """Asks the model what a commit means for who uses the program."""

    llm_input_type = Change
    output_types = [Note]
    prompt = (
        "Describe this change in one sentence, for people who use the program and do not read its code. "
        "Its kind is 'new', 'better' or 'fixed'; or 'inside', when nobody outside notices it."
    )


class Write(JoinedTaskWorker):
    """Sorts the notes."""

    output_types = [Notes]
    join_type: type[TaskWorker] = InitialTaskWorker

    def consume_work_joined(self, tasks: list[Note]) -> None:
        """Publish them by kind, in the order of the commits."""
        asked = tasks[0].find_input_task(Range)
        lines = [f"# Changes in {asked.until}" if asked else "# Changes"]
        for kind, heading in HEADINGS.items():
            found = [f"- {note.text}" for note in tasks if note.kind == kind]
            lines += ["", f"## {heading}", "", *found] if found else []
        left = sum(note.kind == "inside" for note in tasks)
        lines += ["", f"{left} more changes are inside only."] if left else []
        self.publish_work(Notes(markdown="\n".join(lines)), input_task=tasks[0])


def git(repository: str, *arguments: str) -> str:
    """Return what git answers."""
    command = ["git", "-C", repository, *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8", errors="replace").stdout  # noqa: S603 - no shell


def stand_in(request: Request) -> Note:
    """Describe a commit by the first word of its message: so that the example runs without a model."""
    told = request.messages[-1].text
    change = Change.model_validate_json(told[told.index("{") : told.rindex("}") + 1])
    subject = change.message.splitlines()[0]
    words: dict[str, Kind] = {"add": "new", "fix": "fixed", "let": "better", "speed": "better"}
    return Note(kind=words.get(subject.split()[0].lower(), "inside"), text=subject.rstrip(".") + ".")


def run(llm: LLM, asked: Range, cache_dir: str) -> RunResult:
    """Wire the workers, and run them over a range of commits."""
    commits, write = ListCommits(), Write()
    read, describe = ReadCommit(cache_dir=cache_dir), Describe(llm=llm, cache_dir=cache_dir)
    graph = Graph(name="release notes")
    graph.add_workers(commits, read, describe, write)
    graph.set_dependency(commits, read).next(describe).next(write).sink(Notes)
    return graph.run([(commits, asked)], raise_on_failure=True)


def main() -> None:
    """Print the notes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("since", help="the revision of the last release, such as v1.0")
    parser.add_argument("until", nargs="?", default="HEAD", help="the revision of this one")
    parser.add_argument("--repository", default=".", help="where the repository is")
    parser.add_argument("--provider", help="who serves the model, such as ollama or openai (default: rules, no model)")
    parser.add_argument("--model", default="llama3", help="what the model is called")
    parser.add_argument("--cache-dir", default="./cache", help="where answers are kept")
    args = parser.parse_args()
    llm = make_llm(args.provider, args.model) if args.provider else ScriptedLLM(stand_in)
    asked = Range(repository=str(Path(args.repository).resolve()), since=args.since, until=args.until)
    result = run(llm, asked, args.cache_dir)
    for notes in result.outputs:
        assert isinstance(notes, Notes)
        print(notes.markdown)
    print(f"\n({result.cache_misses} calls made, {result.cache_hits} answered from the cache)")


if __name__ == "__main__":
    main()
