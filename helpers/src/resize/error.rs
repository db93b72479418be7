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
    /// The file cannot be read; the text is the system's.
    Io(String),
    /// There is nothing in the file.
    Empty,
    /// It does not begin like a JPEG or a PNG.
    NotAnImage,
    /// The end is missing.
    Truncated,
    /// It is larger than this workbook decodes; the text says in which way.
    TooLarge(String),
    /// It breaks the rules of its format, or uses a rare part of them that the decoder lacks.
    Damaged(String),
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

impl From<Reason> for ResizeError {
    fn from(reason: Reason) -> Self {
        ResizeError { file: None, reason }
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        Reason::Io(error.to_string())
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
            Reason::Io(why) => write!(f, "cannot be read ({why}); is it still there?"),
            Reason::Empty => write!(f, "is empty; copy or download it again"),
            Reason::NotAnImage => write!(f, "is neither a JPEG nor a PNG; leave it out"),
            Reason::Truncated => write!(f, "ends too early; copy or download it again"),
            Reason::TooLarge(why) => write!(f, "is too large: {why}; leave it out or shrink it"),
            Reason::Damaged(why) => write!(f, "cannot be decoded ({why}); replace it"),
        }
    }
}

impl std::error::Error for ResizeError {}
