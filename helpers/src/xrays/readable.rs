//! Which X-rays everybody can read: both ways of Rust, and Pillow.
//!
//! A comparison is fair only where all sides do the same work. A file that one of them cannot read
//! would make that one look faster.

use super::{XrayError, XraySet};
use crate::check::quietly;
use crate::python::python;
use crate::resize::{read, resize};
use image::ImageFormat;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

impl XraySet {
    /// Only the X-rays that [`resize`], `image::open` and Pillow can read. The others join
    /// [`skipped`](XraySet::skipped) with the reason, so that [`describe`](XraySet::describe) names
    /// them.
    ///
    /// Decodes every file three times, on all cores: one or two seconds for the synthetic set. Where
    /// there is no Pillow, a line says so, and it is not asked.
    pub fn readable(mut self) -> Result<Self, XrayError> {
        let mut problems: Vec<Option<String>> = self
            .files
            .par_iter()
            .with_max_len(1)
            .map(|xray| problem_in_rust(&xray.path))
            .collect();

        let fine = |problem: &Option<String>| problem.is_none();
        let asked: Vec<usize> = (0..problems.len())
            .filter(|&i| fine(&problems[i]))
            .collect();
        let paths: Vec<&Path> = asked.iter().map(|&i| &*self.files[i].path).collect();
        match problems_in_pillow(&paths) {
            Ok(answers) => {
                for (index, answer) in asked.into_iter().zip(answers) {
                    problems[index] = answer;
                }
            }
            Err(why) => println!("– Pillow was not asked which X-rays it reads: {why}"),
        }

        let mut kept = Vec::new();
        for (xray, problem) in self.files.into_iter().zip(problems) {
            match problem {
                None => kept.push(xray),
                Some(why) => self.skipped.push((xray.path, why)),
            }
        }
        self.files = kept;
        if self.files.is_empty() {
            return Err(XrayError::NoneReadable {
                place: PathBuf::from(self.source),
                bad: self.skipped,
            });
        }
        Ok(self)
    }
}

/// Why a file cannot be used, if so.
fn problem_in_rust(path: &Path) -> Option<String> {
    if path.to_str().is_none() {
        return Some("has a name that is not UTF-8, which Python cannot be told; rename it".into());
    }
    if let Err(error) = resize(path) {
        return Some(error.reason.to_string());
    }
    match quietly(|| image::open(path)) {
        Ok(Ok(_)) => None,
        _ => Some(not_opened(path)),
    }
}

/// `image::open` believes the name of a file, and the other ways its content.
fn not_opened(path: &Path) -> String {
    let content = read(path)
        .ok()
        .and_then(|bytes| image::guess_format(&bytes).ok());
    let name = |format: ImageFormat| match format {
        ImageFormat::Png => "PNG",
        _ => "JPEG",
    };
    match (content, ImageFormat::from_path(path)) {
        (Some(content), Ok(named)) if content != named => format!(
            "is a {} with the name of a {}; rename it",
            name(content),
            name(named)
        ),
        _ => {
            "is refused by the crate `image`; open it in an image program and save it again".into()
        }
    }
}

/// Pillow's answer for each file: `None`, or what is wrong with it.
fn problems_in_pillow(paths: &[&Path]) -> Result<Vec<Option<String>>, String> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let files = serde_json::to_string(paths).map_err(|error| error.to_string())?;
    let printed = python(&format!("files = {files}\n{ASK}")).map_err(|error| error.to_string())?;
    let answers: Vec<Option<String>> =
        serde_json::from_str(printed.trim()).map_err(|error| error.to_string())?;
    match answers.len() == paths.len() {
        true => Ok(answers),
        false => Err(format!(
            "{} answers for {} files",
            answers.len(),
            paths.len()
        )),
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
