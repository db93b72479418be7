//! Days of the calendar, as texts `YYYY-MM-DD`. Shared by helpers and the weather server, so it
//! needs only std and the module `machine`, which they share too.

use crate::machine::civil_date;
use std::time::{SystemTime, UNIX_EPOCH};

/// So many dates in a row, from `first` on.
///
/// ```
/// use helpers::weather::dates;
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

/// Today's date in Singapore.
pub fn today() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    text((since.as_secs() as i64 + 8 * 3600).div_euclid(86_400))
}

/// The number of days from 1970-01-01 to a date; `None` for what is no date.
pub fn days_since_1970(date: &str) -> Option<i64> {
    let mut fields = date.split('-').map(|field| field.parse::<i64>().ok());
    let (year, month, day) = (fields.next()??, fields.next()??, fields.next()??);
    // Years that begin in March, so that a leap day is a year's last.
    let years = if month > 2 { year } else { year - 1 };
    let within = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let days = 365 * years + leap_days + within - 719_468;
    // What does not come back as it went is no date, such as 2021-02-29.
    (text(days) == date).then_some(days)
}

/// The date so many days after 1970-01-01.
pub fn text(days: i64) -> String {
    let (year, month, day) = civil_date(days);
    format!("{year:04}-{month:02}-{day:02}")
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
            let days = days_since_1970(wrong);
            assert!(days.is_none() || wrong.len() > 10, "{wrong}");
        }
    }

    #[test]
    fn a_hundred_years_follow_on_each_other() {
        let all = dates("1999-12-31", 36_526);
        assert!(all.is_sorted());
        assert_eq!(all.last().unwrap(), "2099-12-31");
    }
}
