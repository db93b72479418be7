//! The card that every figure is drawn on, and the few shapes that plotters does not have.

use crate::Figure;
use crate::axis::Axis;
use crate::text::{Table, clean, count, room, shorten, table, wrap};
use platform::machine::machine;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::{CoordTranslate, Shift};
use plotters::element::{DashedPathElement, Drawable, PointCollection};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

/// A figure's width in pixels; everything else is laid out for it.
pub(crate) const WIDTH: f64 = 760.0;
/// The left and the right end of what is on the card.
pub(crate) const LEFT: f64 = 24.0;
pub(crate) const RIGHT: f64 = WIDTH - LEFT;
/// Ordinary labels, and the smaller ones of ticks, notes and the foot, in pixels.
pub(crate) const LABEL: f64 = 13.0;
pub(crate) const SMALL: f64 = 12.0;
/// What an axis takes below a plot.
pub(crate) const BELOW: f64 = 42.0;

pub(crate) const INK: RGBColor = RGBColor(0x1F, 0x29, 0x33);
pub(crate) const SOFT: RGBColor = RGBColor(0x5A, 0x65, 0x70);
pub(crate) const RULE: RGBColor = RGBColor(0x8A, 0x93, 0x9C);
pub(crate) const GRID: RGBColor = RGBColor(0xE4, 0xE2, 0xDC);
pub(crate) const CARD: RGBColor = RGBColor(0xFC, 0xFB, 0xF8);
pub(crate) const PALE: RGBColor = RGBColor(0xEC, 0xEA, 0xE4);

/// Okabe and Ito's palette, which people with any kind of colour blindness can tell apart;
/// without its yellow, which is too faint on a light card.
pub(crate) const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x4A, 0x4A, 0x4A),
];

pub(crate) fn colour(look: usize) -> RGBColor {
    PALETTE[look % PALETTE.len()]
}

/// Drawing into a string does not fail; plotters' types say that it could.
pub(crate) type Drawn<T = ()> = Result<T, Box<dyn Error>>;
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

/// plotters places things at whole pixels, so the SVG has twice as many as the figure is wide.
const FINE: f64 = 2.0;

/// Pixels of the figure in pixels of the SVG.
pub(crate) fn fine(pixels: f64) -> i32 {
    (pixels.clamp(-1e5, 1e5) * FINE).round() as i32
}

pub(crate) fn stroke(colour: RGBColor, wide: f64) -> ShapeStyle {
    colour.stroke_width(fine(wide) as u32)
}

/// A card with a title, notes below it, and the machine at its foot where something was measured.
pub(crate) struct Card {
    pub(crate) title: String,
    pub(crate) notes: Vec<String>,
    pub(crate) measured: bool,
    /// Names of colours, shown above the plot; hatched like the parts of a stacked bar or not.
    pub(crate) keys: (Vec<String>, bool),
}

/// A text's size, weight and colour.
pub(crate) type Ink = (f64, FontStyle, RGBColor);

/// Draws on a card; all places are in pixels of the figure.
pub(crate) struct Pen<'a>(pub(crate) Area<'a>);

impl Card {
    pub(crate) fn new(title: &str) -> Card {
        let (title, notes, keys) = (clean(title), Vec::new(), (Vec::new(), false));
        Card { title, notes, measured: true, keys }
    }

    pub(crate) fn note(&mut self, holds: bool, text: impl Into<String>) {
        self.notes.extend(holds.then(|| text.into()));
    }

