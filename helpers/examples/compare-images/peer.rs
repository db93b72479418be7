//! One of Python's image libraries, in a process of its own that stays alive between the rounds:
//! neither Python's start nor the imports are in the times.

use crate::Thumbnails;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = include_str!("peer.py");

pub struct Peer {
    /// Name and version of the library.
    pub version: String,
    process: Child,
    /// `None` only while it ends.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts Python with one library; the error says what is missing.
    pub fn start(library: &str, files: &[PathBuf]) -> Result<Peer, String> {
        let python = std::env::var_os("WORKBOOK_PYTHON").unwrap_or_else(|| "python3".into());
        let mut process = Command::new(&python)
            .args(["-c", SCRIPT])
            .env_remove("PYTHONPATH")
            // One core, like everybody else.
            .env("VIPS_CONCURRENCY", "1")
            .env("OPENCV_FOR_THREADS_NUM", "1")
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} did not start: {error}", python.display()))?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().ok_or("Python has no output")?);
        let mut peer = Peer {
            version: String::new(),
            process,
            input,
            output,
        };
        peer.version = peer.ask(&json!({ "library": library, "files": files }))?;
        Ok(peer)
    }

    /// Resizes all files once: wall and CPU seconds.
    pub fn run(&mut self) -> Result<(f64, f64), String> {
        self.ask(&json!("run"))
    }

    /// What the last run made.
    pub fn thumbnails(&mut self) -> Result<Thumbnails, String> {
        self.ask(&json!("thumbnails"))
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T, String> {
        let mut line = String::new();
        let input = self.input.as_mut().ok_or("it has ended")?;
        writeln!(input, "{request}")
            .and_then(|()| self.output.read_line(&mut line))
            .map_err(|error| format!("its process ended: {error}"))?;
        let mut answer: Value =
            serde_json::from_str(&line).map_err(|_| "its process ended".to_owned())?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => serde_json::from_value(answer["answer"].take()).map_err(|e| e.to_string()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.input = None;
        let _ = self.process.wait();
    }
}
