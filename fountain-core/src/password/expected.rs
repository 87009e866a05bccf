//! What anybody would try first: a text that one short rule makes, or that consists of the words at hand.

use zeroize::Zeroizing;

/// Whether the whole password is made by one short rule: up to four characters over and over (`aaaaaaaa`, `abcabcabc`),
/// or a run through an alphabet, the digits or a row of a keyboard, either way, over its end and on (`567890123`).
pub(super) fn is_predictable(password: &str) -> bool {
    let text: Zeroizing<Vec<char>> = Zeroizing::new(lower(password).chars().collect());
    let repeats = (1..=4).any(|period| {
        text.len() > period
            && text
                .iter()
                .zip(text.iter().skip(period))
                .all(|(a, b)| a == b)
    });
    repeats || (text.len() > 3 && ROWS.iter().any(|row| is_run(&text, row)))
}

const ROWS: [&str; 5] = [
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
];

/// Whether each character follows the one before it in `row`, or each precedes it, its ends being joined.
fn is_run(text: &[char], row: &str) -> bool {
    let length = row.len();
    let place = |c: &char| row.chars().position(|other| other == *c);
    let by = |step: usize| {
        text.iter().zip(text.iter().skip(1)).all(
            |(a, b)| matches!((place(a), place(b)), (Some(a), Some(b)) if (a + step) % length == b),
        )
    };
    by(1) || by(length - 1)
}

/// Whether the whole password consists of these words, in any order and as often as one likes, forwards or backwards, with
/// digits, blanks and punctuation around them, and with the digits and signs for letters that everybody knows: `@lice`,
/// `f0unta1n`.
///
/// Words of less than three letters are no context. Every choice of letters for signs is tried at once, by keeping the set
/// of places up to which the text can be explained: at most characters times words steps.
pub(super) fn is_derived<'a>(password: &str, words: impl IntoIterator<Item = &'a str>) -> bool {
    let mut known: Vec<Vec<char>> = Vec::new();
    for word in words {
        // An address is three words: the whole, and what stands before and after its sign.
        for part in std::iter::once(word).chain(word.split(|c: char| !c.is_alphanumeric())) {
            let letters: Vec<char> = lower(part)
                .chars()
                .filter(|c| c.is_alphanumeric())
                .collect();
            if letters.len() >= 3 {
                known.push(letters.iter().rev().copied().collect());
                known.push(letters);
            }
        }
    }
    if known.is_empty() {
        return false;
    }
    let text: Zeroizing<Vec<char>> = Zeroizing::new(lower(password).chars().collect());
    // Explained up to here: without a word so far, and with one.
    let mut plain = Zeroizing::new(vec![false; text.len() + 1]);
    let mut worded = Zeroizing::new(vec![false; text.len() + 1]);
    if let Some(start) = plain.first_mut() {
        *start = true;
    }
    for at in 0..text.len() {
        let reached = |set: &[bool], at: usize| set.get(at).copied().unwrap_or(false);
        let (without, with) = (reached(&plain, at), reached(&worded, at));
        if !without && !with {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        if rest.first().is_some_and(|c| !c.is_alphabetic()) {
            mark(&mut plain, at + 1, without);
            mark(&mut worded, at + 1, with);
        }
        for word in &known {
            if let Some(length) = begins_with(rest, word) {
                mark(&mut worded, at + length, true);
            }
        }
    }
    worded.last().copied().unwrap_or(false)
}

fn mark(set: &mut [bool], at: usize, reached: bool) {
    if let Some(place) = set.get_mut(at) {
        *place |= reached;
    }
}

/// How many characters of `text` spell `word`, signs that are no letters being skipped between its letters.
fn begins_with(text: &[char], word: &[char]) -> Option<usize> {
    let mut rest = text.iter().enumerate();
    for letter in word {
        loop {
            let (_, c) = rest.next()?;
            if c == letter || stands_for(*c).contains(*letter) {
                break;
            }
            if c.is_alphanumeric() {
                return None;
            }
        }
    }
    Some(rest.next().map_or(text.len(), |(at, _)| at))
}

/// The letters that a digit or sign is read as.
const fn stands_for(sign: char) -> &'static str {
    match sign {
        '0' => "o",
        '1' | '!' | '|' => "il",
        '3' => "e",
        '4' | '@' => "a",
        '5' | '$' => "s",
        '7' | '+' => "t",
        '8' => "b",
        '9' => "g",
        _ => "",
    }
}

fn lower(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_short_rule_is_predictable() {
        for bad in [
            "aaaaaaaaaaaaaaa",
            "AaAaAaAaAaAaAaA",
            "abcabcabcabcabc",
            "1212121212121212",
            "abcdabcdabcdabcd",
            "123456789012345",
            "987654321098765",
            "abcdefghijklmnop",
            "xyzabcdefghijklm",
            "QwertyuiopAsdfghjkl",
            "lkjhgfdsapoiuytrewq",
            "qwertzuiopasdfg",
            "azertyuiopqsdfg",
        ] {
            assert!(is_predictable(bad), "{bad}");
        }
        for fine in [
            "",
            "a",
            "abc",
            "correct horse battery staple",
            "abcdefghijklmnopq!",
            "1234567890-1234567890",
            "abcdeabcdeabcde",
            "Ünïcödé Ünïcödé",
        ] {
            assert!(!is_predictable(fine), "{fine}");
        }
    }

    #[test]
    fn what_consists_of_the_words_at_hand_is_derived() {
        let words = ["alice@example.com", "Fountain"];
        for bad in [
            "alice@example.com",
            "ALICE2026!",
            "@lice1990",
            "f0unta1n",
            "Fountain-Fountain",
            "fountain alice 1234567",
            "ecila",
            "alice.example.com",
            "AliceExampleCom",
            "!!!alicealicealice!!!",
            "a.l.i c e",
            "12345 F.0.U.N.T.A.I.N 67890",
        ] {
            assert!(is_derived(bad, words), "{bad}");
        }
        for fine in [
            "",
            "123456789",
            "malice",
            "alice in wonderland",
            "the fountain of youth",
            "correct horse battery staple",
            "al1ce in 2026",
        ] {
            assert!(!is_derived(fine, words), "{fine}");
        }
    }

    #[test]
    fn short_words_and_no_words_are_no_context() {
        assert!(!is_derived("jo2026", ["jo"]));
        assert!(!is_derived("12345678", ["", "a.b", "@"]));
        assert!(!is_derived("anything", []));
    }

    #[test]
    fn words_of_digits_and_other_scripts_count_as_well() {
        assert!(is_derived("тест-2026", ["Тест"]));
        assert!(is_derived("555123", ["555123"]));
        assert!(is_derived("Straße!", ["straße"]));
        assert!(!is_derived("555124", ["555123"]));
    }

    /// The longest input with many words is judged in steps that are counted, not in a search that explodes.
    #[test]
    fn the_longest_password_is_judged_in_linear_steps() {
        let words: Vec<String> = (3..40).map(|n| "a".repeat(n)).collect();
        let text = format!("{}b", "a".repeat(1_023));
        assert!(!is_derived(&text, words.iter().map(String::as_str)));
        assert!(is_derived(&text[..1_023], words.iter().map(String::as_str)));
    }
}
