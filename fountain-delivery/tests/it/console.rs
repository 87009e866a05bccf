use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use fountain_core::otp::{Channel, DeliveryErrorKind, Notice, OtpDelivery as _};
use fountain_delivery::danger::InsecureConsole;

use crate::conformance::{carries_only, code, deliver, notice};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Torn;

impl Write for Torn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Err(io::Error::other(
            String::from_utf8_lossy(bytes).into_owned(),
        ))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_console_writes_one_line_of_json_for_each_message() {
    let paper = Paper::default();
    let console = InsecureConsole::to_writer(paper.clone());
    carries_only(&console, Channel::ALL).await;
    for message in [
        code(Channel::Sms),
        code(Channel::Email),
        notice(Channel::Email, Notice::FactorRemoved),
    ] {
        deliver(&console, &message).await.unwrap();
    }
    let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        written,
        "{\"channel\":\"sms\",\"code\":\"271828\",\"event\":\"otp\",\"to\":\"+436641234567\"}\n\
         {\"channel\":\"email\",\"code\":\"271828\",\"event\":\"otp\",\"to\":\"alice@example.com\"}\n\
         {\"channel\":\"email\",\"event\":\"notice\",\"notice\":\"factor_removed\",\"to\":\"alice@example.com\"}\n",
    );
}

#[tokio::test]
async fn a_console_that_cannot_be_written_to_may_have_shown_the_code() {
    let console = InsecureConsole::to_writer(Torn);
    let outcome = deliver(&console, &code(Channel::Sms)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Unknown));
    assert!(console.carries(Channel::Sms));
}
