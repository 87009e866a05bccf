//! Whether the time that a refusal takes tells its cause, by the method of dudect.
//!
//! Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?" (2017): one operation is timed on two classes of
//! inputs, in random order, and Welch's t says whether the two sets of times have one mean. Slow outliers, which are the
//! scheduler's and not the code's, hide a difference, so the test is made again with the slowest times cropped, at 100
//! percentiles, and the largest |t| counts. Below 5 no difference is seen; what "no difference" is worth is shown by
//! leaks put there on purpose, which must be found.
//!
//! [`welch`] is the statistic alone, [`sample`] the measuring, [`pairs`] what is measured, [`logins`] what takes too long for it. `dudect-bencher` has the
//! statistic in a private module and prints its results instead of giving them, so it cannot be asked for a verdict.

pub mod logins;
pub mod pairs;
pub mod sample;
pub mod welch;

pub use pairs::all;
pub use sample::{Deal, Expected, Measured, Pair, measure};
pub use welch::{Class, Finding, Welch};
