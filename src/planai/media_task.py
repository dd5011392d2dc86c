"""A door for programs written for PlanAI: the house has this in `planai.llm.media`."""

from planai.llm.media import MediaTask as MediaTask
