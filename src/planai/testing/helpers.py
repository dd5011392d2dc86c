"""A door for programs written for PlanAI: the house has this in `planai.testing`."""

from planai.testing import InvokeTaskWorker as InvokeTaskWorker
from planai.testing import MockCache as MockCache
from planai.testing import TestTaskContext as TestTaskContext
from planai.testing import add_input_provenance as add_input_provenance
from planai.testing import inject_mock_cache as inject_mock_cache
from planai.testing import unregister_output_type as unregister_output_type
