//! The mistakes, each one that a store could make in good faith, and the cases that must notice it.

use std::time::Duration;

use fountain_core::Timestamp;

pub(crate) const TICK: Duration = Duration::from_micros(1);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// What a column of milliseconds makes of a time.
pub(crate) fn to_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_micros(at.as_unix_micros() / 1_000 * 1_000)
}

/// In which trait a mistake is that several of them could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Keys,
    Signing,
    Families,
    Revocations,
    Subjects,
    Credentials,
    Factors,
    Challenges,
    Lockouts,
    Trail,
}

/// The cases that must fail.
pub(crate) type Noticed = &'static [&'static str];

macro_rules! mistakes {
    ($($mistake:ident => [$($case:literal),+],)+) => {
        /// One mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault {
            /// No mistake: the wrapper alone must pass everything.
            None,
            /// The event never reaches the trail.
            EventLost(Area),
            /// The event is in the trail before its change happens.
            EventFirst(Area),
            /// The event is in the trail some time after its change.
            EventLate(Area),
            /// The change never reaches the feed.
            FeedLost(Area),
            /// The change is in the feed before it has happened.
            FeedFirst(Area),
            /// The change is in the feed some time after it has happened.
            FeedLate(Area),
            /// What belongs in nobody's cache is in the feed.
            FedNeedlessly(Area),
            /// A call that changed nothing is recorded.
            RefusalRecorded(Area),
            /// Whether a record exists is asked first and believed later.
            InsertChecksThenActs(Area),
            /// Whether it is revoked is asked first and believed later.
            RevokeChecksThenActs(Area),
            /// Whether there is anything to remove is asked first and believed later.
            RemoveChecksThenActs(Area),
            /// A purge takes what ends at the instant itself.
            PurgeIsEarlyByOne(Area),
            /// A purge leaves what it should take.
            PurgeLags(Area),
            /// A purge takes more than it was allowed to.
            PurgeKnowsNoLimit(Area),
            /// A purge takes one part of a record first and the other later.
            PurgeInHalves(Area),
            $($mistake,)+
        }

        /// The mistakes that belong to one trait.
        pub(crate) const MISTAKES: &[(Fault, Noticed)] = &[$((Fault::$mistake, &[$($case),+]),)+];
    };
}

