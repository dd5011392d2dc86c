"""A door for programs written for PlanAI: the house has this in `planai.subgraph`."""

from planai.graph import Graph as Graph
from planai.subgraph import SubGraphWorker as SubGraphWorker
from planai.task import Task as Task
from planai.worker import TaskWorker as TaskWorker
