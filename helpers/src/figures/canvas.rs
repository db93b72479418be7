//! The card that every figure is drawn on, and the few shapes figures are made of.
//!
//! Everything goes through plotters' SVG backend. Two things it cannot do are put in when the SVG
//! is finished: a stroke's last digit stands for dashes, and stand-in colours for hatches.

use super::text::{clean, shorten, width, wrap};
use crate::machine::machine;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A figure's width in pixels; everything else is laid out for it.
pub(super) const WIDTH: f64 = 760.0;
/// The space between the card's edge and what is on it.
pub(super) const MARGIN: f64 = 24.0;
/// The right end of what is on the card.
pub(super) const RIGHT: f64 = WIDTH - MARGIN;
/// Ordinary labels, in pixels.
pub(super) const LABEL: f64 = 13.0;
/// Tick labels, notes and the footer, in pixels.
pub(super) const SMALL: f64 = 12.0;

pub(super) const INK: RGBColor = RGBColor(0x1F, 0x29, 0x33);
pub(super) const SOFT: RGBColor = RGBColor(0x5A, 0x65, 0x70);
pub(super) const RULE: RGBColor = RGBColor(0x8A, 0x93, 0x9C);
pub(super) const GRID: RGBColor = RGBColor(0xE4, 0xE2, 0xDC);
pub(super) const CARD: RGBColor = RGBColor(0xFC, 0xFB, 0xF8);
pub(super) const PALE: RGBColor = RGBColor(0xEC, 0xEA, 0xE4);

/// Okabe and Ito's palette, which people with any kind of colour blindness can tell apart;
/// without its yellow, which is too faint on a light card.
pub(super) const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x4A, 0x4A, 0x4A),
];

/// Which side of a text its position is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Align {
    Left,
    Middle,
    Right,
}

/// How a line is drawn; the number is added to its width in tenths of a pixel.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Dash {
    Solid = 0,
    Dashed = 1,
    Dotted = 2,
    Mixed = 3,
}

/// How an area is filled on top of its colour.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Hatch {
    /// Thin grey lines, for waiting and for missing values.
    Wait = 0,
    Rising = 1,
    Falling = 2,
    Dots = 3,
}

/// plotters' backend takes whole numbers, so one unit of the SVG is a tenth of a pixel.
pub(super) const FINE: f64 = 10.0;

pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    images: std::cell::RefCell<String>,
}

/// Draws a card with title, notes below it and the machine at its foot. `paint` draws the rest:
/// it is given the canvas and the top of the `body` pixels that belong to it.
pub(super) fn card(
    title: &str,
    notes: &[String],
    measured: bool,
    body: f64,
    paint: impl FnOnce(&Canvas, f64),
) -> String {
    let room = RIGHT - MARGIN;
    let title = wrap(&clean(title), 17.0, true, room, 2);
    let note_lines = |note: &String| wrap(&clean(note), SMALL, false, room, 2);
    let notes: Vec<String> = notes.iter().flat_map(note_lines).collect();
    let top = 20.0 + 23.0 * title.len() as f64 + 18.0 * notes.len() as f64 + 10.0;
    let foot = if measured { 36.0 } else { 14.0 };
    let height = (top + body + foot).ceil();

    let mut svg = String::new();
    let size = ((WIDTH * FINE) as u32, (height * FINE) as u32);
    let canvas = Canvas {
        area: SVGBackend::with_string(&mut svg, size).into_drawing_area(),
        images: Default::default(),
    };
    canvas.background(height);
    for (line, text) in title.iter().enumerate() {
        canvas.title(MARGIN, 30.0 + 23.0 * line as f64, text);
    }
    let below_title = 30.0 + 23.0 * title.len() as f64 - 1.0;
    for (line, text) in notes.iter().enumerate() {
        canvas.small(MARGIN, below_title + 18.0 * line as f64, text, Align::Left);
    }
    paint(&canvas, top);
    if measured {
        let stamp = shorten(&machine().stamp(), SMALL, false, room);
        canvas.small(RIGHT, height - 18.0, &stamp, Align::Right);
    }
    let images = canvas.images.take();
    drop(canvas);
    finish(svg, height, &images)
}

impl<'a> Canvas<'a> {
    pub(super) fn rect(&self, x0: f64, y0: f64, x1: f64, y1: f64, colour: RGBColor) {
        self.draw(&Rectangle::new(
            [at(x0, y0), at(x1, y1)],
            ShapeStyle::from(colour).filled(),
        ));
    }

    pub(super) fn hatch(&self, x0: f64, y0: f64, x1: f64, y1: f64, hatch: Hatch) {
        self.rect(x0, y0, x1, y1, RGBColor(1, 0, hatch as u8));
    }

    pub(super) fn frame(&self, x0: f64, y0: f64, x1: f64, y1: f64, colour: RGBColor, wide: f64) {
        let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
        self.path(&corners, colour, wide, Dash::Solid);
    }

