"""A door for programs written for PlanAI: the house has this in `planai.llm`."""

from planai.llm.base import BaseLLMTaskWorker as BaseLLMTaskWorker
from planai.llm.cached import CachedLLMTaskWorker as CachedLLMTaskWorker
from planai.llm.worker import LLMTaskWorker as LLMTaskWorker
