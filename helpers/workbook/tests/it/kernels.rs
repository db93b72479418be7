//! Do kernels live side by side, start warm, and leave nothing behind?

use crate::common::{
    Notebook, Ran, SETUP, code, root, run, run_in_turn, run_with, send, set_up, text_of, turn,
    wait_for, workbook,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use walkdir::WalkDir;

/// A cell that writes down which kernel it runs on.
fn note_kernel(notebook: &str) -> String {
    format!("std::fs::write({notebook:?}, std::env::var(\"EVCXR_TMPDIR\").unwrap()).unwrap();")
}

/// A folder for the facts that cells write down, and the cell that writes down its kernel.
struct Facts {
    folder: tempfile::TempDir,
}

impl Facts {
    fn new() -> Self {
        Facts { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("kernel")
    }

    fn cell(&self) -> crate::common::Cell {
        code(&note_kernel(&self.file().to_string_lossy()))
    }

    /// The folder in which the noted kernel compiled its cells.
    fn cells(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }

    #[cfg(target_os = "linux")]
    fn expect_no_process(&self) {
        let setting = format!("EVCXR_TMPDIR={}", self.cells());
        let left = || crate::common::processes_with(&setting);
        assert!(wait_for(60, || left().is_empty()), "alive: {:?}", left());
    }

    /// Nothing of the noted kernel is left: no process, no folder. They go within moments of the
    /// run's end, not before it, so this waits for it.
    fn expect_nothing_left(&self) {
        let cells = self.cells();
        let folder = std::path::Path::new(&cells).parent().unwrap();
        assert!(folder.starts_with(&crate::common::places().kernels));
        #[cfg(target_os = "linux")]
        self.expect_no_process();
        let gone = wait_for(60, || !folder.exists());
        assert!(gone, "{} is still there", folder.display());
    }
}

/// Two kernels at the same time, with different code, and a process pool each. Tokio tasks in
/// successive `.await` cells and a rayon pool in a variable need one copy of both crates per
/// kernel; crates that a reader adds in mid-notebook must not rebuild helpers, which would cost
/// the variables.
#[test]
fn two_kernels_at_once_share_nothing() {
    let (first, second) = (Facts::new(), Facts::new());
    let notebook = |facts: &Facts, name: &str, secret: u64, dependency: &str, uses: &str| {
        Notebook::new(
            name,
            [
                code(SETUP),
                facts.cell(),
                code(&format!("let secret: u64 = {secret};")),
                code("let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();"),
                code("let processes = helpers::pool::ProcessPool::new(2).unwrap();"),
                // Both notebooks have a function of this name, in a cell of the same number.
                code(&format!(
                    "fn own(n: u64) -> u64 {{ {secret} * 1_000 + n }}\n\
                     let first: Vec<u64> = processes.try_map(own, 0..1_000).unwrap();\n\
                     assert!(first.into_iter().eq(secret * 1_000..secret * 1_000 + 1_000));"
                )),
                code(
                    "let one = tokio::spawn(async move { tokio::task::yield_now().await; secret + 1 }).await.unwrap();\n\
                     assert_eq!(one, secret + 1);",
                ),
                code(
                    "let two = tokio::spawn(async move { tokio::task::yield_now().await; one + 1 }).await.unwrap();\n\
                     assert_eq!(two, secret + 2);",
                ),
                code(
                    "let sum: u64 = pool.install(|| (0..1_000u64).into_par_iter().map(|n| n + secret).sum());\n\
                     assert_eq!(sum, 499_500 + 1_000 * secret);",
                ),
                // Cells after an `.await` sit inside a runtime, where blocking work panics.
                code(
                    "let mut sums = Comparison::new(\"Sums\", 2);\n\
                     sums.measure(\"runtime\", || {\n    \
                         let own = tokio::runtime::Runtime::new().unwrap();\n    \
                         own.block_on(async { 2 + 2 })\n\
                     });\n\
                     assert_eq!(sums.result(), Some(&4));",
                ),
                code(dependency),
                code(uses),
                code(
                    "let again: u64 = pool.install(|| (0..10u64).into_par_iter().map(|n| n * secret).sum());\n\
                     assert_eq!((again, two), (45 * secret, secret + 2));",
                ),
                code(
                    "let three = tokio::spawn(async move { two + 1 }).await.unwrap();\n\
                     assert_eq!(three, secret + 3);",
                ),
                code(
                    "let last: Vec<u64> = processes.chunk_size(9).try_map(own, 0..1_000).unwrap();\n\
                     assert!(last.into_iter().eq(secret * 1_000..secret * 1_000 + 1_000));",
                ),
                // What a cell starts and forgets must go with the kernel.
                code(
                    "let child = std::process::Command::new(\"sleep\").arg(\"600\").spawn().unwrap();",
                ),
            ],
        )
    };
    let one = notebook(
        &first,
        "one",
        10,
        ":dep itertools = \"0.14\"",
        "use itertools::Itertools;\nassert_eq!([1, 1, 2].iter().dedup().count(), 2);",
    );
    let two = notebook(
        &second,
        "two",
        20,
        ":dep tokio = { version = \"1\", features = [\"full\"] }",
        "let (send, receive) = tokio::sync::oneshot::channel();\nsend.send(secret).unwrap();\n\
         assert_eq!(receive.await.unwrap(), secret);",
    );
    let (ran_one, ran_two) = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(&two, &[]));
        (run(&one, &[]), other.join().unwrap())
    });
    ran_one.expect_success();
    ran_two.expect_success();
    assert_ne!(first.cells(), second.cells());
    first.expect_nothing_left();
    second.expect_nothing_left();
}

