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
    "planai.cached_task": ["CachedTaskWorker", "Task", "TaskWorker"],
    "planai.chat_task": ["BaseLLMTaskWorker", "ChatMessage", "ChatTask", "ChatTaskWorker", "Task"],
    "planai.cli": ["main"],
    "planai.dispatcher": ["Dispatcher"],
    "planai.graph": ["Dispatcher", "Graph", "InitialTaskWorker", "Task", "TaskWorker"],
    "planai.graph_task": ["Graph", "SubGraphWorker", "Task", "TaskWorker"],
    "planai.integrations": ["SerperGoogleSearchTool", "WebBrowser"],
    "planai.integrations.browse": ["WebBrowser"],
    "planai.integrations.search": ["SerperGoogleSearchTool"],
    "planai.joined_task": ["InitialTaskWorker", "JoinedTaskWorker", "Task", "TaskWorker"],
    "planai.llm_task": [
        "BaseLLMTaskWorker",
        "CachedLLMTaskWorker",
        "CachedTaskWorker",
        "LLMTaskWorker",
        "MediaTask",
        "Task",
        "TaskWorker",
        "Tool",
    ],
    "planai.media_task": ["MediaTask", "Task"],
    "planai.merged_task": ["JoinedTaskWorker", "MergedTaskWorker", "Task", "TaskWorker"],
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
    "planai.tools": ["Workspace", "hash_files", "make_file_tools"],
    "planai.tools.filesystem": ["Workspace", "hash_files", "make_file_tools"],
    "planai.user_input": ["UserInputRequest"],
    "planai.workspace_task": ["Task", "Workspace", "WorkspaceLLMTaskWorker", "WorkspaceTask"],
    "planai.utils": ["PydanticDictWrapper", "dict_dump_xml", "measure_time", "setup_logging"],
}


@pytest.mark.parametrize(("place", "name"), [(place, name) for place, names in PLACES.items() for name in names])
def test_a_name_can_be_imported_from_where_planai_has_it(place: str, name: str) -> None:
    found = getattr(importlib.import_module(place), name)
    if place != "planai" and hasattr(planai, name):
        assert found is getattr(planai, name)


def test_a_door_opens_for_nothing_else() -> None:
    with pytest.raises(ImportError, match="NoSuchThing"):
        from planai.task import NoSuchThing  # type: ignore[attr-defined]  # noqa: F401, PLC0415 - it must not exist
