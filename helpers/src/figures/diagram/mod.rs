//! Boxes and arrows: how a system is put together.

mod route;

use self::route::{Area, Shape, place_label, route, shapes};
use super::Figure;
use super::canvas::{
    Align, CARD, Canvas, Dash, INK, MARGIN, PALETTE, RIGHT, SMALL, SOFT, card, rounded, tint,
};
use super::table::{listed, table};
use super::text::{clean, wrap};

/// A box of a [`diagram`](fn@diagram).
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is called; arrows find it by this.
    pub name: String,
    /// Smaller text below the name; may be empty.
    pub note: String,
    /// Column, from 0 at the left; 0.5 lies between two.
    pub column: f64,
    /// Row, from 0 at the top.
    pub row: f64,
    /// Whether it keeps things (a queue, a broker, a file): drawn as a drum.
    pub store: bool,
}

impl Node {
    /// A box at a place of the grid, such as `Node::new("scheduler", 1, 0)`.
    pub fn new(name: &str, column: impl Into<f64>, row: impl Into<f64>) -> Node {
        Node {
            name: name.to_owned(),
            note: String::new(),
            column: column.into(),
            row: row.into(),
            store: false,
        }
    }

    /// With a smaller second text.
    pub fn note(mut self, note: &str) -> Node {
        self.note = note.to_owned();
        self
    }

    /// Drawn as a drum: it keeps things.
    pub fn store(mut self) -> Node {
        self.store = true;
        self
    }
}

/// An arrow of a [`diagram`](fn@diagram).
#[derive(Debug, Clone, PartialEq)]
pub struct Arrow {
    /// Name of the node where it starts.
    pub from: String,
    /// Name of the node where it ends.
    pub to: String,
    /// What travels along it; may be empty.
    pub label: String,
    /// Dashed: now and then, or only asked for.
    pub dashed: bool,
}

impl Arrow {
    /// An arrow between two nodes, such as `Arrow::new("scheduler", "worker 1", "task")`.
    pub fn new(from: &str, to: &str, label: &str) -> Arrow {
        Arrow {
            from: from.to_owned(),
            to: to.to_owned(),
            label: label.to_owned(),
            dashed: false,
        }
    }

    /// Drawn with dashes.
    pub fn dashed(mut self) -> Arrow {
        self.dashed = true;
        self
    }
}

/// Boxes on a grid and arrows between them.
///
/// Arrows that name no node are left out and counted. A label that has no free place on its arrow
/// becomes a number, which is explained below the picture. Of many nodes the first 60 are drawn,
/// and of many arrows the first 80.
///
/// ```
/// use helpers::figures::{Arrow, Node, diagram};
///
/// let figure = diagram(
///     "A queue between them",
///     &[Node::new("you", 0, 0), Node::new("broker", 1, 0).store(), Node::new("worker", 2, 0)],
///     &[Arrow::new("you", "broker", "task"), Arrow::new("broker", "worker", "task")],
/// );
/// assert!(figure.alt().contains("you to broker (task)"));
/// ```
pub fn diagram(title: &str, nodes: &[Node], arrows: &[Arrow]) -> Figure {
    let mut notes = Vec::new();
    if nodes.is_empty() {
        notes.push("nothing to show: there are no nodes yet".to_owned());
    }
    if nodes.len() > MOST {
        notes.push(format!("the first {MOST} of {} nodes", nodes.len()));
    }
    let drawn = &nodes[..nodes.len().min(MOST)];
    let place = |name: &str| drawn.iter().position(|node| node.name == name);
    let mut ends: Vec<(usize, usize, &Arrow)> = arrows
        .iter()
        .filter_map(|arrow| Some((place(&arrow.from)?, place(&arrow.to)?, arrow)))
        .filter(|(from, to, _)| from != to)
        .collect();
    if ends.len() < arrows.len() {
        let lost = arrows.len() - ends.len();
        notes.push(format!(
            "{lost} of {} arrows do not join two nodes and are left out",
            arrows.len()
        ));
    }

    if ends.len() > MOST_ARROWS {
        notes.push(format!("the first {MOST_ARROWS} of {} arrows", ends.len()));
        ends.truncate(MOST_ARROWS);
    }

    let words = |arrow: &Arrow| {
        let label = match clean(&arrow.label) {
            label if label.is_empty() => label,
            label => format!(" ({label})"),
        };
        format!("{} to {}{label}", clean(&arrow.from), clean(&arrow.to))
    };
    let names: Vec<String> = nodes.iter().map(|node| clean(&node.name)).collect();
    let arrow_words: Vec<String> = arrows.iter().map(words).collect();
    let alt = format!(
        "Diagram “{}” of {}; arrows: {}.",
        clean(title),
        if names.is_empty() {
            "no nodes".to_owned()
        } else {
            listed(&names, 12)
        },
        if arrow_words.is_empty() {
            "none".to_owned()
        } else {
            listed(&arrow_words, 12)
        }
    );
    let mut rows: Vec<Vec<String>> = Vec::new();
    for node in nodes {
        let out: Vec<String> = arrows
            .iter()
            .filter(|arrow| arrow.from == node.name)
            .map(|arrow| match clean(&arrow.label) {
                label if label.is_empty() => clean(&arrow.to),
                label => format!("{} ({label})", clean(&arrow.to)),
            })
            .collect();
        rows.push(vec![clean(&node.name), clean(&node.note), out.join(", ")]);
    }
    Figure {
        svg: paint(title, notes, drawn, &ends),
        alt,
        table: table(title, &["node", "what", "arrows to"], &rows, &[]),
    }
}

