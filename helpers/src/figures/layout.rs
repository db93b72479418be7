//! What the tests of all figures check: the SVG is XML, no label leaves the card, none overlap.

use super::Figure;
use super::canvas::FINE;
use super::text::width;

/// Names that are hard to lay out: ordinary, long, markup, wide characters, empty.
pub(super) const NAMES: [&[&str]; 4] = [
    &["iterator", "for loop", "rayon", "process pool"],
    &["the very long name of a variant that somebody has described in all of its details, twice"],
    &[
        "<b>&\"quoted\"</b>",
        "emoji 🚀👩‍🔬 and 日本語のテキスト",
        "]]>",
        "ÄÖÜ µ × →",
    ],
    &[""],
];

struct Label {
    text: String,
    x: (f64, f64),
    y: (f64, f64),
}

/// Panics unless the figure is well-formed, legible, and at most `most` bytes.
pub(super) fn check(figure: &Figure, most: usize) {
    let svg = figure.svg();
    assert!(svg.len() <= most, "{} bytes", svg.len());
    assert!(!figure.alt().is_empty() && !figure.alt().contains('\n'));
    let document = roxmltree::Document::parse(svg).expect("the SVG is XML");
    for attribute in document.descendants().flat_map(|node| node.attributes()) {
        let value = attribute.value();
        let odd = value == "NaN" || value.ends_with("inf");
        assert!(!odd, "{} is {value}", attribute.name());
    }
    let root = document.root_element();
    let number = |node: roxmltree::Node, name: &str| -> f64 {
        let text = node.attribute(name).unwrap_or_else(|| panic!("{name}"));
        text.parse().unwrap()
    };
    let height = number(root, "height");
    assert_eq!(number(root, "width"), 760.0);

    let mut labels: Vec<Label> = Vec::new();
    for node in document.descendants().filter(|n| n.has_tag_name("text")) {
        let text = node.text().unwrap_or("").to_owned();
        let (x, y) = (number(node, "x") / FINE, number(node, "y") / FINE);
        let size = number(node, "font-size") / FINE;
        assert!(size >= 12.0, "“{text}” is {size} px");
        let wide = width(&text, size, node.attribute("font-weight").is_some());
        let start = match node.attribute("text-anchor") {
            Some("end") => -wide,
            Some("middle") => -wide / 2.0,
            _ => 0.0,
        };
        let half = size * 0.5;
        let (x, y) = match node.attribute("transform") {
            None => ((x + start, x + start + wide), (y - half, y + half)),
            Some(_) => ((x - half, x + half), (y - start - wide, y - start)),
        };
        let label = Label { text, x, y };
        assert!(
            label.x.0 >= 0.0 && label.x.1 <= 760.0 && label.y.0 >= 0.0 && label.y.1 <= height,
            "“{}” leaves the card: {:?} {:?} of {height}",
            label.text,
            label.x,
            label.y
        );
        for other in &labels {
            let meets = |a: (f64, f64), b: (f64, f64)| a.0 < b.1 - 0.5 && b.0 < a.1 - 0.5;
            assert!(
                !(meets(label.x, other.x) && meets(label.y, other.y)),
                "“{}” {:?} {:?} overlaps “{}” {:?} {:?}",
                label.text,
                label.x,
                label.y,
                other.text,
                other.x,
                other.y
            );
        }
        labels.push(label);
    }
}

/// Panics unless a label with one of the units is in the figure.
pub(super) fn check_units(figure: &Figure, units: &[&str]) {
    assert!(
        units.iter().any(|unit| figure.svg().contains(unit)),
        "no {units:?} in {}",
        figure.svg()
    );
}
