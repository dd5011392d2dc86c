"""A door for programs written for PlanAI: the house has this in `planai.subgraph`."""

from planai.subgraph import SubGraphWorker as SubGraphWorker