/// A kernel's dependencies are the seed's own files: nothing was compiled for it.
#[test]
fn a_kernel_starts_with_what_the_seed_has_compiled() {
    set_up();
    let _turn = turn();
    expect_nothing_compiled(workbook(), "", "");
}

/// Nor where the shell sets what build scripts look at, and the seed was compiled without.
#[test]
fn a_shell_with_settings_for_a_c_compiler_compiles_nothing_anew() {
    set_up();
    let _turn = turn();
    let names = looked_at_by_build_scripts();
    assert!(names.contains("CC") && names.contains("CPATH"), "{names:?}");
    let mut command = workbook();
    command.envs(names.iter().map(|name| (name, "1")));
    expect_nothing_compiled(command, "", "");
}

/// The variables that the build scripts of the seed have named to cargo, without a crate's own, such as
/// ring's `RING_…`, and those that cargo itself sets.
fn looked_at_by_build_scripts() -> BTreeSet<String> {
    const CALL: &str = "rerun-if-env-changed=";
    let mut names = BTreeSet::new();
    for file in WalkDir::new(&crate::common::places().seed) {
        let file = file.unwrap();
        if file.file_name() != "output" {
            continue;
        }
        let package = file.path().parent().unwrap().file_name().unwrap().to_str().unwrap();
        let own = package.split('-').next().unwrap().to_uppercase();
        let said = fs::read_to_string(file.path()).unwrap();
        let of_this = said.lines().filter_map(|line| Some(line.split_once(CALL)?.1));
        names.extend(of_this.filter(|name| !name.starts_with(&own)).map(str::to_owned));
    }
    names.retain(|name| !name.starts_with("CARGO_") && name != "OUT_DIR");
    names
}

/// A reader's own configuration of cargo, above the folder in which cells are compiled, by which
/// they would be compiled otherwise, changes nothing about that.
#[test]
fn a_readers_configuration_of_cargo_compiles_nothing_anew() {
    /// Goes with the test, however that ends.
    struct Folder(PathBuf);
    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
    set_up();
    let above = crate::common::places().kernels.parent().unwrap();
    let folder = Folder(above.join(".cargo"));
    fs::create_dir(&folder.0).unwrap();
    fs::write(
        folder.0.join("config.toml"),
        "[build]\nincremental = false\n\n\
         [profile.dev]\nopt-level = 0\noverflow-checks = true\ndebug = 2\n\n\
         [profile.dev.package.\"*\"]\nopt-level = 0\n",
    )
    .unwrap();
    let _turn = turn();
    expect_nothing_compiled(workbook(), "", "");
}

