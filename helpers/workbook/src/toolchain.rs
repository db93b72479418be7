//! Which Rust compiles the cells, in which clean environment.

use crate::child::output_of;
use crate::python::disturbs_python;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        let ask = |arguments: &[&str]| {
            output_of(Command::new(&rustc).args(arguments)).context(
                "rustc was not found, or does not work; install Rust from https://rustup.rs (or conda-forge)",
            )
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

    /// The commit that this compiler was built from; `unknown` in some distributions.
    pub fn commit(&self) -> &str {
        self.field("commit-hash: ").unwrap_or("unknown")
    }

    /// The kind of machine that it compiles for, such as `x86_64-unknown-linux-gnu`.
    pub fn host(&self) -> Option<&str> {
        self.field("host: ")
    }

    fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.release().split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.verbose_version.lines().find_map(|line| line.strip_prefix(name))
    }

    /// The folder of the standard library as a shared object, which cells are linked with.
    pub fn libraries(&self) -> PathBuf {
        self.rustlib().join(self.host().unwrap_or_default()).join("lib")
    }

    /// The sources of the standard library, which rustup installs as `rust-src`.
    pub fn library_sources(&self) -> PathBuf {
        self.rustlib().join("src/rust/library")
    }

    fn rustlib(&self) -> PathBuf {
        self.bin.parent().unwrap_or(&self.bin).join("lib/rustlib")
    }

    /// `PATH` with this toolchain before everything else.
    pub fn path(&self) -> OsString {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin.clone()).chain(std::env::split_paths(&old));
        std::env::join_paths(folders).unwrap_or(old)
    }
}

/// Makes cargo build the same whatever the reader's configuration files say, those of the folders
/// above the workbook and of `$CARGO_HOME`: variables come before files. How cargo reaches its
/// registries, and which linker it calls, stays as it is there.
///
/// Returns the folder of the profiles: `debug` and `release` are in it.
pub fn settle_build(
    command: &mut Command,
    toolchain: &Toolchain,
    from: &Path,
    target: &Path,
) -> PathBuf {
    clean_environment(command);
    settle_profile(command);
    command
        .current_dir(from)
        .env("PATH", toolchain.path())
        .env("RUSTC", toolchain.bin.join("rustc"))
        // Empty means none.
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env("RUSTFLAGS", "")
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_BUILD_BUILD_DIR", target)
        .env("CARGO_TERM_QUIET", "false");
    // Only then, as cargo compiles some crates twice for a target that is named.
    if let Some(host) = toolchain.host()
        && names_a_target(from)
    {
        command.env("CARGO_BUILD_TARGET", host);
        return target.join(host);
    }
    target.to_owned()
}

/// The workbook's own profile, against one in the reader's configuration: the same values as in
/// its `Cargo.toml`, so nothing is compiled again. `release` is as cargo has it.
pub fn settle_profile(command: &mut Command) {
    for (profile, overflow_checks) in [("DEV", "true"), ("RELEASE", "false")] {
        for (setting, value) in [
            ("OPT_LEVEL", "3"),
            ("DEBUG", "false"),
            ("DEBUG_ASSERTIONS", "false"),
            ("OVERFLOW_CHECKS", overflow_checks),
            ("INCREMENTAL", "false"),
            ("LTO", "false"),
            ("PANIC", "unwind"),
        ] {
            command.env(format!("CARGO_PROFILE_{profile}_{setting}"), value);
        }
    }
}

/// Whether a configuration file of cargo's may name a target to build for. It may say so where none
/// does; not the other way round.
fn names_a_target(from: &Path) -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let folders = from.ancestors().map(|folder| folder.join(".cargo"));
    folders.chain(home).any(|folder| {
        ["config.toml", "config"].iter().any(|name| {
            fs::read_to_string(folder.join(name)).is_ok_and(|text| {
                let bare: String = text
                    .chars()
                    .filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\''))
                    .collect();
                bare.contains("target=")
            })
        })
    })
}

