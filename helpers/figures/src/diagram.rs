//! Boxes and arrows: how a system is put together.

use crate::Figure;
use crate::card::*;
use crate::text::*;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// A box of a [`diagram`].
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    name: String,
    note: String,
    column: f64,
    row: f64,
    store: bool,
}

impl Node {
    /// A box at a place of the grid, such as `Node::new("scheduler", 1, 0)`: the column from the
    /// left and the row from the top; 0.5 lies between two.
    pub fn new(name: &str, column: impl Into<f64>, row: impl Into<f64>) -> Node {
        let (name, note, store) = (clean(name), String::new(), false);
        let (column, row) = (column.into(), row.into());
        Node { name, note, column, row, store }
    }

    /// With a smaller second text.
    pub fn note(mut self, note: &str) -> Node {
        self.note = clean(note);
        self
    }

    /// Drawn as a store: it keeps things.
    pub fn store(mut self) -> Node {
        self.store = true;
        self
    }
}

/// An arrow of a [`diagram`].
#[derive(Debug, Clone, PartialEq)]
pub struct Arrow {
    from: String,
    to: String,
    label: String,
    dashed: bool,
}

impl Arrow {
    /// An arrow between two nodes, such as `Arrow::new("scheduler", "worker 1", "task")`.
    pub fn new(from: &str, to: &str, label: &str) -> Arrow {
        let (from, to, label) = (clean(from), clean(to), clean(label));
        Arrow { from, to, label, dashed: false }
    }

    /// Drawn with dashes: now and then, or only asked for.
    pub fn dashed(mut self) -> Arrow {
        self.dashed = true;
        self
    }
}

/// Boxes on a grid and straight arrows between them. Arrows that do not join two nodes are left
/// out and counted.
///
/// ```
/// use figures::{Arrow, Node, diagram};
///
/// let figure = diagram(
///     "A queue between them",
///     &[Node::new("you", 0, 0), Node::new("broker", 1, 0).store(), Node::new("worker", 2, 0)],
///     &[Arrow::new("you", "broker", "task"), Arrow::new("broker", "worker", "task")],
/// );
/// assert!(figure.alt().contains("you to broker (task)"));
/// ```
pub fn diagram(title: &str, nodes: &[Node], arrows: &[Arrow]) -> Figure {
    let mut card = Card::new(title);
    card.measured = false;
    let sound = |node: &&Node| [node.column, node.row].iter().all(|v| (0.0..=20.0).contains(v));
    let drawn: Vec<&Node> = nodes.iter().filter(sound).collect();
    let (some, all) = (drawn.len(), nodes.len());
    card.note(some < all, format!("{some} of {all} nodes are drawn"));
    let place = |name: &str| drawn.iter().position(|node| node.name == name);
    let mut joined = Vec::new();
    for arrow in arrows {
        let ends = place(&arrow.from).zip(place(&arrow.to));
        joined.extend(ends.filter(|(a, b)| a != b).map(|(from, to)| (from, to, arrow)));
    }
    let (some, all) = (joined.len(), arrows.len());
    card.note(some < all, format!("{some} of {all} arrows join two nodes and are drawn"));
    let svg = (!drawn.is_empty()).then(|| paint(&mut card, &drawn, &joined));

    let label = |arrow: &Arrow| match arrow.label.as_str() {
        "" => String::new(),
        label => format!(" ({label})"),
    };
    let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let words = |arrow: &Arrow| format!("{} to {}{}", arrow.from, arrow.to, label(arrow));
    let words: Vec<String> = arrows.iter().map(words).collect();
    let rows: Vec<Vec<String>> = words.iter().map(|words| vec![words.clone()]).collect();
    let found = format!("boxes {}; arrows {}", listed(&names, 12), listed(&words, 12));
    card.figure("Diagram", &found, (&["arrows"], &rows), svg)
}

