"""A research assistant over a folder of notes: it works on several questions at once, tells how it goes, asks back."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from planai import (
    CachedLLMTaskWorker,
    Graph,
    InitialTaskWorker,
    JoinedTaskWorker,
    ProvenanceChain,
    Task,
    TaskWorker,
    UserInputRequest,
)
from planai import llm_from_config as make_llm
from planai.llm.client import LLM, Request
from planai.testing import ScriptedLLM

NOTES = Path(__file__).parent / "notes"


class Question(Task):
    """What somebody wants to know."""

    question: str


class Terms(Task):
    """What to look for."""

    terms: list[str]


class Passage(Task):
    """A paragraph of the notes in which one of the terms is."""

    source: str
    text: str


class Finding(Task):
    """What a passage says to the question."""

    says: str


class Report(Task):
    """The answer."""

    markdown: str


class ChooseTerms(CachedLLMTaskWorker):
    """Asks the model what to look for."""

    llm_input_type = Question
    output_types = [Terms]
    prompt = "Name up to three words that notes which answer the question will contain."


class FindPassages(TaskWorker):
    """Looks through the notes, after a person has said which of them to leave out."""

    output_types = [Passage]
    folder: Path

    def consume_work(self, task: Terms) -> None:
        """Publish the passages."""
        found = [(path.name, text) for path, text in self.paragraphs() if any(term in text for term in task.terms)]
        sources = sorted({source for source, _ in found})
        self.notify_status(task, f"found {len(found)} passages in {', '.join(sources) or 'nothing'}")
        left_out, _ = self.request_user_input(
            task, f"Which of these shall I leave out? {' '.join(sources)}", accepted_mime_types=["text/plain"]
        )
        for source, text in found:
            if source not in (left_out or "").split():
                self.publish_work(Passage(source=source, text=text), input_task=task)

    def paragraphs(self) -> list[tuple[Path, str]]:
        """Return all paragraphs of all notes."""
        files = sorted(self.folder.glob("*.md"))
        return [(file, part) for file in files for part in file.read_text(encoding="utf-8").split("\n\n")]


class ReadPassage(CachedLLMTaskWorker):
    """Asks the model what a passage says to the question."""

    llm_input_type = Passage
    output_types = [Finding]
    prompt = "Say in one sentence what this passage says to the question: {question}"

    def format_prompt(self, task: Passage) -> str:
        """Fill in the question."""
        question = task.find_input_task(Question)
        return self.prompt.format(question=question.question if question else "")

    def post_process(self, response: Finding, input_task: Passage) -> None:
        """Publish it, and say so."""
        self.notify_status(input_task, f"read a passage of {input_task.source}", response)
        self.publish_work(response, input_task=input_task)


class WriteReport(JoinedTaskWorker):
    """Waits for all that is found to a question."""

    output_types = [Report]
    join_type: type[TaskWorker] = InitialTaskWorker

    def consume_work_joined(self, tasks: list[Finding]) -> None:
        """Publish what was found, with its sources."""
        question = tasks[0].find_input_task(Question)
        who = self.get_metadata(tasks[0])["asked_by"]
        lines = [f"# {question.question if question else ''} (asked by {who})"]
        for finding in tasks:
            passage = finding.find_input_task(Passage)
            lines.append(f"- {finding.says} ({passage.source if passage else '?'})")
        self.publish_work(Report(markdown="\n".join(lines)), input_task=tasks[0])


def say(text: str) -> None:
    """Print whole lines: several threads do."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Assistant:
    """The graph as a service: questions come in by lines, and so do answers to what it asks itself."""

    def __init__(self, llm: LLM, folder: Path, cache_dir: str) -> None:
        self.graph = Graph(name="research assistant")
        self.entry = ChooseTerms(llm=llm, cache_dir=cache_dir)
        find, read = FindPassages(folder=folder), ReadPassage(llm=llm, cache_dir=cache_dir)
        report = WriteReport()
        self.graph.add_workers(self.entry, find, read, report).set_entry(self.entry)
        self.graph.set_dependency(self.entry, find).next(read).next(report)
        self.graph.set_sink(report, Report, notify=self.deliver)
        self.graph.set_user_request_callback(self.ask_back)
        self.chains: dict[int, ProvenanceChain] = {}
        self.requests: dict[int, UserInputRequest] = {}
        self.changed = threading.Condition()
        self.asked = 0
        self.ended = False

    def deliver(self, metadata: dict[str, Any], task: Task) -> None:
        """Print a report."""
        assert isinstance(task, Report)
        say(f"[{metadata['number']}] {task.markdown}")

    def tell(
        self,
        metadata: dict[str, Any],
        provenance: ProvenanceChain,
        worker: TaskWorker | None,
        task: Task | None,
        message: str | None,
        thing: BaseModel | None,
    ) -> None:
        """Print how it goes; the last call for a question comes without a worker."""
        with self.changed:
            if worker is None:
                self.chains.pop(metadata["number"], None)
                self.changed.notify_all()
        say(f"[{metadata['number']}] {message if worker else 'done'}")

    def ask_back(self, metadata: dict[str, Any], request: UserInputRequest) -> None:
        """Print what a person is asked, and keep it until there is an answer; meanwhile it holds no thread."""
        say(f"[{metadata['number']}] {request.instruction}")
        with self.changed:
            self.requests[metadata["number"]] = request
            self.changed.notify_all()
            if self.ended:
                request.respond(None)

    def take(self, line: str) -> None:
        """Do what a line says: stop or answer something, or look into a question."""
        command, _, rest = line.partition(" ")
        number, _, text = rest.partition(" ")
        if command == "stop":
            self.graph.abort_work(self.chains.get(int(number), ()))
        elif command == "answer":
            self.request(int(number)).respond(text, "text/plain")
        else:
            self.ask(line)

    def ask(self, question: str) -> None:
        """Look into a question."""
        with self.changed:
            self.asked += 1
            self.chains[self.asked] = self.graph.add_work(
                self.entry,
                Question(question=question),
                metadata={"number": self.asked, "asked_by": "you"},
                status_callback=self.tell,
            )

    def request(self, number: int) -> UserInputRequest:
        """Return what is asked back to a question, as soon as it is."""
        with self.changed:
            self.changed.wait_for(lambda: number in self.requests, timeout=60)
            return self.requests[number]

    def serve(self) -> None:
        """Take lines until there are no more, and end when all is done."""
        self.graph.prepare(display_terminal=False)
        serving = threading.Thread(target=self.graph.execute, args=([],))
        serving.start()
        for line in filter(str.strip, sys.stdin):
            self.take(line.strip())
        with self.changed:
            self.ended = True
            for request in self.requests.values():
                request.respond(None)  # who has answered already has the last word
            self.changed.wait_for(lambda: not self.chains, timeout=60)
        self.graph.shutdown(timeout=5)
        serving.join()


def stand_in(request: Request) -> Terms | Finding:
    """Answer as a model might, by rules: so that the example runs without one."""
    told = request.messages[-1].text
    shown = told[told.index("{") : told.index("}") + 1]
    if request.schema_name == "Terms":
        return Terms(terms=[word.strip("?") for word in Question.model_validate_json(shown).question.split()[-1:]])
    return Finding(says=Passage.model_validate_json(shown).text.split(".")[0] + ".")


def main() -> None:
    """Serve what comes on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=Path, default=NOTES, help="a folder with Markdown files")
    parser.add_argument("--provider", help="who serves the model, such as ollama or openai (default: rules, no model)")
    parser.add_argument("--model", default="llama3", help="what the model is called")
    parser.add_argument("--cache-dir", default="./cache", help="where answers are kept")
    args = parser.parse_args()
    llm = make_llm(args.provider, args.model) if args.provider else ScriptedLLM(stand_in)
    Assistant(llm, args.notes, args.cache_dir).serve()


if __name__ == "__main__":
    main()
