//! The list of all cases, and how they are run.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::context::{Context, Harness};

type CaseFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    run: fn(Context) -> CaseFuture,
}

/// Every case, by module: the one list that [`names`], [`run_all`] and [`conformance_tests!`](crate::conformance_tests) read.
#[doc(hidden)]
#[macro_export]
macro_rules! __cases {
    ([$($callback:tt)*] $given:tt) => {
        $($callback)*! { $given
            key_store: [
                key_store_a_insert_stores_the_record_as_given,
                key_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again,
                key_store_a_of_parallel_inserts_of_one_id_exactly_one_is_stored,
                key_store_a_a_digest_that_exists_in_any_tenant_is_not_stored_again,
                key_store_a_of_parallel_inserts_of_one_digest_exactly_one_is_stored,
                key_store_b_find_knows_every_tenant_and_find_in_only_the_named_one,
                key_store_b_ids_that_differ_only_in_case_are_different_keys,
                key_store_b_hostile_owners_and_names_come_back_as_given,
                key_store_c_pages_are_oldest_first_then_by_id_and_hold_each_key_once,
                key_store_c_a_page_is_full_or_the_last_and_only_the_last_has_no_next,
                key_store_c_paging_reaches_every_key_that_existed_while_others_are_inserted,
                key_store_c_paging_goes_on_behind_a_key_that_is_gone,
                key_store_c_a_page_shows_one_tenant_only,
                key_store_d_rotate_inserts_the_successor_and_dates_the_predecessor,
                key_store_d_the_predecessor_never_works_longer_than_its_own_expiry,
                key_store_d_of_parallel_rotations_exactly_one_wins,
                key_store_d_a_second_rotation_names_the_key_that_stands,
                key_store_d_nothing_happens_when_the_successors_id_exists,
                key_store_d_nothing_happens_when_the_successors_digest_exists,
                key_store_d_of_parallel_rotations_to_one_digest_exactly_one_wins,
                key_store_e_rotate_refuses_a_key_from_the_microsecond_of_its_expiry_on,
                key_store_e_rotate_refuses_a_revoked_and_a_disabled_key,
                key_store_e_the_checks_of_rotate_come_in_order,
                key_store_f_revoke_is_for_good_and_keeps_its_first_time,
                key_store_f_of_parallel_revocations_exactly_one_changes_the_key,
                key_store_f_disable_and_enable_are_idempotent_and_keep_the_first_time,
                key_store_f_a_revoked_key_is_neither_disabled_nor_enabled,
                key_store_g_every_change_is_recorded_once_and_appended_to_the_feed,
                key_store_g_a_change_is_never_seen_without_its_event_and_feed_entry,
                key_store_g_a_dropped_call_leaves_the_change_whole_or_absent,
                key_store_g_a_call_that_changes_nothing_records_nothing,
                key_store_h_record_use_moves_forward_only,
                key_store_h_record_use_takes_many_keys_ignores_unknown_ones_and_records_nothing,
                key_store_h_of_parallel_uses_the_latest_stands,
                key_store_i_purge_removes_what_ended_before_the_instant_and_nothing_else,
                key_store_i_purge_sees_a_key_that_was_revoked_or_rotated_since,
                key_store_i_purge_stops_at_its_limit_and_says_how_many,
                key_store_i_a_dropped_purge_leaves_each_key_whole_or_gone,
                key_store_j_another_tenants_key_is_not_found,
                key_store_k_a_successor_of_another_tenant_is_a_conflict_whatever_else_stands,
                key_store_l_find_by_digest_knows_every_tenant_and_exactly_this_digest,
                key_store_l_a_key_is_found_by_its_digest_whatever_its_state,
                key_store_l_of_a_rotation_each_key_is_found_by_its_own_digest,
                key_store_l_a_purged_key_is_not_found_by_its_digest_which_is_free_again,
            ]
            signing_key_store: [
                signing_key_store_a_an_issuer_without_keys_has_an_empty_ring_at_generation_zero,
                signing_key_store_a_a_ring_holds_every_key_ended_or_not_in_the_order_of_publication,
                signing_key_store_a_keys_and_generation_are_of_one_moment,
                signing_key_store_b_a_transition_applies_only_at_the_expected_generation,
                signing_key_store_b_of_parallel_transitions_exactly_one_is_applied,
                signing_key_store_c_publish_adds_the_key_as_given_and_pending,
                signing_key_store_c_a_kid_is_never_used_again_whatever_became_of_it,
                signing_key_store_d_activate_waits_for_the_microsecond_of_activate_from,
                signing_key_store_d_activate_retires_the_key_that_was_active,
                signing_key_store_d_only_a_pending_key_is_activated,
                signing_key_store_e_remove_waits_for_the_microsecond_of_remove_from_and_wipes_the_key,
                signing_key_store_e_only_a_retired_key_is_removed,
                signing_key_store_f_revoke_ends_a_key_from_every_living_state_and_wipes_it,
                signing_key_store_f_an_ended_or_unknown_key_is_not_revoked,
                signing_key_store_f_the_replacement_of_an_active_key_takes_over_in_the_same_step,
                signing_key_store_f_a_replacement_is_ignored_when_the_key_was_not_active,
                signing_key_store_f_a_replacement_with_a_known_kid_stops_the_revocation,
                signing_key_store_g_no_walk_through_the_states_leads_to_two_active_keys,
                signing_key_store_g_no_race_leads_to_two_active_keys,
                signing_key_store_h_every_transition_is_recorded_once_and_appended_to_the_feed,
                signing_key_store_h_a_transition_is_never_seen_without_its_event_and_feed_entry,
                signing_key_store_h_a_dropped_call_leaves_the_transition_whole_or_absent,
                signing_key_store_i_issuers_do_not_see_each_others_keys,
                signing_key_store_j_a_record_of_another_issuer_is_a_conflict_whatever_else_stands,
            ]
            refresh_token_store: [
                refresh_token_store_a_insert_stores_the_family_as_given_with_its_first_token,
                refresh_token_store_a_an_id_or_a_digest_that_exists_in_any_tenant_is_refused,
                refresh_token_store_a_of_parallel_inserts_of_one_token_exactly_one_is_stored,
                refresh_token_store_b_a_live_token_is_spent_and_its_successor_is_live,
                refresh_token_store_b_of_parallel_uses_exactly_one_rotates_and_the_others_repeat_it,
                refresh_token_store_b_of_parallel_uses_without_a_grace_one_rotates_and_one_ends_the_family,
                refresh_token_store_b_no_family_ever_has_two_live_tokens,
                refresh_token_store_c_the_checks_come_in_order,
                refresh_token_store_c_a_bound_family_is_used_with_its_binding_only,
                refresh_token_store_c_a_spent_token_is_judged_by_the_evidence_even_when_it_has_expired,
                refresh_token_store_c_a_successor_that_exists_in_any_tenant_is_a_conflict_that_changes_nothing,
                refresh_token_store_c_every_other_check_comes_before_the_successors,
                refresh_token_store_c_of_parallel_uses_that_offer_one_successor_exactly_one_rotates,
                refresh_token_store_d_a_spent_token_gets_the_same_successor_until_the_grace_ends,
                refresh_token_store_d_an_instant_before_the_use_is_within_the_grace,
                refresh_token_store_d_without_a_grace_a_spent_token_never_comes_back,
                refresh_token_store_d_only_the_parent_of_the_live_token_is_repeated,
                refresh_token_store_d_nobody_but_the_same_holder_gets_the_successor_again,
                refresh_token_store_e_reuse_ends_the_family_and_revokes_its_access_tokens,
                refresh_token_store_f_a_token_is_expired_from_the_microsecond_of_its_end_on,
                refresh_token_store_f_no_successor_outlives_the_family,
                refresh_token_store_g_find_gives_the_family_whatever_its_state,
                refresh_token_store_g_another_tenants_token_is_not_found,
                refresh_token_store_h_revoke_family_ends_it_once_and_revokes_its_access_tokens,
                refresh_token_store_h_another_tenants_family_is_not_found,
                refresh_token_store_h_of_parallel_revocations_exactly_one_ends_the_family,
                refresh_token_store_i_revoke_subject_ends_every_living_family_and_says_how_many,
                refresh_token_store_i_revoke_subject_revokes_the_access_tokens_of_what_it_ends,
                refresh_token_store_i_revoke_subject_ends_no_other_subjects_families,
                refresh_token_store_j_every_change_is_recorded_once_and_appended_to_the_feed,
                refresh_token_store_j_a_change_is_never_seen_without_its_event_and_feed_entry,
                refresh_token_store_j_a_dropped_call_leaves_the_change_whole_or_absent,
                refresh_token_store_k_purge_removes_families_that_expired_before_the_instant,
                refresh_token_store_k_purge_stops_at_its_limit_and_says_how_many,
                refresh_token_store_k_a_dropped_purge_leaves_each_family_whole_or_gone,
            ]
            revocation_store: [
                revocation_store_a_every_token_that_a_revocation_is_about_is_revoked_and_no_other,
                revocation_store_a_a_token_and_a_family_are_revoked_whenever_they_were_issued,
                revocation_store_a_the_kinds_of_revocation_do_not_mix,
                revocation_store_b_a_subjects_token_is_revoked_when_issued_before_the_microsecond,
                revocation_store_c_the_later_of_each_instant_stands,
                revocation_store_c_of_parallel_revocations_the_latest_stands,
                revocation_store_c_of_parallel_equal_revocations_exactly_one_is_the_first,
                revocation_store_d_every_revocation_is_recorded_once_and_appended_to_the_feed,
                revocation_store_d_a_revocation_is_never_seen_without_its_event_and_feed_entry,
                revocation_store_d_a_dropped_call_leaves_the_revocation_whole_or_absent,
                revocation_store_e_purge_removes_what_expired_before_the_instant_and_nothing_else,
                revocation_store_e_purge_stops_at_its_limit_and_says_how_many,
                revocation_store_f_tenants_issuers_and_subjects_do_not_see_each_others_revocations,
            ]
            subject_store: [
                subject_store_a_insert_stores_the_record_as_given,
                subject_store_a_a_subject_that_exists_in_this_tenant_is_not_stored_again,
                subject_store_a_of_parallel_inserts_of_one_subject_exactly_one_is_stored,
                subject_store_b_tenants_and_subjects_are_never_taken_for_each_other,
                subject_store_b_another_tenants_subject_is_not_found,
                subject_store_c_assign_replaces_the_roles_and_raises_the_version,
                subject_store_c_parallel_assignments_each_raise_the_version,
                subject_store_d_the_last_enabled_holder_keeps_the_kept_role,
                subject_store_d_whoever_does_not_take_the_last_holder_away_may_change,
                subject_store_d_what_changes_nothing_takes_nobody_away,
                subject_store_d_of_parallel_calls_one_holder_is_left,
                subject_store_e_disable_and_enable_are_idempotent_and_keep_the_first_time,
                subject_store_f_every_change_is_recorded_once_and_appended_to_the_feed,
                subject_store_f_a_change_is_never_seen_without_its_event_and_feed_entry,
                subject_store_f_a_dropped_call_leaves_the_change_whole_or_absent,
                subject_store_f_a_call_that_changes_nothing_records_nothing,
            ]
            credential_store: [
                credential_store_a_insert_stores_the_record_as_given,
                credential_store_a_a_name_or_a_subject_that_exists_in_this_tenant_is_refused,
                credential_store_a_of_parallel_inserts_of_one_name_exactly_one_is_stored,
                credential_store_a_of_parallel_inserts_of_one_subject_exactly_one_is_stored,
                credential_store_b_tenants_names_and_subjects_are_never_taken_for_each_other,
                credential_store_b_another_tenants_record_is_not_found,
                credential_store_c_replace_sets_the_hash_and_raises_the_version,
                credential_store_c_replace_wants_the_version_that_stands,
                credential_store_c_of_parallel_replacements_exactly_one_is_replaced,
                credential_store_d_what_is_removed_can_be_registered_again,
                credential_store_d_of_parallel_removals_exactly_one_finds_the_record,
                credential_store_e_every_change_is_recorded_once,
                credential_store_e_a_change_is_never_seen_without_its_event,
                credential_store_e_a_dropped_call_leaves_the_change_whole_or_absent,
                credential_store_e_a_call_that_changes_nothing_records_nothing,
            ]
            factor_store: [
                factor_store_a_insert_stores_the_factor_as_given,
                factor_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again,
                factor_store_a_of_parallel_inserts_of_one_id_exactly_one_is_stored,
                factor_store_b_list_gives_all_factors_of_a_subject_by_creation_then_id,
                factor_store_b_another_subjects_or_tenants_factor_is_not_found,
                factor_store_b_tenants_and_subjects_are_never_taken_for_each_other,
                factor_store_c_confirm_sets_the_time_and_the_mark,
                factor_store_c_the_checks_of_confirm_come_in_order,
                factor_store_c_of_parallel_confirmations_exactly_one_is_done,
                factor_store_d_take_sets_the_mark_and_only_a_later_one_is_taken,
                factor_store_d_the_checks_of_take_come_in_order,
                factor_store_d_of_parallel_takes_of_one_mark_exactly_one_is_done,
                factor_store_d_of_parallel_takes_of_many_marks_the_mark_only_rises,
                factor_store_e_disable_is_for_good_and_keeps_its_first_time,
                factor_store_e_of_parallel_disablings_exactly_one_is_done,
                factor_store_f_remove_removes_the_factor_and_says_whether_there_was_one,
                factor_store_f_of_parallel_removals_exactly_one_finds_the_factor,
                factor_store_g_a_recovery_code_is_taken_once_and_says_how_many_are_left,
                factor_store_g_replacing_takes_every_older_recovery_code_away,
                factor_store_g_more_than_20_recovery_codes_are_a_conflict_that_changes_nothing,
                factor_store_g_of_parallel_takes_of_one_recovery_code_exactly_one_takes_it,
                factor_store_g_of_parallel_takes_of_different_recovery_codes_each_takes_its_own,
                factor_store_g_a_replacement_leaves_no_older_recovery_code_to_a_race,
                factor_store_h_every_change_is_recorded_once,
                factor_store_h_a_change_is_never_seen_without_its_event,
                factor_store_h_a_dropped_call_leaves_the_change_whole_or_absent,
                factor_store_h_a_call_that_changes_nothing_records_nothing,
                factor_store_i_purge_removes_what_was_not_confirmed_before_the_instant,
                factor_store_i_purge_stops_at_its_limit_and_says_how_many,
            ]
            challenge_store: [
                challenge_store_a_insert_stores_the_challenge_as_given,
                challenge_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again,
                challenge_store_a_of_parallel_inserts_of_one_id_exactly_one_is_stored,
                challenge_store_b_find_gives_the_challenge_whatever_its_state,
                challenge_store_b_another_tenants_challenge_is_not_found_by_any_call,
                challenge_store_c_the_checks_come_in_order,
                challenge_store_c_a_challenge_is_expired_from_the_microsecond_of_its_end_on,
                challenge_store_d_count_raises_the_attempts_up_to_the_limit,
                challenge_store_d_of_parallel_counts_as_many_are_done_as_the_limit_has_left,
                challenge_store_e_a_new_code_takes_the_place_of_the_one_before,
                challenge_store_e_a_new_code_does_not_change_the_attempts,
                challenge_store_e_new_codes_in_a_race_give_no_more_attempts,
                challenge_store_f_consume_takes_the_challenge_by_the_code_that_stands,
                challenge_store_f_a_code_is_good_until_the_microsecond_of_its_end,
                challenge_store_f_attempts_that_are_used_up_do_not_matter_to_consume,
                challenge_store_f_of_parallel_answers_exactly_one_is_done,
                challenge_store_f_of_an_answer_and_a_new_code_at_once_one_comes_first,
                challenge_store_g_every_change_is_recorded_once,
                challenge_store_g_a_change_is_never_seen_without_its_event,
                challenge_store_g_a_dropped_call_leaves_the_change_whole_or_absent,
                challenge_store_g_a_call_that_changes_nothing_records_nothing,
                challenge_store_h_purge_removes_what_ended_before_the_instant,
                challenge_store_h_purge_stops_at_its_limit_and_says_how_many,
            ]
            lockout_store: [
                lockout_store_a_of_parallel_attempts_as_many_are_counted_as_the_threshold_has_left,
                lockout_store_a_of_parallel_attempts_behind_a_lock_the_threshold_is_counted,
                lockout_store_b_the_attempt_that_reaches_the_threshold_begins_a_lock,
                lockout_store_b_an_attempt_is_locked_until_the_microsecond_of_the_end,
                lockout_store_b_each_further_lock_lasts_longer_up_to_the_longest,
                lockout_store_b_what_stands_is_forgotten_from_the_microsecond_of_its_end_on,
                lockout_store_b_a_lock_for_good_lasts_until_it_is_cleared,
                lockout_store_b_attempts_are_answered_as_by_the_rules,
                lockout_store_c_every_change_is_recorded_once,
                lockout_store_c_a_change_is_never_seen_without_its_events,
                lockout_store_c_a_dropped_call_leaves_the_change_whole_or_absent,
                lockout_store_c_a_count_and_a_lock_have_an_event_each,
                lockout_store_c_a_dropped_attempt_is_counted_with_its_event_or_not_at_all,
                lockout_store_d_locked_until_is_the_latest_end_among_the_keys,
                lockout_store_e_clear_removes_all_that_was_counted_with_one_event,
                lockout_store_e_of_parallel_clears_exactly_one_finds_something,
                lockout_store_e_what_was_taken_stays_taken_when_it_is_cleared,
                lockout_store_f_a_budget_is_free_again_from_the_microsecond_of_its_window,
                lockout_store_f_what_was_taken_in_the_future_counts,
                lockout_store_f_one_is_taken_of_each_budget_or_of_none,
                lockout_store_f_several_budgets_of_one_key_count_what_was_taken_once,
                lockout_store_f_what_was_taken_is_there_until_its_longest_window_has_passed,
                lockout_store_f_of_parallel_takes_no_more_succeed_than_each_budget_allows,
                lockout_store_f_takes_are_answered_as_by_counting_all_that_was_taken,
                lockout_store_f_a_dropped_take_is_taken_with_its_event_or_not_at_all,
                lockout_store_g_keys_and_tenants_are_never_taken_for_each_other,
                lockout_store_g_attempts_and_budgets_do_not_share_their_counts,
                lockout_store_h_purge_removes_counts_that_were_forgotten_before_the_instant,
                lockout_store_h_purge_removes_takes_of_a_key_when_each_of_them_is_gone,
                lockout_store_h_purge_stops_at_its_limit_and_says_how_many,
                lockout_store_i_nothing_is_in_the_change_feed,
                lockout_store_j_no_keys_and_more_than_16_are_a_conflict_that_changes_nothing,
            ]
            audit_store: [
                audit_store_a_record_keeps_the_event_as_given,
                audit_store_a_a_second_record_of_the_same_id_changes_nothing,
                audit_store_a_parallel_records_of_the_same_id_are_one,
                audit_store_a_a_dropped_record_is_there_whole_or_not_at_all,
                audit_store_b_a_page_shows_the_events_of_one_tenant_only,
                audit_store_b_the_sequence_rises_in_the_order_of_recording,
                audit_store_b_a_reader_that_follows_the_trail_misses_nothing,
                audit_store_c_a_page_is_full_or_the_last_and_next_reaches_every_event,
                audit_store_d_the_trail_holds_the_events_of_what_changed_and_no_others,
                audit_store_e_a_batch_is_recorded_as_given_in_its_order_for_each_tenant,
                audit_store_e_an_id_that_comes_again_is_recorded_once,
                audit_store_e_parallel_batches_of_the_same_events_are_one,
                audit_store_e_a_batch_is_never_seen_in_part,
                audit_store_e_a_dropped_batch_is_there_whole_or_not_at_all,
                audit_store_e_a_batch_holds_none_to_a_thousand_events,
            ]
            change_feed: [
                change_feed_a_a_reader_never_misses_what_becomes_visible_later,
                change_feed_b_changes_come_in_the_order_in_which_they_took_effect,
                change_feed_b_a_batch_is_full_or_the_last_and_its_cursor_reads_on_behind_it,
                change_feed_b_every_reader_sees_every_change,
                change_feed_c_a_reader_is_told_when_changes_behind_its_cursor_were_dropped,
                change_feed_c_a_cursor_past_the_head_is_a_gap,
                change_feed_d_head_is_the_place_behind_which_nothing_has_happened,
                change_feed_e_a_change_comes_with_the_time_of_the_event_that_it_was_made_with,
                change_feed_e_every_time_that_an_event_can_have_comes_back_to_the_microsecond,
            ]
            second_factor: [
                second_factor_of_parallel_uses_of_one_step_exactly_one_is_good,
                second_factor_of_parallel_answers_with_one_code_exactly_one_is_good,
                second_factor_of_parallel_uses_of_one_recovery_code_exactly_one_is_good,
                second_factor_of_parallel_wrong_codes_on_four_nodes_five_are_judged,
                second_factor_an_answer_that_is_dropped_leaves_its_code_good_once,
            ]
            login: [
                login_of_parallel_wrong_passwords_on_four_nodes_five_are_judged,
            ]
            step_up: [
                step_up_of_parallel_redemptions_of_one_grant_exactly_one_gives_the_proof,
                step_up_a_redemption_that_is_dropped_leaves_its_grant_good_once,
            ]
            model: [
                model_dropped_calls_leave_a_store_that_goes_on,
                model_random_sequences_end_as_in_the_memory_store,
            ]
        }
    };
}