/// Runs a notebook with these lines in its first cell, and this cell, and compares what its kernel then
/// has with the seed. The caller has a turn.
pub fn expect_nothing_compiled(command: Command, dependencies: &str, using: &str) {
    let facts = Facts::new();
    let check = r#"use std::{fs, os::unix::fs::MetadataExt, path::Path, time::SystemTime};
fn files(folder: &Path, found: &mut Vec<(String, fs::Metadata)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let facts = entry.metadata().unwrap();
        if facts.is_dir() {
            files(&entry.path(), found);
        } else {
            found.push((entry.file_name().to_string_lossy().into_owned(), facts));
        }
    }
}
fn helpers_made(files: &[(String, fs::Metadata)]) -> Vec<SystemTime> {
    let mut times: Vec<_> = files.iter()
        .filter(|(name, _)| name == "libhelpers.so")
        .map(|(_, facts)| facts.modified().unwrap())
        .collect();
    times.sort();
    times
}
fn compare(seed: &str, ours: &[&str]) {
    let cells = std::env::var("EVCXR_TMPDIR").unwrap();
    let (mut own, mut first) = (vec![], vec![]);
    files(Path::new(&cells).parent().unwrap(), &mut own);
    files(Path::new(seed), &mut first);
    // Those of the workbook's own crates are copies, as a reader may edit them.
    let libraries: Vec<_> = own.iter().filter(|(name, _)| {
        let whose = name.trim_start_matches("lib").split(['-', '.']).next().unwrap_or("");
        name.ends_with(".rlib") && !ours.contains(&whose)
    }).collect();
    assert!(libraries.len() > 20, "only {} libraries", libraries.len());
    for (name, facts) in libraries {
        assert!(facts.nlink() > 1, "{name} was compiled for this kernel");
    }
    assert!(!helpers_made(&own).is_empty());
    assert_eq!(helpers_made(&own), helpers_made(&first));
}"#;
    let seed = &crate::common::places().seed;
    let folders = fs::read_dir(root().join("helpers")).unwrap().flatten();
    let ours: Vec<String> = folders
        .filter(|folder| folder.path().join("Cargo.toml").exists())
        .map(|folder| folder.file_name().into_string().unwrap())
        .chain(["ctx", "helpers"].map(String::from))
        .collect();
    let notebook = Notebook::new(
        "warm",
        [
            code(&format!("{dependencies}{SETUP}")),
            code(using),
            facts.cell(),
            code("let warm = (0..100u64).into_par_iter().sum::<u64>();"),
            code("tokio::task::yield_now().await;"),
            code(check),
            code(&format!("compare({:?}, &{ours:?});", seed.to_string_lossy())),
        ],
    );
    run_in_turn(command, &notebook, &[]).expect_success();
    facts.expect_nothing_left();
}

/// The kernel's analysis of the code does not read what no cell can meet, unless a notebook names it.
/// What is compiled and what a cell's own call of cargo says stays whole.
#[test]
fn a_kernel_reads_only_what_its_cells_can_meet() {
    let ask = r#"fn crates(more: &[&str]) -> String {
    let cells = std::path::PathBuf::from(std::env::var("EVCXR_TMPDIR").unwrap());
    let project = cells.with_file_name("Cargo.toml");
    let mut cargo = std::process::Command::new(std::env::var("CARGO").unwrap());
    cargo.args(["metadata", "--format-version", "1", "--offline", "--manifest-path"]);
    let answer = cargo.arg(project).args(more).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}
fn has(name: &str) -> bool {
    crates(&[]).contains(&format!("crates.io-index#{name}@"))
}"#;
    let notebook = Notebook::new(
        "read",
        [
            code(SETUP),
            code(ask),
            code("assert!(has(\"rayon\") && has(\"tokio\") && has(\"serde_derive\"));"),
            code("assert!(!has(\"syn\") && !has(\"tracing\") && !has(\"jiff\"));"),
            code("assert!(crates(&[\"--no-deps\"]).contains(\"versions\"));"),
            code(":dep jiff = \"*\"\nassert!(has(\"jiff\") && has(\"jiff-core\"));"),
        ],
    );
    run(&notebook, &[]).expect_success();
}

