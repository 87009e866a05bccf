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
            /// A call that changed nothing is recorded.
            RefusalRecorded(Area),
            /// Whether a record exists is asked first and believed later.
            InsertChecksThenActs(Area),
            /// Whether it is revoked is asked first and believed later.
            RevokeChecksThenActs(Area),
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
    // Every trait
    ADropWedgesTheStore => ["model_dropped_calls_leave_a_store_that_goes_on"],
    // AuditStore
    EventTimesAreRounded => ["audit_store_a_record_keeps_the_event_as_given"],
    EventsAreRecordedTwice => ["audit_store_a_a_second_record_of_the_same_id_changes_nothing", "audit_store_a_parallel_records_of_the_same_id_are_one"],
    EventsAreRecordedInHalves => ["audit_store_a_a_dropped_record_is_there_whole_or_not_at_all"],
    TheTrailFoldsTenants => ["audit_store_b_a_page_shows_the_events_of_one_tenant_only"],
    TheTrailIsOrderedByTime => ["audit_store_b_the_sequence_rises_in_the_order_of_recording"],
    AuditPagesOverflow => ["audit_store_c_a_page_is_full_or_the_last_and_next_reaches_every_event"],
    AuditPagesAlwaysHaveANext => ["audit_store_c_a_page_is_full_or_the_last_and_next_reaches_every_event"],
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

