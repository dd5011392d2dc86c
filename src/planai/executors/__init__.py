"""Executors: where calls run. They know calls and events, and neither workers nor plans."""

from planai.executors.base import Executor
from planai.executors.inline import InlineExecutor
from planai.executors.threads import ThreadExecutor

__all__ = ["Executor", "InlineExecutor", "ThreadExecutor"]
