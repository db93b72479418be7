//! The command `cargo workbook`.
//!
//! | module | idea |
//! |---|---|
//! | [`layout`] | where everything is |
//! | [`place`] | whether it can work in that folder |
//! | [`locks`] | who does what at the moment |
//! | [`python`] | any Python: finding one, starting one |
//! | [`environment`] | JupyterLab and the Python packages, in `.venv` or a conda environment |
//! | [`toolchain`] | which Rust compiles the cells, in which clean environment |
//! | [`project`] | the Cargo project in which a kernel compiles its cells |
//! | [`seed`] | such a project with all dependencies compiled, which every kernel starts from |
//! | [`shared`] | seeds of this user's other workbooks |
//! | [`execute`] | executes notebooks, and says how each cell went |
//! | [`kernel`] | starts one kernel on its own copy of the seed, and tidies up after it |
//! | [`stamps`] | what each step of the set-up was last done for |
//! | [`setup`] | the steps that make all of this, each skipped when it is done |
//! | [`cluster`] | the programs of chapter 07, built apart |
//! | [`lab`], [`run`], [`reset`], [`compare`], [`site`], [`doctor`], [`clean`] | one command each |
//! | [`own`], [`added`] | notebooks and crates of a reader's own |
//! | [`chapter`], [`notebooks`] | which files are chapters, and which of them a reader means |
//! | [`disk`] | removing, copying and counting files |
//! | [`linking`] | links every cell with helpers |
//! | [`analysis`] | what the kernel's analysis of the code reads |
//! | [`child`] | processes: one that never outlives this one, some that are listened to |
//! | [`outlet`] | between the process of the cells and the kernel: no output is lost |
//! | [`verdict`] | which executed cells failed, and why |
//! | [`ui`] | progress on the terminal |

