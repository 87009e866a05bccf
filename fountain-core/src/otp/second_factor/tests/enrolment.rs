use super::*;
use crate::identity::{Assurance, Credential, Grants, Issuer, PrincipalParts, TokenId};

pub(super) fn principal(subject: &Subject) -> Principal {
    Principal::new(PrincipalParts {
        tenant: Tenant::default(),
        subject: subject.clone(),
        credential: Credential::AccessToken {
            id: TokenId::new("1").unwrap(),
            issuer: Issuer::new("https://auth.example.com").unwrap(),
            family: None,
            client: ClientId::new("app").unwrap(),
        },
        roles: Vec::new(),
        scopes: Vec::new(),
        grants: Grants::none(),
        assurance: Assurance::default(),
        expires_at: Timestamp::MAX,
        superseded_at: None,
    })
}

fn stepped_up(subject: &Subject, action: &str, resource: Option<&str>) -> Option<SteppedUp> {
    Some(SteppedUp {
        tenant: Tenant::default(),
        subject: subject.clone(),
        action: StepUpAction::new(action).unwrap(),
        resource: resource.map(str::to_owned),
    })
}

/// The act that a step-up is needed for, and why there is none.
fn needs<T: fmt::Debug>(result: Result<T, Error>) -> (String, Option<String>, Reason) {
    let rejection = result.unwrap_err().rejection();
    let reason = rejection.reason();
    match rejection.kind().clone() {
        RejectionKind::StepUpRequired {
            acr,
            action,
            resource,
            ..
        } => {
            assert_eq!(acr.as_deref(), Some("urn:fountain:acr:mfa"));
            (action.unwrap().into_owned(), resource, reason)
        }
        other => panic!("{other:?}"),
    }
}

impl World {
    async fn enrol(
        &self,
        by: impl Into<Authority<'_>>,
        proof: Option<SteppedUp>,
    ) -> Result<Enrolment, Error> {
        self.service
            .enrol_totp(by, &self.tenant, &self.alice, "alice", proof)
            .await
    }

    async fn confirm(&self, app: &App, code: &str) -> Result<(), Error> {
        self.service
            .confirm(&self.tenant, &self.alice, &app.factor, code)
            .await
    }
}

/// bound by one good code, which is used with it.
#[tokio::test]
async fn an_authenticator_is_good_for_nothing_until_one_good_code_has_confirmed_it() {
    let w = world();
    let shown = w.enrol(Authority::System, None).await.unwrap();
    assert_eq!(shown.confirm_by, w.clock.now() + Duration::from_secs(600));
    let uri = crate::otp::OtpauthUri::parse(shown.uri.expose()).unwrap();
    assert_eq!(uri.issuer(), Some("Example Shop"));
    assert_eq!(uri.secret().to_base32().expose(), shown.secret.expose());
    assert!(!format!("{shown:?}").contains(shown.secret.expose()));
    let app = World::app_of(&shown);
    let code = w.code(&app);
    assert!(!w.service.is_required(&w.tenant, &w.alice).await.unwrap());
    assert_eq!(why(w.ask().await), Reason::FactorPending);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    assert_eq!(why(w.verify(answer).await), Reason::FactorPending);

    let wrong = w.wrong(&app);
    assert_eq!(why(w.confirm(&app, &wrong).await), Reason::CodeWrong);
    w.confirm(&app, code.expose()).await.unwrap();
    assert!(w.service.is_required(&w.tenant, &w.alice).await.unwrap());
    assert_eq!(why(w.verify(answer).await), Reason::CodeReplayed);
    let again = w.confirm(&app, code.expose()).await.unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::Conflict(_)));

    w.clock.advance(Duration::from_secs(30));
    let next = w.code(&app);
    let asked = w.ask().await.unwrap();
    assert_eq!(asked.methods, [FactorMethod::Authenticator]);
    let answer = SecondFactorAnswer::Authenticator(next.expose());
    let verified = w.answer(&asked.id, answer).await.unwrap();
    assert_eq!(verified.shown().kind, FactorKind::Totp);
    assert_eq!(verified.factor(), Some(&app.factor));
    assert_eq!(verified.context(), b"context");
    assert_eq!(
        why(w.answer(&asked.id, answer).await),
        Reason::ChallengeEnded
    );
}

///
#[tokio::test]
async fn an_authenticator_is_confirmed_in_ten_minutes_or_never() {
    let w = world();
    let app = World::app_of(&w.enrol(Authority::System, None).await.unwrap());
    w.clock.advance(Duration::from_secs(600));
    let code = w.code(&app);
    let refused = w.confirm(&app, code.expose()).await;
    assert_eq!(why(refused), Reason::FactorPending);
    assert!(!w.service.is_required(&w.tenant, &w.alice).await.unwrap());
}

