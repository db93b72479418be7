//! How numbers read, and how much room words take.

use measure::seconds;

/// The width of a column, as a share of the size of the letters.
const WIDE: f64 = 0.61;

/// About how many pixels `text` is wide. The reader's browser picks the font, so this is generous:
/// wide enough for the widest of the usual fonts, at any mixture of letters.
pub(crate) fn room(text: &str, size: f64) -> f64 {
    columns(text) as f64 * size * WIDE
}

/// How many columns fit into so many pixels: the inverse of [`room`].
pub(crate) fn fitting(wide: f64, size: f64) -> usize {
    (wide / size / WIDE) as usize
}

/// The room that the widest of `texts` takes.
pub(crate) fn widest<S: AsRef<str>>(texts: impl IntoIterator<Item = S>, size: f64) -> f64 {
    texts.into_iter().map(|text| room(text.as_ref(), size)).fold(0.0, f64::max)
}

/// How many columns of fixed width `text` takes: Chinese, Japanese and Korean characters and emoji
/// take two, joiners and accents of their own none.
pub(crate) fn columns(text: &str) -> usize {
    let columns = |c: char| match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' => 2,
        '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}' | '\u{1f000}'..='\u{3ffff}' => 2,
        _ => 1,
    };
    text.chars().map(columns).sum()
}

/// On one line, without characters that XML forbids.
pub(crate) fn clean(text: &str) -> String {
    let printable = |c: char| match c {
        '\u{fffe}' | '\u{ffff}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.trim().chars().map(printable).collect()
}

/// `text` in at most `most` columns, with `…` in its middle where it is longer: the end of a name
/// often is what tells it from its neighbours.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let mut short = text.to_owned();
    let mut chars: Vec<char> = text.chars().collect();
    while columns(&short) > most && !chars.is_empty() {
        let middle = chars.len() * 3 / 5;
        chars.remove(middle);
        let (head, tail) = chars.split_at(chars.len() * 3 / 5);
        let (head, tail) = (String::from_iter(head), String::from_iter(tail));
        short = format!("{}…{}", head.trim_end(), tail.trim_start());
    }
    short
}

/// `text` in lines of at most `most` columns, broken at spaces; what does not fit is shortened.
pub(crate) fn wrap(text: &str, most: usize, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in clean(text).split_whitespace() {
        let full = out.len() == lines;
        match out.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= most || full => {
                line.push_str(&format!(" {word}"));
            }
            _ => out.push(word.to_owned()),
        }
    }
    out.iter().map(|line| shorten(line, most)).collect()
}

/// A number with three digits that count, `12,346` and `0.0123`; very large and very small ones
/// as powers of ten.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-4..1e9).contains(&size) => power_of_ten(value, 2),
        size => trimmed(value, (2 - size.log10().floor() as i32).max(0) as usize),
    }
}

/// `value` with at most so many decimals, without zeros at its end.
pub(crate) fn trimmed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// `value` with so many decimals, thousands set apart.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('−');
    }
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// `value` as digits, with at most so many decimals, and a power of ten.
pub(crate) fn power_of_ten(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$e}").replace('-', "−");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits}e{exponent}")
}

/// `1.95×`, `20.9×`, `1,200×`; `0.0123×` for what is far slower.
pub(crate) fn times(ratio: f64) -> String {
    match ratio {
        r if !r.is_finite() => "?".to_owned(),
        r if (0.0995..1.995).contains(&r) => format!("{r:.2}×"),
        r if (1.995..99.95).contains(&r) => format!("{r:.1}×"),
        r => format!("{}×", number(r)),
    }
}

/// Seconds with their unit; nothing at all is `0 s` and not a number of nanoseconds.
pub(crate) fn time(value: f64) -> String {
    match value {
        0.0 => "0 s".to_owned(),
        v if v >= 1000.0 => format!("{} s", fixed(v, 0)),
        v => seconds(v),
    }
}

/// Seconds in the unit that suits an axis: (seconds in one unit, its name).
pub(crate) fn time_unit(largest: f64) -> (f64, &'static str) {
    match largest {
        v if v >= 1.0 || v <= 0.0 => (1.0, "s"),
        v if v >= 1e-3 => (1e-3, "ms"),
        v if v >= 1e-6 => (1e-6, "µs"),
        _ => (1e-9, "ns"),
    }
}

/// `1 run`, `2 runs`, `12,000 runs`.
pub(crate) fn count(n: usize, thing: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", fixed(n as f64, 0))
}

