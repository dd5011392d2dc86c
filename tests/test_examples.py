"""Every example runs, offline, and says what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("folder", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_an_example_has_a_readme_and_a_program(folder: str) -> None:
    assert (EXAMPLES / folder / "README.md").read_text(encoding="utf-8").startswith("# ")
    assert (EXAMPLES / folder / "main.py").exists()


def test_the_standard_library_is_analysed_once(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "standard_library" / "main.py"), "--limit", "12", "--classify", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "12 modules, 0 of them sorted: 12 answers computed, 0 from the cache",
        "12 modules, 0 of them sorted: 0 answers computed, 12 from the cache",
    ]
