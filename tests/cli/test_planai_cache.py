"""``planai cache FOLDER``, as programs and people call PlanAI's."""

from __future__ import annotations

from pathlib import Path

import pytest

from planai import CachedTaskWorker, Task
from planai.cli.app import main
from planai.testing import run_inline


class Word(Task):
    text: str


class Loud(Task):
    text: str


class Length(Task):
    number: int


class Shout(CachedTaskWorker):
    output_types = [Loud]

    def consume_work(self, task: Word) -> None:
        self.publish_work(Loud(text=task.text.upper()))


class Measure(CachedTaskWorker):
    output_types = [Length]

    def consume_work(self, task: Loud) -> None:
        self.publish_work(Length(number=len(task.text)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run_inline(Shout(cache_dir=tmp_path), Word(text="tea"))
    run_inline(Measure(cache_dir=tmp_path), Loud(text="MILK"))
    return tmp_path


def listed(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> set[str]:
    main(["cache", str(folder), *options])
    said = capsys.readouterr().out
    return {name for name in ("Shout", "Measure") if name in said}


def test_the_entries_of_a_folder_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(folder, capsys) == {"Shout", "Measure"}
    assert listed(folder, capsys, "--output-task-filter", "Length", "--search-dirs", "src,tests") == {"Measure"}


def test_answers_to_a_class_are_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["cache", str(folder), "--delete", "Word"])
    assert listed(folder, capsys) == {"Measure"}


def test_a_cache_is_cleared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["cache", str(folder), "--clear"])
    with pytest.raises(SystemExit) as ended:
        main(["cache", str(folder)])
    assert ended.value.code == 1
    assert "no entry is there" in capsys.readouterr().err


def test_what_is_neither_a_folder_nor_a_command_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["cache", str(tmp_path / "gone")])
    assert ended.value.code == 2
    assert "No such command" in capsys.readouterr().err
