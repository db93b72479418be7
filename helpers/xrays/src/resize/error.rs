//! Why an image gave no thumbnail.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why one image gave no thumbnail, with the name of its file. The other images are not affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResizeError {
    /// The file; `None` where only its bytes were given.
    pub file: Option<PathBuf>,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The file cannot be read; the text is mostly the system's.
    Io(String),
    /// There is nothing in the file.
    Empty,
    /// It does not begin like a JPEG or a PNG.
    NotAnImage,
    /// The end is missing.
    Truncated,
    /// It is larger than this workbook decodes; the text says in which way.
    TooLarge(String),
    /// It breaks the rules of its format. The text says how, in plain words.
    Damaged(String),
    /// It is a JPEG of a kind that few programs write, and that the decoder lacks or gets wrong.
    Rare(String),
    /// A PNG with 16 bits for each level, of which the upper ones are unused.
    Dark {
        /// How many bits its brightest level needs.
        bits: u32,
    },
}

impl Reason {
    /// The error for this reason in the file at `path`.
    pub(crate) fn in_file(self, path: &Path) -> ResizeError {
        ResizeError {
            file: Some(path.to_owned()),
            reason: self,
        }
    }
}

impl ResizeError {
    /// The same error with the name of the file that the bytes came from.
    pub fn in_file(self, path: &Path) -> Self {
        self.reason.in_file(path)
    }
}

impl From<Reason> for ResizeError {
    fn from(reason: Reason) -> Self {
        ResizeError { file: None, reason }
    }
}

/// What a folder, a pipe or a device is told; those might never end.
pub(super) const NOT_A_FILE: &str = "it is not a file";
const NOT_ALLOWED: &str = "you may not read it";

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        Reason::Io(match error.kind() {
            io::ErrorKind::PermissionDenied => format!("{NOT_ALLOWED}: {error}"),
            _ => error.to_string(),
        })
    }
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.reason),
            None => write!(f, "image: {}", self.reason),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Io(why) if why == NOT_A_FILE => {
                write!(f, "cannot be read ({why}); leave it out")
            }
            Reason::Io(why) if why.starts_with(NOT_ALLOWED) => {
                write!(f, "cannot be read ({why}); change who may read it")
            }
            Reason::Io(why) => write!(f, "cannot be read ({why}); is it still there?"),
            Reason::Empty => write!(f, "is empty; copy or download it again"),
            Reason::NotAnImage => write!(f, "is neither a JPEG nor a PNG; leave it out"),
            Reason::Truncated => write!(f, "ends too early; copy or download it again"),
            Reason::TooLarge(why) => write!(f, "is too large: {why}; leave it out or shrink it"),
            Reason::Damaged(why) => write!(f, "cannot be decoded ({why}); replace it"),
            Reason::Rare(why) => write!(
                f,
                "is a rare kind of JPEG ({why}); open it in an image program and save it again"
            ),
            Reason::Dark { bits } => write!(
                f,
                "would be almost black (levels of {bits} bits in a 16-bit PNG); multiply its \
                 levels by {} and save it again",
                1 << 16_u32.saturating_sub(*bits)
            ),
        }
    }
}

impl std::error::Error for ResizeError {}