    /// As many of `items` as can be drawn; a note says if these are not all.
    pub(crate) fn few<'i, T>(&mut self, items: &'i [T], most: usize, what: &str) -> &'i [T] {
        let note = format!("the first {most} of {}", count(items.len(), what));
        self.note(items.len() > most, note);
        &items[..items.len().min(most)]
    }

    /// The finished figure: a kind of chart, what it shows in words, its numbers, and its picture
    /// if there is anything to draw.
    pub(crate) fn figure(
        mut self,
        kind: &str,
        found: &str,
        numbers: Table,
        svg: Option<String>,
    ) -> Figure {
        let found = if found.is_empty() { "nothing to show" } else { found };
        self.note(svg.is_none(), "nothing to show: there is nothing yet");
        let svg = svg.unwrap_or_else(|| self.svg(8.0, |_, _| Ok(())));
        Figure {
            alt: format!("{kind} “{}”: {found}.", self.title),
            table: table(&self.title, numbers, &self.notes),
            svg,
            width: WIDTH as u32,
        }
    }

    /// Title and notes in lines, the place below them, and the one below the keys, four in a line.
    fn lines(&self) -> (Vec<String>, Vec<String>, f64, f64) {
        let title = wrap(&self.title, 64, 2);
        let notes: Vec<String> = self.notes.iter().flat_map(|note| wrap(note, 96, 2)).collect();
        let below = 30.0 + 23.0 * title.len() as f64 + 18.0 * notes.len() as f64;
        let keys = self.keys.0.len().div_ceil(4) as f64;
        (title, notes, below, below + if keys > 0.0 { 20.0 * keys + 6.0 } else { 0.0 })
    }

    /// The SVG's size where `body` pixels of the figure are below title and notes.
    pub(crate) fn size(&self, body: f64) -> (u32, u32) {
        let foot = if self.measured { 36.0 } else { 14.0 };
        (fine(WIDTH) as u32, fine(self.lines().3 + body + foot) as u32)
    }

    /// Draws the card; `paint` draws what is on it, in `body` pixels below the place it is given.
    pub(crate) fn svg(&self, body: f64, paint: impl FnOnce(&Pen, f64) -> Drawn) -> String {
        let (title, notes, keys, top) = self.lines();
        let draw = |area: &Area| -> Drawn {
            let pen = Pen(area.clone());
            for (line, text) in title.iter().enumerate() {
                let at = (LEFT, 30.0 + 23.0 * line as f64);
                pen.text(at, text, (17.0, FontStyle::Bold, INK), HPos::Left)?;
            }
            let below = 29.0 + 23.0 * title.len() as f64;
            for (line, text) in notes.iter().enumerate() {
                pen.small(LEFT, below + 18.0 * line as f64, text, HPos::Left)?;
            }
            for (place, name) in self.keys.0.iter().enumerate() {
                let x = LEFT + 178.0 * (place % 4) as f64;
                let y = keys + 20.0 * (place / 4) as f64;
                let part = if self.keys.1 { place } else { 3 * place };
                pen.part(part, colour(place), [(x, y), (x + 14.0, y + 14.0)])?;
                pen.small(x + 20.0, y + 7.0, &shorten(name, 20), HPos::Left)?;
            }
            paint(&pen, top)?;
            if self.measured {
                let foot = f64::from(self.size(body).1) / FINE - 18.0;
                pen.small(RIGHT, foot, &shorten(&machine().stamp(), 96), HPos::Right)?;
            }
            Ok(())
        };
        picture(self.size(body), draw).expect("a string takes every shape")
    }
}

/// An SVG with a light ground of its own, so that it can be read on light and dark pages.
pub(crate) fn picture(size: (u32, u32), draw: impl FnOnce(&Area) -> Drawn) -> Drawn<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.draw(&Polygon::new(rounded(size, 0.0), GRID))?;
        area.draw(&Polygon::new(rounded(size, FINE), CARD))?;
        draw(&area)?;
        area.present()?;
    }
    Ok(svg)
}

/// The outline of a card with round corners, so far inside of the picture's edges.
fn rounded((wide, high): (u32, u32), inside: f64) -> Vec<(i32, i32)> {
    let centre = (f64::from(wide.min(high)) / 2.0).min(8.0 * FINE);
    let at = |step: u32| {
        let angle = f64::from(step / 7 * 6 + step % 7) * 15.0;
        let (sin, cos) = angle.to_radians().sin_cos();
        let place = |side: f64, far: bool, long: u32| {
            let centre = if far { f64::from(long) - 1.0 - centre } else { centre };
            (centre + side * (8.0 * FINE - inside).min(centre)).round() as i32
        };
        (place(cos, matches!(step / 7, 0 | 3), wide), place(sin, step / 7 < 2, high))
    };
    (0..28).map(at).collect()
}

fn font(size: f64, weight: FontStyle) -> FontDesc<'static> {
    // plotters divides sizes by 1.24 on their way into an SVG.
    FontDesc::new(FontFamily::SansSerif, size * FINE * 1.24, weight)
}

fn all_fine(points: &[(f64, f64)]) -> Vec<(i32, i32)> {
    points.iter().map(|&(x, y)| (fine(x), fine(y))).collect()
}

