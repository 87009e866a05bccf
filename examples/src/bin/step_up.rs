//! A session steps up to rotate an API key: it is refused, shows a code of its app, gets a grant, and spends it.
//!
//! Everything is in memory, and time moves by hand, so that nobody waits for the app's next code. Prints each step, and ends with 0,
//! or with 1 when any is not as expected.
//!
//! ```text
//! cargo run -p fountain-examples --bin step_up
//! ```

use std::error::Error;

use fountain_core::access::{
    Authority, Authorized, Require, Requirement, Role, RoleCatalog, StepUpAction,
};
use fountain_core::api_key::{NewApiKey, RotatedApiKey, Rotation};
use fountain_core::identity::KeyId;
use fountain_core::login::LoginOutcome;
use fountain_core::otp::{OtpSecret, SecondFactorAnswer, StepUp, Totp};
use fountain_core::{Fountain, Reason, RejectionKind, Tenant};
use fountain_examples::Steps;
use fountain_examples::shop::Shop;

/// An act for which a session is not enough.
struct RotateKeys;

impl Require for RotateKeys {
    fn requirement() -> Requirement {
        Requirement::permission("keys:rotate").step_up("keys:rotate")
    }
}

/// Called with the proof, and by nobody without it; what is rotated is what the grant was for.
async fn rotate(
    fountain: &Fountain,
    by: &Authorized<RotateKeys>,
) -> Result<RotatedApiKey, fountain_core::Error> {
    let id = KeyId::new(by.resource().unwrap_or_default())?;
    let (by, keys) = (by.principal(), fountain.api_keys());
    keys.rotate(by, by.tenant(), &id, Rotation::new()).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let roles = RoleCatalog::builder()
        .permissions(["keys:rotate", "orders:read"])
        .role(Role::new("admin").grant("*"))
        .require::<RotateKeys>()
        .build()?;
    let shop = Shop::open(roles).await?;
    shop.register("alice", "admin").await?;
    let (factors, step_up) = (shop.sign_in.second_factor(), shop.sign_in.step_up());
    let mut steps = Steps::new();

    let outcome = shop.sign_in.login().begin(shop.attempt("alice")?).await?;
    let LoginOutcome::SignedIn(session) = outcome else {
        return Err("no second factor is enrolled yet".into());
    };
    let alice = shop.principal(&session.tokens).await?;
    let (tenant, subject) = (alice.tenant(), alice.subject());
    let begun = factors
        .enrol_totp(&alice, tenant, subject, "alice", None)
        .await?;
    let app = Totp::new(OtpSecret::from_base32(begun.secret.expose())?);
    let code = shop.shown_by(&app);
    factors
        .confirm(tenant, subject, &begun.factor, code.expose())
        .await?;
    shop.wait_for_the_next_code();
    let new = NewApiKey::for_service("billing").scope("orders:read");
    let keys = shop.fountain.api_keys();
    let key = keys
        .issue(Authority::System, &Tenant::default(), new)
        .await?;
    let key = key.record.id;
    steps.say(&format!(
        "alice signed in and enrolled an app; there is a key {key}"
    ));

    let (roles, id) = (shop.fountain.roles(), Some(key.as_str()));
    let attempt = |grant| step_up.authorize::<RotateKeys>(roles, alice.clone(), id, grant);
    let refused = attempt(None).await.err().ok_or("it takes a grant")?;
    let RejectionKind::StepUpRequired {
        action: Some(action),
        resource,
        ..
    } = refused.kind()
    else {
        return Err(refused.into());
    };
    steps.say(&format!(
        "her session alone is refused: {action} of {resource:?}"
    ));

    let (action, resource) = (StepUpAction::new(action)?, resource.as_deref());
    let code = shop.shown_by(&app);
    let shown = factors
        .verify(
            tenant,
            subject,
            &StepUp::purpose(),
            &step_up.binding(&alice, &action, resource),
            SecondFactorAnswer::Authenticator(code.expose()),
            None,
        )
        .await?;
    let issued = step_up.grant(&alice, &action, resource, shown).await?;
    let grant = Some(issued.grant.expose());
    steps.say(&format!(
        "a code of her app makes a grant, until {}",
        issued.expires_at
    ));

    let proof = attempt(grant).await?;
    let rotated = rotate(&shop.fountain, &proof).await?;
    steps.say(&format!(
        "she has rotated the key: {} follows",
        rotated.record.id
    ));

    let again = attempt(grant).await.err().map(|refused| refused.reason());
    steps.check(
        "the same grant is refused",
        again == Some(Reason::GrantSpent),
    );
    steps.finish()
}
