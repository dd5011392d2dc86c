"""A door for programs written for PlanAI: the house has this in `planai.join`."""

from planai.join import MergedTaskWorker as MergedTaskWorker