impl<'a> Pen<'a> {
    pub(crate) fn text(&self, (x, y): (f64, f64), text: &str, ink: Ink, side: HPos) -> Drawn {
        let (size, weight, colour) = ink;
        let style = TextStyle::from(font(size, weight)).color(&colour);
        let style = style.pos(Pos::new(side, VPos::Center));
        self.draw(&Text::new(clean(text), (fine(x), fine(y)), style))
    }

    pub(crate) fn label(&self, x: f64, y: f64, text: &str, side: HPos) -> Drawn {
        self.text((x, y), text, (LABEL, FontStyle::Normal, INK), side)
    }

    pub(crate) fn strong(&self, x: f64, y: f64, text: &str, ink: RGBColor, side: HPos) -> Drawn {
        self.text((x, y), text, (LABEL, FontStyle::Bold, ink), side)
    }

    pub(crate) fn small(&self, x: f64, y: f64, text: &str, side: HPos) -> Drawn {
        self.text((x, y), text, (SMALL, FontStyle::Normal, SOFT), side)
    }

    /// Small text on a patch of `ground`, so that it can be read on hatches and lines.
    pub(crate) fn patch(&self, (x, y): (f64, f64), text: &str, ground: RGBColor) -> Drawn {
        let half = room(text, SMALL) / 2.0 + 1.0;
        self.rect([(x - half, y - 8.0), (x + half, y + 8.0)], ground.filled())?;
        self.text((x, y), text, (SMALL, FontStyle::Normal, on(ground)), HPos::Center)
    }

    pub(crate) fn rect(&self, at: [(f64, f64); 2], style: impl Into<ShapeStyle>) -> Drawn {
        let corners = at.map(|(x, y)| (fine(x), fine(y)));
        self.draw(&Rectangle::new(corners, style))
    }

    /// Hatches a box: with lines that rise, or that fall.
    pub(crate) fn hatch(&self, at: [(f64, f64); 2], colour: impl Color, falling: bool) -> Drawn {
        let style = colour.stroke_width(fine(1.0) as u32);
        self.draw(&PathElement::new(hatching(at, falling), style))
    }

    /// A part in its colour, hatched so that neighbours differ without their colours: every third
    /// is plain.
    pub(crate) fn part(&self, part: usize, colour: RGBColor, at: [(f64, f64); 2]) -> Drawn {
        self.rect(at, colour.filled())?;
        if !part.is_multiple_of(3) && at[1].0 - at[0].0 > 6.0 {
            self.hatch(at, WHITE.mix(0.6), part % 3 == 2)?;
        }
        Ok(())
    }

    /// A line from one point to another, with dashes or without.
    pub(crate) fn line(&self, ends: [(f64, f64); 2], style: ShapeStyle, dashed: bool) -> Drawn {
        let ends = all_fine(&ends);
        match dashed {
            true => self.draw(&DashedPathElement::new(ends, fine(5.0), fine(4.0), style)),
            false => self.draw(&PathElement::new(ends, style)),
        }
    }

    pub(crate) fn polygon(&self, points: &[(f64, f64)], colour: RGBColor) -> Drawn {
        self.draw(&Polygon::new(all_fine(points), colour))
    }

    pub(crate) fn draw<E>(&self, element: &E) -> Drawn
    where
        for<'e> &'e E: PointCollection<'e, (i32, i32)>,
        E: Drawable<SVGBackend<'a>>,
    {
        Ok(self.0.draw(element)?)
    }

