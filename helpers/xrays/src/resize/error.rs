//! Why an image gave no thumbnail.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why one image gave no thumbnail, with the name of its file. The other images are not affected.
///
/// It travels between processes, so it holds texts, not the errors of the system and the decoders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{}: {reason}", .file.as_deref().unwrap_or(Path::new("image")).display())]
pub struct ResizeError {
    /// The file; `None` where only its bytes were given.
    pub file: Option<PathBuf>,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Reason {
    /// A folder, a pipe or a device; those might never end.
    #[error("cannot be read (it is not a file); leave it out")]
    NotAFile,
    /// The system does not let this user read the file; holds its words.
    #[error("cannot be read (you may not read it: {0}); change who may read it")]
    NotAllowed(String),
    /// The file cannot be read for another reason; holds the system's words.
    #[error("cannot be read ({0}); is it still there?")]
    Io(String),
    /// There is nothing in the file.
    #[error("is empty; copy or download it again")]
    Empty,
    /// It does not begin like a JPEG or a PNG.
    #[error("is neither a JPEG nor a PNG; leave it out")]
    NotAnImage,
    /// The end is missing.
    #[error("ends too early; copy or download it again")]
    Truncated,
    /// It is larger than this workbook decodes; the text says in which way.
    #[error("is too large: {0}; leave it out or shrink it")]
    TooLarge(String),
    /// It breaks the rules of its format. The text says how, in plain words.
    #[error("cannot be decoded ({0}); replace it")]
    Damaged(String),
    /// It is a JPEG of a kind that few programs write, and that the decoder lacks or gets wrong.
    #[error("is a rare kind of JPEG ({0}); open it in an image program and save it again")]
    Rare(String),
    /// A PNG with 16 bits for each level, of which the upper ones are unused.
    #[error(
        "would be almost black (levels of {bits} bits in a 16-bit PNG); multiply its levels by {} \
         and save it again",
        1 << 16_u32.saturating_sub(*.bits)
    )]
    Dark {
        /// How many bits its brightest level needs.
        bits: u32,
    },
}

impl Reason {
    /// The error for this reason in the file at `path`.
    pub(crate) fn in_file(self, path: &Path) -> ResizeError {
        ResizeError { file: Some(path.to_owned()), reason: self }
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

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Reason::NotAllowed(error.to_string()),
            _ => Reason::Io(error.to_string()),
        }
    }
}