const MOST: usize = 60;
const MOST_ARROWS: usize = 80;
const MOST_KEYS: usize = 12;

fn paint(
    title: &str,
    notes: Vec<String>,
    nodes: &[Node],
    arrows: &[(usize, usize, &Arrow)],
) -> String {
    let shapes = shapes(nodes);
    let paths: Vec<Vec<(f64, f64)>> = arrows
        .iter()
        .map(|&(from, to, _)| route(&shapes, from, to, arrows))
        .collect();
    let mut taken: Vec<Area> = shapes.iter().map(|shape| shape.area(2.0)).collect();
    let mut labels = Vec::new();
    let mut legend: Vec<String> = Vec::new();
    // Ways around something have fewer places for a label, so they choose first.
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(paths[i].len()));
    for i in order {
        let (path, (_, _, arrow)) = (&paths[i], arrows[i]);
        let text = clean(&arrow.label);
        if text.is_empty() {
            continue;
        }
        let placed = place_label(&text, path, &mut taken)
            .map(|at| (at, text.clone()))
            .or_else(|| {
                let number = (legend.len() + 1).to_string();
                let at = place_label(&number, path, &mut taken);
                let from_to = format!("{} → {}: {text}", clean(&arrow.from), clean(&arrow.to));
                legend.push(match at {
                    Some(_) => format!("{number}  {from_to}"),
                    None => from_to,
                });
                at.map(|at| (at, number))
            });
        labels.extend(placed);
    }
    if legend.len() > MOST_KEYS {
        let more = format!(
            "… and {} more labels in the table",
            legend.len() - MOST_KEYS
        );
        legend.truncate(MOST_KEYS);
        legend.push(more);
    }
    let legend: Vec<String> = legend
        .iter()
        .flat_map(|line| wrap(line, SMALL, false, RIGHT - MARGIN, 2))
        .collect();
    let low = shapes
        .iter()
        .map(|s| s.y + s.half_high + 8.0)
        .fold(0.0, f64::max);
    let low = paths
        .iter()
        .flatten()
        .map(|p| p.1 + 12.0)
        .fold(low, f64::max);
    let body = low + 6.0 + 18.0 * legend.len() as f64;

    card(title, &notes, false, body, |canvas, top| {
        for (path, (_, _, arrow)) in paths.iter().zip(arrows) {
            draw_arrow(canvas, path, arrow.dashed, top);
        }
        for (shape, node) in shapes.iter().zip(nodes) {
            draw_node(canvas, shape, node.store, top);
        }
        for ((x, y), text) in &labels {
            canvas.patch(*x, y + top, text, INK, CARD);
        }
        for (line, text) in legend.iter().enumerate() {
            canvas.small(
                MARGIN,
                top + low + 10.0 + 18.0 * line as f64,
                text,
                Align::Left,
            );
        }
    })
}

