//! ✓ and ✗ for exercises.
//!
//! A check runs the reader's code, so that code may be wrong in every way: return the wrong
//! thing, panic, or still be the unedited stub. Each of these ends in one line that says why.

pub use platform::panics::quietly;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failed_check() {
        assert!(!check("panics", || panic!("index {} out of bounds", 3)));
    }

    #[test]
    fn a_verdict_decides() {
        assert!(check("right", || Ok("fine".into())));
        assert!(!check("wrong", || Err("not yet".into())));
    }
}
