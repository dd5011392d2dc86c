"""planai: a typed task graph that runs once and keeps its answers."""

from importlib.metadata import version

from planai.cache.canonical import CacheIgnore, CacheKey
from planai.cache.joined import CachedJoinedTaskWorker
from planai.cache.worker import CachedTaskWorker
from planai.graph import Graph
from planai.join import InitialTaskWorker, JoinedTaskWorker, MergedTaskWorker
from planai.llm.base import BaseLLMTaskWorker
from planai.llm.cached import CachedLLMTaskWorker
from planai.llm.chat import ChatMessage, ChatTask, ChatTaskWorker
from planai.llm.config import llm_from_config
from planai.llm.interface import LLMInterface
from planai.llm.media import MediaTask
from planai.llm.rate import RateLimit
from planai.llm.tools import Tool, tool
from planai.llm.worker import LLMTaskWorker
from planai.provenance import ProvenanceChain
from planai.pydantic_dict_wrapper import PydanticDictWrapper
from planai.run.result import Failure, RunResult
from planai.run.user_input import UserInputRequest
from planai.subgraph import SubGraphWorker
from planai.task import Task
from planai.worker import TaskWorker
from planai.workspace.jail import Workspace, hash_files
from planai.workspace.tools import make_file_tools
from planai.workspace.worker import WorkspaceLLMTaskWorker, WorkspaceTask

__version__ = version("planai")

__all__ = [
    "BaseLLMTaskWorker",
    "CacheIgnore",
    "CacheKey",
    "CachedJoinedTaskWorker",
    "CachedLLMTaskWorker",
    "CachedTaskWorker",
    "ChatMessage",
    "ChatTask",
    "ChatTaskWorker",
    "Failure",
    "Graph",
    "InitialTaskWorker",
    "JoinedTaskWorker",
    "LLMInterface",
    "LLMTaskWorker",
    "MediaTask",
    "MergedTaskWorker",
    "ProvenanceChain",
    "PydanticDictWrapper",
    "RateLimit",
    "RunResult",
    "SubGraphWorker",
    "Task",
    "TaskWorker",
    "Tool",
    "UserInputRequest",
    "Workspace",
    "WorkspaceLLMTaskWorker",
    "WorkspaceTask",
    "__version__",
    "hash_files",
    "llm_from_config",
    "make_file_tools",
    "tool",
]
