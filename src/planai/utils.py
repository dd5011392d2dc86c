"""A door for programs written for PlanAI: the house has this in `planai.logs`, `planai.measure` and `planai.xml`."""

from planai.logs import setup_logging as setup_logging
from planai.measure import measure_time as measure_time
from planai.pydantic_dict_wrapper import PydanticDictWrapper as PydanticDictWrapper
from planai.xml import dict_dump_xml as dict_dump_xml
