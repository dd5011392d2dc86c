"""A door for programs written for PlanAI: the house has this in `planai.run.dispatcher`."""

from planai.run.dispatcher import Dispatcher as Dispatcher
