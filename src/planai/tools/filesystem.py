"""A door for programs written for PlanAI: the house has this in `planai.workspace`."""

from planai.workspace.jail import Workspace as Workspace
from planai.workspace.jail import hash_files as hash_files
from planai.workspace.tools import make_file_tools as make_file_tools
