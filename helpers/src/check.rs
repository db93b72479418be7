//! ✓ and ✗ for exercises, and ✓, ✗ and – for what a chapter says about this machine.
//!
//! A check runs the reader's code, so that code may be wrong in every way: return the wrong
//! thing, panic, or still be the unedited stub. Each of these ends in one line that says why.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// Runs a check and prints `✓` with what was achieved or `✗` with what is wrong.
///
/// The check answers `Ok(what is right)` or `Err(what is wrong and where to look)`. A panic in
/// the reader's code counts as ✗ with its message. Returns whether it passed.
///
/// ```
/// use helpers::check::check;
///
/// fn double(n: u32) -> u32 { n * 2 }
/// assert!(check("double", || match double(21) {
///     42 => Ok("21 doubled is 42".into()),
///     other => Err(format!("double(21) gave {other}, expected 42")),
/// }));
/// ```
pub fn check(exercise: &str, verdict: impl FnOnce() -> Result<String, String>) -> bool {
    let outcome = quietly(verdict);
    match &outcome {
        Ok(Ok(why)) => println!("✓ {exercise}: {why}"),
        Ok(Err(why)) => println!("✗ {exercise}: {why}"),
        Err(message) => println!("✗ {exercise}: your code panicked: {message}"),
    }
    matches!(outcome, Ok(Ok(_)))
}

/// Prints whether what a chapter says holds on this machine: `✓`, `✗`, or `–` where the runs are
/// too far apart to tell. `why` names the numbers behind it.
///
/// The answer usually comes from [`Comparison::is_faster`](crate::measure::Comparison::is_faster)
/// or [`Comparison::are_alike`](crate::measure::Comparison::are_alike). A `✗` is no failure:
/// machines differ, and the line says how yours does.
///
/// ```
/// use helpers::check::claim;
///
/// claim("a square is never negative", Some(true), "tried 0 to 99");
/// claim("two cores are better than one", None, "12 ms and 13 ms");
/// ```
pub fn claim(what: &str, holds: Option<bool>, why: &str) {
    println!("{}", claim_line(what, holds, why));
}

fn claim_line(what: &str, holds: Option<bool>, why: &str) -> String {
    let (mark, verdict) = match holds {
        Some(true) => ("✓", ""),
        Some(false) => ("✗", "not on this machine: "),
        None => ("–", "cannot be told here: "),
    };
    match (verdict, why) {
        ("", "") => format!("{mark} {what}"),
        (_, "") => format!("{mark} {what} ({})", verdict.trim_end_matches(": ")),
        _ => format!("{mark} {what} ({verdict}{why})"),
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and turns a panic into its message, without the usual report on standard error.
///
/// Only panics of the calling thread are kept quiet; those of other threads are reported as ever.
pub fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                report(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    outcome.map_err(|payload| panic_message(payload.as_ref()))
}

/// The text of a panic.
pub fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failed_check() {
        assert!(!check("panics", || panic!("index {} out of bounds", 3)));
        assert_eq!(quietly(|| -> u8 { panic!("seven") }), Err("seven".into()));
    }

    #[test]
    fn a_claim_has_three_answers() {
        assert_eq!(
            claim_line("a < b", Some(true), "1 and 2"),
            "✓ a < b (1 and 2)"
        );
        assert_eq!(
            claim_line("a < b", Some(false), "2 and 1"),
            "✗ a < b (not on this machine: 2 and 1)"
        );
        assert_eq!(
            claim_line("a < b", None, ""),
            "– a < b (cannot be told here)"
        );
    }

    #[test]
    fn a_verdict_decides() {
        assert!(check("right", || Ok("fine".into())));
        assert!(!check("wrong", || Err("not yet".into())));
    }
}