macro_rules! case_table {
    (() $($module:ident: [$($name:ident,)+])+) => {
        const CASES: &[Case] = &[
            $($(Case { name: stringify!($name), run: |cx| Box::pin(crate::$module::$name(cx)) },)+)+
        ];
    };
}
__cases! { [case_table] () }

/// One `#[test]` for every case of the suite, each named for the sentence of a contract that it proves.
///
/// Takes an expression that makes a [`Harness`]; it is evaluated for each test, inside of a tokio runtime. Use it
/// once in a module.
///
/// ```
/// # #[derive(Debug)]
/// # struct Memory;
/// # #[async_trait::async_trait]
/// # impl fountain_conformance::Harness for Memory {
/// #     async fn fresh(&self) -> std::sync::Arc<dyn fountain_core::Store> {
/// #         std::sync::Arc::new(fountain_core::memory::MemoryStore::new())
/// #     }
/// # }
/// fountain_conformance::conformance_tests!(Memory);
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::__cases! { [$crate::__tests] ($harness) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    (($harness:expr) $($module:ident: [$($name:ident,)+])+) => {
        $($(
            #[test]
            fn $name() {
                $crate::run_on_own_runtime(stringify!($name), || $harness);
            }
        )+)+
    };
}

/// The names of all cases, in the order of the contracts.
#[must_use]
pub fn names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