/// A name that does not exist, in the first `let` of a kernel, is told about as soon as a good one
/// would have run. The better of two runs each, as the machine may be busy in one.
#[test]
fn the_first_slip_of_the_pen_costs_no_more_than_a_good_cell() {
    let seconds = |cell: &str, tag: &str| -> f64 {
        let notebook = Notebook::new("slip", [code(SETUP), code(cell).tag(tag)]);
        let ran = run(&notebook, &[]);
        ran.expect_success();
        let total = ran.state(2).split_whitespace().rev().nth(1).unwrap();
        total.parse().unwrap()
    };
    let better = |cell: &str, tag: &str| seconds(cell, tag).min(seconds(cell, tag));
    let good = better("let start = Instant::now();", "allow-stderr");
    let slip = better("let start = Instnat::now();", "raises-exception");
    assert!(slip <= 2.0 * good, "a slip takes {slip} s, a good cell {good} s");
}

/// The crate that readers try first, with the features that its own documentation gives for
/// notebooks, in mid-notebook: helpers stays as it is, and so do the variables.
#[test]
fn plotters_of_ones_own_costs_no_variables() {
    let notebook = Notebook::new(
        "plotters",
        [
            code(SETUP),
            code("let kept = vec![1_u64];"),
            code(
                "lines(\"before\", \"x\", \"y\", &[(\"a\", vec![(1.0, 2.0), (2.0, 3.0)])]).figure()",
            ),
            code(
                ":dep plotters = { version = \"^0.3.0\", default-features = false, \
                 features = [\"evcxr\", \"all_series\", \"all_elements\"] }\n\
                 use plotters::prelude::*;",
            ),
            code(
                "evcxr_figure((200, 100), |root| {\n    root.fill(&WHITE)?;\n    \
                     root.draw(&Circle::new((50, 50), 20, &RED))?;\n    Ok(())\n})",
            ),
            code(
                "lines(\"after\", \"x\", \"y\", &[(\"a\", vec![(1.0, 2.0), (2.0, 3.0)])]).figure()",
            ),
            code("assert_eq!(kept, [1]);"),
        ],
    );
    run(&notebook, &[]).expect_success();
}

/// Another program may take the ports that Jupyter chose before the kernel does. The kernel here is
/// the real one, but for its first start.
#[test]
fn a_kernel_whose_ports_were_taken_is_started_again() {
    set_up();
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let real = root().join(".venv/share/jupyter/kernels/rust/kernel.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&real).unwrap()).unwrap();
    let script = "[ -e \"$0\" ] && exec \"$@\"; touch \"$0\"; \
                  echo 'Address already in use (os error 98)' >&2; exit 1";
    let marker = folder.path().join("started");
    let first = ["/bin/sh", "-c", script, marker.to_str().unwrap()].map(Value::from);
    let own = spec["argv"].as_array().unwrap().clone();
    spec["argv"] = first.into_iter().chain(own).collect();
    let kernel = folder.path().join("kernels/rust");
    fs::create_dir_all(&kernel).unwrap();
    fs::write(kernel.join("kernel.json"), spec.to_string()).unwrap();
    let request = serde_json::json!({
        "cells": [{ "source": "6 * 7", "tags": [] }],
        "timeout": 300,
        "folder": folder.path(),
        "kernels": crate::common::places().kernels,
        "last_words": "",
    });
    let output = Command::new(root().join(".venv/bin/python"))
        .arg(root().join("helpers/workbook/src/run.py"))
        .arg(request.to_string())
        .env("JUPYTER_PATH", folder.path())
        .env("JUPYTER_PREFER_ENV_PATH", "0")
        .output()
        .unwrap();
    let said = text_of(&output);
    assert!(marker.exists(), "{said}");
    assert!(output.status.success(), "{said}");
    assert!(said.contains("\"event\": \"ready\""), "{said}");
    assert!(said.contains("\"event\": \"end\""), "{said}");
}

/// A kernel that cannot start says why, in a few lines.
#[test]
fn a_kernel_that_dies_at_its_start_is_one_sentence() {
    let mut nowhere = workbook();
    nowhere.env("WORKBOOK_KERNEL_FOLDER", "/dev/null");
    let ran = run_with(nowhere, &Notebook::new("dead", [code(SETUP)]), &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let said = &ran.stdout;
    assert!(said.contains("the Rust kernel did not start: "), "{said}");
    assert!(said.contains("/dev/null"), "{said}");
    assert!(said.contains("cargo workbook doctor"), "{said}");
    assert!(!said.contains("Traceback"), "{said}");
    let error = said.lines().skip_while(|line| !line.starts_with("error:"));
    assert!(error.count() <= 4, "{said}");
}

/// Reader's shells differ; the kernel's surroundings must not.
#[test]
fn a_bare_shell_is_enough() {
    let mut bare = workbook();
    bare.env_clear().env("WORKBOOK_SIZE", "small");
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            bare.env(name, value);
        }
    }
    run_with(bare, &surroundings(), &[]).expect_success();
}