/// Takes out of a child's environment what cargo, rustup or a reader's shell put there and what
/// would change how cells are compiled or loaded.
///
/// `cargo run` and `cargo test` export a library path with their own build of helpers; a cell
/// that finds it loads the wrong one. What tells cargo how to reach its registries stays.
///
/// Build scripts of crates with C code name the variables of the C compiler to cargo. Where one of them
/// is set in a reader's shell and was not at the set-up, as by conda, CUDA or a module of a cluster,
/// every kernel would compile those crates again, and all that need them.
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
    if disturbs_python(name) || is_of_the_c_compiler(name) {
        return true;
    }
    DROPPED.iter().any(|prefix| name.starts_with(prefix))
        && !KEPT.iter().any(|prefix| name.starts_with(prefix))
}

/// What the crate `cc` asks for, also as `HOST_CC` and `CC_x86_64-unknown-linux-gnu`, and gcc itself.
fn is_of_the_c_compiler(name: &str) -> bool {
    const TOOLS: [&str; 8] =
        ["AR", "ARFLAGS", "CC", "CFLAGS", "CXX", "CXXFLAGS", "RANLIB", "RANLIBFLAGS"];
    const OTHERS: [&str; 5] =
        ["COMPILER_PATH", "CPATH", "CRATE_CC_NO_DEFAULTS", "GCC_EXEC_PREFIX", "SOURCE_DATE_EPOCH"];
    let bare = ["HOST_", "TARGET_"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let bare = bare.unwrap_or(name);
    let is_for = |tool: &&str| {
        bare.strip_prefix(*tool).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    TOOLS.iter().any(is_for) || OTHERS.contains(&name) || name.ends_with("_INCLUDE_PATH")
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
            "LIBRARY_PATH",
            "CCACHE_DIR",
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
            "PYTHONHOME",
            "CC",
            "HOST_CC",
            "CFLAGS_x86_64_unknown_linux_gnu",
            "C_INCLUDE_PATH",
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

    #[test]
    fn the_readers_configuration_of_cargo_changes_no_build() {
        let folder = tempfile::tempdir().unwrap();
        let (above, package) = (folder.path().join(".cargo"), folder.path().join("package"));
        fs::create_dir_all(&above).unwrap();
        fs::create_dir_all(package.join("src")).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::write(
            above.join("config.toml"),
            format!(
                "[build]\ntarget-dir = {elsewhere:?}\ntarget = \"no-such-machine\"\n\
                 rustflags = [\"--cfg\", \"hostile\"]\nrustc-wrapper = \"/no/such/wrapper\"\n\
                 [profile.dev]\nopt-level = 0\ndebug-assertions = true\noverflow-checks = false\n\
                 [term]\nquiet = true\n",
            ),
        )
        .unwrap();
        fs::write(
            package.join("Cargo.toml"),
            "[package]\nname = \"one\"\nedition = \"2024\"\n[workspace]\n[lints.rust]\nunexpected_cfgs = \"allow\"\n",
        )
        .unwrap();
        fs::write(
            package.join("src/main.rs"),
            "fn main() { println!(\"{} {} {}\", cfg!(hostile), cfg!(debug_assertions), std::env::args().count() > 9); }",
        )
        .unwrap();
        let toolchain = Toolchain::find().unwrap();
        let target = folder.path().join("target");
        let mut cargo = Command::new(toolchain.bin.join("cargo"));
        cargo.args(["build", "--offline", "--verbose"]);
        let profiles = settle_build(&mut cargo, &toolchain, &package, &target);
        let output = cargo.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("opt-level=3") && said.contains("overflow-checks=on"), "{said}");
        let output = Command::new(profiles.join("debug/one")).output().unwrap();
        assert_eq!(output.stdout, b"false false false\n");
        assert!(!elsewhere.exists());
    }
}
