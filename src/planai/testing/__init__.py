"""What users test their graphs with."""

from planai.testing.inline import run_inline

__all__ = ["run_inline"]