#[test]
fn a_shell_full_of_build_settings_changes_nothing() {
    let mut full = workbook();
    full.env("LD_LIBRARY_PATH", crate::common::root().join("target/debug/deps"))
        .env("RUSTFLAGS", "--cfg nonsense -C opt-level=0")
        .env("CARGO_TARGET_DIR", "/nonexistent/target")
        .env("CARGO_BUILD_TARGET", "nonsense")
        .env("CARGO_INCREMENTAL", "0")
        .env("RUST_LOG", "trace")
        .env("EVCXR_TMPDIR", "/nonexistent/tmp")
        .env("PYTHONPATH", "/nonexistent/python")
        // Nobody answers there, and a proxy could not reach this machine's own servers anyway.
        .env("http_proxy", "http://127.0.0.1:9")
        .env("HTTP_PROXY", "http://127.0.0.1:9");
    run_with(full, &surroundings(), &[]).expect_success();
}

/// A notebook whose cells look at what they were started with.
fn surroundings() -> Notebook {
    Notebook::new(
        "surroundings",
        [
            code(SETUP),
            code(
                "for name in [\"LD_LIBRARY_PATH\", \"RUSTFLAGS\", \"CARGO_TARGET_DIR\", \"CARGO_MANIFEST_DIR\"] {\n    \
                     let value = std::env::var(name).unwrap_or_default();\n    \
                     assert!(!value.contains(\"non\") && !value.contains(\"debug/deps\"), \"{name}={value}\");\n\
                 };",
            ),
            code("assert!(!cfg!(nonsense) && !cfg!(debug_assertions));"),
            code(
                "let server = std::net::TcpListener::bind(\"127.0.0.1:0\").unwrap();\n\
                 let address = format!(\"http://{}/\", server.local_addr().unwrap());\n\
                 std::thread::spawn(move || {\n    \
                     use std::io::{Read, Write};\n    \
                     let (mut asked, _) = server.accept().unwrap();\n    \
                     let _ = asked.read(&mut [0; 1000]);\n    \
                     asked.write_all(b\"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok\").unwrap();\n\
                 });\n\
                 assert_eq!(reqwest::blocking::get(address).unwrap().text().unwrap(), \"ok\");",
            ),
            code("assert_eq!((0..10u64).into_par_iter().sum::<u64>(), 45);"),
        ],
    )
}

/// Whoever started the kernel ends in the middle of a cell: the kernel and its cell go too.
#[cfg(target_os = "linux")]
#[test]
fn a_kernel_does_not_outlive_the_program_that_started_it() {
    use std::os::unix::process::CommandExt;

    let python_is_killed = |pid: u32| {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let children: Vec<&str> = children.split_whitespace().collect();
        assert!(!children.is_empty());
        for child in children {
            assert!(send(libc::SIGKILL, child.parse().unwrap()));
        }
    };
    let run_is_killed = |pid: u32| assert!(send(libc::SIGKILL, pid as i32));
    // A terminal's Ctrl-C goes to the whole group.
    let ctrl_c = |pid: u32| assert!(send(libc::SIGINT, -(pid as i32)));
    let ends: [&dyn Fn(u32); 3] = [&python_is_killed, &run_is_killed, &ctrl_c];

    set_up();
    for end in ends {
        let _turn = turn();
        let facts = Facts::new();
        let endless = code("loop { std::hint::spin_loop(); }");
        let notebook = Notebook::new("orphan", [facts.cell(), endless]);
        let mut run = workbook()
            .arg("run")
            .arg(&notebook.path)
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert!(wait_for(300, || !facts.cells().is_empty()), "no cell ran");
        // Let the endless cell begin; if it has not, the kernel is killed while it compiles.
        std::thread::sleep(std::time::Duration::from_secs(3));
        end(run.id());
        assert!(!run.wait().unwrap().success());
        facts.expect_nothing_left();
    }
}

