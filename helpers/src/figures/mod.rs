//! One line from data to an inline figure.
//!
//! Each kind of figure is a function that returns a [`Figure`]; a cell that ends in one shows it.
//!
//! | function | answers |
//! |---|---|
//! | [`bars`], [`Comparison::bars`](crate::measure::Comparison::bars) | which variant is faster, and how sure is that? |
//! | [`quantities`] | how much of something? |
//! | [`ratios`] | how much faster, beside what others report? |
//! | [`stacked`] | where does the time go? |
//! | [`lines`](fn@lines) | how does one number follow another? |
//! | [`speedup`](fn@speedup) | how much do more workers help? |
//! | [`timeline`](fn@timeline) | who did what, when? |
//! | [`contact_sheet`](fn@contact_sheet) | what do these images look like? |
//! | [`heat_map`](fn@heat_map) | how does a number depend on two others? |
//! | [`diagram`](fn@diagram) | how is this system put together? |
//!
//! What they have in common: the picture goes out together with a table of the same numbers and
//! with a sentence that carries the finding; every axis has its unit; nothing is told by colour
//! alone; measured figures name the machine. Data that cannot be drawn never panics: the figure
//! says what it left out.

mod bars;
mod canvas;
mod contact_sheet;
mod diagram;
mod heat_map;
#[cfg(test)]
mod layout;
mod lines;
mod quantities;
mod ratios;
mod rows;
mod scale;
mod speedup;
mod stacked;
mod table;
mod text;
mod timeline;
mod xy;

pub use bars::bars;
pub use contact_sheet::contact_sheet;
pub use diagram::{Arrow, Node, diagram};
pub use heat_map::heat_map;
pub use lines::{Lines, lines};
pub use quantities::quantities;
pub use ratios::{Ratio, ratios};
pub use speedup::speedup;
pub use stacked::stacked;
pub use timeline::{Span, SpanKind, timeline, timeline_in};

use crate::display;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// A finished figure: the picture, a sentence that says what it shows, and its numbers as a table.
///
/// ```
/// use helpers::figures::quantities;
///
/// let figure = quantities("Size of one X-ray", "MB", &[("JPEG", 0.4), ("decoded", 3.9)]);
/// assert!(figure.svg().starts_with("<svg"));
/// assert!(figure.alt().contains("decoded 3.9 MB"));
/// assert!(figure.table().contains("JPEG"));
/// ```
#[derive(Clone, PartialEq)]
pub struct Figure {
    svg: String,
    alt: String,
    table: String,
}

impl Figure {
    /// The picture: a complete SVG document, 760 px wide, with a light background of its own, so
    /// that it can be read in a light and in a dark notebook.
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
    fn html(&self) -> String {
        format!(
            "<img class=\"workbook-figure\" width=\"760\" style=\"max-width:760px;width:100%;height:auto\" \
             src=\"data:image/svg+xml;base64,{}\" alt=\"{}\">",
            STANDARD.encode(&self.svg),
            display::escape(&self.alt)
        )
    }
}

/// The table. The kernel falls back to this where a cell moves one of its own variables into the
/// figure in its last line.
impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_tag_carries_picture_and_sentence() {
        let html = quantities("a \"b\" <c>", "MB", &[("x", 1.0)]).html();
        assert!(html.contains("src=\"data:image/svg+xml;base64,PHN2Zy"));
        assert!(html.contains("a &quot;b&quot; &lt;c&gt;"));
        assert!(!html.contains('\n'));
    }

    #[test]
    fn the_same_data_give_the_same_figure() {
        let make = || {
            let timing = crate::measure::Timing {
                name: "a".into(),
                wall: vec![1.0, 1.2, 1.1],
                cpu: vec![],
                calls: 1,
            };
            let span = Span {
                lane: "w".into(),
                label: "x".into(),
                start: 0.0,
                end: 1.0,
                kind: SpanKind::Wait,
            };
            let names = ["r".to_owned()];
            [
                bars("t", std::slice::from_ref(&timing)),
                quantities("t", "MB", &[("x", 1.0)]),
                ratios("t", "others", &[]),
                stacked("t", &["p", "q"], &[("x", vec![1.0, 2.0])]),
                lines(
                    "t",
                    "x (s)",
                    "y (s)",
                    &[("a", vec![(1.0, 2.0), (2.0, 3.0)])],
                )
                .figure(),
                speedup("t", &[(1, timing.clone()), (2, timing)]),
                timeline("t", &[span]),
                contact_sheet("t", &[("i", image::GrayImage::new(9, 9))]),
                heat_map("t", "ms", &names, &names, &[vec![1.0]]),
                diagram(
                    "t",
                    &[Node::new("a", 0, 0), Node::new("b", 1, 0)],
                    &[Arrow::new("a", "b", "x")],
                ),
            ]
        };
        assert_eq!(make(), make());
    }
}