/// A number that can be drawn. Magnitudes beyond 10^±150 would overflow in the arithmetic.
pub(crate) fn usable(value: f64) -> Option<f64> {
    match value.abs() {
        v if v < 1e-150 => Some(0.0),
        v if v < 1e150 => Some(value),
        _ => None,
    }
}

/// `a, b and 3 more`: as many of `items` as a sentence can carry; apart by `;`
/// where an item has a comma of its own.
pub(crate) fn listed(items: &[String], most: usize) -> String {
    let shown = &items[..items.len().min(most)];
    let comma = shown.iter().any(|item| item.contains(", "));
    let mut out = shown.join(if comma { "; " } else { ", " });
    if items.len() > shown.len() {
        out.push_str(&format!(" and {} more", items.len() - shown.len()));
    }
    out
}

/// Heads of columns, and rows of cells.
pub(crate) type Table<'t> = (&'t [&'t str], &'t [Vec<String>]);

/// More rows than this say nothing to a reader and only make the notebook larger.
pub(crate) const MOST_ROWS: usize = 60;

/// A table with its title above it. Text starts at the left of its column, numbers end at the right.
pub(crate) fn table(title: &str, (heads, rows): Table, notes: &[String]) -> String {
    let shown = &rows[..rows.len().min(MOST_ROWS)];
    let mut lines: Vec<Vec<String>> = vec![heads.iter().map(|head| clean(head)).collect()];
    lines.extend(shown.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()));
    let is_number = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || c == '−');
    let mut text = vec![String::new(); lines.len()];
    for column in 0..heads.len() {
        let cell = |line: &Vec<String>| line.get(column).cloned().unwrap_or_default();
        let cells: Vec<String> = lines.iter().map(cell).collect();
        let wide = cells.iter().map(|cell| columns(cell)).max().unwrap_or(0);
        let filled = || cells[1..].iter().filter(|cell| !cell.is_empty());
        let right = column > 0 && 2 * filled().filter(|c| is_number(c)).count() >= filled().count();
        for (line, cell) in text.iter_mut().zip(&cells) {
            let space = " ".repeat(wide - columns(cell));
            let gap = if column > 0 { "  " } else { "" };
            line.push_str(&match right {
                true => format!("{gap}{space}{cell}"),
                false => format!("{gap}{cell}{space}"),
            });
        }
    }
    let left = rows.len() - shown.len();
    let left = (left > 0).then(|| format!("… and {}", count(left, "more row")));
    let text = text.iter().map(|line| line.trim_end().to_owned()).chain(left);
    let notes = notes.iter().map(|note| clean(note));
    [clean(title)].into_iter().chain(text).chain(notes).collect::<Vec<_>>().join("\n")
}

/// The texts in the order of their first appearance.
pub(crate) fn distinct<'s>(texts: impl Iterator<Item = &'s String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in texts.map(|text| clean(text)) {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_text_keeps_both_ends_and_numbers_read_well() {
        let short = shorten("images resized with a process pool of eight workers", 20);
        assert!(columns(&short) <= 20 && short.starts_with("images"), "{short}");
        assert!(short.ends_with("workers"), "{short}");
        assert_eq!((shorten("abc", 3).as_str(), shorten("abc", 0).as_str()), ("abc", "…"));
        assert_eq!(wrap("one two three four", 9, 3), ["one two", "three", "four"]);
        let numbers = [0.0, 1234.0, 12345.6, 0.01234, 2.0, -1.5, 2e-7, 1e12].map(number);
        assert_eq!(numbers, ["0", "1,234", "12,346", "0.0123", "2", "−1.5", "2e−7", "1e12"]);
        let ratios = [1.949, 20.88, 973_596.0].map(times);
        assert_eq!(ratios, ["1.95×", "20.9×", "973,596×"]);
        assert_eq!((time(1500.0), count(12_000, "run")), ("1,500 s".into(), "12,000 runs".into()));
    }

    #[test]
    fn columns_line_up_also_with_wide_characters() {
        let rows = [["日本", "1"], ["abcd", "100"]].map(|row| row.map(String::from).to_vec());
        let text = table("t", (&["name", "n"], &rows), &["note".into()]);
        assert_eq!(text, "t\nname    n\n日本    1\nabcd  100\nnote");
        let many = table("t", (&["name"], &vec![vec!["x".to_owned()]; 5000]), &[]);
        assert!(many.ends_with("… and 4,940 more rows"));
    }
}