    pub(super) fn path(&self, points: &[(f64, f64)], colour: RGBColor, wide: f64, dash: Dash) {
        let points: Vec<_> = points.iter().map(|&(x, y)| at(x, y)).collect();
        let stroke = (wide * FINE) as u32 / 10 * 10 + dash as u32;
        let style = ShapeStyle::from(colour).stroke_width(stroke.max(5 + dash as u32));
        self.draw(&PathElement::new(points, style));
    }

    pub(super) fn line(&self, x0: f64, y0: f64, x1: f64, y1: f64, colour: RGBColor) {
        self.path(&[(x0, y0), (x1, y1)], colour, 1.0, Dash::Solid);
    }

    pub(super) fn area(&self, points: &[(f64, f64)], colour: RGBColor) {
        let points: Vec<_> = points.iter().map(|&(x, y)| at(x, y)).collect();
        self.draw(&Polygon::new(points, colour));
    }

    /// A dot that lets others shine through where `solid` is false.
    pub(super) fn dot(&self, x: f64, y: f64, radius: f64, colour: RGBColor, solid: bool) {
        let style = colour.mix(if solid { 1.0 } else { 0.6 }).filled();
        self.draw(&Circle::new(at(x, y), (radius * FINE) as u32, style));
    }

    /// A mark whose shape tells series apart without their colour.
    pub(super) fn marker(&self, x: f64, y: f64, series: usize, colour: RGBColor) {
        let r = 4.0;
        match series % 5 {
            0 => self.dot(x, y, r, colour, true),
            1 => self.rect(x - 3.6, y - 3.6, x + 3.6, y + 3.6, colour),
            2 => self.area(
                &[(x, y - 5.0), (x + 4.8, y + 3.8), (x - 4.8, y + 3.8)],
                colour,
            ),
            3 => self.area(
                &[(x, y - 5.2), (x + 5.2, y), (x, y + 5.2), (x - 5.2, y)],
                colour,
            ),
            _ => {
                self.dot(x, y, r + 0.6, colour, true);
                self.dot(x, y, r - 1.6, CARD, true);
            }
        }
    }

    /// An image; `href` is a data URI. It lies above everything that plotters draws.
    pub(super) fn image(&self, x: f64, y: f64, wide: f64, high: f64, href: &str) {
        let ((x, y), (w, h)) = (at(x, y), at(wide, high));
        // Enlarged images show their pixels as they are.
        self.images.borrow_mut().push_str(&format!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"{href}\"/>"
        ));
    }

    /// Ordinary label; `y` is the text's middle.
    pub(super) fn label(&self, x: f64, y: f64, text: &str, align: Align) {
        self.text(x, y, text, LABEL, INK, align, false, false);
    }

    pub(super) fn small(&self, x: f64, y: f64, text: &str, align: Align) {
        self.text(x, y, text, SMALL, SOFT, align, false, false);
    }

    pub(super) fn strong(&self, x: f64, y: f64, text: &str, align: Align) {
        self.text(x, y, text, LABEL, INK, align, true, false);
    }

    fn title(&self, x: f64, y: f64, text: &str) {
        self.text(x, y, text, 17.0, INK, Align::Left, true, false);
    }

    #[allow(clippy::too_many_arguments)] // one place where a text's every property meets
    pub(super) fn text(
        &self,
        x: f64,
        y: f64,
        text: &str,
        size: f64,
        colour: RGBColor,
        align: Align,
        bold: bool,
        upright: bool,
    ) {
        if text.is_empty() {
            return;
        }
        let weight = if bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        // plotters divides sizes by 1.24 on their way into an SVG.
        let font = FontDesc::new(FontFamily::SansSerif, size * FINE * 1.24, weight);
        let font = match upright {
            true => font.transform(FontTransform::Rotate270),
            false => font,
        };
        let style = TextStyle::from(font)
            .color(&colour)
            .pos(Pos::new(horizontal, VPos::Center));
        let drawn = self.area.draw_text(&clean(text), &style, at(x, y));
        drawn.expect("a string takes every shape");
    }

    /// Small text on a patch of `ground`, so that it stays readable on lines and hatches.
    pub(super) fn patch(&self, x: f64, y: f64, text: &str, colour: RGBColor, ground: RGBColor) {
        let half = width(text, SMALL, false) / 2.0 + 3.0;
        self.rect(x - half, y - 9.0, x + half, y + 9.0, ground);
        self.text(x, y, text, SMALL, colour, Align::Middle, false, false);
    }

    fn background(&self, height: f64) {
        let outline = rounded(1.0, 1.0, WIDTH - 1.0, height - 1.0, 10.0);
        self.area(&outline, CARD);
        self.path(&outline, GRID, 1.0, Dash::Solid);
    }

    fn draw<'e, E>(&self, element: &'e E)
    where
        &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: plotters::element::Drawable<SVGBackend<'a>>,
    {
        let drawn = self.area.draw(element);
        drawn.expect("a string takes every shape");
    }
}

