//! Somebody enrols an authenticator app, and from then on a login asks for its code.
//!
//! Everything is in memory, and time moves by hand, so that nobody waits for the app's next code. Prints each step, and ends with 0,
//! or with 1 when any is not as expected.
//!
//! ```text
//! cargo run -p fountain-examples --bin totp_enrolment
//! ```

use std::error::Error;

use fountain_core::access::{Role, RoleCatalog};
use fountain_core::login::{LoginAnswer, LoginOutcome};
use fountain_core::otp::{OtpauthUri, QrCode, SecondFactorAnswer};
use fountain_core::{Error as FountainError, Reason};
use fountain_examples::Steps;
use fountain_examples::shop::Shop;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let roles = RoleCatalog::builder()
        .permissions(["orders:read"])
        .role(Role::new("clerk").grant("orders:read"))
        .build()?;
    let shop = Shop::open(roles).await?;
    shop.register("alice", "clerk").await?;
    let (login, factors) = (shop.sign_in.login(), shop.sign_in.second_factor());
    let mut steps = Steps::new();

    let LoginOutcome::SignedIn(session) = login.begin(shop.attempt("alice")?).await? else {
        return Err("no second factor is enrolled yet".into());
    };
    let alice = shop.principal(&session.tokens).await?;
    let (tenant, subject) = (alice.tenant(), alice.subject());
    steps.say(&format!(
        "alice signed in by her password: amr {:?}",
        alice.assurance().amr
    ));

    // The first factor takes the session alone; a further one, a step-up with this one.
    let begun = factors
        .enrol_totp(&alice, tenant, subject, "alice@example.com", None)
        .await?;
    let picture = QrCode::of(&begun.uri)?;
    steps.say(&format!(
        "her browser shows a QR code once: {} bytes of SVG, {} of PNG",
        picture.to_svg().expose().len(),
        picture.to_png()?.expose().len()
    ));
    // What her app does with it.
    let scanned = OtpauthUri::parse(begun.uri.expose())?;
    let app = scanned.totp().ok_or("the URI is of a time-based code")?;

    let wrong = factors.confirm(tenant, subject, &begun.factor, "000000");
    steps.check("a wrong code binds nothing", wrong.await.is_err());
    let code = shop.shown_by(&app);
    factors
        .confirm(tenant, subject, &begun.factor, code.expose())
        .await?;
    steps.say("the first good code binds the app to her account, and counts as used");

    let LoginOutcome::SecondFactor(asked) = login.begin(shop.attempt("alice")?).await? else {
        return Err("from now on there are no tokens without it".into());
    };
    steps.say(&format!(
        "her next login asks for a second factor: {:?}",
        asked.methods
    ));
    let answer = |code| LoginAnswer::new(asked.id.clone(), SecondFactorAnswer::Authenticator(code));
    let again = login.finish(answer(code.expose())).await;
    steps.check(
        "the code that confirmed the app is refused",
        again.is_err_and(|error| reason(&error) == Reason::CodeReplayed),
    );
    shop.wait_for_the_next_code();
    let code = shop.shown_by(&app);
    let session = login.finish(answer(code.expose())).await?;
    let alice = shop.principal(&session.tokens).await?;
    steps.check(
        &format!("the next one signs her in: amr {:?}", alice.assurance().amr),
        alice.assurance().amr == ["pwd", "otp", "mfa"],
    );
    steps.finish()
}

fn reason(error: &FountainError) -> Reason {
    error.rejection().reason()
}
