//! Who did what, when: one lane per worker.

use crate::Figure;
use crate::card::PALETTE;
use crate::rows::{Block, Row, Unit, new};
use crate::text::*;

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

/// One lane per worker in order of first appearance, spans as boxes; at the right how much of the
/// time each was busy that worked at all. The time axis picks its unit; a line is where all is done.
///
/// Spans of a lane that overlap get rows of their own, with the same name. Spans that are not finite or end
/// before they start are left out and counted. Of very many the first are drawn.
///
/// ```
/// use figures::{Span, SpanKind, timeline};
///
/// let span = Span { lane: "you".into(), label: "toast".into(), start: 0.0, end: 2.0, kind: SpanKind::Work };
/// assert!(timeline("Breakfast", &[span]).alt().contains("done after 2.00 s; you busy 100 %"));
/// ```
pub fn timeline(title: &str, spans: &[Span]) -> Figure {
    let largest = spans.iter().filter_map(|span| usable(span.end)).fold(0.0, f64::max);
    let (unit, name) = time_unit(largest);
    draw(title, (name, unit), spans, &time)
}

/// A [`timeline`] in a unit of your own, of `seconds_per_unit` seconds each: a scaled clock, such
/// as 60.0 for `"minutes"` when spans are in seconds.
///
/// ```
/// # use figures::{Span, SpanKind, timeline_in};
/// let span = Span { lane: "you".into(), label: "toast".into(), start: 0.0, end: 120.0, kind: SpanKind::Work };
/// assert!(timeline_in("Breakfast", "minutes", 60.0, &[span]).alt().contains("done after 2 minutes"));
/// ```
pub fn timeline_in(title: &str, unit: &str, seconds_per_unit: f64, spans: &[Span]) -> Figure {
    let unit = clean(unit);
    let factor = usable(seconds_per_unit).filter(|&factor| factor > 0.0).unwrap_or(1.0);
    let words = |t: f64| match number(t / factor).as_str() {
        // `minutes` with one of them is `minute`; a unit such as `s` stays as it is.
        "1" if unit.len() > 2 => format!("1 {}", unit.strip_suffix('s').unwrap_or(&unit)),
        amount => format!("{amount} {unit}"),
    };
    draw(title, (&unit, factor), spans, &words)
}

const MOST_SPANS: usize = 1000;

type Write<'w> = &'w dyn Fn(f64) -> String;

fn draw(title: &str, (unit, factor): (&str, f64), spans: &[Span], time: Write) -> Figure {
    let sound = |s: &&Span| usable(s.end).zip(usable(s.start)).is_some_and(|(a, b)| a >= b);
    let mut sorted: Vec<&Span> = spans.iter().filter(sound).collect();
    let labels = distinct(sorted.iter().filter(|s| s.kind == SpanKind::Work).map(|s| &s.label));
    let lanes = distinct(sorted.iter().map(|span| &span.lane));
    sorted.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.end.total_cmp(&b.end)));
    let lane_of: Vec<String> = sorted.iter().map(|span| clean(&span.lane)).collect();

    // One colour per label of work where there are few. Spans that overlap get rows of their own.
    let few = labels.len() < PALETTE.len();
    let makespan = sorted.iter().map(|span| span.end).fold(0.0, f64::max);
    let (mut rows, mut cells, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for lane in &lanes {
        let (mut own, mut work, mut done) = (vec![Row::default()], 0.0, f64::MIN);
        for (nth, span) in sorted.iter().enumerate().filter(|(nth, _)| lane_of[*nth] == *lane) {
            let (label, long) = (clean(&span.label), span.end - span.start);
            // Clocks are read one after the other: what touches does not overlap.
            let slack = span.start + long * 1e-6;
            let free = |row: &Row| row.blocks.last().is_none_or(|last| last.1 <= slack);
            let wait = span.kind == SpanKind::Wait;
            let look = if few { labels.iter().position(|l| *l == label) } else { Some(0) };
            let block = Block(span.start, span.end, label.clone(), look.filter(|_| !wait));
            if nth < MOST_SPANS {
                let row = own.iter().position(free).unwrap_or(own.len());
                own.resize(own.len().max(row + 1), Row::default());
                own[row].blocks.push(block);
            }
            if !wait {
                work += (span.end - span.start.max(done)).max(0.0);
                done = done.max(span.end);
            }
            let kind = if wait { "wait" } else { "work" };
            let times = [span.start, span.end, long].map(time);
            cells.push([vec![lane.clone(), label, kind.to_owned()], times.to_vec()].concat());
        }
        let share = if makespan > 0.0 { work / makespan * 100.0 } else { 0.0 };
        own.iter_mut().for_each(|row| row.name = lane.clone());
        if work > 0.0 {
            own[0].value = format!("busy {share:.0} %");
            busy.push(format!("{lane} {}", own[0].value));
        }
        rows.append(&mut own);
    }
    let done = format!("done after {}", time(makespan));
    let mut chart = new(title, Unit::Clock(unit.to_owned(), factor), &[], rows);
    let waits = sorted.iter().any(|span| span.kind == SpanKind::Wait);
    chart.notes.extend(waits.then(|| "solid: work · hatched: waiting".to_owned()));
    chart.end = (!sorted.is_empty()).then(|| (makespan, done.clone()));
    if few {
        chart.parts = labels.into_iter().filter(|label| !label.is_empty()).collect();
    }
    if let Some(late) = sorted.get(MOST_SPANS..).filter(|late| !late.is_empty()) {
        chart.notes.push(format!("the last {} not drawn", count(late.len(), "span")));
    }
    let chart = chart.left_out(spans.len() - sorted.len(), "span");
    let heads = ["lane", "what", "kind", "from", "to", "length"];
    let none = if sorted.is_empty() { "no spans" } else { "all wait" };
    let found = if busy.is_empty() { none.to_owned() } else { listed(&busy, 8) };
    let (alt, title) = (format!("Timeline “{}”: {done}; {found}.", clean(title)), clean(title));
    let table = table(&title, (&heads, &cells), &[vec![done], chart.notes.clone()].concat());
    Figure { alt, table, ..chart.figure() }
}
