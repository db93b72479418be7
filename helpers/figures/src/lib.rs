//! One line from data to an inline figure, on plotters' own charts.
//!
//! It draws what was measured and says what it left out; it measures nothing itself and keeps
//! nothing. Each kind of figure is a function; a cell that ends in one shows it.
//!
//! | function | answers |
//! |---|---|
//! | [`bars`], [`Bars::bars`] | which variant is faster, and how sure is that? |
//! | [`quantities`] | how much of something? |
//! | [`ratios`] | how much faster, beside what others report? |
//! | [`stacked`] | where does the time go? |
//! | [`lines`] | how does one number follow another? |
//! | [`speedup`] | how much do more workers help? |
//! | [`timeline`], [`timeline_in`] | who did what, when? |
//! | [`heat_map`] | how does a number depend on two others? |
//! | [`contact_sheet`], [`contact_sheet_to_scale`] | what do these images look like? |
//! | [`diagram`] | how is this system put together? |
//! | [`drawing`] | whatever you draw with plotters yourself |
//!
//! What they have in common: the picture goes out together with a table of the same numbers and
//! with a sentence that carries the finding; every axis has its unit; nothing is told by colour
//! alone; measured figures name the machine. Data that cannot be drawn never panics: the figure
//! says what it left out.

mod axis;
mod card;
mod contact_sheet;
mod diagram;
pub mod display;
mod heat_map;
mod rows;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod xy;

pub use contact_sheet::{contact_sheet, contact_sheet_to_scale};
pub use diagram::{Arrow, Node, diagram};
pub use heat_map::heat_map;
pub use plotters;
pub use rows::{Bars, Ratio, Rows, bars, quantities, ratios, stacked};
pub use timeline::{Span, SpanKind, timeline, timeline_in};
pub use xy::{Lines, lines, speedup};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, SVGBackend};
use std::error::Error;
use std::fmt;

/// A finished figure: the picture, a sentence that says what it shows, and its numbers as a table.
///
/// ```
/// use figures::quantities;
///
/// let figure = quantities("Size of one X-ray", "MB", &[("JPEG", 0.4), ("decoded", 3.9)]).figure();
/// assert!(figure.svg().starts_with("<svg"));
/// assert!(figure.alt().contains("decoded 3.9 MB"));
/// assert!(figure.table().contains("JPEG"));
/// ```
#[derive(Clone, PartialEq)]
pub struct Figure {
    pub(crate) svg: String,
    pub(crate) alt: String,
    pub(crate) table: String,
    /// In pixels of the page.
    pub(crate) width: u32,
}

impl Figure {
    /// The picture: a complete SVG document with a light background of its own, so that it can be
    /// read in a light and in a dark notebook.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// One or two sentences that carry the finding, for people who do not see the picture.
    pub fn alt(&self) -> &str {
        &self.alt
    }

    /// The figure's numbers as aligned plain text, with all names in full.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Shows the figure as the result of the cell; the kernel calls this.
    pub fn evcxr_display(&self) {
        display::show(&self.html(), &self.table);
    }

    /// Shows the figure from the middle of a cell. Of several figures in one cell the last is seen.
    pub fn show(&self) {
        self.evcxr_display();
    }

    /// An `<img>` rather than the SVG itself: a notebook that is not trusted shows only that.
    pub(crate) fn html(&self) -> String {
        let mut html = format!(
            "<img class=\"workbook-figure\" width=\"{0}\" style=\"max-width:{0}px;width:100%;height:auto\" \
             src=\"data:image/svg+xml;base64,{1}\" alt=\"{2}\">",
            self.width,
            STANDARD.encode(&self.svg),
            display::escape(&self.alt),
        );
        // A drawing of one's own has no numbers that could be opened.
        if self.table != self.alt {
            let table = display::escape(&self.table).replace('\n', "&#10;");
            html += &format!("<details><summary>numbers</summary><pre>{table}</pre></details>");
        }
        html
    }
}

/// The table. The kernel falls back to this where a cell moves one of its own variables into the
/// figure in its last line.
impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)
    }
}

/// A figure that you draw yourself, with plotters: `alt` is the sentence that says what it shows,
/// `size` its width and height in pixels, and `draw` gets plotters' drawing area of that size,
/// filled with a light ground. If `draw` fails, the figure says why.
///
/// ```
/// use figures::{drawing, plotters::prelude::*};
///
/// let figure = drawing("A parabola from −1 to 1", (480, 320), |root| {
///     let mut chart = ChartBuilder::on(root)
///         .margin(12)
///         .set_left_and_bottom_label_area_size(40)
///         .build_cartesian_2d(-1.0..1.0, 0.0..1.0)?;
///     chart.configure_mesh().draw()?;
///     chart.draw_series(LineSeries::new((-50..=50).map(|n| f64::from(n) / 50.0).map(|x| (x, x * x)), &RED))?;
///     Ok(())
/// });
/// assert!(figure.svg().contains("polyline"));
/// ```
pub fn drawing(
    alt: &str,
    size: (u32, u32),
    draw: impl for<'a> FnOnce(&DrawingArea<SVGBackend<'a>, Shift>) -> Result<(), Box<dyn Error>>,
) -> Figure {
    let size = (size.0.clamp(16, 4000), size.1.clamp(16, 4000));
    let alt = text::clean(alt);
    let why = match card::picture(size, draw) {
        Ok(svg) => return Figure { svg, table: alt.clone(), alt, width: size.0 },
        Err(why) => why,
    };
    let mut card = card::Card::new(&alt);
    card.measured = false;
    card.note(true, format!("the drawing failed: {why}"));
    let svg = card.svg(8.0, |_, _| Ok(()));
    card.figure("Drawing", "the drawing failed", (&[], &[]), Some(svg))
}
