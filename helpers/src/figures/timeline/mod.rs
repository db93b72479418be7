//! Who did what, when: one lane per worker.

mod blocks;

use self::blocks::{Block, Colours, Keys, assign_rows, merge};
use super::Figure;
use super::canvas::{Align, Canvas, GRID, Hatch, INK, LABEL, MARGIN, PALE, RIGHT, RULE, card, on};
use super::scale::{Axis, BELOW, time_unit, usable};
use super::table::{listed, table};
use super::text::{clean, count, number, shorten, time, width};

/// Something that a worker did, or waited for. Times are seconds since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Who: spans of the same name share a lane.
    pub lane: String,
    /// What, as it stands in the box.
    pub label: String,
    /// When it began.
    pub start: f64,
    /// When it ended, not before `start`.
    pub end: f64,
    /// Whether somebody was busy.
    pub kind: SpanKind,
}

/// Whether a [`Span`] kept its worker busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Busy: a solid box.
    Work,
    /// Waiting for something else: a light, hatched box.
    Wait,
}

/// One lane per worker in order of first appearance, spans as boxes, and a line at the end of the
/// last one (the makespan) with its time. The time axis picks its unit.
///
/// Spans of a lane that overlap get rows of their own within it. Spans that are not finite or end
/// before they start are left out and counted. Of more than 32 lanes the first 32 are drawn; of
/// very many spans neighbours of the same kind become one box, and a note says so.
pub fn timeline(title: &str, spans: &[Span]) -> Figure {
    let largest = spans
        .iter()
        .filter_map(|s| usable(s.end))
        .fold(0.0, f64::max);
    let (unit, name) = time_unit(largest);
    draw(title, name, unit, spans, &time)
}

/// A [`timeline`](fn@timeline) in a unit of your own, of `seconds_per_unit` seconds each: a scaled
/// clock, such as 60.0 for `"minutes"` when spans are in seconds.
pub fn timeline_in(title: &str, unit: &str, seconds_per_unit: f64, spans: &[Span]) -> Figure {
    let unit = clean(unit);
    let factor = match usable(seconds_per_unit) {
        Some(factor) if factor > 0.0 => factor,
        _ => 1.0,
    };
    let words = |t: f64| match number(t / factor).as_str() {
        // `minutes` with one of them is `minute`; a unit such as `s` stays as it is.
        "1" if unit.len() > 2 => format!("1 {}", unit.strip_suffix('s').unwrap_or(&unit)),
        amount => format!("{amount} {unit}"),
    };
    draw(title, &unit, factor, spans, &words)
}

const MOST_LANES: usize = 32;
const MOST_ROWS: usize = 5;
const MOST_BLOCKS: usize = 160;

fn draw(
    title: &str,
    unit: &str,
    factor: f64,
    spans: &[Span],
    time: &dyn Fn(f64) -> String,
) -> Figure {
    let mut lanes: Vec<String> = Vec::new();
    let mut blocks: Vec<Block> = Vec::new();
    let mut left_out = 0;
    for span in spans {
        let (Some(start), Some(end)) = (usable(span.start), usable(span.end)) else {
            left_out += 1;
            continue;
        };
        if end < start {
            left_out += 1;
            continue;
        }
        let name = clean(&span.lane);
        let lane = lanes.iter().position(|l| *l == name).unwrap_or_else(|| {
            lanes.push(name);
            lanes.len() - 1
        });
        let (label, kind) = (clean(&span.label), span.kind);
        blocks.push(Block {
            lane,
            row: 0,
            label,
            start,
            end,
            kind,
        });
    }
    let makespan = blocks.iter().map(|b| b.end).fold(0.0, f64::max);
    let mut notes = Vec::new();
    if blocks.iter().any(|b| b.kind == SpanKind::Wait) {
        notes.push("solid: work · hatched: waiting".to_owned());
    }
    if left_out > 0 {
        notes.push(format!(
            "{} without a usable time left out",
            count(left_out, "span")
        ));
    }

    let busy: Vec<f64> = (0..lanes.len())
        .map(|lane| covered(&blocks, lane, SpanKind::Work))
        .collect();
    let lane_words = |lane: usize| {
        let share = if makespan > 0.0 {
            busy[lane] / makespan * 100.0
        } else {
            0.0
        };
        format!("{} busy {share:.0} %", lanes[lane])
    };
    let found: Vec<String> = (0..lanes.len()).map(lane_words).collect();
    let alt = match blocks.is_empty() {
        true => format!("Timeline “{}”: no spans.", clean(title)),
        false => format!(
            "Timeline “{}”: done after {}; {}.",
            clean(title),
            time(makespan),
            listed(&found, 8)
        ),
    };
    let table = spans_table(title, &lanes, &blocks, time, makespan, &notes);
    let svg = paint(
        title,
        notes,
        unit,
        factor,
        &lanes,
        blocks,
        &time(makespan),
        makespan,
    );
    Figure { svg, alt, table }
}

