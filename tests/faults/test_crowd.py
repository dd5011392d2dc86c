from __future__ import annotations

import contextlib
import json
from pathlib import Path

from faults.children import command_of, read_line, started, tell
from faults.crowd import COMMON, own_values, values_of
from faults.soundness import assert_sound
from faults.squares import Report

PROCESSES = 8
THREADS = 32


def test_eight_processes_of_thirty_two_threads_run_graphs_on_one_store(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with contextlib.ExitStack() as stack:
        commands = [command_of("crowd", str(folder), str(number), str(THREADS)) for number in range(PROCESSES)]
        processes = [stack.enter_context(started(command)) for command in commands]
        for process in processes:
            assert json.loads(read_line(process)) == "ready"
        for process in processes:
            tell(process, "go")
        said = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0] * PROCESSES, said
    computed: list[int] = []
    for number, (printed, errors) in enumerate(said):
        assert errors == ""
        for thread, report in enumerate(Report(**report) for report in json.loads(printed)):
            report.assert_well(values_of(number, thread))
            assert set(own_values(number, thread)) <= set(report.computed)
            computed += report.computed
    assert len(computed) == len(set(computed)) == len(COMMON) + PROCESSES * THREADS * 5
    assert_sound(folder, len(computed))
