"""A door for programs written for PlanAI: the house has this in `planai.cache.worker`."""

from planai.cache.worker import CachedTaskWorker as CachedTaskWorker
