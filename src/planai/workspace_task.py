"""A door for programs written for PlanAI: the house has this in `planai.workspace`."""

from planai.workspace.worker import WorkspaceLLMTaskWorker as WorkspaceLLMTaskWorker
from planai.workspace.worker import WorkspaceTask as WorkspaceTask
