//! Days of the calendar, as texts `YYYY-MM-DD`.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz};

const EPOCH: Date = Date::constant(1970, 1, 1);

/// Today's date in UTC as readers write it, such as `20 Nov 2026`.
pub fn today() -> String {
    let now = Timestamp::now().to_zoned_datetime(tz::TimeZone::UTC);
    now.strftime("%-d %b %Y").to_string()
}

/// So many dates in a row, from `first` on.
///
/// ```
/// use platform::dates::dates;
///
/// assert_eq!(dates("2020-02-28", 3), ["2020-02-28", "2020-02-29", "2020-03-01"]);
/// ```
///
/// # Panics
///
/// If `first` is no date of the form `YYYY-MM-DD`.
pub fn dates(first: &str, count: usize) -> Vec<String> {
    let Some(start) = days_since_1970(first) else {
        panic!("“{first}” is no date such as 2020-09-06");
    };
    (start..).take(count).map(text).collect()
}

/// The number of days from 1970-01-01 to a date; `None` for what is no date.
pub fn days_since_1970(date: &str) -> Option<i64> {
    let day: Date = date.parse().ok()?;
    // Other ways to write a day, such as 20200906, are none here.
    (day.to_string() == date).then(|| i64::from((day - EPOCH).get_days()))
}

/// The date so many days after 1970-01-01.
///
/// # Panics
///
/// Beyond the years -9999 and 9999.
pub fn text(days: i64) -> String {
    (EPOCH + days.days()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(text(0), "1970-01-01");
        assert_eq!(days_since_1970("2000-03-01"), Some(11_017));
        assert_eq!(dates("2020-12-31", 2)[1], "2021-01-01");
        assert_eq!(dates("2100-02-28", 2)[1], "2100-03-01");
        for wrong in ["2021-02-29", "2020-1-1", "x", "2020-13-01", "2020-01-01-01"] {
            assert_eq!(days_since_1970(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_hundred_years_follow_on_each_other() {
        let all = dates("1999-12-31", 36_526);
        assert!(all.is_sorted());
        assert_eq!(all.last().unwrap(), "2099-12-31");
    }
}
