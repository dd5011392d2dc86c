"""The command line, run as a person runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import planai
from planai.cli import main

DEMO = ("demo", "--limit", "12", "--llm", "none", "--folder")


def run(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from planai.cli.app import main; main()", *args]
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def plain(text: str) -> str:
    return " ".join(text.split())


def test_version() -> None:
    done = run("version")
    assert (done.stdout, done.stderr, done.returncode) == (f"{planai.__version__}\n", "", 0)


@pytest.mark.parametrize("arguments", [("version",), ("cache", "ls", "--dir", "nowhere"), ("cache", "--help")])
def test_the_package_can_be_run_as_the_command(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "planai", *arguments]
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    expected = run(*arguments)
    assert (done.stderr, done.returncode) == (expected.stderr, expected.returncode)
    assert plain(done.stdout).replace("python -m planai", "-c") == plain(expected.stdout)


def test_a_program_may_run_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["version"])
    assert capsys.readouterr().out == f"{planai.__version__}\n"
    with pytest.raises(SystemExit) as wrong:
        main(["nonsense"])
    assert wrong.value.code == 2


OPTIMIZE = ("optimize-prompt", "--python-file", "w.py", "--class-name", "W", "--goal-prompt", "g", "--debug-log", "d")


@pytest.mark.parametrize(
    ("before", "named"),
    [(("--llm-provider", "nobody"), "'nobody'"), (("--llm-model", "", "--llm-reason-model", "r"), "'openai'")],
)
def test_models_may_be_named_before_the_command(before: tuple[str, ...], named: str) -> None:
    done = run(*before, *OPTIMIZE)
    assert (done.returncode, named in done.stderr) == (1, True)


def test_without_a_command_there_is_help() -> None:
    done = run()
    assert "demo" in done.stdout + done.stderr
    assert "version" in done.stdout + done.stderr


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from planai.cli.app import app\n"
        "print(CliRunner().invoke(app, ['--help']).exit_code, 'openai' in sys.modules, 'planai.demo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "0 False False\n"


def test_the_demo_runs_and_then_everything_comes_from_the_cache(tmp_path: Path) -> None:
    first, second = run(*DEMO, str(tmp_path)), run(*DEMO, str(tmp_path))
    assert (first.returncode, second.returncode) == (0, 0)
    assert "0 of 12 answers came from the cache" in plain(first.stdout)
    assert "12 by Analyse" in first.stdout
    assert "12 of 12 answers came from the cache" in plain(second.stdout)
    assert "Computed now" not in second.stdout
    assert (tmp_path / "report.html").stat().st_size > 1000


def test_the_demo_reports_without_a_model(tmp_path: Path) -> None:
    done = run(*DEMO, str(tmp_path))
    assert done.stderr == ""
    assert "failed" not in done.stdout
    assert re.search(r"\d+ of 12 modules holds? half of all complexity", plain(done.stdout))
    assert "12 modules analysed" in plain((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_a_missing_key_is_told_once_a_call_and_the_rest_is_reported(tmp_path: Path) -> None:
    done = run("demo", "--limit", "12", "--llm", "openai:gpt-4", "--folder", str(tmp_path), OPENAI_API_KEY="")
    assert done.returncode == 0
    assert "set the environment variable OPENAI_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
    assert "calls failed; see above" in done.stdout
    assert "12 modules analysed" in plain((tmp_path / "report.html").read_text(encoding="utf-8"))


MISTAKES = {
    "nonsense": "--llm 'nonsense': write provider:model, 'embedded', or 'none'",
    "opanai:gpt-4": "there is no provider 'opanai': choose one of 'anthropic', 'embedded'",
    "openai:": "--llm 'openai:': write provider:model, 'embedded', or 'none'",
}


@pytest.mark.parametrize(("llm", "message"), MISTAKES.items(), ids=["no colon", "no such provider", "no model"])
def test_a_wrong_model_is_told_in_one_line(tmp_path: Path, llm: str, message: str) -> None:
    done = run("demo", "--llm", llm, "--folder", str(tmp_path / "made"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"planai: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("args", [("--limit", "0"), ("--classify", "-1"), ("--no-such-option",)])
def test_a_wrong_option_is_refused(args: tuple[str, ...]) -> None:
    done = run("demo", *args)
    assert done.returncode == 2
    assert args[0] in done.stdout + done.stderr


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("demo", "--limit", "1", "--llm", "none", "--folder", str(tmp_path / "file" / "folder"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