mistakes! {
    // KeyStore
    KeyTimesAreRounded => ["key_store_a_insert_stores_the_record_as_given"],
    KeyOwnersAreUnescaped => ["key_store_b_hostile_owners_and_names_come_back_as_given"],
    KeyInsertNeverRefuses => ["key_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again"],
    KeyIdsFoldCase => ["key_store_b_ids_that_differ_only_in_case_are_different_keys"],
    KeyFindKnowsOneTenant => ["key_store_b_find_knows_every_tenant_and_find_in_only_the_named_one"],
    KeyFindInIgnoresTheTenant => ["key_store_b_find_knows_every_tenant_and_find_in_only_the_named_one", "key_store_j_another_tenants_key_is_not_found"],
    KeyCallsIgnoreTheTenant => ["key_store_j_another_tenants_key_is_not_found"],
    KeyPagesSkipEqualTimes => ["key_store_c_pages_are_oldest_first_then_by_id_and_hold_each_key_once"],
    KeyPagesAreNewestFirst => ["key_store_c_pages_are_oldest_first_then_by_id_and_hold_each_key_once"],
    KeyPagesOverflow => ["key_store_c_a_page_is_full_or_the_last_and_only_the_last_has_no_next"],
    KeyPagesAlwaysHaveANext => ["key_store_c_a_page_is_full_or_the_last_and_only_the_last_has_no_next"],
    KeyPagesCountAnOffset => ["key_store_c_paging_reaches_every_key_that_existed_while_others_are_inserted", "key_store_c_paging_goes_on_behind_a_key_that_is_gone"],
    KeyPagesFoldTenants => ["key_store_c_a_page_shows_one_tenant_only"],
    RotationForgetsTheDate => ["key_store_d_rotate_inserts_the_successor_and_dates_the_predecessor"],
    RotationOutlivesTheExpiry => ["key_store_d_the_predecessor_never_works_longer_than_its_own_expiry"],
    RotationAlwaysWins => ["key_store_d_a_second_rotation_names_the_key_that_stands"],
    RotationChecksThenActs => ["key_store_d_of_parallel_rotations_exactly_one_wins"],
    RotationOverwrites => ["key_store_d_nothing_happens_when_the_successors_id_exists"],
    RotationIsLateByOne => ["key_store_e_rotate_refuses_a_key_from_the_microsecond_of_its_expiry_on"],
    RotationIgnoresTheState => ["key_store_e_rotate_refuses_a_revoked_and_a_disabled_key"],
    RotationChecksTheStateFirst => ["key_store_e_the_checks_of_rotate_come_in_order", "model_random_sequences_end_as_in_the_memory_store"],
    KeyRevocationMovesItsTime => ["key_store_f_revoke_is_for_good_and_keeps_its_first_time"],
    KeyRevocationAlwaysChanges => ["key_store_f_revoke_is_for_good_and_keeps_its_first_time"],
    EnableRevives => ["key_store_f_a_revoked_key_is_neither_disabled_nor_enabled"],
    KeyDisablingMovesItsTime => ["key_store_f_disable_and_enable_are_idempotent_and_keep_the_first_time"],
    UsesMoveBack => ["key_store_h_record_use_moves_forward_only"],
    SuccessorsMoveToTheNamedTenant => ["key_store_k_a_successor_of_another_tenant_is_a_conflict_whatever_else_stands", "model_random_sequences_end_as_in_the_memory_store"],
    SuccessorsTenantsAreJudgedLast => ["key_store_k_a_successor_of_another_tenant_is_a_conflict_whatever_else_stands"],
    UsesStopAtAnUnknownKey => ["key_store_h_record_use_takes_many_keys_ignores_unknown_ones_and_records_nothing"],
    KeyDigestsAreUniqueInATenantOnly => ["key_store_a_a_digest_that_exists_in_any_tenant_is_not_stored_again", "key_store_d_nothing_happens_when_the_successors_digest_exists", "model_random_sequences_end_as_in_the_memory_store"],
    KeyDigestsCheckThenAct => ["key_store_a_of_parallel_inserts_of_one_digest_exactly_one_is_stored", "key_store_d_of_parallel_rotations_to_one_digest_exactly_one_wins"],
    KeyDigestsAreIndexedLater => ["key_store_g_a_change_is_never_seen_without_its_event_and_feed_entry", "key_store_g_a_dropped_call_leaves_the_change_whole_or_absent"],
    KeyDigestsKnowOneTenant => ["key_store_l_find_by_digest_knows_every_tenant_and_exactly_this_digest"],
    KeysAreFoundByAPartOfTheirDigest => ["key_store_l_find_by_digest_knows_every_tenant_and_exactly_this_digest"],
    OnlyGoodKeysAreFoundByDigest => ["key_store_l_a_key_is_found_by_its_digest_whatever_its_state", "model_random_sequences_end_as_in_the_memory_store"],
    KeysAreFoundByDigestAsInserted => ["key_store_l_a_key_is_found_by_its_digest_whatever_its_state", "key_store_l_of_a_rotation_each_key_is_found_by_its_own_digest"],
    SuccessorsAreNotFoundByDigest => ["key_store_l_of_a_rotation_each_key_is_found_by_its_own_digest"],
    PurgesLeaveTheDigests => ["key_store_l_a_purged_key_is_not_found_by_its_digest_which_is_free_again", "key_store_i_a_dropped_purge_leaves_each_key_whole_or_gone"],
    UsesCheckThenAct => ["key_store_h_of_parallel_uses_the_latest_stands"],
    // SigningKeyStore
    RingsBeginAtOne => ["signing_key_store_a_an_issuer_without_keys_has_an_empty_ring_at_generation_zero"],
    RingsLeaveEndedKeysOut => ["signing_key_store_a_a_ring_holds_every_key_ended_or_not_in_the_order_of_publication"],
    RingsAreUnordered => ["signing_key_store_a_a_ring_holds_every_key_ended_or_not_in_the_order_of_publication"],
    RingsAreReadInTwoMoments => ["signing_key_store_a_keys_and_generation_are_of_one_moment"],
    IssuersFoldCase => ["signing_key_store_i_issuers_do_not_see_each_others_keys"],
    TransitionsIgnoreTheGeneration => ["signing_key_store_b_a_transition_applies_only_at_the_expected_generation"],
    TransitionsCheckThenAct => ["signing_key_store_b_of_parallel_transitions_exactly_one_is_applied"],
    SealedBytesAreCut => ["signing_key_store_c_publish_adds_the_key_as_given_and_pending"],
    KidsAreUsedAgain => ["signing_key_store_c_a_kid_is_never_used_again_whatever_became_of_it"],
    ActivationIsEarlyByOne => ["signing_key_store_d_activate_waits_for_the_microsecond_of_activate_from"],
    ActivationRetiresNothing => ["signing_key_store_d_activate_retires_the_key_that_was_active", "signing_key_store_g_no_walk_through_the_states_leads_to_two_active_keys", "signing_key_store_g_no_race_leads_to_two_active_keys"],
    ActivationFromAnyState => ["signing_key_store_d_only_a_pending_key_is_activated"],
    RemovalIsEarlyByOne => ["signing_key_store_e_remove_waits_for_the_microsecond_of_remove_from_and_wipes_the_key"],
    RemovalFromAnyState => ["signing_key_store_e_only_a_retired_key_is_removed"],
    EndedKeysKeepTheirSecret => ["signing_key_store_e_remove_waits_for_the_microsecond_of_remove_from_and_wipes_the_key", "signing_key_store_f_revoke_ends_a_key_from_every_living_state_and_wipes_it"],
    EndedKeysAreRevoked => ["signing_key_store_f_an_ended_or_unknown_key_is_not_revoked"],
    PendingKeysAreNotRevoked => ["signing_key_store_f_revoke_ends_a_key_from_every_living_state_and_wipes_it"],
    ReplacementsAreForgotten => ["signing_key_store_f_the_replacement_of_an_active_key_takes_over_in_the_same_step"],
    ReplacementsAreAlwaysAdded => ["signing_key_store_f_a_replacement_is_ignored_when_the_key_was_not_active"],
    RecordsMoveToTheNamedIssuer => ["signing_key_store_j_a_record_of_another_issuer_is_a_conflict_whatever_else_stands", "model_random_sequences_end_as_in_the_memory_store"],
    UnneededReplacementsAreNotLookedAt => ["signing_key_store_j_a_record_of_another_issuer_is_a_conflict_whatever_else_stands"],
    ReplacementsWithAKnownKidAreForgotten => ["signing_key_store_f_a_replacement_with_a_known_kid_stops_the_revocation"],
    // RefreshTokenStore
    FamilyRolesAreSorted => ["refresh_token_store_a_insert_stores_the_family_as_given_with_its_first_token"],
    FamilyInsertNeverRefuses => ["refresh_token_store_a_an_id_or_a_digest_that_exists_in_any_tenant_is_refused"],
    EveryUseRotates => ["refresh_token_store_b_of_parallel_uses_exactly_one_rotates_and_the_others_repeat_it"],
    UsesOfATokenCheckThenAct => ["refresh_token_store_b_of_parallel_uses_exactly_one_rotates_and_the_others_repeat_it", "refresh_token_store_b_of_parallel_uses_without_a_grace_one_rotates_and_one_ends_the_family"],
    SpentTokensAreLive => ["refresh_token_store_b_a_live_token_is_spent_and_its_successor_is_live", "refresh_token_store_b_no_family_ever_has_two_live_tokens"],
    MismatchIsJudgedFirst => ["refresh_token_store_c_the_checks_come_in_order", "refresh_token_store_d_nobody_but_the_same_holder_gets_the_successor_again"],
    BindingIsIgnored => ["refresh_token_store_c_a_bound_family_is_used_with_its_binding_only", "refresh_token_store_d_nobody_but_the_same_holder_gets_the_successor_again"],
    ExpiryIsJudgedBeforeReuse => ["refresh_token_store_c_a_spent_token_is_judged_by_the_evidence_even_when_it_has_expired"],
    SuccessorsOverwrite => ["refresh_token_store_c_a_successor_that_exists_in_any_tenant_is_a_conflict_that_changes_nothing", "model_random_sequences_end_as_in_the_memory_store"],
    SuccessorsAreNewInOtherTenants => ["refresh_token_store_c_a_successor_that_exists_in_any_tenant_is_a_conflict_that_changes_nothing"],
    ConflictsSpendTheToken => ["refresh_token_store_c_a_successor_that_exists_in_any_tenant_is_a_conflict_that_changes_nothing", "refresh_token_store_c_of_parallel_uses_that_offer_one_successor_exactly_one_rotates"],
    SuccessorsAreJudgedFirst => ["refresh_token_store_c_every_other_check_comes_before_the_successors", "model_random_sequences_end_as_in_the_memory_store"],
    SuccessorsCheckThenAct => ["refresh_token_store_c_of_parallel_uses_that_offer_one_successor_exactly_one_rotates"],
    TheGraceBeginsWithTheUse => ["refresh_token_store_d_an_instant_before_the_use_is_within_the_grace"],
    GraceIsLongerByOne => ["refresh_token_store_d_a_spent_token_gets_the_same_successor_until_the_grace_ends"],
    GraceIsShorterByOne => ["refresh_token_store_d_a_spent_token_gets_the_same_successor_until_the_grace_ends"],
    ThereIsAlwaysAGrace => ["refresh_token_store_d_without_a_grace_a_spent_token_never_comes_back"],
    AnySpentTokenIsRepeated => ["refresh_token_store_d_only_the_parent_of_the_live_token_is_repeated"],
    ReuseEndsNoFamily => ["refresh_token_store_e_reuse_ends_the_family_and_revokes_its_access_tokens"],
    ReuseRevokesTooShort => ["refresh_token_store_e_reuse_ends_the_family_and_revokes_its_access_tokens"],
    UsesAreLateByOne => ["refresh_token_store_f_a_token_is_expired_from_the_microsecond_of_its_end_on"],
    TokensLiveLongerByOne => ["refresh_token_store_f_a_token_is_expired_from_the_microsecond_of_its_end_on", "refresh_token_store_g_find_gives_the_family_whatever_its_state"],
    SuccessorsOutliveTheFamily => ["refresh_token_store_f_no_successor_outlives_the_family"],
    DeadTokensAreNotFound => ["refresh_token_store_g_find_gives_the_family_whatever_its_state"],
    TokensAreFoundInAnyTenant => ["refresh_token_store_g_another_tenants_token_is_not_found"],
    FamiliesAreRevokedAgain => ["refresh_token_store_h_revoke_family_ends_it_once_and_revokes_its_access_tokens"],
    FamiliesAreRevokedInAnyTenant => ["refresh_token_store_h_another_tenants_family_is_not_found"],
    ExpiredFamiliesAreEnded => ["refresh_token_store_i_revoke_subject_ends_every_living_family_and_says_how_many"],
    SubjectsAccessTokensGoOn => ["refresh_token_store_i_revoke_subject_revokes_the_access_tokens_of_what_it_ends", "refresh_token_store_j_every_change_is_recorded_once_and_appended_to_the_feed"],
    SubjectsAccessTokensEndLater => ["refresh_token_store_j_a_dropped_call_leaves_the_change_whole_or_absent", "refresh_token_store_j_a_change_is_never_seen_without_its_event_and_feed_entry"],
    SubjectsAccessTokensEndTooShort => ["refresh_token_store_i_revoke_subject_revokes_the_access_tokens_of_what_it_ends"],
    SubjectsFamiliesAreEndedByPattern => ["refresh_token_store_i_revoke_subject_ends_no_other_subjects_families"],
    // RevocationStore
    FamiliesAreNotAsked => ["revocation_store_a_every_token_that_a_revocation_is_about_is_revoked_and_no_other", "refresh_token_store_h_revoke_family_ends_it_once_and_revokes_its_access_tokens"],
    EveryRevocationHasANotBefore => ["revocation_store_a_a_token_and_a_family_are_revoked_whenever_they_were_issued"],
    KindsOfRevocationMix => ["revocation_store_a_the_kinds_of_revocation_do_not_mix"],
    NotBeforeIsInclusive => ["revocation_store_b_a_subjects_token_is_revoked_when_issued_before_the_microsecond"],
    TheFirstRevocationStands => ["revocation_store_c_the_later_of_each_instant_stands"],
    EveryRevocationIsTheFirst => ["revocation_store_c_the_later_of_each_instant_stands"],
    RevocationsReadThenWrite => ["revocation_store_c_of_parallel_revocations_the_latest_stands"],
    RevokedSubjectsFoldCase => ["revocation_store_f_tenants_issuers_and_subjects_do_not_see_each_others_revocations"],
    // SubjectStore
    SubjectVersionsBeginAtOne => ["subject_store_a_insert_stores_the_record_as_given"],
    SubjectInsertNeverRefuses => ["subject_store_a_a_subject_that_exists_in_this_tenant_is_not_stored_again"],
    SubjectsFoldCase => ["subject_store_b_tenants_and_subjects_are_never_taken_for_each_other"],
    SubjectsAreFoundInAnyTenant => ["subject_store_b_another_tenants_subject_is_not_found", "subject_store_b_tenants_and_subjects_are_never_taken_for_each_other"],
    AssignmentsAdd => ["subject_store_c_assign_replaces_the_roles_and_raises_the_version"],
    VersionsAreReadBefore => ["subject_store_c_parallel_assignments_each_raise_the_version"],
    NoRoleIsKept => ["subject_store_d_the_last_enabled_holder_keeps_the_kept_role"],
    KeptRolesAreNeverLost => ["subject_store_d_whoever_does_not_take_the_last_holder_away_may_change", "subject_store_d_what_changes_nothing_takes_nobody_away"],
    HoldersAreCountedBefore => ["subject_store_d_of_parallel_calls_one_holder_is_left"],
    SubjectDisablingMovesItsTime => ["subject_store_e_disable_and_enable_are_idempotent_and_keep_the_first_time"],
    // CredentialStore
    CredentialTimesAreRounded => ["credential_store_a_insert_stores_the_record_as_given"],
    CredentialInsertNeverRefuses => ["credential_store_a_a_name_or_a_subject_that_exists_in_this_tenant_is_refused"],
    CredentialSubjectsFoldCase => ["credential_store_b_tenants_names_and_subjects_are_never_taken_for_each_other"],
    CredentialsAreFoundInAnyTenant => ["credential_store_b_another_tenants_record_is_not_found"],
    ReplacedHashesKeepTheirTime => ["credential_store_c_replace_sets_the_hash_and_raises_the_version"],
    ReplaceIgnoresTheVersion => ["credential_store_c_replace_wants_the_version_that_stands", "model_random_sequences_end_as_in_the_memory_store"],
    ReplaceChecksThenActs => ["credential_store_c_of_parallel_replacements_exactly_one_is_replaced"],
    RemovedNamesStayTaken => ["credential_store_d_what_is_removed_can_be_registered_again"],
    // FactorStore
    SealedFactorsAreCut => ["factor_store_a_insert_stores_the_factor_as_given"],
    FactorInsertNeverRefuses => ["factor_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again"],
    FactorsAreListedNewestFirst => ["factor_store_b_list_gives_all_factors_of_a_subject_by_creation_then_id"],
    FactorsOfOneTimeAreListedInAnyOrder => ["factor_store_b_list_gives_all_factors_of_a_subject_by_creation_then_id"],
    FactorsBelongToEverybody => ["factor_store_b_another_subjects_or_tenants_factor_is_not_found", "model_random_sequences_end_as_in_the_memory_store"],
    FactorSubjectsFoldCase => ["factor_store_b_tenants_and_subjects_are_never_taken_for_each_other"],
    ConfirmationsKeepTheMark => ["factor_store_c_confirm_sets_the_time_and_the_mark"],
    ConfirmationsAreLateByOne => ["factor_store_c_the_checks_of_confirm_come_in_order"],
    ExpiryIsJudgedBeforeConfirmation => ["factor_store_c_the_checks_of_confirm_come_in_order"],
    ConfirmationsCheckThenAct => ["factor_store_c_of_parallel_confirmations_exactly_one_is_done"],
    MarksAreTexts => ["factor_store_d_take_sets_the_mark_and_only_a_later_one_is_taken"],
    TheLastMarkIsGood => ["factor_store_d_take_sets_the_mark_and_only_a_later_one_is_taken"],
    SpentIsJudgedFirst => ["factor_store_d_the_checks_of_take_come_in_order"],
    TakesOfMarksCheckThenAct => ["factor_store_d_of_parallel_takes_of_one_mark_exactly_one_is_done", "factor_store_d_of_parallel_takes_of_many_marks_the_mark_only_rises", "second_factor_of_parallel_uses_of_one_step_exactly_one_is_good"],
    FactorDisablingMovesItsTime => ["factor_store_e_disable_is_for_good_and_keeps_its_first_time"],
    RemovedFactorsAreDisabled => ["factor_store_f_remove_removes_the_factor_and_says_whether_there_was_one"],
    RecoveryCodesAreNotUsedUp => ["factor_store_g_a_recovery_code_is_taken_once_and_says_how_many_are_left"],
    OlderRecoveryCodesStayGood => ["factor_store_g_replacing_takes_every_older_recovery_code_away"],
    TooManyRecoveryCodesAreCut => ["factor_store_g_more_than_20_recovery_codes_are_a_conflict_that_changes_nothing"],
    TakesOfRecoveryCodesCheckThenAct => ["factor_store_g_of_parallel_takes_of_one_recovery_code_exactly_one_takes_it", "factor_store_g_a_replacement_leaves_no_older_recovery_code_to_a_race", "second_factor_of_parallel_uses_of_one_recovery_code_exactly_one_is_good"],
    RecoveryCodesAreCountedBefore => ["factor_store_g_of_parallel_takes_of_different_recovery_codes_each_takes_its_own"],
    // ChallengeStore
    ChallengeContextsAreCut => ["challenge_store_a_insert_stores_the_challenge_as_given"],
    ChallengeInsertNeverRefuses => ["challenge_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again"],
    ConsumedChallengesAreNotFound => ["challenge_store_b_find_gives_the_challenge_whatever_its_state"],
    ChallengesAreFoundInAnyTenant => ["challenge_store_b_another_tenants_challenge_is_not_found_by_any_call"],
    ExpiryIsJudgedBeforeConsumption => ["challenge_store_c_the_checks_come_in_order"],
    ChallengesLiveLongerByOne => ["challenge_store_c_a_challenge_is_expired_from_the_microsecond_of_its_end_on"],
    CountsKnowNoLimit => ["challenge_store_d_count_raises_the_attempts_up_to_the_limit", "model_random_sequences_end_as_in_the_memory_store"],
    CountsCheckThenAct => ["challenge_store_d_of_parallel_counts_as_many_are_done_as_the_limit_has_left"],
    OlderCodesStayGood => ["challenge_store_e_a_new_code_takes_the_place_of_the_one_before"],
    NewCodesGiveMoreAttempts => ["challenge_store_e_a_new_code_does_not_change_the_attempts", "challenge_store_e_new_codes_in_a_race_give_no_more_attempts"],
    AnyCodeIsTaken => ["challenge_store_f_consume_takes_the_challenge_by_the_code_that_stands"],
    CodesLiveLongerByOne => ["challenge_store_f_a_code_is_good_until_the_microsecond_of_its_end"],
    UsedUpChallengesAreNotConsumed => ["challenge_store_f_attempts_that_are_used_up_do_not_matter_to_consume"],
    AnswersCheckThenAct => ["challenge_store_f_of_parallel_answers_exactly_one_is_done", "second_factor_of_parallel_answers_with_one_code_exactly_one_is_good", "step_up_of_parallel_redemptions_of_one_grant_exactly_one_gives_the_proof"],
    CodesCheckThenAct => ["challenge_store_f_of_an_answer_and_a_new_code_at_once_one_comes_first"],
    // LockoutStore
    AttemptsCheckThenAct => ["lockout_store_a_of_parallel_attempts_as_many_are_counted_as_the_threshold_has_left", "lockout_store_a_of_parallel_attempts_behind_a_lock_the_threshold_is_counted", "second_factor_of_parallel_wrong_codes_on_four_nodes_five_are_judged", "login_of_parallel_wrong_passwords_on_four_nodes_five_are_judged"],
    LocksBeginOneAttemptLate => ["lockout_store_b_the_attempt_that_reaches_the_threshold_begins_a_lock", "lockout_store_b_attempts_are_answered_as_by_the_rules"],
    AttemptsAreLateByOne => ["lockout_store_b_an_attempt_is_locked_until_the_microsecond_of_the_end"],
    LocksDoNotGrow => ["lockout_store_b_each_further_lock_lasts_longer_up_to_the_longest"],
    NothingIsForgotten => ["lockout_store_b_what_stands_is_forgotten_from_the_microsecond_of_its_end_on"],
    LocksForGoodEnd => ["lockout_store_b_a_lock_for_good_lasts_until_it_is_cleared"],
    LocksAreNotRecorded => ["lockout_store_c_a_count_and_a_lock_have_an_event_each", "lockout_store_c_every_change_is_recorded_once"],
    LocksOfTheFirstKeyCount => ["lockout_store_d_locked_until_is_the_latest_end_among_the_keys"],
    ClearingStopsAtTheFirstKey => ["lockout_store_e_clear_removes_all_that_was_counted_with_one_event"],
    ClearingGivesBudgetsBack => ["lockout_store_e_what_was_taken_stays_taken_when_it_is_cleared"],
    BudgetsAreFreeEarlyByOne => ["lockout_store_f_a_budget_is_free_again_from_the_microsecond_of_its_window"],
    FutureTakesDoNotCount => ["lockout_store_f_what_was_taken_in_the_future_counts"],
    BudgetsAreTakenOneByOne => ["lockout_store_f_one_is_taken_of_each_budget_or_of_none", "lockout_store_f_several_budgets_of_one_key_count_what_was_taken_once", "lockout_store_f_takes_are_answered_as_by_counting_all_that_was_taken"],
    TakesLastAsLongAsTheirFirstWindow => ["lockout_store_f_what_was_taken_is_there_until_its_longest_window_has_passed"],
    TakesOfBudgetsCheckThenAct => ["lockout_store_f_of_parallel_takes_no_more_succeed_than_each_budget_allows"],
    LockoutTenantsFoldCase => ["lockout_store_g_keys_and_tenants_are_never_taken_for_each_other"],
    TakesCountAsAttempts => ["lockout_store_g_attempts_and_budgets_do_not_share_their_counts"],
    TooManyKeysAreCut => ["lockout_store_j_no_keys_and_more_than_16_are_a_conflict_that_changes_nothing"],
    // Every trait
    ADropWedgesTheStore => ["model_dropped_calls_leave_a_store_that_goes_on", "second_factor_an_answer_that_is_dropped_leaves_its_code_good_once", "step_up_a_redemption_that_is_dropped_leaves_its_grant_good_once"],
    // AuditStore
    EventTimesAreRounded => ["audit_store_a_record_keeps_the_event_as_given"],
    EventsAreRecordedTwice => ["audit_store_a_a_second_record_of_the_same_id_changes_nothing", "audit_store_a_parallel_records_of_the_same_id_are_one"],
    EventsAreRecordedInHalves => ["audit_store_a_a_dropped_record_is_there_whole_or_not_at_all"],
    TheTrailFoldsTenants => ["audit_store_b_a_page_shows_the_events_of_one_tenant_only"],
    TheTrailIsOrderedByTime => ["audit_store_b_the_sequence_rises_in_the_order_of_recording"],
    AuditPagesOverflow => ["audit_store_c_a_page_is_full_or_the_last_and_next_reaches_every_event"],
    AuditPagesAlwaysHaveANext => ["audit_store_c_a_page_is_full_or_the_last_and_next_reaches_every_event"],
    BatchesAreRecordedOneByOne => ["audit_store_e_a_batch_is_never_seen_in_part", "audit_store_e_a_dropped_batch_is_there_whole_or_not_at_all"],
    BatchesAreOrderedByTime => ["audit_store_e_a_batch_is_recorded_as_given_in_its_order_for_each_tenant", "model_random_sequences_end_as_in_the_memory_store"],
    BatchesGoToTheFirstTenant => ["audit_store_e_a_batch_is_recorded_as_given_in_its_order_for_each_tenant", "model_random_sequences_end_as_in_the_memory_store"],
    BatchesEndAtAKnownId => ["audit_store_e_an_id_that_comes_again_is_recorded_once"],
    BatchesFailOnAKnownId => ["audit_store_e_an_id_that_comes_again_is_recorded_once", "audit_store_e_parallel_batches_of_the_same_events_are_one"],
    BatchesOverwrite => ["audit_store_e_an_id_that_comes_again_is_recorded_once", "model_random_sequences_end_as_in_the_memory_store"],
    BatchesCheckThenAct => ["audit_store_e_parallel_batches_of_the_same_events_are_one"],
    BatchesAreCut => ["audit_store_e_a_batch_holds_none_to_a_thousand_events"],
    BatchesKnowNoBound => ["audit_store_e_a_batch_holds_none_to_a_thousand_events"],
    EmptyBatchesFail => ["audit_store_e_a_batch_holds_none_to_a_thousand_events"],
    // ChangeFeed
    TheFeedIsNewestFirst => ["change_feed_b_changes_come_in_the_order_in_which_they_took_effect", "change_feed_b_every_reader_sees_every_change"],
    CursorsSkipOne => ["change_feed_b_a_batch_is_full_or_the_last_and_its_cursor_reads_on_behind_it"],
    BatchesAreShort => ["change_feed_b_a_batch_is_full_or_the_last_and_its_cursor_reads_on_behind_it"],
    ReadingDrainsTheFeed => ["change_feed_b_every_reader_sees_every_change"],
    GapsAreHidden => ["change_feed_c_a_reader_is_told_when_changes_behind_its_cursor_were_dropped", "change_feed_c_a_cursor_past_the_head_is_a_gap"],
    HeadIsBehind => ["change_feed_d_head_is_the_place_behind_which_nothing_has_happened"],
    ChangesComeWithoutTheirTime => ["change_feed_e_a_change_comes_with_the_time_of_the_event_that_it_was_made_with", "model_random_sequences_end_as_in_the_memory_store"],
    ChangesOfABatchHaveOneTime => ["change_feed_e_a_change_comes_with_the_time_of_the_event_that_it_was_made_with"],
    ChangeTimesAreRounded => ["change_feed_e_every_time_that_an_event_can_have_comes_back_to_the_microsecond"],
}
