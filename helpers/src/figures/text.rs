//! Text without a font file: how wide it is about, how to shorten and wrap it, how numbers read.
//!
//! The reader's browser picks the font, so widths are those of a wide one (DejaVu Sans): in a
//! narrower font a label has a little more room than it needs, and never too little.

/// The text's estimated width in pixels.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let ems: f64 = text.chars().map(ems).sum();
    ems * size * if bold { 1.13 } else { 1.0 }
}

fn ems(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '·' | '’' | ' ' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '\\' | '-' | '!' | '⁻' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' | '…' => 1.0,
        '+' | '=' | '<' | '>' | '~' | '×' | '−' | '≈' | '→' | '#' => 0.84,
        'A'..='Z' | '&' => 0.76,
        '\0'..='~' => 0.635,
        // Combining marks, joiners and variation selectors take no room of their own.
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0.0,
        '“' | '”' | '–' | '•' => 0.6,
        c if is_wide(c) => 1.3,
        'À'..='Þ' | 'Α'..='Ω' | 'А'..='я' => 0.76,
        _ => 0.68,
    }
}

/// Chinese, Japanese and Korean characters and emoji: twice as wide as a digit.
fn is_wide(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2600}'..='\u{27bf}' | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f000}'..='\u{3ffff}')
}

/// How many columns the text takes in a table of fixed-width characters.
pub(super) fn columns(text: &str) -> usize {
    text.chars()
        .map(|c| match ems(c) {
            0.0 => 0,
            _ if is_wide(c) => 2,
            _ => 1,
        })
        .sum()
}

/// On one line, without characters that XML forbids.
pub(super) fn clean(text: &str) -> String {
    let printable = |c: char| match c {
        '\u{fffe}' | '\u{ffff}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.trim().chars().map(printable).collect()
}

/// `text` if it fits into `room` pixels, else with `…` in its middle: the end of a name often is
/// what tells it from its neighbours.
pub(super) fn shorten(text: &str, size: f64, bold: bool, room: f64) -> String {
    if width(text, size, bold) <= room {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let (mut head, mut tail) = (String::new(), String::new());
    let mut left = room - width("…", size, bold);
    let (mut front, mut back) = (0, chars.len());
    while front < back {
        // Three characters of the head to two of the tail.
        let from_head = front * 2 <= (chars.len() - back) * 3;
        let c = chars[if from_head { front } else { back - 1 }];
        left -= width(c.encode_utf8(&mut [0; 4]), size, bold);
        if left < 0.0 {
            break;
        }
        if from_head {
            head.push(c);
            front += 1;
        } else {
            tail.insert(0, c);
            back -= 1;
        }
    }
    format!("{}…{}", head.trim_end(), tail.trim_start())
}

/// `text` in at most `lines` lines of `room` pixels, broken at spaces; the last line is shortened.
pub(super) fn wrap(text: &str, size: f64, bold: bool, room: f64, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        let full = width(&longer, size, bold) > room && !line.is_empty();
        if full && out.len() + 1 < lines {
            out.push(std::mem::replace(&mut line, word.to_owned()));
        } else {
            line = longer;
        }
    }
    if !line.is_empty() {
        out.push(line);
    }
    out.iter()
        .map(|line| shorten(line, size, bold, room))
        .collect()
}

/// A number with three digits that count, `12,346` and `0.0123`; very large and very small ones
/// as powers of ten.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e9).contains(&size) {
        return power_of_ten(value);
    }
    let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
    let text = fixed(value, decimals);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `value` with so many decimals, thousands set apart from 10,000 on.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('−');
    }
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && whole.len() > 4 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// `2·10⁻⁷`
pub(super) fn power_of_ten(value: f64) -> String {
    let text = format!("{value:.1e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches(".0").replace('-', "−");
    let raised: String = exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            other => char::from_u32('⁰' as u32 + other as u32 - '0' as u32).unwrap_or(other),
        })
        .collect();
    match digits.as_str() {
        "1" => format!("10{raised}"),
        digits => format!("{digits}·10{raised}"),
    }
}

/// `1.95×`, `20.9×`, `1200×`; `0.0123×` for what is far slower
pub(super) fn times(ratio: f64) -> String {
    match ratio {
        r if !r.is_finite() => "?".to_owned(),
        r if r < 0.0995 => format!("{}×", number(r)),
        r if r < 1.995 => format!("{r:.2}×"),
        r if r < 99.95 => format!("{r:.1}×"),
        r => {
            // Three digits say enough: 974,000×.
            let unit = 10f64.powf(r.log10().floor() - 2.0);
            format!("{}×", number((r / unit).round() * unit))
        }
    }
}

/// Seconds with their unit; nothing at all is `0 s` and not a number of nanoseconds.
pub(super) fn time(value: f64) -> String {
    match value {
        0.0 => "0 s".to_owned(),
        value => crate::measure::seconds(value),
    }
}

/// `1 run`, `2 runs`, `12,000 runs`
pub(super) fn count(n: usize, thing: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", fixed(n as f64, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_text_fits_and_keeps_both_ends() {
        let name = "images resized with a process pool of eight workers";
        let short = shorten(name, 13.0, false, 150.0);
        assert!(width(&short, 13.0, false) <= 150.0);
        assert!(short.starts_with("images") && short.ends_with("workers"));
        assert_eq!(shorten("abc", 13.0, false, 150.0), "abc");
        assert_eq!(shorten("abc", 13.0, false, 0.0), "…");
    }

    #[test]
    fn wrapped_text_loses_no_word_until_it_must() {
        let lines = wrap("one two three four", 13.0, false, 80.0, 3);
        assert_eq!(lines.join(" "), "one two three four");
        assert!(lines.len() > 1);
        assert_eq!(wrap("one two three four", 13.0, false, 80.0, 1).len(), 1);
        assert!(wrap("", 13.0, false, 80.0, 2).is_empty());
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(columns("日本"), 4);
        assert!(width("日本", 10.0, false) > width("ab", 10.0, false));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(12345.6), "12,346");
        assert_eq!(number(0.01234), "0.0123");
        assert_eq!(number(2.0), "2");
        assert_eq!(number(-1.5), "−1.5");
        assert_eq!(number(2e-7), "2·10⁻⁷");
        assert_eq!(number(1e12), "10¹²");
        assert_eq!(times(1.949), "1.95×");
        assert_eq!(times(20.88), "20.9×");
        assert_eq!(times(973_596.0), "974,000×");
        assert_eq!(count(1, "run"), "1 run");
    }

    #[test]
    fn control_characters_never_reach_the_picture() {
        assert_eq!(clean("a\nb\u{0}c\t"), "a b c");
    }
}
