//! Which X-rays Python can read as well.

use crate::python::python;
use std::path::Path;
use xrays::{XrayError, XraySet};

/// Which X-rays everybody can read. A comparison is fair only where all sides do the same work: a
/// file that one of them cannot read would make that one look faster.
pub trait Readable: Sized {
    /// Only the X-rays that both ways of Rust and Pillow can read. The others join
    /// [`skipped`](XraySet::skipped) with the reason, so that [`describe`](XraySet::describe) names
    /// them.
    ///
    /// Decodes every file three times, on all cores: one or two seconds for the synthetic set. Where
    /// there is no Pillow, a line says so, and it is not asked.
    fn readable(self) -> Result<Self, XrayError>;
}

impl Readable for XraySet {
    fn readable(self) -> Result<Self, XrayError> {
        self.readable_by(|paths| {
            problems_in_pillow(paths).unwrap_or_else(|why| {
                println!("– Pillow was not asked which X-rays it reads: {why}");
                vec![None; paths.len()]
            })
        })
    }
}

/// Pillow's answer for each file: `None`, or what is wrong with it.
fn problems_in_pillow(paths: &[&Path]) -> Result<Vec<Option<String>>, String> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    // Here rather than by `with`, which has no answer for a path that is not text.
    let files = serde_json::to_value(paths).map_err(|error| error.to_string())?;
    let printed = python(ASK).with("files", &files).run();
    let printed = printed.map_err(|error| error.to_string())?;
    let answers: Vec<Option<String>> =
        serde_json::from_str(printed.trim()).map_err(|error| error.to_string())?;
    match answers.len() == paths.len() {
        true => Ok(answers),
        false => Err(format!("{} answers for {} files", answers.len(), paths.len())),
    }
}

const ASK: &str = r#"
import json
from concurrent.futures import ThreadPoolExecutor
from PIL import Image

def problem(path):
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):
                return "is a grey PNG of 16 bits, which Pillow makes white; save it with 8 bits"
            image.convert("L").resize((64, 64))
    except Exception as error:
        why = str(error).replace(path, "the file") or type(error).__name__
        return f"is refused by Pillow ({why}); replace it"

with ThreadPoolExecutor() as pool:
    print(json.dumps(list(pool.map(problem, files))))
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use xrays::xrays_from;

    #[test]
    fn pillow_has_a_say_in_what_is_readable() {
        if let Err(why) = python("import PIL").run() {
            println!("skipped: no Pillow ({why})");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("xrays/tests/images");
        for name in ["gray.jpg", "gray16.png"] {
            fs::copy(images.join(name), folder.path().join(name)).unwrap();
        }
        let set = xrays_from(folder.path()).unwrap().readable().unwrap();
        assert_eq!(set.paths(), [folder.path().join("gray.jpg")]);
        let text = set.describe();
        assert!(text.contains("gray16.png: is a grey PNG of 16 bits"), "{text}");
    }
}