    /// A plot in a frame, with its axes, of at most so many ticks on x and y: on x as many as have
    /// room for their labels. Without ticks on y there is no y axis.
    pub(crate) fn chart(
        &self,
        [left, right, top, bottom]: [f64; 4],
        (x, y): (Axis, Axis),
        ticks: (usize, usize),
        x_label: &str,
        paint: impl FnOnce(&mut Chart<'a, '_>) -> Drawn,
    ) -> Drawn {
        let size = (fine(right - LEFT), fine(bottom - top + BELOW));
        let area = self.0.clone().shrink((fine(LEFT), fine(top)), size);
        let (x_ticks, y_ticks) = (x.labels(), y.labels());
        let apart = |most: &usize| {
            let place = |tick| f64::from(x.map(&tick, (0, fine(right - left)))) / FINE;
            let half = |label: &str| room(label, SMALL) / 2.0 + 3.0;
            let ends = |(tick, label): &(f64, String)| (place(*tick), half(label));
            let ends: Vec<(f64, f64)> = x.ticks(*most).iter().map(ends).collect();
            ends.windows(2).all(|two| two[0].0 + two[0].1 < two[1].0 - two[1].1)
        };
        let most = (2..=ticks.0).rev().find(apart).unwrap_or(2);
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(fine(BELOW))
            .y_label_area_size(fine(left - LEFT))
            .build_cartesian_2d(x, y)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_labels(most)
            .y_labels(ticks.1)
            .x_label_formatter(&x_ticks)
            .y_label_formatter(&y_ticks)
            .label_style(font(SMALL, FontStyle::Normal).color(&SOFT))
            .axis_desc_style(font(SMALL, FontStyle::Normal).color(&INK))
            .x_desc(shorten(&clean(x_label), 84))
            .set_all_tick_mark_size(fine(3.0))
            .axis_style(stroke(RULE, 1.0))
            .bold_line_style(stroke(GRID, 1.0))
            .light_line_style(TRANSPARENT);
        if ticks.1 == 0 {
            mesh.disable_y_mesh().disable_y_axis();
        }
        mesh.draw()?;
        paint(&mut chart)
    }
}

/// Where a chart has a point, in pixels of the figure.
pub(crate) fn place_of(chart: &Chart, point: (f64, f64)) -> (f64, f64) {
    let (x, y) = chart.backend_coord(&point);
    (f64::from(x) / FINE, f64::from(y) / FINE)
}

/// Where the x axis of a chart has a value.
pub(crate) fn x_of(chart: &Chart, value: f64) -> f64 {
    place_of(chart, (value, 0.0)).0
}

/// Marks whose shape tells groups and series apart without their colour; of `size` 1 they are about
/// 8 pixels wide. The fourth is a ring, light within, that can be seen on other marks.
pub(crate) fn marks<C: CoordTranslate<From: Clone>>(
    area: &DrawingArea<SVGBackend, C>,
    at: &[C::From],
    look: usize,
    colour: RGBAColor,
    size: f64,
) -> Drawn {
    let radius = fine(4.0 * size);
    for at in at.iter().cloned() {
        match look % 4 {
            0 => area.draw(&Circle::new(at, radius, colour.filled()))?,
            1 => area.draw(&TriangleMarker::new(at, radius + 2, colour.filled()))?,
            2 => area.draw(&Cross::new(at, radius, colour.stroke_width(4)))?,
            _ => {
                area.draw(&Circle::new(at.clone(), radius - 1, CARD.mix(0.8).filled()))?;
                area.draw(&Circle::new(at, radius, colour.stroke_width(3)))?;
            }
        }
    }
    Ok(())
}

/// One line to and fro through a box.
fn hatching([(x0, y0), (x1, y1)]: [(f64, f64); 2], falling: bool) -> Vec<(i32, i32)> {
    let high = y1 - y0;
    let mut points = Vec::new();
    for line in 0..((x1 - x0 + high) / 7.0).ceil().max(0.0) as usize {
        let x = x0 + 3.0 + 7.0 * line as f64;
        let above = (x.min(x1), y0 + (x - x1).max(0.0));
        let below = ((x - high).max(x0), y1 - (x0 - (x - high)).max(0.0));
        if above.1 <= y1 && below.1 >= y0 {
            points.extend(if line % 2 == 0 { [above, below] } else { [below, above] });
        }
    }
    let at = |(x, y): (f64, f64)| (fine(if falling { x0 + x1 - x } else { x }), fine(y));
    points.into_iter().map(at).collect()
}

/// How light a colour is for the eye, from 0 to 1.
fn light(colour: RGBColor) -> f64 {
    let part = |c: u8, share: f64| (f64::from(c) / 255.0).powf(2.2) * share;
    part(colour.0, 0.2126) + part(colour.1, 0.7152) + part(colour.2, 0.0722)
}

/// White or black, whichever reads better on `ground`: the contrast is at least 4.5.
fn on(ground: RGBColor) -> RGBColor {
    if light(ground) > 0.18 { BLACK } else { WHITE }
}

/// A colour for words on the card: as dark as it must be for a contrast of 4.5.
pub(crate) fn ink(mut colour: RGBColor) -> RGBColor {
    while light(colour) > 0.165 {
        let [r, g, b] = [colour.0, colour.1, colour.2].map(|c| (f64::from(c) * 0.93) as u8);
        colour = RGBColor(r, g, b);
    }
    colour
}
