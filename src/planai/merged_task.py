"""A door for programs written for PlanAI: the house has this in `planai.join`."""

from planai.join import JoinedTaskWorker as JoinedTaskWorker
from planai.join import MergedTaskWorker as MergedTaskWorker
from planai.task import Task as Task
from planai.worker import TaskWorker as TaskWorker
