"""A door for programs written for PlanAI: the house has this in `planai.llm.media`."""

from planai.llm.media import MediaTask as MediaTask
from planai.task import Task as Task
