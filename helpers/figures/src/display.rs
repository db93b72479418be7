//! How a value reaches the notebook.
//!
//! The kernel reads the cell's standard output: lines between `EVCXR_BEGIN_CONTENT mime` and
//! `EVCXR_END_CONTENT` become one representation of the cell's result, of two of the same type the
//! last. JupyterLab shows the richest that it trusts: so a picture goes out as HTML, with a text.

use std::io::Write;

/// Shows `html` as the result of the cell, with `text` for readers that show no HTML.
///
/// Both go out in one lock of standard output, so that nothing printed by other threads can come
/// between the markers.
pub fn show(html: &str, text: &str) {
    let mut out = std::io::stdout().lock();
    let sent = write!(
        out,
        "EVCXR_BEGIN_CONTENT text/html\n{html}\nEVCXR_END_CONTENT\n\
         EVCXR_BEGIN_CONTENT text/plain\n{text}\nEVCXR_END_CONTENT\n"
    );
    // A notebook that has gone away cannot be shown anything.
    let _ = sent.and_then(|()| out.flush());
}

/// `text` with the characters that mean something in HTML and SVG made harmless.
pub fn escape(text: &str) -> String {
    let marks = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];
    marks.iter().fold(text.to_owned(), |text, (mark, safe)| text.replace(*mark, safe))
}
