//! Numbers with a unit, for readers.

/// Seconds as a person writes them: `1.53 s`, `27.4 ms`, `310 µs`, `48.1 ns`.
pub fn seconds(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if !v.is_finite() => return "no time".to_owned(),
        v if v >= 1.0 => (value, "s"),
        v if v >= 1e-3 => (value * 1e3, "ms"),
        v if v >= 1e-6 => (value * 1e6, "µs"),
        _ => (value * 1e9, "ns"),
    };
    let decimals = match scaled.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_three_digits() {
        assert_eq!(seconds(1.5349), "1.53 s");
        assert_eq!(seconds(0.0274), "27.4 ms");
        assert_eq!(seconds(310e-6), "310 µs");
        assert_eq!(seconds(48.1e-9), "48.1 ns");
        assert_eq!(seconds(f64::NAN), "no time");
    }
}
