//! The chest X-rays: a folder, the Kaggle zip, or a synthetic set; and one X-ray to a small grey
//! thumbnail ([`resize`](mod@resize)). Knows of files and pixels, not of pools, timings or charts.
//!
//! The talk resizes the set "Chest X-Ray Images (Pneumonia)" from Kaggle. Set the environment
//! variable `WORKBOOK_XRAYS` to its zip, or to any folder of X-rays, to work on real images;
//! without it the workbook draws its own set of the same sizes, once, and keeps it.

mod archive;
mod draw;
mod folder;
mod readable;
pub mod resize;
mod store;
mod synthetic;

pub use resize::{
    Filter, Laps, MAX_FILE, MAX_MEMORY, MAX_PIXELS, Reason, ResizeError, SIDE, Thumbnail,
    decode_gray, decode_plain, differences, read, resize, resize_in_stages, resize_plain,
    resize_scaled, resize_scaled_in_stages, shrink, shrink_plain, shrink_to,
};
pub use synthetic::synthetic;

use crate::resize::header::{Header, check};
use platform::size::{Size, size};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt, io};
use thiserror::Error;

/// One X-ray file. Nothing of it is in memory but its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xray {
    /// Where the file is.
    pub path: PathBuf,
    /// The name of its folder, such as `NORMAL`, where the files lie in several folders.
    pub class: Option<String>,
}

/// A set of X-rays, sorted by name.
#[derive(Debug, Clone)]
pub struct XraySet {
    source: String,
    files: Vec<Xray>,
    skipped: Vec<(PathBuf, String)>,
}

/// The X-rays to work on: those that `WORKBOOK_XRAYS` names, a folder or a zip, or else the
/// synthetic set.
///
/// With `WORKBOOK_SIZE=small` it is 32 synthetic images, or up to 32 of the given ones, spread
/// evenly; otherwise 240 synthetic ones, or all that are given.
pub fn xrays() -> Result<XraySet, XrayError> {
    const SMALL: usize = 32;
    const FULL: usize = 240;
    match (env::var_os(platform::names::XRAYS), size()) {
        (Some(place), size) if !place.is_empty() => {
            let set = xrays_from(&from_root(Path::new(&place)))?;
            Ok(match size {
                Size::Small => set.spread(SMALL),
                Size::Full => set,
            })
        }
        (_, Size::Small) => synthetic(SMALL),
        (_, Size::Full) => synthetic(FULL),
    }
}

/// The X-rays in a folder and the folders inside it, or in a zip, which is unpacked once and kept.
///
/// Files that end in `.jpg`, `.jpeg` or `.png` count, in any case of letters.
pub fn xrays_from(place: &Path) -> Result<XraySet, XrayError> {
    let about = place.metadata().map_err(XrayError::unreadable(place))?;
    let mut set = if about.is_dir() {
        folder::xrays(place)?
    } else {
        folder::xrays(&archive::unpack(place)?)?
    };
    set.source = place.display().to_string();
    Ok(set)
}

/// `~` and relative paths: notebooks run in their own folder, the reader thinks of the workbook's.
fn from_root(place: &Path) -> PathBuf {
    if let (Ok(rest), Some(home)) = (place.strip_prefix("~"), env::home_dir()) {
        return home.join(rest);
    }
    if place.exists() {
        return place.to_owned();
    }
    platform::paths::root().join(place)
}

impl XraySet {
    /// The files, sorted by name.
    pub fn files(&self) -> &[Xray] {
        &self.files
    }

