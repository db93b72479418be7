//! Any numbers as horizontal bars.

use super::Figure;
use super::rows::{Row, paint};
use super::scale::usable;
use super::table::{listed, table};
use super::text::{clean, number};

/// Horizontal bars of any numbers, all in the same `unit` (such as `"MB"`, or `""` for counts).
///
/// The axis starts at 0; where the numbers lie more than 100× apart it is logarithmic and says so.
/// Numbers that are not finite keep their row, which says that there is no value. Of more than 32
/// rows the first 32 are drawn.
pub fn quantities(title: &str, unit: &str, rows: &[(&str, f64)]) -> Figure {
    let unit = clean(unit);
    let value = |v: f64| match unit.as_str() {
        "" => number(v),
        unit => format!("{} {unit}", number(v)),
    };
    let rows: Vec<Row> = rows
        .iter()
        .map(|&(name, amount)| {
            let middle = usable(amount);
            Row {
                name: clean(name),
                values: middle.into_iter().collect(),
                middle,
                value: middle.map_or("no value".to_owned(), value),
                compared: String::new(),
            }
        })
        .collect();

    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| vec![row.name.clone(), row.value.clone()])
        .collect();
    let found: Vec<String> = cells.iter().map(|row| row.join(" ")).collect();
    let alt = match rows.is_empty() {
        true => format!("Bar chart “{}”: no rows.", clean(title)),
        false => format!("Bar chart “{}”: {}.", clean(title), listed(&found, 8)),
    };
    let label = match unit.as_str() {
        "" => "count (number".to_owned(),
        unit => format!("amount ({unit}"),
    };
    Figure {
        svg: paint(title, Vec::new(), &label, &rows, false),
        alt,
        table: table(title, &["name", "value"], &cells, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check, check_units};
    use super::*;

    #[test]
    fn any_numbers_are_legible() {
        let values = [
            3.0,
            -4.0,
            0.0,
            f64::NAN,
            f64::INFINITY,
            1e-9,
            1e6,
            1e300,
            7.5,
        ];
        for n in [0, 1, 2, 5, 16, 2000] {
            for names in NAMES {
                for numbers in [&values[..1], &values[2..3], &values[..], &values[5..7]] {
                    let rows: Vec<(&str, f64)> = (0..n)
                        .map(|i| (names[i % names.len()], numbers[i % numbers.len()]))
                        .collect();
                    let figure = quantities("Memory of one image", "MB", &rows);
                    check(&figure, 25_000);
                    if n > 0 {
                        check_units(&figure, &["(MB"]);
                        assert!(figure.table().contains(rows[0].0.trim()));
                    }
                }
            }
        }
    }
}