/// What a pool runs is what the cells say now, and what it cannot run does not compile.
#[test]
fn a_process_pool_runs_the_edited_function() {
    let tenfold = "fn work(n: u64) -> u64 { n * 10 }\n\
                   assert_eq!(pool.try_map(work, 1..4).unwrap(), [10, 20, 30]);";
    let notebook = Notebook::new(
        "edited",
        [
            code(SETUP),
            code(
                "let pool = helpers::pool::ProcessPool::new(2).unwrap();\nlet before = pool.pids();",
            ),
            code(tenfold),
            code(&tenfold.replace("* 10", "+ 7").replace("[10, 20, 30]", "[8, 9, 10]")),
            // Back to code that the workers have seen before, and to a closure.
            code(tenfold),
            code("assert_eq!(pool.try_map(|n: u64| work(n) + 1, 1..4).unwrap(), [11, 21, 31]);"),
            code("let factor = 3_u64;\npool.map(|n: u64| n * factor, 1..4);"),
            code("assert_eq!(pool.try_map(work, 1..4).unwrap(), [10, 20, 30]);"),
            code("assert_eq!(pool.pids(), before);"),
        ],
    );
    let ran = run(&notebook, &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    for cell in 1..=9 {
        let state = ran.state(cell);
        assert_eq!(state.ends_with('✓'), cell != 7, "{}", ran.stdout);
    }
    let refused = "does not compile: mismatched types";
    assert!(ran.state(7).contains(refused), "{}", ran.stdout);
}

/// Workers that are deep in an item when their notebook is killed end all the same: whether the
/// process of the cells is killed, so that the kernel starts another one, or the kernel itself.
#[cfg(target_os = "linux")]
#[test]
fn workers_do_not_outlive_a_killed_kernel() {
    set_up();
    for the_kernel_itself in [false, true] {
        let _turn = turn();
        let facts = Facts::new();
        let folder = facts.folder.path().join("workers");
        fs::create_dir(&folder).unwrap();
        let processes = facts.folder.path().join("processes");
        let busy = format!(
            r#"fn spin(folder: PathBuf) {{
    fs::write(folder.join(process::id().to_string()), "").unwrap();
    loop {{ std::hint::spin_loop(); }}
}}
let parent = std::os::unix::process::parent_id();
fs::write({processes:?}, format!("{{}} {{parent}}", process::id())).unwrap();
let pool = helpers::pool::ProcessPool::new(2).unwrap();
pool.map(spin, vec![PathBuf::from({folder:?}); 2]);"#
        );
        let gone = format!(
            r#"let start = std::time::Instant::now();
for worker in fs::read_dir({folder:?}).unwrap().flatten() {{
    let line = Path::new("/proc").join(worker.file_name()).join("cmdline");
    // That of a process which has ended and has not been waited for is empty.
    while fs::read(&line).is_ok_and(|line| !line.is_empty()) {{
        assert!(start.elapsed().as_secs() < 20, "{{worker:?}} lives on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }}
}};"#
        );
        let names = "use std::{fs, path::Path, path::PathBuf, process};\nlet ready = true;";
        let cells = [SETUP, names, &busy, &gone].map(code);
        let notebook = Notebook::new("killed", [facts.cell()].into_iter().chain(cells));
        let run = workbook()
            .arg("run")
            .arg(&notebook.path)
            .args(["--timeout", "300"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let both_spin = || fs::read_dir(&folder).unwrap().count() == 2;
        assert!(wait_for(300, both_spin), "no worker has begun");
        let noted = fs::read_to_string(&processes).unwrap();
        let (cells, kernel) = noted.split_once(' ').unwrap();
        let victim = if the_kernel_itself { kernel } else { cells };
        assert!(send(libc::SIGKILL, victim.parse().unwrap()));
        let output = run.wait_with_output().unwrap();
        assert!(!output.status.success());
        let ran = Ran { code: output.status.code(), stdout: text_of(&output) };
        if !the_kernel_itself {
            assert!(ran.state(4).contains("the process ended"), "{}", ran.stdout);
            assert!(ran.state(5).ends_with('✓'), "{}", ran.stdout);
        }
        facts.expect_nothing_left();
    }
}