mod added;
mod analysis;
mod chapter;
mod child;
mod clean;
mod cluster;
mod compare;
mod disk;
mod doctor;
mod environment;
mod execute;
mod kernel;
mod lab;
mod layout;
mod linking;
mod locks;
mod notebooks;
mod outlet;
mod outlines;
mod own;
mod place;
mod project;
mod python;
mod reset;
mod run;
mod seed;
mod setup;
mod shared;
mod site;
mod stamps;
mod toolchain;
mod ui;
mod verdict;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Parallel and asynchronous data processing, in Rust, in Jupyter.
///
/// Without a command: set up what is missing, then open JupyterLab on the workbook.
#[derive(Parser)]
#[command(name = "cargo workbook", bin_name = "cargo workbook", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Passed on to `jupyter lab`, such as `-- --port 9999`
    #[arg(last = true)]
    jupyter_arguments: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Make what is missing: the Python packages, the kernel, the compiled dependencies
    Setup {
        /// Also the engines of chapter 07: builds the cluster's programs (about 40 minutes of processor
        /// time) and installs Celery, Dask and PySpark (1.1 GB)
        #[arg(long)]
        cluster: bool,
        /// What of the engines to leave out, such as `dask,pyspark`; each can be had later
        #[arg(long, requires = "cluster", value_delimiter = ',', value_parser = cluster::PARTS)]
        without: Vec<String>,
    },
    /// Open JupyterLab on the workbook (what `cargo workbook` alone does)
    Lab {
        /// Passed on to `jupyter lab`, such as `-- --port 9999`
        #[arg(last = true)]
        jupyter_arguments: Vec<String>,
    },
    /// Execute notebooks without a browser and say which cells failed
    ///
    /// Ends with exit code 1 if any cell failed. A panic, an early end by `?` and anything else
    /// on standard error count as failures, although Jupyter reports such cells as fine.
    Run(run::Arguments),
    /// Make a notebook of your own beside the chapters
    ///
    /// `reset` never touches it, and git ignores it.
    New {
        /// Its name, such as `trial` or `"my notes"`
        name: String,
    },
    /// Compile a crate once, for all notebooks
    ///
    /// If it cannot be had or does not compile, everything stays as it was.
    Add(added::Arguments),
    /// Take an added crate away
    Remove {
        /// Its name, as `cargo workbook doctor` lists it
        name: String,
    },
    /// Bring chapters back to how they were published; edited ones are kept beside them
    ///
    /// Published is the newest commit that this clone and its upstream have in common. What
    /// `git fetch` brought since then is not used: it is for newer helpers, `git pull` brings both.
    /// A chapter that you have committed changes to, and not pushed, is reset only if it is named.
    Reset {
        /// Chapters such as `06` or `06-image-processing.ipynb`; all that were changed if none
        chapters: Vec<String>,
    },
    /// Measure the workbook's ways beside those of other libraries, in one run on this machine
    Compare {
        #[command(subcommand)]
        what: compare::What,
    },
    /// Make a static site of the chapters as they are saved, to read without installing anything
    ///
    /// Works without a network once Sphinx is installed, which happens at the first time. Your own
    /// notebooks are not in it.
    Site {
        /// A folder that is empty or not there yet, or that has an earlier site in it
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// Start the cluster of chapter 07 in a terminal, look at it, kill a part of it
    Cluster {
        #[command(subcommand)]
        what: cluster::What,
    },
    /// Say what is installed, what is missing, and the command that mends it
    Doctor,
    /// Remove everything that the workbook made on this machine
    ///
    /// Not while a set-up, JupyterLab, a kernel or a cluster runs. Your notebooks stay, a `.venv` that
    /// the workbook did not make, and the kernel program in your cache folder, for other clones.
    Clean {
        /// Keep the Python environment and the kernel program; remove the rest, the data and the
        /// cluster's programs among it
        #[arg(long)]
        keep_environment: bool,
    },
    /// Start one kernel (Jupyter calls this)
    #[command(hide = true)]
    Kernel(kernel::Arguments),
    /// Measure with a shared object (`compare` calls this)
    #[command(hide = true)]
    Measure(compare::Measure),
    /// Run a function of a notebook's cell (a process pool of helpers calls this)
    #[command(hide = true)]
    Worker,
    /// Pass on what cells print (helpers calls this)
    #[command(hide = true)]
    Outlet(outlet::Arguments),
    /// Say where things are, as JSON
    #[command(hide = true)]
    Where,
    /// Serve made-up weather on 127.0.0.1 (helpers calls this)
    #[command(hide = true)]
    WeatherServer,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    if linking::is_meant(&arguments) {
        eprintln!("error: rustc did not start: {}", linking::rustc(&arguments));
        return ExitCode::FAILURE;
    }
    let done = match analysis::cargo_meant(&name) {
        Some(cargo) => analysis::cargo(&cargo, &arguments),
        None => dispatch(Cli::parse()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    if is_for_readers(cli.command.as_ref()) {
        // What nobody reads any more, as in `cargo workbook doctor | head -1`, ends this program
        // quietly.
        // SAFETY: SIG_DFL is a valid disposition, and no other thread runs yet.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    let layout = layout::Layout::of_this_workbook();
    place::check(&layout.root)?;
    match cli.command {
        None => lab::open(&layout, &cli.jupyter_arguments),
        Some(Command::Lab { jupyter_arguments }) => lab::open(&layout, &jupyter_arguments),
        Some(Command::Setup { cluster, without }) => {
            setup::ensure(&layout)?;
            if cluster {
                cluster::ensure(&layout, &without)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Run(arguments)) => run::run(&layout, arguments),
        Some(Command::New { name }) => own::new(&layout, &name),
        Some(Command::Add(arguments)) => added::add(&layout, &arguments),
        Some(Command::Remove { name }) => added::remove(&layout, &name),
        Some(Command::Reset { chapters }) => reset::reset(&layout, &chapters),
        Some(Command::Compare { what }) => compare::compare(&layout, what),
        Some(Command::Site { to }) => site::site(&layout, to),
        Some(Command::Cluster { what }) => cluster::run(&layout, what),
        Some(Command::Doctor) => doctor::doctor(&layout),
        Some(Command::Clean { keep_environment }) => clean::clean(&layout, keep_environment),
        Some(Command::Kernel(arguments)) => kernel::serve(&layout, arguments),
        Some(Command::Measure(arguments)) => compare::measure(&arguments),
        Some(Command::Worker) => pool::loader::serve(),
        Some(Command::Outlet(arguments)) => outlet::serve(&arguments),
        Some(Command::Where) => {
            println!("{}", layout.to_json());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::WeatherServer) => weather::serve::serve(),
    }
}

/// Whether a command is one that readers type: all that it writes itself is for them. The others write
/// to pipes and sockets, and have to see it as an error when nobody reads there; Rust's own start sees
/// to that.
fn is_for_readers(command: Option<&Command>) -> bool {
    !matches!(
        command,
        Some(
            Command::Kernel(_)
                | Command::Measure(_)
                | Command::Worker
                | Command::Outlet(_)
                | Command::WeatherServer
        )
    )
}
