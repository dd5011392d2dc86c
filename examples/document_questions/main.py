"""Make questions and answers from a document: each is asked, answered and checked by a model, once."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Literal

from planai import CachedLLMTaskWorker, Graph, InitialTaskWorker, JoinedTaskWorker, RunResult, Task, TaskWorker
from planai import llm_from_config as make_llm
from planai.llm.client import LLM, Request
from planai.testing import ScriptedLLM

SAMPLE = Path(__file__).parent / "sample.md"


class Document(Task):
    """A text, and what it is called."""

    title: str
    text: str


class Chunk(Task):
    """A part of a document that can be read by itself."""

    heading: str
    text: str


class Questions(Task):
    """Questions that a chunk answers."""

    questions: list[str]


class Question(Task):
    """One of them."""

    question: str


class Answer(Task):
    """What the chunk says to it."""

    answer: str


class Verdict(Task):
    """Whether an answer is to be found in the text."""

    supported: Literal["yes", "no"]


class Pair(Task):
    """A question and an answer that was checked."""

    heading: str
    question: str
    answer: str


class Pairs(Task):
    """All of a document."""

    title: str
    pairs: list[Pair]


class Split(TaskWorker):
    """Cuts a document at its headings."""

    output_types = [Chunk]

    def consume_work(self, task: Document) -> None:
        """Publish the chunks."""
        for part in re.split(r"^#+ ", task.text, flags=re.MULTILINE):
            heading, _, text = part.partition("\n")
            if text.strip():
                self.publish_work(Chunk(heading=heading.strip(), text=text.strip()), input_task=task)


class Ask(CachedLLMTaskWorker):
    """Writes questions for a chunk."""

    llm_input_type = Chunk
    llm_output_type = Questions
    output_types = [Question]
    prompt = (
        "Write {count} questions that a reader of {title!r} may have, and that this part of it answers. "
        "Each has to be understood by somebody who does not see the text."
    )
    count: int = 2

    def format_prompt(self, task: Chunk) -> str:
        """Name the document."""
        document = task.find_input_task(Document)
        return self.prompt.format(count=self.count, title=document.title if document else "the text")

    def extra_validation(self, response: Questions, input_task: Chunk) -> str | None:
        """Let the model put right what is no question."""
        wrong = [question for question in response.questions if not question.strip().endswith("?")]
        return f"these are no questions: {wrong}" if wrong else None

    def post_process(self, response: Questions, input_task: Chunk) -> None:
        """Publish the questions one by one."""
        for question in response.questions[: self.count]:
            self.publish_work(Question(question=question), input_task=input_task)


class Reply(CachedLLMTaskWorker):
    """Answers a question from its chunk."""

    llm_input_type = Question
    output_types = [Answer]
    prompt = "Answer the question in one sentence, from this text alone:\n\n{text}"

    def format_prompt(self, task: Question) -> str:
        """Show the text."""
        return self.prompt.format(text=chunk_of(task).text)


class Check(CachedLLMTaskWorker):
    """Keeps what the text really says."""

    llm_input_type = Answer
    llm_output_type = Verdict
    output_types = [Pair]
    prompt = "Is this answer to the question {question!r} to be found in the text?\n\n{text}"

    def format_prompt(self, task: Answer) -> str:
        """Show the question and the text."""
        return self.prompt.format(question=question_of(task).question, text=chunk_of(task).text)

    def post_process(self, response: Verdict, input_task: Answer) -> None:
        """Publish the pair if it is good."""
        if response.supported == "yes":
            question, heading = question_of(input_task).question, chunk_of(input_task).heading
            self.publish_work(Pair(heading=heading, question=question, answer=input_task.answer), input_task=input_task)


class Collect(JoinedTaskWorker):
    """Waits for all pairs of a document."""

    output_types = [Pairs]
    join_type: type[TaskWorker] = InitialTaskWorker

    def consume_work_joined(self, tasks: list[Pair]) -> None:
        """Publish them together, in the order of the document."""
        document = tasks[0].find_input_task(Document)
        title = document.title if document else ""
        self.publish_work(Pairs(title=title, pairs=[pair.copy_public() for pair in tasks]), input_task=tasks[0])


def chunk_of(task: Task) -> Chunk:
    """Return the chunk that a task was made from."""
    chunk = task.find_input_task(Chunk)
    assert chunk is not None
    return chunk


def question_of(task: Task) -> Question:
    """Return the question that a task belongs to."""
    question = task.find_input_task(Question)
    assert question is not None
    return question


def stand_in(request: Request) -> Questions | Answer | Verdict:
    """Answer as a model might, by rules: so that the example runs without one."""
    told = request.messages[-1].text
    if request.schema_name == "Questions":
        chunk = Chunk.model_validate_json(told[told.index("{") : told.index("}") + 1])
        openings = [" ".join(sentence.split()[:3]) for sentence in sentences(chunk.text)]
        return Questions(questions=[f"What is there to know about '{opening}'?" for opening in openings])
    if request.schema_name == "Answer":
        opening = told.split("about '")[1].split("'?")[0]
        answer = next(sentence for sentence in sentences(told.split("alone:")[1]) if opening in sentence)
        return Answer(answer=answer.replace("July", "May"))  # models are wrong at times
    given = Answer.model_validate_json(told[told.index("{") : told.index("}") + 1]).answer
    return Verdict(supported="yes" if given in sentences(told.split("in the text?")[1]) else "no")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each in one line."""
    return re.findall(r"[A-Z][^.]*\.", " ".join(text.split()))


def run(llm: LLM, document: Path, cache_dir: str) -> RunResult:
    """Wire the workers, and run them over a document."""
    split, collect = Split(), Collect()
    ask, reply = Ask(llm=llm, cache_dir=cache_dir), Reply(llm=llm, cache_dir=cache_dir)
    check = Check(llm=llm, cache_dir=cache_dir)
    graph = Graph(name="questions and answers")
    graph.add_workers(split, ask, reply, check, collect)
    graph.set_dependency(split, ask).next(reply).next(check).next(collect).sink(Pairs)
    task = Document(title=document.stem, text=document.read_text(encoding="utf-8"))
    return graph.run([(split, task)], raise_on_failure=True)


def main() -> None:
    """Print a line of JSON for each pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("document", nargs="?", type=Path, default=SAMPLE, help="a Markdown file")
    parser.add_argument("--provider", help="who serves the model, such as ollama or openai (default: rules, no model)")
    parser.add_argument("--model", default="llama3", help="what the model is called")
    parser.add_argument("--cache-dir", default="./cache", help="where answers are kept")
    args = parser.parse_args()
    llm = make_llm(args.provider, args.model) if args.provider else ScriptedLLM(stand_in)
    result = run(llm, args.document, args.cache_dir)
    for pairs in result.outputs:
        assert isinstance(pairs, Pairs)
        for pair in pairs.pairs:
            print(json.dumps(pair.model_dump(), ensure_ascii=False))
    print(f"{result.cache_misses} calls made, {result.cache_hits} answered from the cache")


if __name__ == "__main__":
    main()
