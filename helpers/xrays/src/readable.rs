//! Which X-rays everybody can read: both ways of Rust, and whoever else is asked.
//!
//! A comparison is fair only where all sides do the same work. A file that one of them cannot read
//! would make that one look faster.

use super::{XrayError, XraySet};
use crate::resize::{read, resize};
use image::ImageFormat;
use platform::panics::quietly;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

impl XraySet {
    /// Only the X-rays that [`resize()`], `image::open` and `others` can read. The others join
    /// [`skipped`](XraySet::skipped) with the reason, so that [`describe`](XraySet::describe) names
    /// them.
    ///
    /// Decodes every file twice, on all cores. `others` is asked once, about the files that Rust can
    /// read, and answers for each `None` or what is wrong with it.
    pub fn readable_by(
        mut self,
        others: impl FnOnce(&[&Path]) -> Vec<Option<String>>,
    ) -> Result<Self, XrayError> {
        let mut problems: Vec<Option<String>> =
            self.files.par_iter().with_max_len(1).map(|xray| problem_in_rust(&xray.path)).collect();

        let fine = |problem: &Option<String>| problem.is_none();
        let asked: Vec<usize> = (0..problems.len()).filter(|&i| fine(&problems[i])).collect();
        let paths: Vec<&Path> = asked.iter().map(|&i| &*self.files[i].path).collect();
        for (index, answer) in asked.iter().zip(others(&paths)) {
            problems[*index] = answer;
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
    let content = read(path).ok().and_then(|bytes| image::guess_format(&bytes).ok());
    let name = |format: ImageFormat| match format {
        ImageFormat::Png => "PNG",
        _ => "JPEG",
    };
    match (content, ImageFormat::from_path(path)) {
        (Some(content), Ok(named)) if content != named => {
            format!("is a {} with the name of a {}; rename it", name(content), name(named))
        }
        _ => {
            "is refused by the crate `image`; open it in an image program and save it again".into()
        }
    }
}
