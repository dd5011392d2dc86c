"""Every name is where programs written for PlanAI import it from."""

import importlib

import pytest

import planai

PLACES = {
    "planai": [
        "BaseLLMTaskWorker",
        "CachedLLMTaskWorker",
        "CachedTaskWorker",
        "ChatMessage",
        "ChatTask",
        "ChatTaskWorker",
        "Graph",
        "InitialTaskWorker",
        "JoinedTaskWorker",
        "LLMInterface",
        "LLMTaskWorker",
        "MediaTask",
        "MergedTaskWorker",
        "ProvenanceChain",
        "PydanticDictWrapper",
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
    ],
    "planai.cached_task": ["CachedTaskWorker"],
    "planai.chat_task": ["ChatMessage", "ChatTask", "ChatTaskWorker"],
    "planai.cli": ["main"],
    "planai.graph": ["Graph"],
    "planai.graph_task": ["SubGraphWorker"],
    "planai.integrations": ["SerperGoogleSearchTool", "WebBrowser"],
    "planai.integrations.browse": ["WebBrowser"],
    "planai.integrations.search": ["SerperGoogleSearchTool"],
    "planai.joined_task": ["InitialTaskWorker", "JoinedTaskWorker"],
    "planai.llm_task": ["BaseLLMTaskWorker", "CachedLLMTaskWorker", "LLMTaskWorker"],
    "planai.media_task": ["MediaTask"],
    "planai.merged_task": ["MergedTaskWorker"],
    "planai.patterns": [
        "ConsolidatedPages",
        "FinalPlan",
        "PlanRequest",
        "SearchQuery",
        "SearchResult",
        "create_planning_worker",
        "create_search_fetch_worker",
    ],
    "planai.patterns.planner": [
        "FinalPlan",
        "PlanCritique",
        "PlanCritiqueJoiner",
        "PlanCritiqueWorker",
        "PlanCreator",
        "PlanDraft",
        "PlanEntryWorker",
        "PlanRefinementWorker",
        "PlanRequest",
        "RefinementRequest",
        "SimplePlanAdaptor",
        "create_planning_graph",
        "create_planning_worker",
        "create_simple_planning_graph",
    ],
    "planai.patterns.search_fetch": [
        "ConsolidatedPages",
        "PageAnalysis",
        "PageAnalysisConsumer",
        "PageConsolidator",
        "PageRelevanceFilter",
        "PageResult",
        "SearchExecutor",
        "SearchQuery",
        "SearchResult",
        "SearchResultSplitter",
        "SearchResults",
        "create_search_fetch_graph",
        "create_search_fetch_worker",
    ],
    "planai.provenance": ["ProvenanceChain"],
    "planai.pydantic_dict_wrapper": ["PydanticDictWrapper"],
    "planai.task": ["Task", "TaskStatusCallback", "TaskWorker"],
    "planai.testing": [
        "InvokeTaskWorker",
        "MockCache",
        "MockLLM",
        "MockLLMResponse",
        "TestTaskContext",
        "add_input_provenance",
        "inject_mock_cache",
        "unregister_output_type",
    ],
    "planai.testing.helpers": [
        "InvokeTaskWorker",
        "MockCache",
        "TestTaskContext",
        "add_input_provenance",
        "inject_mock_cache",
        "unregister_output_type",
    ],
    "planai.user_input": ["UserInputRequest"],
    "planai.workspace_task": ["WorkspaceLLMTaskWorker", "WorkspaceTask"],
    "planai.utils": ["dict_dump_xml", "measure_time", "setup_logging"],
}


@pytest.mark.parametrize(("place", "name"), [(place, name) for place, names in PLACES.items() for name in names])
def test_a_name_can_be_imported_from_where_planai_has_it(place: str, name: str) -> None:
    found = getattr(importlib.import_module(place), name)
    if place != "planai" and hasattr(planai, name):
        assert found is getattr(planai, name)


def test_a_door_opens_for_nothing_else() -> None:
    with pytest.raises(ImportError, match="NoSuchThing"):
        from planai.task import NoSuchThing  # type: ignore[attr-defined]  # noqa: F401, PLC0415 - it must not exist
