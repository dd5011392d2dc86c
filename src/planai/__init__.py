"""planai: a typed task graph that runs once and keeps its answers."""

from planai.cache.worker import CachedTaskWorker
from planai.graph import Graph
from planai.join import InitialTaskWorker, JoinedTaskWorker, MergedTaskWorker
from planai.task import Task
from planai.worker import TaskWorker

__all__ = [
    "CachedTaskWorker",
    "Graph",
    "InitialTaskWorker",
    "JoinedTaskWorker",
    "MergedTaskWorker",
    "Task",
    "TaskWorker",
]
