"""A door for programs written for PlanAI: the house has this in `planai.llm.chat`."""

from planai.llm.base import BaseLLMTaskWorker as BaseLLMTaskWorker
from planai.llm.chat import ChatMessage as ChatMessage
from planai.llm.chat import ChatTask as ChatTask
from planai.llm.chat import ChatTaskWorker as ChatTaskWorker
from planai.task import Task as Task
