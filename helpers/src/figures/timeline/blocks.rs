//! Spans ready to be drawn: merged where there are too many, in rows where they overlap, with
//! colours, and with numbers for labels that do not fit.

use super::super::canvas::{PALETTE, SMALL};
use super::super::text::{shorten, width};
use super::{MOST_ROWS, SpanKind};
use plotters::prelude::RGBColor;

/// A span ready to be drawn: which row of its lane, and how many spans it stands for.
pub(super) struct Block {
    pub(super) lane: usize,
    pub(super) row: usize,
    pub(super) label: String,
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) kind: SpanKind,
}

/// Joins spans of the same lane, kind and label that are shorter than `gap`, or less apart.
pub(super) fn merge(mut blocks: Vec<Block>, gap: f64) -> Vec<Block> {
    let order = |b: &Block| (b.lane, b.kind == SpanKind::Wait);
    blocks.sort_by(|a, b| order(a).cmp(&order(b)).then(a.start.total_cmp(&b.start)));
    let mut merged: Vec<Block> = Vec::new();
    for block in blocks {
        match merged.last_mut() {
            Some(last)
                if last.lane == block.lane
                    && last.kind == block.kind
                    && block.start - last.end < gap =>
            {
                last.end = last.end.max(block.end);
                if last.label != block.label {
                    last.label = String::new();
                }
            }
            _ => merged.push(block),
        }
    }
    merged
}

/// Gives overlapping spans of a lane rows of their own; returns how many each lane needs.
pub(super) fn assign_rows(blocks: &mut [Block], lanes: usize) -> Vec<usize> {
    blocks.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.end.total_cmp(&b.end)));
    let mut free_at: Vec<Vec<f64>> = vec![Vec::new(); lanes];
    for block in blocks {
        let rows = &mut free_at[block.lane];
        // Clocks are read one after the other: what touches does not overlap.
        let slack = (block.end - block.start) * 1e-6;
        let row = rows.iter().position(|&free| free <= block.start + slack);
        let row = row.unwrap_or_else(|| {
            rows.push(0.0);
            rows.len() - 1
        });
        rows[row] = block.end;
        block.row = row.min(MOST_ROWS - 1);
    }
    free_at.iter().map(Vec::len).collect()
}

/// One colour per label of work where there are few labels, else one colour for all.
pub(super) struct Colours(Vec<String>);

impl Colours {
    pub(super) fn of(blocks: &[Block]) -> Self {
        let mut labels: Vec<String> = Vec::new();
        for block in blocks.iter().filter(|b| b.kind == SpanKind::Work) {
            if !labels.contains(&block.label) {
                labels.push(block.label.clone());
            }
            if labels.len() > PALETTE.len() - 1 {
                return Colours(Vec::new());
            }
        }
        Colours(labels)
    }

    pub(super) fn colour(&self, label: &str) -> RGBColor {
        PALETTE[self.0.iter().position(|l| l == label).unwrap_or(0)]
    }
}

/// Labels that are too long for all of their boxes, which then hold a number instead.
pub(super) struct Keys(Vec<String>);

impl Keys {
    /// `wide` tells how wide a block's box is, in pixels.
    pub(super) fn of(blocks: &[Block], wide: impl Fn(&Block) -> f64) -> Self {
        let mut keys: Vec<String> = Vec::new();
        for block in blocks {
            let (label, room) = (&block.label, wide(block));
            if room >= NUMBER && room < text_room(label) && !keys.contains(label) {
                keys.push(label.clone());
            }
        }
        // A label that stands in one of its boxes explains the others by their colour and place.
        let stands = |label: &String| {
            let mut own = blocks.iter().filter(|b| b.label == *label);
            own.any(|b| wide(b) >= text_room(label))
        };
        keys.retain(|label| !stands(label));
        // A long list of numbers is no help.
        Keys(if keys.len() > 9 { Vec::new() } else { keys })
    }

    pub(super) fn text(&self, label: &str, room: f64) -> Option<String> {
        let key = self.0.iter().position(|key| key == label);
        match key {
            _ if !label.is_empty() && text_room(label) <= room => Some(label.to_owned()),
            Some(key) if room >= NUMBER => Some((key + 1).to_string()),
            _ => None,
        }
    }

    pub(super) fn note(&self) -> Option<String> {
        let entry = |(key, label): (usize, &String)| {
            format!("{} = {}", key + 1, shorten(label, SMALL, false, 260.0))
        };
        let entries: Vec<String> = self.0.iter().enumerate().map(entry).collect();
        (!entries.is_empty()).then(|| entries.join(" · "))
    }
}

/// The least width of a box with a number in it.
const NUMBER: f64 = 17.0;

fn text_room(label: &str) -> f64 {
    width(label, SMALL, false) + 9.0
}
