"""Programs written for PlanAI run here unchanged.

Each says in its docstring what it prints; all of them print the same under PlanAI 0.7.1.
"""

import ast
import runpy
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_prints_what_it_prints_under_planai(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    docstring = ast.get_docstring(ast.parse(program.read_text(encoding="utf-8"))) or ""
    runpy.run_path(str(program), run_name="__main__")
    expected = [line.removeprefix("    ") for line in docstring.split("Prints:\n")[1].splitlines()]
    assert capsys.readouterr().out.splitlines() == expected