    /// The files' paths, sorted by name.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|xray| xray.path.clone()).collect()
    }

    /// How many X-rays there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The classes and how many X-rays each one has; empty where there are no classes.
    pub fn classes(&self) -> Vec<(String, usize)> {
        let mut counts = BTreeMap::new();
        for class in self.files.iter().filter_map(|xray| xray.class.as_ref()) {
            *counts.entry(class.clone()).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    /// Only the X-rays of one class, such as `NORMAL`; none if there is no such class.
    pub fn class(mut self, name: &str) -> Self {
        self.files.retain(|xray| xray.class.as_deref() == Some(name));
        self
    }

    /// Only the first `count` X-rays.
    pub fn take(mut self, count: usize) -> Self {
        self.files.truncate(count);
        self
    }

    /// Only `count` X-rays, evenly spread over the set, so that every class has its share.
    pub fn spread(mut self, count: usize) -> Self {
        let len = self.files.len();
        if count < len {
            self.files = (0..count).map(|i| self.files[i * len / count].clone()).collect();
        }
        self
    }

    /// Files that were left out, and why.
    pub fn skipped(&self) -> &[(PathBuf, String)] {
        &self.skipped
    }

    /// What there is: source, count, bytes, sizes, colours, and what was left out.
    ///
    /// Reads each file and looks at its header, not at its pixels. What is wrong with those shows
    /// only after [`readable_by`](XraySet::readable_by).
    pub fn describe(&self) -> String {
        let looks: Vec<Result<(u64, Header), String>> =
            self.files.par_iter().map(|x| look(&x.path)).collect();
        let (mut good, mut bad) = (Vec::new(), self.skipped.clone());
        for (xray, look) in self.files.iter().zip(looks) {
            match look {
                Ok(look) => good.push(look),
                Err(why) => bad.push((xray.path.clone(), why)),
            }
        }
        let classes = self.classes();
        let classes: Vec<_> = classes.iter().map(|(c, n)| format!("{n} {c}")).collect();
        let classes =
            if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) };
        let bytes: u64 = good.iter().map(|(bytes, _)| bytes).sum();
        let mut lines = vec![
            format!("source   {}", self.source),
            format!("X-rays   {}{classes}", self.len()),
            format!("bytes    {:.1} MB", bytes as f64 / 1e6),
        ];

        let mut sizes: Vec<_> = good.iter().map(|(_, h)| (h.width, h.height)).collect();
        let pixels = |&(width, height): &(u32, u32)| u64::from(width) * u64::from(height);
        sizes.sort_by_key(pixels);
        if let (Some(first), Some(last)) = (sizes.first(), sizes.last()) {
            let [first, last, median] = [first, last, &sizes[sizes.len() / 2]]
                .map(|(width, height)| format!("{width} × {height}"));
            let mean = sizes.iter().map(pixels).sum::<u64>() as f64 / sizes.len() as f64 / 1e6;
            lines.push(format!(
                "pixels   {first} to {last}, median {median}, mean {mean:.1} megapixels"
            ));
        }
        let gray = good.iter().filter(|(_, h)| h.channels <= 2).count();
        let colour = good.len() - gray;
        lines.push(format!("colours  {gray} grey, {colour} in colour"));
        if !bad.is_empty() {
            lines.push(format!("left out or unreadable: {}", bad.len()));
            const SHOWN: usize = 20;
            for (path, why) in bad.iter().take(SHOWN) {
                lines.push(format!("  {}: {why}", path.display()));
            }
            if bad.len() > SHOWN {
                lines.push(format!("  and {} more", bad.len() - SHOWN));
            }
        }
        lines.join("\n")
    }
}

impl fmt::Display for XraySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

/// Length and header of a file, or why it is no image that can be decoded.
fn look(path: &Path) -> Result<(u64, Header), String> {
    let bytes = read(path).map_err(|error| error.reason.to_string())?;
    let header = check(&bytes).map_err(|reason| reason.to_string())?;
    Ok((bytes.len() as u64, header))
}

/// Why there are no X-rays, and what to do.
#[derive(Debug, Error)]
pub enum XrayError {
    /// The folder or file cannot be read, or is not there.
    #[error("{place} cannot be read: {source}. {HINT}.")]
    Unreadable {
        /// Which one.
        place: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The folder can be read, and has no images in it.
    #[error("{place} has no images in it. {HINT}.")]
    NoImages {
        /// Which one.
        place: PathBuf,
    },
    /// There are images, and not one of them can be read.
    #[error("{place} has no image that can be read{}. {HINT}.", example(.bad))]
    NoneReadable {
        /// Where they are.
        place: PathBuf,
        /// Which ones, and why.
        bad: Vec<(PathBuf, String)>,
    },
    /// The zip is damaged, or has something in it that is not unpacked. Nothing was unpacked.
    #[error("{place} was not unpacked: {why}. {HINT}.")]
    Archive {
        /// Which one.
        place: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the workbook's own data cannot be written.
    #[error(
        "{place} cannot be written: {source}. The X-rays need room there: 65 MB for the 240 \
         synthetic ones, 1.3 GB for Kaggle's. Free some on that disk, or let `cargo workbook clean` \
         remove what the workbook has made, and run the cell again."
    )]
    Storage {
        /// Where it was to be written.
        place: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

const HINT: &str = "WORKBOOK_XRAYS is to be a folder of .jpg, .jpeg or .png files, or the zip of \
    Kaggle's “Chest X-Ray Images (Pneumonia)”; without it the workbook draws its own";

fn example(bad: &[(PathBuf, String)]) -> String {
    let say = |(file, why): &(PathBuf, String)| {
        format!(": {} tried, such as {} ({why})", bad.len(), file.display())
    };
    bad.first().map(say).unwrap_or_default()
}

impl XrayError {
    /// For [`Result::map_err`].
    fn unreadable(place: &Path) -> impl Fn(io::Error) -> Self + Copy {
        |source| XrayError::Unreadable { place: place.to_owned(), source }
    }

    /// For [`Result::map_err`].
    fn storage(place: &Path) -> impl Fn(io::Error) -> Self + Copy {
        |source| XrayError::Storage { place: place.to_owned(), source }
    }
}

#[cfg(test)]
mod tests;
