//! Where boxes, arrows and their labels go.

use super::super::canvas::{LABEL, MARGIN, RIGHT, SMALL};
use super::super::text::{clean, width, wrap};
use super::{Arrow, Node};

/// A node's box and texts in pixels, the top at 0.
pub(super) struct Shape {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) half_wide: f64,
    pub(super) half_high: f64,
    pub(super) name: Vec<String>,
    pub(super) note: Vec<String>,
}

/// A rectangle of pixels: left, top, right, bottom.
pub(super) type Area = (f64, f64, f64, f64);

impl Shape {
    pub(super) fn area(&self, air: f64) -> Area {
        (
            self.x - self.half_wide - air,
            self.y - self.half_high - air,
            self.x + self.half_wide + air,
            self.y + self.half_high + air,
        )
    }

    /// Where a line from (x, y) towards `to` leaves the box around (x, y).
    fn edge(&self, (x, y): (f64, f64), to: (f64, f64), air: f64) -> (f64, f64) {
        let (dx, dy) = (to.0 - x, to.1 - y);
        let area = self.area(air);
        let reach = |d: f64, low: f64, high: f64| match d {
            d if d > 1e-9 => high / d,
            d if d < -1e-9 => low / d,
            _ => f64::INFINITY,
        };
        let t = reach(dx, area.0 - x, area.2 - x).min(reach(dy, area.1 - y, area.3 - y));
        let t = if t.is_finite() {
            t.clamp(0.0, 1.0)
        } else {
            0.0
        };
        (x + dx * t, y + dy * t)
    }
}

/// The lowest and highest grid coordinate, within what a figure can hold.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    if low.is_finite() {
        (low.clamp(-30.0, 30.0), high.clamp(-30.0, 30.0))
    } else {
        (0.0, 0.0)
    }
}

pub(super) fn shapes(nodes: &[Node]) -> Vec<Shape> {
    let (first, last) = extent(nodes.iter().map(|node| node.column));
    let (top, bottom) = extent(nodes.iter().map(|node| node.row));
    let pitch = (RIGHT - MARGIN) / (last - first + 1.0);
    // Room for arrows and their labels between the columns.
    let widest = (pitch - 14.0).min((pitch * 0.62).max(92.0)).min(190.0);
    let mut shapes: Vec<Shape> = nodes
        .iter()
        .map(|node| {
            let place = |v: f64, low: f64, high: f64| {
                if v.is_finite() {
                    v.clamp(low, high) - low
                } else {
                    0.0
                }
            };
            let name = wrap(&clean(&node.name), LABEL, true, widest - 16.0, 2);
            let note = wrap(&clean(&node.note), SMALL, false, widest - 14.0, 3);
            Shape {
                x: MARGIN + pitch * (place(node.column, first, last) + 0.5),
                y: place(node.row, top, bottom),
                half_wide: widest / 2.0,
                half_high: (name.len().max(1) as f64 * 18.0 + note.len() as f64 * 16.0 + 22.0)
                    / 2.0,
                name,
                note,
            }
        })
        .collect();
    // All boxes are equally high: a size that differs would seem to mean something.
    let half = shapes.iter().map(|s| s.half_high).fold(0.0, f64::max);
    for shape in &mut shapes {
        shape.half_high = half;
        shape.y = 8.0 + half + shape.y * (half * 2.0 + 74.0);
    }
    shapes
}

/// A straight line between two boxes, beside its twin in the other direction; around what is
/// in between if something is.
pub(super) fn route(
    shapes: &[Shape],
    from: usize,
    to: usize,
    arrows: &[(usize, usize, &Arrow)],
) -> Vec<(f64, f64)> {
    let (a, b) = (&shapes[from], &shapes[to]);
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx.hypot(dy).max(1.0);
    let twin = arrows.iter().any(|&(f, t, _)| (f, t) == (to, from));
    // To the right of its own direction, so that twins go apart.
    let aside = if twin { 11.0 } else { 0.0 };
    let shift = (-dy / length * aside, dx / length * aside);
    let (start, end) = (
        (a.x + shift.0, a.y + shift.1),
        (b.x + shift.0, b.y + shift.1),
    );
    let line = vec![a.edge(start, end, 2.0), b.edge(end, start, 4.0)];
    let others = || (0..shapes.len()).filter(|&i| i != from && i != to);
    let blocked = others().any(|i| crosses(&line, shapes[i].area(4.0)));
    if !blocked {
        return line;
    }
    if dy.abs() < 1.0 {
        let side = a.half_high.max(b.half_high) + 20.0 + aside;
        let y = a.y + side;
        let (x0, x1) = (
            a.x + a.half_wide * 0.4 * dx.signum(),
            b.x - b.half_wide * 0.4 * dx.signum(),
        );
        return vec![
            (x0, a.y + a.half_high + 2.0),
            (x0, y),
            (x1, y),
            (x1, b.y + b.half_high + 4.0),
        ];
    }
    // Out at the side, along the gap between the columns, and in again.
    let gap = a.x + (a.half_wide + 10.0 + aside / 2.0) * if dx >= 0.0 { 1.0 } else { -1.0 };
    let gap = gap.clamp(8.0, RIGHT + 16.0);
    let turn = if dx.abs() < 1.0 {
        b.y
    } else {
        b.y - (b.half_high + 22.0) * dy.signum()
    };
    let mut path = vec![a.edge((a.x, a.y), (gap, a.y), 2.0), (gap, a.y), (gap, turn)];
    if dx.abs() < 1.0 {
        path.push(b.edge((b.x, b.y), (gap, b.y), 4.0));
    } else {
        path.push((b.x, turn));
        path.push(b.edge((b.x, b.y), (b.x, turn), 4.0));
    }
    path
}

pub(super) fn crosses(path: &[(f64, f64)], area: Area) -> bool {
    path.windows(2).any(|part| {
        (0..=40).any(|step| {
            let (x, y) = between(part[0], part[1], f64::from(step) / 40.0);
            x > area.0 && x < area.2 && y > area.1 && y < area.3
        })
    })
}

pub(super) fn between(a: (f64, f64), b: (f64, f64), share: f64) -> (f64, f64) {
    (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share)
}

/// A free place on or beside the arrow's longest part, the middle first.
pub(super) fn place_label(
    text: &str,
    path: &[(f64, f64)],
    taken: &mut Vec<Area>,
) -> Option<(f64, f64)> {
    let length = |p: &[(f64, f64)]| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1);
    let longest = path
        .windows(2)
        .max_by(|a, b| length(a).total_cmp(&length(b)))?;
    let half = width(text, SMALL, false) / 2.0 + 4.0;
    let shares = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74];
    // On the line if possible, else beside it.
    let places = [0.0, half + 3.0, -half - 3.0]
        .into_iter()
        .flat_map(|aside| shares.map(|share| (aside, share)));
    for (aside, share) in places {
        let (x, y) = between(longest[0], longest[1], share);
        let x = x + aside;
        let area = (x - half, y - 9.5, x + half, y + 9.5);
        // The arrow's head stays in sight.
        let (tip_x, tip_y) = *path.last()?;
        let off_head = tip_x < area.0 - 11.0
            || tip_x > area.2 + 11.0
            || tip_y < area.1 - 11.0
            || tip_y > area.3 + 11.0;
        let inside = area.0 > 4.0 && area.2 < RIGHT + 20.0 && off_head;
        let meets = |b: &Area| area.0 < b.2 && b.0 < area.2 && area.1 < b.3 && b.1 < area.3;
        if inside && !taken.iter().any(meets) {
            taken.push(area);
            return Some((x, y));
        }
    }
    None
}