fn paint(card: &mut Card, nodes: &[&Node], arrows: &[(usize, usize, &Arrow)]) -> String {
    let last = |of: fn(&Node) -> f64| nodes.iter().map(|node| of(node)).fold(0.0, f64::max);
    let pitch = (RIGHT - LEFT) / (last(|node| node.column) + 1.0).max(2.0);
    let wide = (pitch - 78.0).max(pitch * 0.55).min(140.0);
    let columns = |wide: f64, size: f64| (wide / size / 0.6) as usize;
    let fit = |text: &str, size: f64, lines| wrap(text, columns(wide - 2.0, size), lines);
    let texts = |node: &Node| (fit(&node.name, LABEL * 1.1, 3), fit(&node.note, SMALL, 4));
    let text_high = |node: &Node| {
        let (name, note) = texts(node);
        17.0 * name.len() as f64 + 15.0 * note.len() as f64
    };
    let high = nodes.iter().map(|node| text_high(node)).fold(0.0, f64::max) + 18.0;
    let row = high + 64.0;
    let at = |node: &Node| (LEFT + pitch * (node.column + 0.5), 4.0 + high / 2.0 + row * node.row);

    // What is in a label's way: (x, y) of its middle, half its width and its height.
    let mut taken: Vec<[f64; 4]> = Vec::new();
    taken.extend(nodes.iter().map(|node| [at(node).0, at(node).1, wide / 2.0, high / 2.0]));
    let (mut drawn, mut labels, mut crowded) = (Vec::new(), Vec::new(), 0);
    for &(from, to, arrow) in arrows {
        let ((x0, y0), (x1, y1)) = (at(nodes[from]), at(nodes[to]));
        let long = (x1 - x0).hypot(y1 - y0).max(1.0);
        let (ux, uy) = ((x1 - x0) / long, (y1 - y0) / long);
        let point =
            |along: f64, aside: f64| (x0 + ux * along - uy * aside, y0 + uy * along + ux * aside);
        // From a box' middle to its edge, in the arrow's direction.
        let across = wide / 2.0 / ux.abs().max(1e-9);
        let edge = across.min(high / 2.0 / uy.abs().max(1e-9)) + 2.0;
        // There and back are two lines, each with its label at its own side.
        let pair = arrows.iter().any(|other| (other.0, other.1) == (to, from));
        let (aside, middle) = if pair { (8.0, 0.5 - 0.2 * uy.abs()) } else { (0.0, 0.5) };
        let line = [point(edge, aside), point(long - edge - 7.0, aside)];
        let (tip, back) = (long - edge, long - edge - 10.0);
        let head = [(tip, 0.0), (back, 4.5), (back, -4.5)];
        let head = head.map(|(along, side)| point(along, aside + side));
        drawn.push((line, head, arrow.dashed));

        // A label stands where it covers neither a box nor another label.
        let lines = wrap(&arrow.label, columns(pitch - wide, SMALL).min(9), 2);
        let half = widest(&lines, SMALL) / 2.0 - 1.0;
        let place = |shift: &f64| {
            let along = edge + (long - 2.0 * edge) * (middle + shift);
            let (x, y) = point(along, aside * (1.0 + 0.9 * ux.abs()));
            [x, y, half, 7.5 * lines.len() as f64]
        };
        let free = |[x, y, wide, high]: &[f64; 4]| {
            let apart =
                |a: &[f64; 4]| (a[0] - x).abs() >= a[2] + wide || (a[1] - y).abs() >= a[3] + high;
            taken.iter().all(apart)
        };
        match [0.0, -0.15, 0.15, -0.3, 0.3].iter().map(place).find(free) {
            _ if lines.is_empty() => {}
            None => crowded += 1,
            Some(at) => {
                taken.push(at);
                labels.push((at, lines));
            }
        }
    }
    card.note(crowded > 0, format!("left out for lack of room: {}", count(crowded, "label")));

    card.svg(row * last(|node| node.row) + high + 10.0, |pen, top| {
        let low = |(x, y): (f64, f64)| (x, top + y);
        for (line, head, dashed) in drawn {
            pen.line(line.map(low), stroke(SOFT, 1.5), dashed)?;
            pen.polygon(&head.map(low), SOFT)?;
        }
        for node in nodes {
            let (x, y) = low(at(node));
            let colour = colour(if node.store { 4 } else { 0 });
            let [from, to] = [(x - wide / 2.0, y - high / 2.0), (x + wide / 2.0, y + high / 2.0)];
            pen.rect([from, to], colour.mix(0.14).filled())?;
            pen.rect([from, to], stroke(colour, 1.5))?;
            // What keeps things has a lid and a floor.
            for y in [from.1 + 5.0, to.1 - 5.0] {
                if node.store {
                    pen.line([(from.0, y), (to.0, y)], stroke(colour, 1.0), false)?;
                }
            }
            let (name, note) = texts(node);
            let mut y = y - text_high(node) / 2.0;
            for line in &name {
                pen.strong(x, y + 8.5, line, INK, HPos::Center)?;
                y += 17.0;
            }
            for line in &note {
                pen.small(x, y + 7.5, line, HPos::Center)?;
                y += 15.0;
            }
        }
        for ([x, y, _, high], lines) in labels {
            for (line, text) in lines.iter().enumerate() {
                pen.patch((x, top + y - high + 15.0 * line as f64 + 7.5), text, CARD)?;
            }
        }
        Ok(())
    })
}
