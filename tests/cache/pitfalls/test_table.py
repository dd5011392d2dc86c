"""The 47 pitfalls of caches that others fell into, and the tests that show that this one does not.

The pitfalls are those of the list that design began with; the test of one is named for what must hold. What cannot be
tested yet is in `NOT_YET`, with the reason.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
HERE = Path(__file__).parent.relative_to(TESTS).as_posix()

WORKER, FLIGHT, DISK, CODEC = (f"cache/test_{name}.py" for name in ("worker", "flight", "disk", "codec"))
CANONICAL, SOURCE, CACHE = (f"cache/test_{name}.py" for name in ("canonical", "source", "cache"))
KEEPING = "../src/planai/testing/store_keeping.py"  # which tests/cache/test_stores.py runs on every store
LLM = "llm/test_cached.py"
ASYNC = "cache/test_async.py"
KEYS, CODE, INTEGRITY, CONCURRENCY, HITS, SECURITY, MODES, CONTROL, NUMPY = (
    f"{HERE}/test_{name}.py"
    for name in ("keys", "code", "integrity", "concurrency", "hits", "security", "modes", "control", "numpy")
)
VALUES, EDITS, REPLAY, AROUND = (
    f"{HERE}/test_found_{name}.py" for name in ("values", "code", "replay", "surroundings")
)

PITFALLS: dict[int, list[str]] = {
    # correctness of keys
    1: [
        f"{KEYS}::test_values_that_look_alike_share_no_answer",
        f"{KEYS}::test_what_validation_makes_equal_shares_its_answer",
        f"{CANONICAL}::test_bytes_are_equal_exactly_when_the_values_are",
        f"{VALUES}::test_an_ordered_dict_counts_with_its_order",
    ],
    2: [
        f"{KEYS}::test_tasks_that_differ_anywhere_share_no_answer",
        f"{KEYS}::test_classes_of_one_name_in_two_modules_share_no_answer",
    ],
    3: [
        f"{KEYS}::test_tasks_that_differ_anywhere_share_no_answer",
        f"{WORKER}::test_private_attributes_decide_and_are_not_lost_in_silence",
        f"{VALUES}::test_what_a_task_holds_in_private_decides_whatever_its_class_is",
        f"{EDITS}::test_an_edit_of_the_class_of_what_a_task_holds_is_computed_again",
    ],
    4: [
        f"{KEYS}::test_values_that_json_does_not_know_do_not_collapse",
        f"{WORKER}::test_a_value_without_identity_is_refused_with_its_place",
        f"{VALUES}::test_what_a_worker_holds_decides_whatever_its_class_is",
        f"{VALUES}::test_common_types_of_fields_have_an_identity",
        f"{AROUND}::test_what_a_task_holds_of_pandas_decides",
    ],
    5: [
        f"{KEYS}::test_processes_with_other_hash_seeds_and_orders_share_an_answer",
        f"{VALUES}::test_a_constant_set_is_the_same_in_every_process",
        f"{VALUES}::test_the_order_of_a_dict_that_a_worker_holds_counts_for_nothing",
        f"{VALUES}::test_shared_and_equal_containers_that_a_worker_holds_are_alike",
        f"{VALUES}::test_every_nan_in_a_list_of_floats_is_one_value",
    ],
    6: [
        f"{KEYS}::test_leaving_one_setting_out_leaves_all_others_in",
        "cache/test_key.py::test_the_order_of_the_parts_counts_for_nothing",
    ],
    7: [
        f"{KEYS}::test_a_part_of_the_key_that_fails_is_an_error_and_stores_nothing",
        f"{KEYS}::test_a_setting_without_identity_is_an_error_and_not_left_out",
    ],
    8: [
        f"{KEYS}::test_each_setting_of_a_model_decides",
        f"{KEYS}::test_a_setting_that_no_key_would_hold_is_refused",
        f"{KEYS}::test_a_key_to_the_provider_decides_nothing_and_is_nowhere_in_the_cache",
        f"{LLM}::test_what_decides_the_answer_asks_again",
        f"{LLM}::test_another_schema_asks_again",
        f"{WORKER}::test_another_setting_is_another_answer",
        f"{VALUES}::test_a_setting_counts_with_its_present_value_though_another_object_has_its_name",
        f"{VALUES}::test_a_model_as_a_setting_counts_as_the_models_of_model_workers_do",
        f"{VALUES}::test_what_a_held_worker_was_given_decides",
    ],
    9: [
        f"{WORKER}::test_a_field_marked_to_be_ignored_decides_nothing",
        f"{CANONICAL}::test_where_a_task_comes_from_counts_for_nothing",
        f"{LLM}::test_what_does_not_decide_the_answer_does_not_ask_again",
        f"{CONTROL}::test_who_reads_the_same_is_given_the_same",
        f"{AROUND}::test_what_the_shell_says_of_each_command_does_not_decide",
    ],
    10: [
        f"{KEYS}::test_no_character_in_a_text_moves_a_border",
        f"{KEYS}::test_a_key_of_ones_own_may_hold_any_character",
        f"{KEEPING}::test_where_the_space_ends_and_the_key_begins_counts",
    ],
    11: [
        f"{KEYS}::test_functions_count_by_what_they_do_also_in_two_graphs",
        f"{KEYS}::test_functions_that_are_settings_are_told_apart_by_their_code",
        f"{KEYS}::test_without_code_a_function_that_is_a_setting_needs_a_name_of_its_own",
        f"{KEYS}::test_a_worker_that_is_a_setting_of_another_is_no_data",
        f"{VALUES}::test_methods_of_two_objects_are_two_functions",
    ],
    12: [
        f"{CODE}::test_an_edit_is_computed_again_and_taking_it_back_is_a_hit",
        f"{CODE}::test_an_edit_of_looks_alone_is_a_hit",
        f"{CODE}::test_an_edited_prompt_file_asks_again",
        f"{CODE}::test_a_project_that_was_moved_to_another_folder_hits",
        f"{CODE}::test_a_version_that_was_compiled_before_is_the_same_as_one_that_was_not",
        f"{SOURCE}::test_an_edit_of_what_the_worker_reaches_changes_the_digest",
        f"{EDITS}::test_an_edit_is_computed_again_however_the_code_is_reached",
        f"{EDITS}::test_an_edit_is_computed_again_though_its_name_is_made_up",
        f"{EDITS}::test_a_module_that_nobody_can_foresee_is_refused_until_it_is_vouched_for",
        f"{EDITS}::test_what_is_known_before_a_call_is_not_refused",
        f"{EDITS}::test_code_that_is_changed_in_a_running_process_is_computed_again",
        f"{VALUES}::test_what_is_changed_in_place_between_runs_decides_with_its_present_value",
        f"{CONTROL}::test_without_code_in_the_key_an_edit_still_hits",
        f"{CONTROL}::test_a_pinned_name_survives_a_renamed_and_a_moved_class",
        f"{AROUND}::test_an_environment_variable_that_code_names_decides",
        f"{AROUND}::test_a_credential_of_the_environment_decides_nothing",
        f"{AROUND}::test_a_variable_that_is_set_later_decides",
        f"{AROUND}::test_a_setting_of_the_environment_that_comes_later_decides",
        f"{AROUND}::test_the_home_of_the_user_decides_where_code_asks_for_it",
        f"{AROUND}::test_the_command_line_decides_where_code_reads_it",
        f"{AROUND}::test_what_is_patched_counts",
        f"{AROUND}::test_the_order_of_definitions_counts_where_it_is_asked_for",
        f"{AROUND}::test_the_order_of_definitions_does_not_count_where_nobody_asks",
        f"{AROUND}::test_what_an_object_holds_counts",
        f"{AROUND}::test_what_an_object_of_a_package_holds_counts",
        f"{AROUND}::test_what_is_beside_a_validated_function_does_not_count",
    ],
    13: [
        f"{CODE}::test_an_edit_is_computed_again_and_taking_it_back_is_a_hit",
        f"{CODE}::test_two_processes_of_two_versions_do_not_wipe_each_others_answers",
    ],
    14: [f"{KEYS}::test_the_last_part_of_a_large_value_counts"],
    # integrity of the store
    15: [
        f"{INTEGRITY}::test_a_damaged_answer_is_computed_again_and_counted",
        f"{INTEGRITY}::test_an_answer_of_another_kind_is_computed_again",
        f"{INTEGRITY}::test_a_database_with_holes_gives_no_wrong_answer",
        f"{CODEC}::test_a_flipped_bit_or_a_lost_end_is_noticed",
        f"{CONTROL}::test_a_damaged_entry_is_kept_apart_and_counted",
    ],
    16: [
        f"{INTEGRITY}::test_an_entry_that_is_deleted_after_it_was_seen_is_computed_again_and_there_again",
        f"{INTEGRITY}::test_a_file_that_is_removed_by_hand_costs_no_more_than_its_answers",
        f"{INTEGRITY}::test_a_folder_that_goes_while_a_program_runs_costs_no_answer",
    ],
    17: [
        f"{INTEGRITY}::test_after_an_eviction_the_new_answer_takes_the_place_of_the_old_one_all_the_way_down",
    ],
    18: [
        f"{INTEGRITY}::test_an_answer_that_is_stored_again_is_the_one_that_is_found",
        f"{MODES}::test_refresh_computes_each_key_once_in_a_run_and_overwrites",
        f"{MODES}::test_refresh_overwrites_also_after_a_failed_try",
    ],
    19: [
        f"{INTEGRITY}::test_a_killed_program_has_kept_what_it_had_answered",
        f"{INTEGRITY}::test_a_full_disk_costs_answers_but_no_run_and_says_so",
        f"{INTEGRITY}::test_a_folder_that_may_not_be_written_to_costs_no_run_and_is_told_once",
        f"{DISK}::test_what_a_killed_process_had_written_is_there",
        f"{WORKER}::test_what_would_come_back_changed_is_not_stored_and_named",
    ],
    20: [
        f"{INTEGRITY}::test_an_answer_whose_class_is_gone_or_accepts_it_no_more_is_computed_again",
        f"{CACHE}::test_an_entry_whose_class_is_gone_is_a_miss",
    ],
    21: [
        f"{INTEGRITY}::test_an_answer_whose_class_is_gone_or_accepts_it_no_more_is_computed_again",
        f"{CODEC}::test_what_the_classes_no_longer_accept_is_undecodable",
        f"{CONTROL}::test_an_answer_of_an_older_schema_is_migrated",
        f"{CONTROL}::test_an_answer_that_cannot_be_migrated_is_computed_again",
    ],
    22: [
        f"{INTEGRITY}::test_the_time_to_live_is_kept_with_the_answer_and_holds_for_all_who_ask",
        f"{INTEGRITY}::test_another_time_zone_neither_ends_nor_prolongs_a_life",
        f"{INTEGRITY}::test_an_answer_that_lives_no_time_is_not_stored",
        f"{INTEGRITY}::test_a_time_to_live_of_zero_replays_nothing_that_was_stored_before",
        f"{INTEGRITY}::test_a_time_to_live_that_was_made_shorter_holds_for_what_was_stored_before",
        f"{KEEPING}::test_an_expired_record_is_returned_as_long_as_it_is_there",
        f"{CONTROL}::test_what_has_expired_is_removed_without_a_read",
        f"{CONTROL}::test_a_stale_answer_is_given_at_once_and_computed_anew_for_the_next",
    ],
    23: [
        f"{INTEGRITY}::test_who_changes_an_answer_changes_it_for_nobody_else",
        f"{INTEGRITY}::test_a_worker_that_goes_on_changing_what_it_published_changes_no_answer",
    ],
    # many at once
    24: [
        f"{CONCURRENCY}::test_equal_questions_at_once_are_asked_once",
        f"{CONCURRENCY}::test_processes_with_threads_and_equal_tasks_compute_each_once",
        f"{FLIGHT}::test_equal_tasks_in_flight_compute_once_and_hold_no_thread",
        f"{FLIGHT}::test_processes_on_one_cold_cache_compute_each_item_once",
        f"{ASYNC}::test_equal_tasks_in_flight_compute_once_and_hold_no_place_on_the_loop",
        f"{ASYNC}::test_workers_in_threads_and_on_the_loop_compute_once_between_them",
        f"{ASYNC}::test_processes_compute_each_item_once",
    ],
    25: [
        f"{CONCURRENCY}::test_an_owner_that_ends_with_any_error_hands_over_to_one_after_the_other",
        f"{CONCURRENCY}::test_an_owner_that_stores_nothing_leaves_all_others_to_compute",
        f"{FLIGHT}::test_when_the_owner_fails_exactly_one_takes_over",
        f"{FLIGHT}::test_when_the_owner_is_killed_another_process_takes_over_within_two_seconds",
        f"{ASYNC}::test_a_cancelled_owner_does_not_take_its_waiters_down",
        f"{ASYNC}::test_a_process_waits_for_another_and_takes_over_when_it_is_killed",
    ],
    26: [
        f"{CONCURRENCY}::test_graphs_of_cached_workers_inside_of_calls_come_to_an_end",
        f"{CONCURRENCY}::test_a_worker_may_call_itself_and_another_directly",
        f"{FLIGHT}::test_nested_cached_workers_and_equal_keys_inside_one_call_do_not_deadlock",
    ],
    27: [
        f"{CONCURRENCY}::test_a_process_that_a_script_starts_shares_its_answers",
        f"{CONCURRENCY}::test_a_copy_of_a_worker_that_has_computed_shares_its_answers",
        f"{CONCURRENCY}::test_a_copy_with_another_setting_has_answers_of_its_own",
        f"{CONCURRENCY}::test_tasks_and_results_can_be_sent_to_another_process",
    ],
    28: [f"{CONTROL}::test_clearing_during_a_computation_discards_its_late_answer"],
    29: [
        f"{CONCURRENCY}::test_processes_that_write_to_one_store_never_find_it_locked",
        f"{DISK}::test_processes_with_threads_write_at_once",
    ],
    30: [
        f"{CONCURRENCY}::test_processes_that_delete_evict_and_clear_at_once_raise_nothing",
        f"{CONCURRENCY}::test_threads_that_clear_while_a_graph_runs_lose_no_output",
    ],
    # what a hit means
    31: [
        f"{HITS}::test_what_was_published_before_an_error_is_neither_released_nor_stored",
        f"{HITS}::test_an_interrupted_call_is_not_stored",
        f"{ASYNC}::test_a_failure_is_not_kept_and_tried_again",
        f"{ASYNC}::test_a_cancelled_owner_does_not_take_its_waiters_down",
        f"{LLM}::test_an_answer_that_is_none_is_not_kept",
    ],
    32: [f"{HITS}::test_a_store_that_breaks_between_looking_and_keeping_publishes_once"],
    33: [f"{HITS}::test_a_step_that_fails_loses_no_earlier_one_and_only_what_failed_is_computed_again"],
    34: [
        f"{HITS}::test_a_false_value_that_was_kept_by_hand_is_there",
        f"{WORKER}::test_publishing_nothing_is_an_answer",
        f"{WORKER}::test_an_answer_is_true_even_when_it_is_empty",
    ],
    35: [
        f"{HITS}::test_a_step_that_fails_loses_no_earlier_one_and_only_what_failed_is_computed_again",
        f"{HITS}::test_a_hit_of_a_parent_does_not_hide_that_its_children_fail_again",
    ],
    36: [
        f"{CODE}::test_a_hit_upstream_hides_no_change_downstream_and_the_other_way_round",
        f"{CODE}::test_a_hit_hides_no_change_of_a_worker_that_is_run_inside",
    ],
    37: [
        f"{HITS}::test_a_replayed_call_is_counted_as_one_for_each_worker_and_costs_nothing_now",
        f"{WORKER}::test_seconds_saved_are_those_of_the_first_computation",
        f"{CONTROL}::test_a_run_tells_why_it_missed",
        f"{CONTROL}::test_a_worker_counts_its_hits_and_misses",
    ],
    38: [
        f"{HITS}::test_what_is_published_comes_in_the_same_order_and_what_is_printed_does_not_come_again",
        f"{REPLAY}::test_those_downstream_see_on_a_hit_what_they_see_on_a_miss",
    ],
    39: [
        f"{HITS}::test_several_samples_of_one_question_stay_several",
        f"{HITS}::test_several_samples_of_one_question_in_one_call_stay_several",
    ],
    40: [
        f"{HITS}::test_joins_are_complete_behind_hits_and_behind_hits_and_misses_together",
        f"{WORKER}::test_a_replayed_task_has_the_provenance_of_the_new_run",
        f"{WORKER}::test_several_outputs_are_replayed_in_order_to_the_same_consumers",
        f"{REPLAY}::test_consumers_of_one_type_get_on_a_hit_what_they_get_on_a_miss",
        f"{REPLAY}::test_what_a_replay_could_not_attach_is_not_cached",
        f"{REPLAY}::test_an_answer_for_a_consumer_that_is_gone_is_computed_again",
        f"{CONTROL}::test_who_reads_the_provenance_is_not_given_another_pages_answer",
        f"{REPLAY}::test_provenance_that_a_method_of_the_task_reads_decides",
        f"{REPLAY}::test_an_answer_made_from_the_steps_is_not_given_to_another_task",
    ],
    41: [
        f"{HITS}::test_a_run_that_was_killed_is_taken_up_in_any_order",
        f"{HITS}::test_a_poll_may_ask_the_same_again_and_again",
    ],
    42: [
        f"{HITS}::test_with_retries_an_answer_is_written_once_by_the_try_that_went_well",
        f"{HITS}::test_a_worker_behind_a_retried_one_gets_each_answer_once",
    ],
    # safety and operation
    43: [
        f"{SECURITY}::test_a_pickle_that_was_planted_in_the_store_is_never_loaded",
        f"{SECURITY}::test_a_type_that_was_made_up_in_the_store_is_never_made",
        f"{SECURITY}::test_no_setting_allows_pickle",
        f"{SECURITY}::test_using_a_cache_imports_no_pickle",
        f"{CODEC}::test_a_planted_pickle_is_never_executed",
        f"{CODEC}::test_a_crafted_tag_is_undecodable_and_imports_nothing",
    ],
    44: [
        f"{SECURITY}::test_what_a_worker_leaves_behind_is_private_to_its_owner",
        f"{SECURITY}::test_a_secret_decides_and_is_nowhere_in_the_cache",
        f"{SECURITY}::test_an_answer_with_a_secret_is_not_stored_and_that_is_said",
        f"{DISK}::test_folder_and_files_are_private_to_their_owner",
        f"{AROUND}::test_a_miss_names_the_variable_and_not_its_value",
    ],
    45: [
        f"{SECURITY}::test_an_option_that_cannot_be_meant_is_refused_when_the_worker_is_made",
        f"{SECURITY}::test_an_option_that_cannot_be_meant_is_refused_in_the_body_of_a_class",
        f"{CONTROL}::test_a_graph_takes_no_option_that_it_does_not_know",
        f"{MODES}::test_a_mode_that_does_not_exist_is_refused",
    ],
    46: [
        f"{SECURITY}::test_a_store_that_is_no_store_is_counted_told_once_and_costs_no_run",
        f"{SECURITY}::test_a_store_that_works_again_is_used_again",
        f"{CACHE}::test_a_broken_store_is_warned_about_once_and_counts_as_empty",
        f"{ASYNC}::test_a_store_that_waits_does_not_hold_up_the_loop",
    ],
    47: [
        f"{SECURITY}::test_clearing_one_worker_leaves_those_whose_names_begin_alike",
        f"{SECURITY}::test_clearing_leaves_the_same_class_in_another_folder",
        f"{CACHE}::test_clear_leaves_other_spaces_alone",
        f"{KEEPING}::test_where_the_space_ends_and_the_key_begins_counts",
    ],
}

NOT_YET: dict[int, str] = {
    4: "numpy is no dependency of the checks: arrays are encoded, but no test makes one",
    8: "top_p, stop, tools and tool_choice cannot be set in this version, which is what is tested",
    12: "there are no sub-graphs in this version: a graph that a call runs inside is tested under 36",
    27: "no executor sends workers or locks anywhere yet; spawned processes make their own",
    31: "no streams in this version",
    36: "no sub-graphs, see 12",
    38: "no streams in this version; what a worker prints is not printed again on a hit",
    43: "there are no HMAC keys",
    46: "no Redis store in this version: the broken store is the one on disk",
    47: "no Redis store in this version, and so no KEYS *",
}


def names_in(file: str) -> set[str]:
    """Return the names of the tests in a file, which is not imported."""
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_each_pitfall_has_tests() -> None:
    assert list(PITFALLS) == list(range(1, 48))
    assert all(PITFALLS.values())
    assert NOT_YET.keys() <= PITFALLS.keys()


@pytest.mark.parametrize("number", PITFALLS)
def test_the_tests_of_a_pitfall_exist(number: int) -> None:
    for test in PITFALLS[number]:
        file, _, name = test.partition("::")
        assert name in names_in(file), test


def test_each_test_of_these_files_is_of_a_pitfall_or_a_mode() -> None:
    named = {test for tests in PITFALLS.values() for test in tests}
    loose = {
        f"{HERE}/{file.name}::{name}"
        for file in Path(__file__).parent.glob("test_*.py")
        if file != Path(__file__)
        for name in names_in(f"{HERE}/{file.name}")
    } - named
    assert {test for test in loose if not test.startswith((MODES, CONTROL, NUMPY))} == OTHERS


OTHERS = {
    f"{INTEGRITY}::test_an_answer_of_many_megabytes_comes_back",
    f"{CONCURRENCY}::test_a_chain_of_cached_workers_in_threads_gives_what_it_gives_inline",
    f"{VALUES}::test_what_calls_append_to_decides_nothing_whenever_the_first_key_is_made",
    f"{VALUES}::test_a_worker_that_asks_the_cache_of_another_is_cached_itself",
    f"{REPLAY}::test_storing_by_hand_is_under_the_task_as_it_came",
}
