"""What programs written for PlanAI import from here; the house has it elsewhere."""

from __future__ import annotations

from typing import Any

from planai.logs import setup_logging as setup_logging
from planai.measure import measure_time as measure_time
from planai.xml import to_xml


def dict_dump_xml(dict: Any, root: str = "root") -> str:  # noqa: A002 - PlanAI's name
    """Return a dictionary as indented XML below an element called `root`."""
    return to_xml(root, dict)
