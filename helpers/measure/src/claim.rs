//! ✓, ✗ and – for what a chapter says about this machine.

/// Prints whether what a chapter says holds on this machine: `✓`, `✗`, or `–` where the runs are
/// too far apart to tell. `why` names the numbers behind it.
///
/// The answer usually comes from [`Comparison::is_faster`](measure::Comparison::is_faster)
/// or [`Comparison::are_alike`](measure::Comparison::are_alike). A `✗` is no failure:
/// machines differ, and the line says how yours does.
///
/// ```
/// use measure::claim;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
