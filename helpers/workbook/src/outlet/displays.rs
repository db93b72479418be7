//! The displays of one cell. The kernel keeps one for each MIME type, the last; several are put
//! together here, so that all of them are seen.

use super::words;
use std::fmt::Write;

/// What a cell has shown so far, in order.
#[derive(Debug, Default)]
pub struct Displays {
    /// Each in one or more kinds (MIME types) that say the same.
    shown: Vec<Vec<(String, String)>>,
}

impl Displays {
    /// Adds a representation. It belongs to the display before it, unless that has one of its kind.
    pub fn add(&mut self, kind: String, content: String) {
        match self.shown.last_mut() {
            Some(last) if last.iter().all(|(known, _)| *known != kind) => {
                last.push((kind, content));
            }
            _ => self.shown.push(vec![(kind, content)]),
        }
    }

    /// The lines that tell the kernel of them all; there are none afterwards.
    pub fn take(&mut self) -> Vec<String> {
        let shown = std::mem::take(&mut self.shown);
        let together = if shown.len() > 1 {
            let html: Vec<String> = shown.iter().map(|display| html(display)).collect();
            let text: Vec<String> = shown.iter().map(|display| text(display)).collect();
            vec![
                ("text/html".to_owned(), html.join("\n")),
                ("text/plain".to_owned(), text.join("\n")),
            ]
        } else {
            shown.into_iter().flatten().collect()
        };
        together
            .into_iter()
            .flat_map(|(kind, content)| {
                let begin = format!("{}{kind}", words::BEGIN);
                [begin, content, words::END.to_owned()]
            })
            .collect()
    }
}

fn of_kind<'a>(display: &'a [(String, String)], kind: &str) -> Option<&'a str> {
    let found = display.iter().find(|(known, _)| known == kind);
    found.map(|(_, content)| content.as_str())
}

/// A display as HTML. Pictures are put into `<img>`, which JupyterLab also shows where it does not
/// trust the notebook.
fn html(display: &[(String, String)]) -> String {
    if let Some(html) = of_kind(display, "text/html") {
        return format!("<div>{html}</div>");
    }
    if let Some(picture) = of_kind(display, "image/svg+xml") {
        return format!("<div><img src=\"data:image/svg+xml,{}\"></div>", percent(picture));
    }
    let picture = display.iter().find(|(kind, _)| kind.starts_with("image/"));
    if let Some((kind, encoded)) = picture {
        let encoded = encoded.replace('\n', "");
        return format!("<div><img src=\"data:{kind};base64,{encoded}\"></div>");
    }
    format!("<pre>{}</pre>", escape(&text(display)))
}

fn text(display: &[(String, String)]) -> String {
    let text = of_kind(display, "text/plain");
    match (text, display) {
        (Some(text), _) => text.to_owned(),
        (None, [(kind, content), ..]) if kind.starts_with("text/") => content.clone(),
        (None, [(kind, _), ..]) => format!("({kind})"),
        (None, []) => String::new(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text as a part of an address.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(blocks: &[(&str, &str)]) -> String {
        let mut displays = Displays::default();
        for (kind, content) in blocks {
            displays.add(kind.to_string(), content.to_string());
        }
        let lines = displays.take().join("\n");
        assert_eq!(displays.take(), Vec::<String>::new());
        lines
    }

    #[test]
    fn one_display_stays_as_it_is() {
        assert_eq!(
            shown(&[("text/html", "<b>x</b>"), ("text/plain", "x")]),
            "EVCXR_BEGIN_CONTENT text/html\n<b>x</b>\nEVCXR_END_CONTENT\n\
             EVCXR_BEGIN_CONTENT text/plain\nx\nEVCXR_END_CONTENT"
        );
        assert_eq!(shown(&[]), "");
    }

    #[test]
    fn of_several_displays_all_are_seen() {
        let lines = shown(&[
            ("text/html", "<b>x</b>"),
            ("text/plain", "x"),
            ("text/html", "<i>y</i>"),
            ("text/plain", "y"),
            ("text/plain", "1 < 2"),
            ("image/svg+xml", "<svg/>"),
            ("image/png", "AA\nBB"),
            ("image/png", "CC"),
        ]);
        for part in [
            "<b>x</b>",
            "<i>y</i>",
            // This picture and the text before it are taken for one display.
            "data:image/svg+xml,%3Csvg%2F%3E",
            "data:image/png;base64,CC",
            "\nx\ny\n1 < 2\n(image/png)\n",
        ] {
            assert!(lines.contains(part), "{part} in {lines}");
        }
        assert_eq!(lines.matches("EVCXR_BEGIN_CONTENT").count(), 2);
    }
}
