"""A door for programs written for PlanAI: the house has this in `planai.llm`."""

from planai.cache.worker import CachedTaskWorker as CachedTaskWorker
from planai.llm.base import BaseLLMTaskWorker as BaseLLMTaskWorker
from planai.llm.cached import CachedLLMTaskWorker as CachedLLMTaskWorker
from planai.llm.media import MediaTask as MediaTask
from planai.llm.tools import Tool as Tool
from planai.llm.worker import LLMTaskWorker as LLMTaskWorker
from planai.task import Task as Task
from planai.worker import TaskWorker as TaskWorker