fn draw_arrow(canvas: &Canvas, path: &[(f64, f64)], dashed: bool, top: f64) {
    let mut points: Vec<(f64, f64)> = path.iter().map(|&(x, y)| (x, y + top)).collect();
    let [.., before, end] = points[..] else {
        return;
    };
    let (dx, dy) = (end.0 - before.0, end.1 - before.1);
    let length = dx.hypot(dy).max(0.1);
    let (ux, uy) = (dx / length, dy / length);
    let back = (end.0 - ux * 9.0, end.1 - uy * 9.0);
    if let Some(last) = points.last_mut() {
        *last = back;
    }
    let dash = if dashed { Dash::Dashed } else { Dash::Solid };
    canvas.path(&points, SOFT, 1.5, dash);
    let head = [
        end,
        (back.0 - uy * 4.5, back.1 + ux * 4.5),
        (back.0 + uy * 4.5, back.1 - ux * 4.5),
    ];
    canvas.area(&head, SOFT);
}

fn draw_node(canvas: &Canvas, shape: &Shape, store: bool, top: f64) {
    let (x0, y0, x1, y1) = shape.area(0.0);
    let (y0, y1) = (y0 + top, y1 + top);
    let colour = PALETTE[if store { 4 } else { 0 }];
    let outline = match store {
        true => drum(x0, y0, x1, y1),
        false => rounded(x0, y0, x1, y1, 7.0),
    };
    canvas.area(&outline, tint(colour, 0.14));
    canvas.path(&outline, colour, 1.5, Dash::Solid);
    if store {
        canvas.path(&rim(x0, y0, x1), colour, 1.5, Dash::Solid);
    }
    let high = shape.name.len() as f64 * 18.0 + shape.note.len() as f64 * 16.0;
    let mut y = (y0 + y1) / 2.0 - high / 2.0 + if store { 3.0 } else { 0.0 };
    for line in &shape.name {
        canvas.strong(shape.x, y + 9.0, line, Align::Middle);
        y += 18.0;
    }
    for line in &shape.note {
        canvas.small(shape.x, y + 8.0, line, Align::Middle);
        y += 16.0;
    }
}

/// Half an ellipse from x0 to x1 through `y`, bulging by `high`.
fn arc(x0: f64, x1: f64, y: f64, high: f64) -> Vec<(f64, f64)> {
    let point = |step: i32| {
        let turn = f64::from(step) / 12.0 * std::f64::consts::PI;
        (
            (x0 + x1) / 2.0 - (x1 - x0) / 2.0 * turn.cos(),
            y + high * turn.sin(),
        )
    };
    (0..=12).map(point).collect()
}

fn drum(x0: f64, y0: f64, x1: f64, y1: f64) -> Vec<(f64, f64)> {
    let mut points = arc(x0, x1, y0 + 4.0, -5.0);
    points.extend(arc(x1, x0, y1 - 4.0, 5.0));
    points.push(points[0]);
    points
}

fn rim(x0: f64, y0: f64, x1: f64) -> Vec<(f64, f64)> {
    arc(x0, x1, y0 + 4.0, 5.0)
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check};
    use super::*;

    #[test]
    fn any_number_of_nodes_is_legible() {
        for n in [0, 1, 2, 5, 16, 100] {
            for names in NAMES {
                let name = |i: usize| format!("{} {i}", names[i % names.len()]);
                let nodes: Vec<Node> = (0..n)
                    .map(|i| Node::new(&name(i), (i % 5) as f64, (i / 5) as f64).note(names[0]))
                    .collect();
                let mut arrows: Vec<Arrow> = (1..n)
                    .map(|i| Arrow::new(&name(0), &name(i), "a task"))
                    .collect();
                arrows.extend((1..n).map(|i| Arrow::new(&name(i), &name(0), names[0])));
                let figure = diagram("How it works", &nodes, &arrows);
                check(&figure, 110_000);
                assert!(
                    nodes
                        .iter()
                        .all(|node| figure.table().contains(node.name.trim()))
                );
            }
        }
    }

    #[test]
    fn odd_places_and_arrows_do_not_panic() {
        let nodes = [
            Node::new("a", f64::NAN, 0),
            Node::new("b", f64::INFINITY, -1e300),
            Node::new("a", 1e300, 2).store(),
            Node::new("c", 3, 2)
                .note("a note that is far too long for the small box that it is put into"),
        ];
        let arrows = [
            Arrow::new("a", "a", "self"),
            Arrow::new("a", "nobody", "lost"),
            Arrow::new("a", "c", "x").dashed(),
        ];
        let figure = diagram("t", &nodes, &arrows);
        assert!(figure.svg().contains("2 of 3 arrows"));
        roxmltree::Document::parse(figure.svg()).unwrap();
    }
}