/// the secret that is bound stays what it is.
#[tokio::test]
async fn a_second_enrolment_overwrites_nothing() {
    let w = world();
    let first = w.app().await;
    let second = World::app_of(&w.enrol(Authority::System, None).await.unwrap());
    assert_ne!(first.factor, second.factor);
    let code = w.code(&second);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    assert_eq!(why(w.verify(answer).await), Reason::CodeWrong);
    let code = w.code(&first);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    _ = w.verify(answer).await.unwrap();
    assert_eq!(
        w.service.factors(&w.tenant, &w.alice).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_subject_has_ten_factors_at_most() {
    let w = world();
    for _ in 0..10 {
        w.enrol(Authority::System, None).await.unwrap();
    }
    let refused = w.enrol(Authority::System, None).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Conflict(_)));
    // What was not confirmed in time does not count.
    w.clock.advance(Duration::from_secs(600));
    w.enrol(Authority::System, None).await.unwrap();
}

/// B-64
#[tokio::test]
async fn an_account_or_a_service_that_no_authenticator_can_show_is_refused() {
    let w = world();
    for account in ["", "a:b", " a", "a\n", "a\0", &"x".repeat(256)] {
        let by = Authority::System;
        let refused = w
            .service
            .enrol_totp(by, &w.tenant, &w.alice, account, None)
            .await;
        assert!(matches!(
            refused.unwrap_err().kind(),
            ErrorKind::InvalidInput { .. }
        ));
        let refused = w
            .service
            .enrol_hotp(by, &w.tenant, &w.alice, account, None)
            .await;
        assert!(refused.is_err());
    }
    assert!(
        w.service
            .factors(&w.tenant, &w.alice)
            .await
            .unwrap()
            .is_empty()
    );
}

/// the first factor takes none, all that follows takes a step-up for exactly that by who asks.
#[tokio::test]
async fn changes_beside_a_confirmed_factor_take_a_step_up() {
    let w = world();
    let (alice, bob) = (principal(&w.alice), Subject::new("bob").unwrap());
    let first = World::app_of(&w.enrol(&alice, None).await.unwrap());
    let code = w.code(&first);
    w.confirm(&first, code.expose()).await.unwrap();
    let enrol = "factors:enrol".to_owned();
    assert_eq!(
        needs(w.enrol(&alice, None).await),
        (enrol.clone(), None, Reason::GrantMissing)
    );
    for wrong in [
        stepped_up(&bob, "factors:enrol", None),
        stepped_up(&w.alice, "factors:delete", None),
        stepped_up(&w.alice, "factors:enrol", Some("x")),
    ] {
        let refused = needs(w.enrol(&alice, wrong).await);
        assert_eq!(refused, (enrol.clone(), None, Reason::GrantInvalid));
    }
    let proof = stepped_up(&w.alice, "factors:enrol", None);
    let second = World::app_of(&w.enrol(&alice, proof).await.unwrap());
    w.clock.advance(Duration::from_secs(30));
    let code = w.code(&second);
    w.confirm(&second, code.expose()).await.unwrap();

    let (service, id) = (&w.service, second.factor.as_str());
    let remove = |proof| service.remove(&alice, &w.tenant, &w.alice, &second.factor, proof);
    let (delete, resource) = ("factors:delete".to_owned(), Some(id.to_owned()));
    assert_eq!(
        needs(remove(None).await),
        (delete.clone(), resource.clone(), Reason::GrantMissing)
    );
    let of_another = stepped_up(&w.alice, "factors:delete", Some(first.factor.as_str()));
    assert_eq!(
        needs(remove(of_another).await),
        (delete, resource, Reason::GrantInvalid)
    );
    remove(stepped_up(&w.alice, "factors:delete", Some(id)))
        .await
        .unwrap();
    let again = remove(stepped_up(&w.alice, "factors:delete", Some(id))).await;
    assert_eq!(*again.unwrap_err().kind(), ErrorKind::NotFound);

    let replace = |proof| service.replace_recovery_codes(&alice, &w.tenant, &w.alice, proof);
    let (action, ..) = needs(replace(None).await);
    assert_eq!(action, "factors:recovery");
    let proof = stepped_up(&w.alice, "factors:recovery", None);
    assert_eq!(replace(proof).await.unwrap().len(), 10);
}

/// Somebody else's factors take one always, and those of another tenant are not there.
#[tokio::test]
async fn who_changes_the_factors_of_somebody_else_steps_up_first() {
    let w = world();
    let bob = Subject::new("bob").unwrap();
    let admin = principal(&bob);
    let (action, ..) = needs(w.enrol(&admin, None).await);
    assert_eq!(action, "factors:enrol");
    let proof = stepped_up(&bob, "factors:enrol", None);
    w.enrol(&admin, proof).await.unwrap();
    let elsewhere = Tenant::new("elsewhere").unwrap();
    let proof = stepped_up(&bob, "factors:enrol", None);
    let refused = w
        .service
        .enrol_totp(&admin, &elsewhere, &w.alice, "alice", proof)
        .await;
    assert_eq!(*refused.unwrap_err().kind(), ErrorKind::NotFound);
}

