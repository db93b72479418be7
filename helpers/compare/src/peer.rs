//! Python with one library, in a process of its own that stays alive between the rounds: neither
//! Python's start nor the imports are in the times.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A file, not a string: the workers of Python's pools have to find its functions.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer.py");

/// Python's pools, each with its name in the reports.
pub const POOLS: [(&str, &str); 2] =
    [("executor", "Python, ProcessPoolExecutor"), ("joblib", "Python, joblib")];

pub struct Peer {
    /// Name and version of the library.
    pub version: String,
    process: Child,
    /// `None` only while it ends.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts Python with what the request names; the error says what is missing.
    pub fn start(request: &Value) -> Result<Peer, String> {
        let python = std::env::var_os("WORKBOOK_PYTHON").unwrap_or_else(|| "python3".into());
        let mut process = Command::new(&python)
            .args(["-B", SCRIPT])
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
        let mut peer = Peer { version: String::new(), process, input, output };
        peer.version = peer.ask(request)?;
        Ok(peer)
    }

    /// Has it answer a request.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T, String> {
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
