//! Which Rust compiles the cells, in which clean environment.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The oldest Rust that the workbook is tested with.
pub const OLDEST_RUST: (u32, u32) = (1, 95);

/// A Rust toolchain, by where it really is rather than through rustup's proxies, so that a kernel
/// uses the same one whoever starts it.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The folder that holds `cargo` and `rustc`.
    pub bin: PathBuf,
    /// What `rustc -vV` prints: version, commit and host.
    pub verbose_version: String,
}

impl Toolchain {
    /// The toolchain in use: cargo's when this was started by cargo, otherwise the one in `PATH`.
    pub fn find() -> Result<Self> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
        let ask = |argument: &[&str]| -> Result<String> {
            let output = Command::new(&rustc)
                .args(argument)
                .stdin(Stdio::null())
                .output()
                .context(
                    "rustc was not found; install Rust from https://rustup.rs (or conda-forge)",
                )?;
            if !output.status.success() {
                bail!(
                    "rustc {} failed: {}",
                    argument.join(" "),
                    String::from_utf8_lossy(&output.stderr).trim()
                );
            }
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let toolchain = Toolchain {
            bin: PathBuf::from(ask(&["--print", "sysroot"])?).join("bin"),
            verbose_version: ask(&["-vV"])?,
        };
        if let Some((major, minor)) = toolchain.version()
            && (major, minor) < OLDEST_RUST
        {
            bail!(
                "this is Rust {major}.{minor}, and the workbook needs {}.{} or newer; run `rustup update`",
                OLDEST_RUST.0,
                OLDEST_RUST.1
            );
        }
        Ok(toolchain)
    }

    /// The release, such as `1.95.0`.
    pub fn release(&self) -> &str {
        self.field("release: ").unwrap_or("unknown")
    }

    fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.release().split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.verbose_version
            .lines()
            .find_map(|line| line.strip_prefix(name))
    }

    /// The folder of the standard library as a shared object, which cells are linked with.
    pub fn libraries(&self) -> PathBuf {
        let root = self.bin.parent().unwrap_or(&self.bin);
        let host = self.field("host: ").unwrap_or_default();
        root.join("lib/rustlib").join(host).join("lib")
    }

    /// `PATH` with this toolchain before everything else.
    pub fn path(&self) -> OsString {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin.clone()).chain(std::env::split_paths(&old));
        std::env::join_paths(folders).unwrap_or(old)
    }
}

/// Takes out of a child's environment what cargo, rustup or a reader's shell put there and what
/// would change how cells are compiled or loaded.
///
/// `cargo run` and `cargo test` export a library path with their own build of helpers; a cell
/// that finds it loads the wrong one. What tells cargo how to reach its registries stays.
pub fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(disturbs) {
            command.env_remove(&name);
        }
    }
}

fn disturbs(name: &str) -> bool {
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "RUSTUP_HOME",
        "RUSTUP_DIST_SERVER",
    ];
    const DROPPED: [&str; 5] = ["CARGO", "RUST", "EVCXR_", "LD_LIBRARY_PATH", "DYLD_"];
    DROPPED.iter().any(|prefix| name.starts_with(prefix))
        && !KEPT.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_settings_stay_and_build_settings_go() {
        for kept in [
            "CARGO_HOME",
            "CARGO_REGISTRIES_MIRROR_INDEX",
            "CARGO_NET_OFFLINE",
            "PATH",
        ] {
            assert!(!disturbs(kept), "{kept}");
        }
        for dropped in [
            "CARGO",
            "CARGO_TARGET_DIR",
            "CARGO_MANIFEST_DIR",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "RUST_BACKTRACE",
            "LD_LIBRARY_PATH",
            "EVCXR_TMPDIR",
        ] {
            assert!(disturbs(dropped), "{dropped}");
        }
    }

    #[test]
    fn the_toolchain_is_a_real_folder_not_a_proxy() {
        let toolchain = Toolchain::find().unwrap();
        assert!(toolchain.bin.join("rustc").exists());
        assert!(toolchain.release().starts_with("1."));
        let libraries = std::fs::read_dir(toolchain.libraries()).unwrap();
        assert!(libraries.flatten().any(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.starts_with("libstd-") && name.ends_with(std::env::consts::DLL_SUFFIX)
        }));
        let first = std::env::split_paths(&toolchain.path()).next().unwrap();
        assert_eq!(first, toolchain.bin);
    }
}
