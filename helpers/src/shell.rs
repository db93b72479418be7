//! A command line, as in a terminal, for tools that are programs.

use crate::cluster::{CLUSTER_PROGRAMS, cluster_folder, cluster_program};
use crate::display::{escape, show};
use crate::program::command;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What a command line did.
#[derive(Clone)]
pub struct Shell {
    /// What it printed, standard output and standard error together; or why it was not run.
    pub output: String,
    /// Its exit code; `None` if it was ended by a signal, or not run.
    pub code: Option<i32>,
    /// How long it took.
    pub elapsed: Duration,
    ran: bool,
}

impl Shell {
    /// Whether it was run at all: `false` where the tool is not installed.
    pub fn ran(&self) -> bool {
        self.ran
    }

    /// Shows what it printed as the result of the cell; the kernel calls this.
    pub fn evcxr_display(&self) {
        let text = format!("{self:?}");
        show(&format!("<pre>{}</pre>", escape(&text)), &text);
    }
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.output.trim_end())?;
        match self.code {
            Some(0) => Ok(()),
            _ if !self.ran => Ok(()),
            Some(code) => write!(f, "\n(exit code {code})"),
            None => f.write_str("\n(ended by a signal)"),
        }
    }
}

/// Where a program is: one of the cluster's own, or one in `PATH`.
pub fn tool(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&folders).map(|folder| folder.join(name));
    cluster_program(name).or_else(|| files.find(|file| file.is_file()))
}

/// Runs a command line with `sh` in `folder`, if the tools that it needs (their names, apart by
/// spaces) are there. The cluster's programs are found by their names too.
///
/// ```
/// use helpers::shell::shell;
///
/// let here = std::env::current_dir()?;
/// assert_eq!(shell(&here, "echo", "echo 6 cups of kopi").output.trim(), "6 cups of kopi");
/// assert!(!shell(&here, "no-such-tool", "no-such-tool --help").ran());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn shell(folder: &Path, needs: &str, line: &str) -> Shell {
    let not_run = |why: String| Shell {
        output: format!("Not run here: {why}"),
        code: None,
        elapsed: Duration::ZERO,
        ran: false,
    };
    if let Some(name) = needs.split_whitespace().find(|name| tool(name).is_none()) {
        return not_run(match CLUSTER_PROGRAMS.contains(&name) {
            true => format!("`cargo workbook setup --cluster` in a terminal builds {name}, once."),
            false => format!(
                "{name} is not installed. `apt install {name}` or `conda install {name}` brings it."
            ),
        });
    }
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(cluster_folder()).chain(std::env::split_paths(&old));
    let path = std::env::join_paths(folders).unwrap_or(old);
    let start = Instant::now();
    // One pipe for both outputs, so that lines stand in the order in which they were written.
    let result = command("sh")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .current_dir(folder)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output();
    match result {
        Err(error) => not_run(format!("sh did not start: {error}")),
        Ok(done) => Shell {
            output: String::from_utf8_lossy(&done.stdout).into_owned(),
            code: done.status.code(),
            elapsed: start.elapsed(),
            ran: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_arrive_in_order_and_the_code_too() {
        let done = shell(
            Path::new("."),
            "sh",
            "echo one; echo two >&2; echo three; exit 3",
        );
        assert_eq!(done.output, "one\ntwo\nthree\n");
        assert_eq!(format!("{done:?}"), "one\ntwo\nthree\n(exit code 3)");
    }
}