/// who had a session for a moment, before there was a second factor, binds none of its own once there is one.
#[tokio::test]
async fn an_enrolment_that_began_without_a_step_up_ends_with_the_first_other_factor() {
    let w = world();
    let alice = principal(&w.alice);
    let thiefs = World::app_of(&w.enrol(&alice, None).await.unwrap());
    let owners = World::app_of(&w.enrol(&alice, None).await.unwrap());
    let code = w.code(&owners);
    w.confirm(&owners, code.expose()).await.unwrap();
    let code = w.code(&thiefs);
    let (action, ..) = needs(w.confirm(&thiefs, code.expose()).await);
    assert_eq!(action, "factors:enrol");
    assert_eq!(
        w.service
            .factors(&w.tenant, &w.alice)
            .await
            .unwrap()
            .iter()
            .filter(|factor| factor.confirmed_at.is_some())
            .count(),
        1
    );
}

/// wrong codes at a pending factor are counted like any.
#[tokio::test]
async fn confirming_is_an_attempt_like_any_other() {
    let w = world();
    let app = World::app_of(&w.enrol(Authority::System, None).await.unwrap());
    let wrong = w.wrong(&app);
    for _ in 0..5 {
        assert_eq!(why(w.confirm(&app, &wrong).await), Reason::CodeWrong);
    }
    let code = w.code(&app);
    assert_eq!(why(w.confirm(&app, code.expose()).await), Reason::Locked);
}

/// a factor that cannot be read is an error, and never none.
#[tokio::test]
async fn a_factor_that_was_moved_or_damaged_fails_closed() {
    let w = world();
    let app = w.app().await;
    let mut record = w
        .store
        .list(&w.tenant, &w.alice)
        .await
        .unwrap()
        .pop()
        .unwrap();
    // The same sealed bytes in another row: another id.
    record.id = FactorId::new("0000000000000000000000").unwrap();
    let event = w
        .service
        .event(&w.tenant, Actor::System, AuditAction::FactorEnrolled)
        .unwrap();
    assert!(
        FactorStore::insert(&*w.store, record.clone(), event)
            .await
            .unwrap()
    );
    let wrong = w.wrong(&app);
    let answer = w.verify(SecondFactorAnswer::Authenticator(&wrong)).await;
    assert_eq!(*answer.unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(w.service.is_required(&w.tenant, &w.alice).await.unwrap());
}

///
#[test]
fn settings_out_of_bounds_are_all_named() {
    let w = world();
    let build = |change: fn(SecondFactorBuilder) -> SecondFactorBuilder| {
        let inner = &w.service.0;
        let builder = SecondFactor::builder(
            inner.factors.clone(),
            inner.challenges.clone(),
            inner.lockout.clone(),
            inner.sealer.clone(),
            inner.pepper.clone(),
        );
        change(builder)
            .build()
            .map_err(|errors| errors.iter().count())
    };
    assert_eq!(build(|builder| builder).unwrap_err(), 1);
    let all_wrong = build(|builder| {
        builder
            .service_name("a:b")
            .challenge_life(Duration::ZERO)
            .attempts(6)
            .address_life(Duration::MAX)
            .recovery_codes(21)
    });
    assert_eq!(all_wrong.unwrap_err(), 5);
    assert!(build(|builder| builder.service_name("Shop").attempts(0)).is_err());
    assert!(build(|builder| builder.service_name("Shop").attempts(1)).is_ok());
}

/// What another system exported goes on here: its digits, its period, its counter.
#[tokio::test]
async fn an_authenticator_of_another_system_is_taken_over_as_it_is() {
    let w = world();
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR";
    let take_over = async |uri: &str| {
        let uri = crate::otp::OtpauthUri::parse(uri).unwrap();
        w.service
            .take_over(Authority::System, &w.tenant, &w.alice, &uri, None)
            .await
            .unwrap()
    };
    let factor = take_over(&format!(
        "otpauth://totp/alice?secret={secret}&digits=8&period=60&algorithm=SHA256"
    ))
    .await;
    let totp = Totp::new(OtpSecret::from_base32(secret).unwrap())
        .digits(crate::otp::Digits::Eight)
        .algorithm(crate::otp::OtpAlgorithm::Sha256)
        .period(60)
        .unwrap();
    let code = totp.code_at(w.clock.now()).unwrap();
    let confirm = w
        .service
        .confirm(&w.tenant, &w.alice, &factor, code.expose());
    confirm.await.unwrap();
    let factor = take_over(&format!("otpauth://hotp/alice?secret={secret}&counter=41")).await;
    let hotp = crate::otp::Hotp::new(OtpSecret::from_base32(secret).unwrap());
    let confirm = async |counter| {
        let code = hotp.code_at(counter);
        w.service
            .confirm(&w.tenant, &w.alice, &factor, code.expose())
            .await
    };
    assert_eq!(why(confirm(40).await), Reason::CodeWrong);
    confirm(41).await.unwrap();
    let code = hotp.code_at(41);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    assert_eq!(why(w.verify(answer).await), Reason::CodeWrong);
}
