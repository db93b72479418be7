//! Who worked on which item, when: read from what the processes of a cluster wrote down.

use figures::{Figure, Span, SpanKind, timeline};
use serde::Deserialize;
use std::path::Path;

/// One process's work on one item.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Who, such as `executor-1`.
    pub name: String,
    /// Its process number.
    pub pid: u32,
    /// What, such as the path of an X-ray.
    pub item: String,
    /// When it began, in seconds since 1970.
    pub begun: f64,
    /// When it was done, in seconds since 1970; `None` if it failed, or if its process was killed
    /// in the middle of it or has not finished yet.
    pub done: Option<f64>,
}

#[derive(Deserialize)]
struct Line {
    event: Event,
    item: String,
    name: String,
    pid: u32,
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Event {
    Begun,
    Done,
    Failed,
}

/// The pieces in the journal of the cluster in `folder`, in the order of their beginnings.
pub(super) fn read(folder: &Path) -> Vec<Piece> {
    let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap_or_default();
    pieces(&text)
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    // The last line of a process that was killed may be half written.
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            continue;
        };
        match line.event {
            Event::Begun => pieces.push(Piece {
                name: line.name,
                pid: line.pid,
                item: line.item,
                begun: line.seconds,
                done: None,
            }),
            Event::Done => {
                let mut open = pieces.iter_mut().rev().filter(|piece| piece.done.is_none());
                let its = open.find(|piece| piece.pid == line.pid && piece.item == line.item);
                if let Some(piece) = its {
                    piece.done = Some(line.seconds);
                }
            }
            Event::Failed => {}
        }
    }
    pieces
}

/// Who worked when, one lane a process; a piece that never ended is a hatched mark at its beginning.
/// Times count from the first beginning.
pub fn timeline_of(title: &str, pieces: &[Piece]) -> Figure {
    if pieces.is_empty() {
        return timeline("Nothing to show: no work was recorded", &[]);
    }
    let begun = pieces.iter().map(|piece| piece.begun);
    let start = begun.fold(f64::INFINITY, f64::min);
    let ends = pieces.iter().map(|piece| piece.done.unwrap_or(piece.begun));
    let last = ends.fold(start, f64::max);
    let span = |piece: &Piece| Span {
        lane: format!("{}, process {}", piece.name, piece.pid),
        label: match piece.done {
            Some(_) => String::new(),
            None => "cut off".to_owned(),
        },
        start: piece.begun - start,
        // Wide enough to be seen.
        end: piece.done.unwrap_or(piece.begun + (last - start) / 50.0) - start,
        kind: match piece.done {
            Some(_) => SpanKind::Work,
            None => SpanKind::Wait,
        },
    };
    let mut spans: Vec<Span> = pieces.iter().map(span).collect();
    spans.sort_by(|a, b| a.lane.cmp(&b.lane).then(a.start.total_cmp(&b.start)));
    timeline(title, &spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_find_their_beginnings_and_what_was_cut_off_has_none() {
        let line = |event: &str, name: &str, pid: u32, item: &str, seconds: f64| {
            serde_json::json!({"event": event, "name": name, "pid": pid, "item": item, "seconds": seconds})
                .to_string()
        };
        let text = [
            line("begun", "worker-1", 7, "a", 1.0),
            line("begun", "worker-2", 8, "b", 1.5),
            line("done", "worker-1", 7, "a", 2.0),
            line("begun", "worker-1", 7, "b", 9.0),
            line("done", "worker-1", 7, "b", 9.5),
            "{\"event\": \"beg".to_owned(),
        ]
        .join("\n");
        let found = pieces(&text);
        let done: Vec<_> = found.iter().map(|p| (p.item.as_str(), p.pid, p.done)).collect();
        assert_eq!(done, [("a", 7, Some(2.0)), ("b", 8, None), ("b", 7, Some(9.5))]);
        assert!(timeline_of("t", &found).table().contains("cut off"));
    }
}