/// The mistakes that several traits could have, in each of them.
pub(crate) const SLIPS: &[(Fault, Noticed)] = &[
    (
        Fault::EventLost(Area::Keys),
        &["key_store_g_every_change_is_recorded_once_and_appended_to_the_feed"],
    ),
    (
        Fault::EventLost(Area::Signing),
        &["signing_key_store_h_every_transition_is_recorded_once_and_appended_to_the_feed"],
    ),
    (
        Fault::EventLost(Area::Families),
        &[
            "refresh_token_store_j_every_change_is_recorded_once_and_appended_to_the_feed",
            "audit_store_d_the_trail_holds_the_events_of_what_changed_and_no_others",
        ],
    ),
    (
        Fault::EventLost(Area::Revocations),
        &["revocation_store_d_every_revocation_is_recorded_once_and_appended_to_the_feed"],
    ),
    (
        Fault::EventLost(Area::Subjects),
        &["subject_store_f_every_change_is_recorded_once_and_appended_to_the_feed"],
    ),
    (
        Fault::EventLost(Area::Trail),
        &[
            "audit_store_a_record_keeps_the_event_as_given",
            "audit_store_a_a_second_record_of_the_same_id_changes_nothing",
        ],
    ),
    (
        Fault::EventFirst(Area::Keys),
        &[
            "key_store_g_a_dropped_call_leaves_the_change_whole_or_absent",
            "key_store_d_a_second_rotation_names_the_key_that_stands",
            "key_store_g_a_change_is_never_seen_without_its_event_and_feed_entry",
        ],
    ),
    (
        Fault::EventFirst(Area::Signing),
        &[
            "signing_key_store_h_a_dropped_call_leaves_the_transition_whole_or_absent",
            "signing_key_store_h_a_transition_is_never_seen_without_its_event_and_feed_entry",
        ],
    ),
    (
        Fault::EventFirst(Area::Families),
        &["refresh_token_store_j_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::EventFirst(Area::Revocations),
        &["revocation_store_d_a_dropped_call_leaves_the_revocation_whole_or_absent"],
    ),
    (
        Fault::EventFirst(Area::Subjects),
        &["subject_store_f_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::EventLate(Area::Keys),
        &["key_store_g_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::EventLate(Area::Signing),
        &["signing_key_store_h_a_dropped_call_leaves_the_transition_whole_or_absent"],
    ),
    (
        Fault::EventLate(Area::Families),
        &["refresh_token_store_j_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::EventLate(Area::Revocations),
        &["revocation_store_d_a_dropped_call_leaves_the_revocation_whole_or_absent"],
    ),
    (
        Fault::EventLate(Area::Subjects),
        &["subject_store_f_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::EventLate(Area::Trail),
        &["audit_store_b_a_reader_that_follows_the_trail_misses_nothing"],
    ),
    (
        Fault::FeedLost(Area::Keys),
        &[
            "key_store_g_every_change_is_recorded_once_and_appended_to_the_feed",
            "key_store_g_a_change_is_never_seen_without_its_event_and_feed_entry",
        ],
    ),
    (
        Fault::FeedLost(Area::Signing),
        &[
            "signing_key_store_h_every_transition_is_recorded_once_and_appended_to_the_feed",
            "signing_key_store_h_a_transition_is_never_seen_without_its_event_and_feed_entry",
        ],
    ),
    (
        Fault::FeedLost(Area::Families),
        &[
            "refresh_token_store_j_every_change_is_recorded_once_and_appended_to_the_feed",
            "refresh_token_store_j_a_change_is_never_seen_without_its_event_and_feed_entry",
            "refresh_token_store_i_revoke_subject_ends_every_living_family_and_says_how_many",
        ],
    ),
    (
        Fault::FeedLost(Area::Revocations),
        &[
            "revocation_store_d_every_revocation_is_recorded_once_and_appended_to_the_feed",
            "revocation_store_d_a_revocation_is_never_seen_without_its_event_and_feed_entry",
        ],
    ),
    (
        Fault::FeedLost(Area::Subjects),
        &[
            "subject_store_f_every_change_is_recorded_once_and_appended_to_the_feed",
            "subject_store_f_a_change_is_never_seen_without_its_event_and_feed_entry",
        ],
    ),
    (
        Fault::FeedFirst(Area::Keys),
        &["key_store_g_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::FeedFirst(Area::Signing),
        &["signing_key_store_h_a_dropped_call_leaves_the_transition_whole_or_absent"],
    ),
    (
        Fault::FeedFirst(Area::Families),
        &["refresh_token_store_j_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::FeedFirst(Area::Revocations),
        &["revocation_store_d_a_dropped_call_leaves_the_revocation_whole_or_absent"],
    ),
    (
        Fault::FeedFirst(Area::Subjects),
        &["subject_store_f_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::FeedLate(Area::Keys),
        &["key_store_g_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::FeedLate(Area::Signing),
        &["signing_key_store_h_a_dropped_call_leaves_the_transition_whole_or_absent"],
    ),
    (
        Fault::FeedLate(Area::Families),
        &["refresh_token_store_j_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::FeedLate(Area::Revocations),
        &[
            "change_feed_a_a_reader_never_misses_what_becomes_visible_later",
            "revocation_store_d_a_dropped_call_leaves_the_revocation_whole_or_absent",
        ],
    ),
    (
        Fault::FeedLate(Area::Subjects),
        &["subject_store_f_a_dropped_call_leaves_the_change_whole_or_absent"],
    ),
    (
        Fault::RefusalRecorded(Area::Keys),
        &[
            "key_store_g_a_call_that_changes_nothing_records_nothing",
            "key_store_d_a_second_rotation_names_the_key_that_stands",
        ],
    ),
    (
        Fault::RefusalRecorded(Area::Signing),
        &[
            "signing_key_store_b_a_transition_applies_only_at_the_expected_generation",
            "signing_key_store_d_activate_waits_for_the_microsecond_of_activate_from",
        ],
    ),
    (
        Fault::RefusalRecorded(Area::Families),
        &[
            "refresh_token_store_c_the_checks_come_in_order",
            "refresh_token_store_c_a_bound_family_is_used_with_its_binding_only",
        ],
    ),
    (
        Fault::RefusalRecorded(Area::Revocations),
        &["revocation_store_c_the_later_of_each_instant_stands"],
    ),
    (
        Fault::RefusalRecorded(Area::Subjects),
        &[
            "subject_store_f_a_call_that_changes_nothing_records_nothing",
            "subject_store_b_another_tenants_subject_is_not_found",
        ],
    ),
    (
        Fault::InsertChecksThenActs(Area::Keys),
        &["key_store_a_of_parallel_inserts_of_one_id_exactly_one_is_stored"],
    ),
    (
        Fault::InsertChecksThenActs(Area::Families),
        &["refresh_token_store_a_of_parallel_inserts_of_one_token_exactly_one_is_stored"],
    ),
    (
        Fault::InsertChecksThenActs(Area::Subjects),
        &["subject_store_a_of_parallel_inserts_of_one_subject_exactly_one_is_stored"],
    ),
    (
        Fault::RevokeChecksThenActs(Area::Keys),
        &["key_store_f_of_parallel_revocations_exactly_one_changes_the_key"],
    ),
    (
        Fault::RevokeChecksThenActs(Area::Families),
        &["refresh_token_store_h_of_parallel_revocations_exactly_one_ends_the_family"],
    ),
    (
        Fault::RevokeChecksThenActs(Area::Revocations),
        &["revocation_store_c_of_parallel_equal_revocations_exactly_one_is_the_first"],
    ),
    (
        Fault::PurgeIsEarlyByOne(Area::Keys),
        &[
            "key_store_i_purge_removes_what_ended_before_the_instant_and_nothing_else",
            "key_store_i_purge_sees_a_key_that_was_revoked_or_rotated_since",
        ],
    ),
    (
        Fault::PurgeIsEarlyByOne(Area::Families),
        &["refresh_token_store_k_purge_removes_families_that_expired_before_the_instant"],
    ),
    (
        Fault::PurgeIsEarlyByOne(Area::Revocations),
        &["revocation_store_e_purge_removes_what_expired_before_the_instant_and_nothing_else"],
    ),
    (
        Fault::PurgeLags(Area::Keys),
        &["key_store_i_purge_removes_what_ended_before_the_instant_and_nothing_else"],
    ),
    (
        Fault::PurgeLags(Area::Families),
        &["refresh_token_store_k_purge_removes_families_that_expired_before_the_instant"],
    ),
    (
        Fault::PurgeLags(Area::Revocations),
        &["revocation_store_e_purge_removes_what_expired_before_the_instant_and_nothing_else"],
    ),
    (
        Fault::PurgeInHalves(Area::Keys),
        &["key_store_i_a_dropped_purge_leaves_each_key_whole_or_gone"],
    ),
    (
        Fault::PurgeInHalves(Area::Families),
        &["refresh_token_store_k_a_dropped_purge_leaves_each_family_whole_or_gone"],
    ),
    (
        Fault::PurgeKnowsNoLimit(Area::Keys),
        &["key_store_i_purge_stops_at_its_limit_and_says_how_many"],
    ),
    (
        Fault::PurgeKnowsNoLimit(Area::Families),
        &["refresh_token_store_k_purge_stops_at_its_limit_and_says_how_many"],
    ),
    (
        Fault::PurgeKnowsNoLimit(Area::Revocations),
        &["revocation_store_e_purge_stops_at_its_limit_and_says_how_many"],
    ),
];
