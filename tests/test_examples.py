"""Every example runs, offline, and says what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("folder", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_an_example_has_a_readme_and_a_program(folder: str) -> None:
    assert (EXAMPLES / folder / "README.md").read_text(encoding="utf-8").startswith("# ")
    assert (EXAMPLES / folder / "main.py").exists()


def run(example: str, *arguments: str, cwd: Path, told: str = "") -> list[str]:
    """Run an example in a folder, and return the lines that it prints."""
    command = [sys.executable, str(EXAMPLES / example / "main.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, input=told, timeout=120)
    return done.stdout.splitlines()


def test_the_standard_library_is_analysed_once(tmp_path: Path) -> None:
    assert run("standard_library", "--limit", "12", "--classify", "0", cwd=tmp_path) == [
        "12 modules, 0 of them sorted: 12 answers computed, 0 from the cache",
        "12 modules, 0 of them sorted: 0 answers computed, 12 from the cache",
    ]


def test_a_document_is_asked_answered_and_checked_once(tmp_path: Path) -> None:
    *pairs, told = run("document_questions", cwd=tmp_path)
    assert told == "15 calls made, 0 answered from the cache"
    assert [json.loads(pair)["heading"] for pair in pairs] == [
        "The colony",
        "The colony",
        "The year",
        "Health",
        "Health",
    ]
    assert not any("May" in pair for pair in pairs)
    assert run("document_questions", cwd=tmp_path) == [*pairs, "0 calls made, 15 answered from the cache"]


def test_only_the_chunk_that_changed_is_asked_about_again(tmp_path: Path) -> None:
    text = (EXAMPLES / "document_questions" / "sample.md").read_text(encoding="utf-8")
    document = tmp_path / "sample.md"
    document.write_text(text, encoding="utf-8")
    run("document_questions", "sample.md", cwd=tmp_path)
    document.write_text(text.replace("sixty thousand", "fifty thousand"), encoding="utf-8")
    *pairs, told = run("document_questions", "sample.md", cwd=tmp_path)
    assert "up to fifty thousand" in pairs[0]
    calls, hits = (int(word) for word in told.split() if word.isdigit())
    assert calls < 15
    assert hits >= 10


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]

    def git(*arguments: str) -> None:
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    for number, subject in enumerate(["Begin", "Add a door", "Fix the roof", "Tidy up", "Let windows open"]):
        (folder / "house.txt").write_text(str(number))
        git("add", ".")
        git("commit", "-m", subject)
        if subject == "Begin":
            git("tag", "v1")
    return folder


def test_release_notes_are_sorted_and_no_commit_is_read_twice(tmp_path: Path, repository: Path) -> None:
    arguments = ("v1", "main", "--repository", str(repository))
    notes = run("release_notes", *arguments, cwd=tmp_path)
    assert notes == [
        "# Changes in main",
        "",
        "## New",
        "",
        "- Add a door.",
        "",
        "## Better",
        "",
        "- Let windows open.",
        "",
        "## Fixed",
        "",
        "- Fix the roof.",
        "",
        "1 more changes are inside only.",
        "",
        "(8 calls made, 0 answered from the cache)",
    ]
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", str(repository), str(clone)], check=True, capture_output=True)
    again = run("release_notes", "v1", "main", "--repository", str(clone), cwd=tmp_path)
    assert again == [*notes[:-1], "(0 calls made, 8 answered from the cache)"]


def test_the_assistant_tells_asks_back_stops_and_reports(tmp_path: Path) -> None:
    lines = run(
        "research_assistant",
        cwd=tmp_path,
        told="How do bees live through the winter?\nanswer 1 diary.md\nWhat of the autumn?\nstop 2\n",
    )
    first = [line.removeprefix("[1] ") for line in lines if line.startswith("[1]")]
    assert first[:2] == [
        "found 4 passages in bees.md, diary.md, hives.md",
        "Which of these shall I leave out? bees.md diary.md hives.md",
    ]
    assert sorted(first[2:5]) == [
        "read a passage of bees.md",
        "read a passage of bees.md",
        "read a passage of hives.md",
    ]
    assert first[5:] == ["# How do bees live through the winter? (asked by you)", "done"]
    assert [line for line in lines if line.startswith("- ")] == [
        "- In winter the bees sit close together around the queen, and warm each other. (bees.md)",
        "- A colony needs about twenty kilograms of honey to get through the winter. (bees.md)",
        "- Mice like to move into a hive in autumn. (hives.md)",
    ]
    assert [line for line in lines if line.startswith("[2]")][-1] == "[2] done"
    assert not any("read a passage" in line or "#" in line for line in lines if line.startswith("[2]"))


def test_the_assistant_ends_also_where_it_gets_no_answer(tmp_path: Path) -> None:
    lines = run("research_assistant", cwd=tmp_path, told="What of the autumn?\n")
    assert lines[-1] == "[1] done"
    assert "- Mice like to move into a hive in autumn. (hives.md)" in lines


def test_a_plan_becomes_a_list(tmp_path: Path) -> None:
    lines = run("planner", cwd=tmp_path)
    assert lines == [
        "# Move a small library",
        "",
        "- [ ] Number the shelves",
        "- [ ] Pack one shelf to a box",
        "- [ ] Unpack by number",
        "- [ ] Thank everybody",
        "",
        "The draft with the most steps, and a good end.",
        "(7 calls made, 0 answered from the cache)",
    ]
    assert run("planner", cwd=tmp_path)[-1] == "(0 calls made, 7 answered from the cache)"
