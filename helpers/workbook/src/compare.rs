//! `cargo workbook compare`: measures the workbook's ways beside those of other libraries.
//!
//! What measures is the crate `compare`, so that this program need not be built with it. It is a
//! shared object, since a process pool runs functions of nothing else; a second process of this
//! program opens it. The other libraries have a Python environment of their own: the readers' one
//! stays small.

use crate::environment::{self, Environment};
use crate::layout::Layout;
use crate::locks;
use crate::python::python;
use crate::toolchain::settle_profile;
use anyhow::{Context, Result, bail};
use platform::names;
use pool::loader;
use serde_json::Value;
use std::ffi::{CStr, CString, OsString, c_int};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The libraries to compare with.
const PACKAGES: [&str; 9] = [
    "pillow>=12,<14",
    "opencv-python-headless>=4.10,<6",
    "pyvips[binary]>=3,<4",
    "simplejpeg>=1.8,<2",
    "numpy>=2,<3",
    "joblib>=1.4,<2",
    "requests>=2.31,<3",
    "httpx>=0.27,<1",
    "aiohttp>=3.9,<4",
];

#[derive(clap::Subcommand)]
pub enum What {
    /// X-rays to thumbnails: Pillow, OpenCV, libvips, libjpeg-turbo and the ways of chapter 06
    ///
    /// Works on the X-rays that WORKBOOK_XRAYS names, otherwise on the synthetic ones. Every
    /// variant runs once in every round, on one core; then Pillow in the processes of Python's
    /// ProcessPoolExecutor and of joblib, and ours by rayon and in processes, on all cores. A mark
    /// that is not met is said plainly but is no error: a busy machine must not fail anything.
    Images(Rounds),
    /// Many requests at a time: threads and tokio, Python's requests, httpx and aiohttp
    ///
    /// 100 days that the server answers after 200 ms, then 5,000 small ones after 50 ms, from a
    /// weather server on this machine. Every client runs once in every round, but one request at a
    /// time, which takes 20 s, in one round only. A mark that is not met is no error.
    #[command(mut_arg("runs", |runs| runs.default_value("3")))]
    Network(Rounds),
    /// What handing work to processes costs: Python's ProcessPoolExecutor, joblib and ours
    ///
    /// Two workers each: their start, small items one by one and in chunks, large results. Every
    /// pool does each of these once in every round. A mark that is not met is no error.
    Pool(Rounds),
    /// Celery, Dask, PySpark and joblib beside apalis, Ballista and GNU parallel: start, tasks, a killed worker
    ///
    /// Once each, with two workers: until they answer, the first task, 1,000 empty ones, thumbnails, a
    /// table, memory; and what is lost or done twice when one worker is killed. Under ten minutes. What
    /// `cargo workbook setup --cluster` has not installed is left out and named.
    #[command(mut_arg("runs", |runs| runs.default_value("1").hide(true)))]
    Engines(Rounds),
}

#[derive(clap::Args)]
pub struct Rounds {
    /// How many rounds
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Print one line of JSON, with every round's seconds, instead of a table
    #[arg(long)]
    json: bool,
}

/// What `compare` starts.
#[derive(clap::Args)]
pub struct Measure {
    /// The shared object that measures
    object: PathBuf,
    #[command(subcommand)]
    what: What,
}

impl What {
    /// The name of the subcommand, and its rounds.
    fn parts(&self) -> (&'static str, &Rounds) {
        match self {
            What::Images(rounds) => ("images", rounds),
            What::Network(rounds) => ("network", rounds),
            What::Pool(rounds) => ("pool", rounds),
            What::Engines(rounds) => ("engines", rounds),
        }
    }
}

/// Runs one comparison.
pub fn compare(layout: &Layout, what: What) -> Result<ExitCode> {
    let (name, rounds) = what.parts();
    let _open = locks::share(layout, locks::OPEN)?;
    let environment = match what {
        What::Engines(_) => Environment::of_the_workbook(layout.python_engines()),
        _ => python_of_the_peers(layout)?,
    };
    if !environment.python().exists() {
        bail!("these engines are not installed; `cargo workbook setup --cluster` installs them");
    }
    // As for a Python: it starts the one that it measures beside.
    let mut command = python(std::env::current_exe()?);
    command
        .arg("measure")
        .arg(build(layout)?)
        .args([name, "--runs"])
        .arg(rounds.runs.to_string())
        .env(names::PYTHON, environment.python())
        .env(names::PROGRAM, std::env::current_exe()?)
        .stdin(Stdio::null());
    if rounds.json {
        command.arg("--json").stdout(Stdio::piped());
    }
    let mut child = command.spawn().context("the comparison did not start")?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            // That X-rays are being drawn, say, is no part of the document.
            match line.starts_with('{') {
                true => println!("{line}"),
                false => eprintln!("{line}"),
            }
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the comparison ended with {status}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds what measures, in the profile of this program: nothing is built twice.
fn build(layout: &Layout) -> Result<PathBuf> {
    // The cargo that started this program.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    settle_profile(&mut command);
    let output = command
        .args(["build", "--quiet", "--message-format"])
        .args(["json-render-diagnostics", "--manifest-path"])
        .arg(layout.root.join("Cargo.toml"))
        .args(["--package", "compare"])
        // Cargo takes its settings from the folder it is called in and those above.
        .current_dir(&layout.root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo did not start")?;
    if !output.status.success() {
        bail!("what measures could not be built");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut messages = messages
        .lines()
        .flat_map(serde_json::from_str::<Value>)
        .filter(|message| message["target"]["name"] == "compare");
    let file = messages.find_map(|message| message["filenames"][0].as_str().map(PathBuf::from));
    file.context("cargo did not say what it has built")
}

/// Opens the shared object and has it measure.
pub fn measure(arguments: &Measure) -> Result<ExitCode> {
    let (name, rounds) = arguments.what.parts();
    let symbol = CString::new(format!("compare_{name}"))?;
    let function = function_in(&arguments.object, &symbol)?;
    // It has said on standard error what went wrong.
    Ok(match function(rounds.runs, rounds.json) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// See `helpers/compare`: rounds, and whether to print JSON. The answer is 0 on success.
type Comparison = extern "C" fn(u32, bool) -> c_int;

fn function_in(object: &Path, symbol: &CStr) -> Result<Comparison> {
    let file = CString::new(object.as_os_str().as_bytes())?;
    let handle =
        loader::open(&file, 0).with_context(|| format!("{} cannot be opened", object.display()))?;
    // SAFETY: it only looks up a name in an object that is open.
    let address = unsafe { libc::dlsym(handle, symbol.as_ptr()) };
    if address.is_null() {
        bail!("{} does not compare that", object.display());
    }
    // SAFETY: the functions of these names in the example are of this type.
    Ok(unsafe { std::mem::transmute::<*mut libc::c_void, Comparison>(address) })
}

/// The environment with the other libraries; made at the first comparison.
fn python_of_the_peers(layout: &Layout) -> Result<Environment> {
    let who = "another `cargo workbook compare` installs Python's libraries";
    let _lock = locks::wait(layout, locks::COMPARE, who)?;
    let environment = Environment::of_the_workbook(layout.compare_venv());
    let what = "Python's libraries, to compare with";
    let packages = PACKAGES.map(str::to_owned);
    environment::install(layout, &environment, "compare", "python", what, &packages)?;
    Ok(environment)
}
