//! Between cargo and rustc, for the crate of a cell only: links it with helpers even where it uses
//! nothing of it.
//!
//! A linker leaves out a library of which nothing is used, and then the first cells of a notebook,
//! such as a `print!`, run before helpers is there to look after their output
//! (`helpers/src/outlet.rs`). Cargo calls this program in rustc's place for the packages of the
//! kernel's own workspace, as `RUSTC_WORKSPACE_WRAPPER` says.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The library's name, as cells import it.
const LIBRARY: &str = "helpers";

/// Whether this program was started by cargo in rustc's place: `workbook /path/to/rustc …`, or
/// `workbook rustc …` where rust-analyzer has started cargo.
pub fn is_meant(arguments: &[OsString]) -> bool {
    let first = arguments.first().map(Path::new);
    first.is_some_and(|first| first.file_name() == Some(OsStr::new("rustc")))
}

/// Becomes rustc; returns only if that is not possible.
pub fn rustc(arguments: &[OsString]) -> io::Error {
    Command::new(&arguments[0]).args(&arguments[1..]).args(additions(arguments)).exec()
}

/// What the linker is told beside what it is told anyway.
fn additions(arguments: &[OsString]) -> Vec<OsString> {
    // Apple's linker leaves no library out.
    if cfg!(target_os = "macos") {
        return Vec::new();
    }
    let shared = arguments.iter().find_map(|argument| {
        let path = argument.to_str()?.strip_prefix(LIBRARY)?.strip_prefix('=')?;
        path.ends_with(".so").then(|| Path::new(path))
    });
    let Some((folder, name)) = shared.and_then(|so| so.parent().zip(so.file_name())) else {
        return Vec::new();
    };
    let named = |start: &str, end: &OsStr| [OsStr::new(start), end].into_iter().collect();
    vec![
        "-Clink-arg=-Wl,--no-as-needed".into(),
        named("-Clink-arg=-L", folder.as_os_str()),
        named("-Clink-arg=-l:", name),
        "-Clink-arg=-Wl,--as-needed".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn only_a_call_in_rustcs_place_is_one() {
        assert!(is_meant(&arguments(&["/x/bin/rustc", "-vV"])));
        assert!(is_meant(&arguments(&["rustc", "-", "--print=cfg"])));
        for other in [&["lab"][..], &["kernel", "/x/rustc"], &[]] {
            assert!(!is_meant(&arguments(other)), "{other:?}");
        }
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn a_cell_is_linked_with_helpers_and_nothing_else_changes() {
        let cell = [
            "/x/rustc",
            "--crate-name",
            "ctx",
            "--extern",
            "helpers=/d/libhelpers.rlib",
            "--extern",
            "helpers=/d/libhelpers.so",
        ];
        assert_eq!(additions(&arguments(&cell))[2], "-Clink-arg=-l:libhelpers.so");
        assert!(additions(&arguments(&["/x/rustc", "-vV"])).is_empty());
        assert!(additions(&arguments(&["/x/rustc", "helpers=/d/libhelpers.rlib"])).is_empty());
    }
}
