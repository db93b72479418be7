//! Whether the workbook can work where it lies: the few characters in a path that nothing mends.

use anyhow::{Result, bail};
use std::path::Path;

/// Says in one sentence what in the workbook's path cannot work, if anything. Spaces, accents,
/// quotes, brackets and the like are all fine.
///
/// # Errors
///
/// A path with a colon, a percent sign, a line break or bytes that are not UTF-8.
pub fn check(root: &Path) -> Result<()> {
    let cause = match root.to_str() {
        None => "its name is not UTF-8 text, and cargo and Jupyter write it into text files",
        // Cargo joins folders to a library path, and Python's `venv` refuses too.
        Some(path) if path.contains(':') => {
            "a colon separates folders in PATH and in the library path"
        }
        // lld, Rust's linker, writes its output to a temporary file first, and takes each `%` in
        // the name for a random digit.
        Some(path) if path.contains('%') => {
            "Rust's linker cannot write to a path with a percent sign"
        }
        // Build scripts and the first lines of Python's programs name folders on one line.
        Some(path) if path.contains(['\n', '\r']) => "its name has a line break",
        Some(_) => return Ok(()),
    };
    bail!(
        "the workbook cannot work in the folder “{}”: {cause}; move or rename that folder, then run this again",
        root.display().to_string().escape_debug()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn what_cannot_work_is_one_sentence() {
        for path in ["/home/me/a:b/w", "/data/100%/w", "/tmp/a\nb"] {
            let error = check(Path::new(path)).unwrap_err().to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(error.contains("move or rename"), "{error}");
        }
        let not_text = Path::new(OsStr::from_bytes(b"/tmp/\xff"));
        assert!(check(not_text).is_err());
    }

    #[test]
    fn all_else_is_fine() {
        for path in [
            "/home/me/a folder with spaces and ü",
            "/home/me/e\u{301}",
            "/x/it's \"quoted\" [1] {2} (3) #4 $5 *6 ?7 \\8 `9` !=@&;~",
        ] {
            check(Path::new(path)).unwrap();
        }
    }
}
