//! A figure's numbers as aligned plain text.

use super::text::{clean, columns, count};

/// More rows than this say nothing to a reader and only make the notebook larger.
const MOST_ROWS: usize = 40;

/// A table with the title above it. Text starts at the left of its column, numbers end at the right.
pub(super) fn table(title: &str, heads: &[&str], rows: &[Vec<String>], notes: &[String]) -> String {
    let shown = &rows[..rows.len().min(MOST_ROWS)];
    let heads: Vec<String> = heads.iter().map(|head| clean(head)).collect();
    let mut lines: Vec<Vec<String>> = vec![heads];
    lines.extend(
        shown
            .iter()
            .map(|row| row.iter().map(|cell| clean(cell)).collect()),
    );
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| columns(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();

    let is_number = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || c == '−');
    let numeric = |column: usize| {
        let cells = lines[1..].iter().filter_map(|line| line.get(column));
        let (numbers, words): (Vec<&String>, Vec<&String>) = cells
            .filter(|cell| !cell.is_empty())
            .partition(|cell| is_number(cell));
        column > 0 && numbers.len() >= words.len()
    };
    let right: Vec<bool> = (0..widths.len()).map(numeric).collect();

    let mut out = clean(title);
    for line in &lines {
        out.push('\n');
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let space = " ".repeat(width - columns(cell));
            if column > 0 {
                text.push_str("  ");
            }
            match right.get(column) {
                Some(true) => text.extend([space.as_str(), cell]),
                _ => text.extend([cell.as_str(), &space]),
            }
        }
        out.push_str(text.trim_end());
    }
    if rows.len() > shown.len() {
        let more = count(rows.len() - shown.len(), "more row");
        out.push_str(&format!("\n… and {more}"));
    }
    for note in notes {
        out.push_str(&format!("\n{}", clean(note)));
    }
    out
}

/// `a, b and 3 more`: as many of `items` as a sentence can carry; apart by `;` where an item has
/// a comma of its own.
pub(super) fn listed(items: &[String], most: usize) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(String::as_str).collect();
    let comma = shown.iter().any(|item| item.contains(','));
    let mut out = shown.join(if comma { "; " } else { ", " });
    if items.len() > shown.len() {
        out.push_str(&format!(" and {} more", items.len() - shown.len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_with_wide_characters() {
        let rows = [
            vec!["日本".into(), "1".into()],
            vec!["abcd".into(), "100".into()],
        ];
        let text = table("t", &["name", "n"], &rows, &["note".into()]);
        assert_eq!(text, "t\nname    n\n日本    1\nabcd  100\nnote");
    }

    #[test]
    fn thousands_of_rows_are_cut() {
        let rows = vec![vec!["x".to_owned()]; 5000];
        let text = table("t", &["name"], &rows, &[]);
        assert_eq!(text.lines().count(), 3 + MOST_ROWS);
        assert!(text.ends_with("… and 4960 more rows"));
    }
}