/// Runs one case on a runtime of its own with two workers; it is what [`conformance_tests!`](crate::conformance_tests)
/// makes of each.
///
/// # Panics
/// When the case fails, when there is no case of this name, or when no runtime can be made.
pub fn run_on_own_runtime<H: Harness>(name: &str, harness: impl FnOnce() -> H) {
    let case = find(name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime can be made");
    runtime.block_on(async {
        let cx = Context::new(Arc::new(harness()));
        let deadline = cx.rounds.deadline;
        if tokio::time::timeout(deadline, (case.run)(cx))
            .await
            .is_err()
        {
            panic!("{}", overdue(deadline));
        }
    });
}

/// Runs one case on the current tokio runtime.
///
/// # Panics
/// When there is no case of this name.
///
/// # Cancel safety
/// A dropped future stops the case; its store is left with whatever the case had put there.
pub async fn run(harness: Arc<dyn Harness>, name: &str) -> Verdict {
    let case = find(name);
    let cx = Context::new(harness);
    let deadline = cx.rounds.deadline;
    let failure = match tokio::time::timeout(deadline, spawn((case.run)(cx))).await {
        Ok(Ok(())) => None,
        Ok(Err(panic)) => Some(panic),
        Err(_) => Some(overdue(deadline)),
    };
    Verdict {
        name: case.name,
        failure,
    }
}

/// Runs every case on the current tokio runtime, one after the other. It should have at least two workers: on one,
/// calls take turns only where they wait.
///
/// ```
/// # use std::sync::Arc;
/// # #[derive(Debug)]
/// # struct Memory;
/// # #[async_trait::async_trait]
/// # impl fountain_conformance::Harness for Memory {
/// #     async fn fresh(&self) -> Arc<dyn fountain_core::Store> {
/// #         Arc::new(fountain_core::memory::MemoryStore::new())
/// #     }
/// #     fn rounds(&self) -> fountain_conformance::Rounds {
/// #         fountain_conformance::Rounds::default().races(2).polls(2).sequences(2)
/// #     }
/// #     fn feed_capacity(&self) -> Option<usize> {
/// #         Some(100_000)
/// #     }
/// # }
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let report = fountain_conformance::run_all(Arc::new(Memory)).await;
/// assert!(report.is_pass(), "{report}");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancel safety
/// A dropped future stops the current case and runs no more.
pub async fn run_all(harness: Arc<dyn Harness>) -> Report {
    let mut verdicts = Vec::with_capacity(CASES.len());
    for case in CASES {
        verdicts.push(run(harness.clone(), case.name).await);
    }
    Report { verdicts }
}

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The case's name.
    pub name: &'static str,
    /// What it found; none when it passed.
    pub failure: Option<String>,
}

/// How all cases ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One verdict for each case, in the order of the contracts.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Whether every case passed.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|case| case.failure.is_some())
    }
}

impl fmt::Display for Report {
    /// A line for each failed case, then the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.failures() {
            let why = case.failure.as_deref().unwrap_or_default();
            writeln!(f, "{}: {why}", case.name)?;
        }
        let failed = self.failures().count();
        write!(
            f,
            "{} passed, {failed} failed",
            self.verdicts.len() - failed
        )
    }
}

fn find(name: &str) -> Case {
    *CASES
        .iter()
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("the suite has no case {name}"))
}

/// Runs a case in a task of its own, so that its panic can be told from ours; dropping this ends the task.
async fn spawn(case: CaseFuture) -> Result<(), String> {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(case);
    match tasks.join_next().await {
        None | Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(match error.try_into_panic() {
            Ok(panic) => message(panic.as_ref()),
            Err(error) => error.to_string(),
        }),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "it panicked with something that is no text".into())
}

fn overdue(deadline: std::time::Duration) -> String {
    format!(
        "it did not end within {deadline:?}: a call never completed, or Rounds asks for too much"
    )
}