/// How long the lane had at least one span of the kind, overlaps counted once.
fn covered(blocks: &[Block], lane: usize, kind: SpanKind) -> f64 {
    let mut spans: Vec<(f64, f64)> = blocks
        .iter()
        .filter(|b| b.lane == lane && b.kind == kind)
        .map(|b| (b.start, b.end))
        .collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut done) = (0.0, f64::NEG_INFINITY);
    for (start, end) in spans {
        sum += (end - start.max(done)).max(0.0);
        done = done.max(end);
    }
    sum
}

fn spans_table(
    title: &str,
    lanes: &[String],
    blocks: &[Block],
    time: &dyn Fn(f64) -> String,
    makespan: f64,
    notes: &[String],
) -> String {
    let row = |b: &Block| {
        let kind = match b.kind {
            SpanKind::Work => "work",
            SpanKind::Wait => "wait",
        };
        vec![
            lanes[b.lane].clone(),
            b.label.clone(),
            kind.to_owned(),
            time(b.start),
            time(b.end),
            time(b.end - b.start),
        ]
    };
    let rows: Vec<Vec<String>> = blocks.iter().map(row).collect();
    let mut ends = vec![format!("makespan: {}", time(makespan))];
    ends.extend_from_slice(notes);
    table(
        title,
        &["lane", "what", "kind", "from", "to", "length"],
        &rows,
        &ends,
    )
}

#[allow(clippy::too_many_arguments)] // the figure's parts, each used once
fn paint(
    title: &str,
    mut notes: Vec<String>,
    unit: &str,
    factor: f64,
    lanes: &[String],
    mut blocks: Vec<Block>,
    end_words: &str,
    makespan: f64,
) -> String {
    if blocks.is_empty() {
        notes.push("nothing to show: there are no spans yet".to_owned());
        return card(title, &notes, true, 10.0, |_, _| {});
    }
    if lanes.len() > MOST_LANES {
        notes.push(format!("the first {MOST_LANES} of {} lanes", lanes.len()));
        blocks.retain(|b| b.lane < MOST_LANES);
    }
    let shown = &lanes[..lanes.len().min(MOST_LANES)];
    let names = shown
        .iter()
        .map(|lane| width(lane, LABEL, false))
        .fold(0.0, f64::max)
        .min(200.0);
    let (left, right) = (MARGIN + names + 12.0, RIGHT - 6.0);
    let first = blocks.iter().map(|b| b.start).fold(0.0, f64::min);
    let most = ((right - left) / 70.0) as usize;
    let axis = Axis::linear(
        (first / factor, makespan / factor),
        (left, right),
        most,
        false,
        false,
    );

    let before = blocks.len();
    let pixel = (makespan - first) / (right - left);
    let mut gap = pixel;
    while blocks.len() > MOST_BLOCKS && gap <= pixel * 1024.0 {
        blocks = merge(blocks, gap);
        gap *= 2.0;
    }
    if blocks.len() < before {
        notes.push(format!(
            "{} drawn as {} boxes: short neighbours share one",
            count(before, "span"),
            blocks.len()
        ));
    }
    let rows = assign_rows(&mut blocks, shown.len());
    if rows.iter().any(|&r| r > MOST_ROWS) {
        notes.push(format!(
            "more than {MOST_ROWS} spans at a time: the rest is drawn over the last row"
        ));
    }
    let row_high = if shown.len() > 16 { 20.0 } else { 24.0 };
    let mut tops = vec![0.0];
    for &row in &rows {
        tops.push(tops[tops.len() - 1] + row.clamp(1, MOST_ROWS) as f64 * row_high + 10.0);
    }
    let plot = tops[shown.len()] + 4.0;
    let colours = Colours::of(&blocks);
    let keys = Keys::of(&blocks, |b| {
        axis.at(b.end / factor) - axis.at(b.start / factor)
    });
    notes.extend(keys.note());

    card(title, &notes, true, 24.0 + plot + BELOW, |canvas, top| {
        let end = axis.at(makespan / factor);
        let words = shorten(
            &format!("done after {end_words}"),
            LABEL,
            true,
            RIGHT - MARGIN,
        );
        let end_of_words = end.max(MARGIN + width(&words, LABEL, true));
        canvas.strong(end_of_words, top + 6.0, &words, Align::Right);
        let top = top + 24.0;
        axis.draw_below(
            canvas,
            top,
            top + plot,
            &format!("time since the start ({unit})"),
        );
        for (lane, name) in shown.iter().enumerate() {
            let (y0, y1) = (top + tops[lane], top + tops[lane + 1]);
            let name = shorten(name, LABEL, false, names);
            canvas.label(left - 10.0, (y0 + y1) / 2.0, &name, Align::Right);
            if lane > 0 {
                canvas.line(left, y0, right, y0, GRID);
            }
        }
        for block in &blocks {
            let y = top + tops[block.lane] + 5.0 + block.row as f64 * row_high;
            let x = (axis.at(block.start / factor), axis.at(block.end / factor));
            draw_block(
                canvas,
                block,
                x,
                (y + 1.0, y + row_high - 1.0),
                (&colours, &keys),
            );
        }
        canvas.line(left, top, left, top + plot, RULE);
        canvas.rect(end - 0.8, top - 6.0, end + 0.8, top + plot, INK);
    })
}

