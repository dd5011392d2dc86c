"""How a program of these tests answers: with lines of JSON."""

from __future__ import annotations

import json
import sys
from typing import Any


def say(what: Any) -> None:
    """Write a line."""
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


def wait_for_go() -> None:
    """Say that this process is ready, and wait for a line on stdin."""
    say("ready")
    sys.stdin.readline()
