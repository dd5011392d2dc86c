"""Graphs that are of use in many programs: planning, and searching the web."""

from planai.patterns.planner import FinalPlan as FinalPlan
from planai.patterns.planner import PlanRequest as PlanRequest
from planai.patterns.planner import create_planning_graph as create_planning_graph
from planai.patterns.planner import create_planning_worker as create_planning_worker
from planai.patterns.planner import create_simple_planning_graph as create_simple_planning_graph
from planai.patterns.search_fetch import ConsolidatedPages as ConsolidatedPages
from planai.patterns.search_fetch import SearchQuery as SearchQuery
from planai.patterns.search_fetch import SearchResult as SearchResult
from planai.patterns.search_fetch import create_search_fetch_graph as create_search_fetch_graph
from planai.patterns.search_fetch import create_search_fetch_worker as create_search_fetch_worker