fn draw_block(
    canvas: &Canvas,
    block: &Block,
    (x0, x1): (f64, f64),
    (y0, y1): (f64, f64),
    (colours, keys): (&Colours, &Keys),
) {
    let x1 = x1.max(x0 + 1.5);
    let (ground, text) = match block.kind {
        SpanKind::Work => {
            let colour = colours.colour(&block.label);
            // A hair's breadth of card before the next box.
            canvas.rect(
                x0,
                y0,
                if x1 - x0 > 4.0 { x1 - 1.0 } else { x1 },
                y1,
                colour,
            );
            (colour, on(colour))
        }
        SpanKind::Wait => {
            canvas.rect(x0, y0, x1, y1, PALE);
            canvas.hatch(x0, y0, x1, y1, Hatch::Wait);
            if x1 - x0 > 3.0 {
                canvas.frame(x0 + 0.5, y0 + 0.5, x1 - 0.5, y1 - 0.5, RULE, 1.0);
            }
            (PALE, INK)
        }
    };
    if let Some(text_in_box) = keys.text(&block.label, x1 - x0) {
        let middle = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
        canvas.patch(middle.0, middle.1, &text_in_box, text, ground);
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check, check_units};
    use super::*;

    fn span(lane: &str, label: &str, start: f64, end: f64, kind: SpanKind) -> Span {
        Span {
            lane: lane.into(),
            label: label.into(),
            start,
            end,
            kind,
        }
    }

    #[test]
    fn any_number_of_lanes_is_legible() {
        for n in [0, 1, 2, 5, 16, 100] {
            for names in NAMES {
                let mut spans = Vec::new();
                for i in 0..n {
                    let (lane, s) = (
                        format!("{}{i}", names[i % names.len()]),
                        0.01 * (i % 7) as f64,
                    );
                    spans.push(span(&lane, names[0], s, s + 0.1, SpanKind::Work));
                    spans.push(span(
                        &lane,
                        "waits for it",
                        s + 0.1,
                        s + 0.3,
                        SpanKind::Wait,
                    ));
                    spans.push(span(&lane, "x", s + 0.3, s + 0.32, SpanKind::Work));
                }
                let figure = timeline("Who did what", &spans);
                check(&figure, 45_000);
                if n > 0 {
                    check_units(&figure, &["(ms)"]);
                    assert!(figure.table().contains(&spans[0].lane));
                }
                check(
                    &timeline_in("Who did what", "minutes", 60.0, &spans),
                    45_000,
                );
            }
        }
    }

    #[test]
    fn a_scaled_clock_shows_its_own_unit() {
        let spans = [
            span("you", "make coffee", 0.0, 240.0, SpanKind::Work),
            span("toaster", "toast", 0.0, 300.0, SpanKind::Wait),
        ];
        let figure = timeline_in("Breakfast", "minutes", 60.0, &spans);
        assert!(
            figure
                .alt()
                .contains("done after 5 minutes; you busy 80 %, toaster busy 0 %")
        );
        assert!(figure.svg().contains("(minutes)"));
        check(&figure, 25_000);
    }

    #[test]
    fn overlapping_spans_get_rows() {
        let spans = [
            span("loop", "a", 0.0, 2.0, SpanKind::Wait),
            span("loop", "b", 1.0, 3.0, SpanKind::Wait),
            span("loop", "c", 2.0, 4.0, SpanKind::Wait),
        ];
        let mut blocks: Vec<Block> = spans
            .iter()
            .map(|s| Block {
                lane: 0,
                row: 0,
                label: s.label.clone(),
                start: s.start,
                end: s.end,
                kind: s.kind,
            })
            .collect();
        assert_eq!(assign_rows(&mut blocks, 1), [2]);
        assert_eq!(blocks[2].row, 0);
        check(&timeline("t", &spans), 25_000);
    }

    #[test]
    fn thousands_of_spans_are_merged_and_it_says_so() {
        let spans: Vec<Span> = (0..20_000)
            .map(|i| {
                let t = f64::from(i / 4) * 1e-3;
                span(
                    &format!("worker {}", i % 4),
                    &format!("item {i}"),
                    t,
                    t + 8e-4,
                    SpanKind::Work,
                )
            })
            .collect();
        let figure = timeline("t", &spans);
        assert!(figure.svg().contains("20,000 spans drawn as"));
        check(&figure, 40_000);
    }

    #[test]
    fn impossible_spans_are_counted() {
        let spans = [
            span("a", "x", f64::NAN, 1.0, SpanKind::Work),
            span("a", "x", 2.0, 1.0, SpanKind::Work),
            span("a", "x", 0.0, f64::INFINITY, SpanKind::Wait),
            span("a", "x", 0.0, 0.0, SpanKind::Work),
        ];
        let figure = timeline("t", &spans);
        assert!(figure.svg().contains("3 spans without a usable time"));
        check(&figure, 25_000);
        check(&timeline_in("t", "", 0.0, &spans), 25_000);
        check(&timeline("t", &spans[..1]), 25_000);
    }
}
