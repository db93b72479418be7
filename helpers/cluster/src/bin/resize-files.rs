//! Makes X-rays small: `resize-files FOLDER FILE…` writes each as a 64 × 64 PNG into the folder.
//!
//! One that cannot be read is named on standard error, the others are done, and the exit code is 1.
//! GNU parallel drives it in chapter 07; it knows nothing of parallel work itself.

#[path = "../files.rs"]
mod files;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: resize-files FOLDER FILE…");
        return ExitCode::from(2);
    };
    let mut code = ExitCode::SUCCESS;
    for file in arguments {
        let done = files::target_of(&file, &folder).and_then(|to| files::resize_to(&file, &to));
        if let Err(error) = done {
            eprintln!("{error:#}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
