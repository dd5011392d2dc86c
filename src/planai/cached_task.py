"""A door for programs written for PlanAI: the house has this in `planai.cache.worker`."""

from planai.cache.cache import Cache as Cache
from planai.cache.worker import CachedTaskWorker as CachedTaskWorker
from planai.task import Task as Task
from planai.worker import TaskWorker as TaskWorker
