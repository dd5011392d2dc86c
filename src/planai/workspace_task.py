"""A door for programs written for PlanAI: the house has this in `planai.workspace`."""

from planai.llm.cached import CachedLLMTaskWorker as CachedLLMTaskWorker
from planai.llm.tools import Tool as Tool
from planai.task import Task as Task
from planai.workspace.jail import Workspace as Workspace
from planai.workspace.jail import hash_files as hash_files
from planai.workspace.tools import make_file_tools as make_file_tools
from planai.workspace.worker import WorkspaceLLMTaskWorker as WorkspaceLLMTaskWorker
from planai.workspace.worker import WorkspaceTask as WorkspaceTask
