"""A door for programs written for PlanAI: the house has this in `planai.join`."""

from planai.join import InitialTaskWorker as InitialTaskWorker
from planai.join import JoinedTaskWorker as JoinedTaskWorker
from planai.task import Task as Task
from planai.worker import TaskWorker as TaskWorker