/// The outline of a box with round corners, closed.
pub(super) fn rounded(x0: f64, y0: f64, x1: f64, y1: f64, radius: f64) -> Vec<(f64, f64)> {
    let r = radius.min((x1 - x0) / 2.0).min((y1 - y0) / 2.0).max(0.0);
    let corners = [
        (x1 - r, y0 + r),
        (x1 - r, y1 - r),
        (x0 + r, y1 - r),
        (x0 + r, y0 + r),
    ];
    let mut points = Vec::new();
    for (quarter, (x, y)) in corners.into_iter().enumerate() {
        for step in 0..=5 {
            let turn = (quarter as f64 - 1.0 + f64::from(step) / 5.0) * std::f64::consts::FRAC_PI_2;
            points.push((x + r * turn.cos(), y + r * turn.sin()));
        }
    }
    points.push(points[0]);
    points
}

/// White or dark, whichever reads better on `ground`.
pub(super) fn on(ground: RGBColor) -> RGBColor {
    let channel = |c: u8| (f64::from(c) / 255.0).powf(2.2);
    let light =
        0.2126 * channel(ground.0) + 0.7152 * channel(ground.1) + 0.0722 * channel(ground.2);
    if light > 0.2 { INK } else { WHITE }
}

/// `colour` mixed with the card: 0 is the card's colour, 1 the full colour.
pub(super) fn tint(colour: RGBColor, share: f64) -> RGBColor {
    let mix = |a: u8, b: u8| (f64::from(a) * share + f64::from(b) * (1.0 - share)).round() as u8;
    RGBColor(
        mix(colour.0, CARD.0),
        mix(colour.1, CARD.1),
        mix(colour.2, CARD.2),
    )
}

fn at(x: f64, y: f64) -> (i32, i32) {
    let whole = |v: f64| (v.clamp(-1e6, 1e6) * FINE).round() as i32;
    (whole(x), whole(y))
}

/// What plotters repeats on every shape goes once to the root; stand-ins get what they stand for.
fn finish(svg: String, height: f64, images: &str) -> String {
    let size = |n: f64| format!("{}", (n * FINE) as u32);
    let (wide, high) = (size(WIDTH), size(height));
    let old_root = format!("<svg width=\"{wide}\" height=\"{high}\"");
    let new_root = format!(
        "<svg width=\"{WIDTH}\" height=\"{height}\" stroke-linejoin=\"round\" \
         font-family=\"system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif\""
    );
    let mut svg = svg.replacen(&old_root, &new_root, 1).replace(">\n", ">");
    for (long, short) in [
        ("\n</text>", "</text>"),
        (" opacity=\"1\"", ""),
        (" font-family=\"sans-serif\"", ""),
        (" stroke=\"none\"", ""),
        (" text-anchor=\"start\"", ""),
        (" \"/>", "\"/>"),
        (
            "stroke-width=\"11\"",
            "stroke-width=\"10\" stroke-dasharray=\"50 40\"",
        ),
        (
            "stroke-width=\"21\"",
            "stroke-width=\"20\" stroke-dasharray=\"80 50\"",
        ),
        (
            "stroke-width=\"22\"",
            "stroke-width=\"20\" stroke-dasharray=\"20 40\"",
        ),
        (
            "stroke-width=\"23\"",
            "stroke-width=\"20\" stroke-dasharray=\"90 40 20 40\"",
        ),
        ("#010000", "url(#h0)"),
        ("#010001", "url(#h1)"),
        ("#010002", "url(#h2)"),
        ("#010003", "url(#h3)"),
    ] {
        svg = svg.replace(long, short);
    }
    const HATCHES: [&str; 4] = [
        "<path d=\"M-10 10L10-10M0 80L80 0M70 90L90 70\" stroke=\"#8A939C\" stroke-width=\"9\"/>",
        "<path d=\"M-10 10L10-10M0 80L80 0M70 90L90 70\" stroke=\"#fff\" stroke-opacity=\".55\" stroke-width=\"14\"/>",
        "<path d=\"M-10 70L10 90M0 0L80 80M70-10L90 10\" stroke=\"#fff\" stroke-opacity=\".55\" stroke-width=\"14\"/>",
        "<circle cx=\"40\" cy=\"40\" r=\"15\" fill=\"#fff\" fill-opacity=\".7\"/>",
    ];
    let mut patterns = String::new();
    for (number, shape) in HATCHES.iter().enumerate() {
        if svg.contains(&format!("url(#h{number})")) {
            patterns.push_str(&format!(
                "<pattern id=\"h{number}\" width=\"80\" height=\"80\" patternUnits=\"userSpaceOnUse\">{shape}</pattern>"
            ));
        }
    }
    if !patterns.is_empty() {
        let after_root = svg.find('>').map_or(0, |place| place + 1);
        svg.insert_str(after_root, &format!("<defs>{patterns}</defs>"));
    }
    if !images.is_empty() {
        let end = svg.rfind("</svg>").unwrap_or(svg.len());
        svg.insert_str(end, images);
    }
    svg
}
