//! Starts and stops a weather server, a process of its own.

use crate::settings::{Reply, Request, ServerLog, ServerSettings, Standing};
use platform::files::allow_files;
use platform::program::{command, program};
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

/// A weather server on 127.0.0.1. Dropping it stops it, and so does the end of the notebook,
/// however that comes about.
///
/// ```text
/// let server = WeatherServer::start(ServerSettings::default())?;
/// let answer = reqwest::get(day_url(&server.url(), "2020-09-06")).await?;
/// println!("{} requests", server.log()?.requests);
/// ```
pub struct WeatherServer {
    child: Child,
    port: u16,
    pipes: Mutex<Pipes>,
}

struct Pipes {
    orders: ChildStdin,
    replies: BufReader<ChildStdout>,
}

/// How many connections to it this process can have, about.
const FILES: u64 = 8 * 1024;

/// Why there is no weather server, or none any more.
#[derive(Debug, Error)]
pub enum WeatherError {
    /// Its program is missing; holds what was tried.
    #[error("the weather server's program was not found ({0}); `cargo workbook setup` builds it")]
    NoProgram(String),
    /// It did not start.
    #[error("the weather server did not start: {0}")]
    NotStarted(#[source] io::Error),
    /// It has ended, or does not answer as it should.
    #[error("the weather server has ended: {0}")]
    Gone(#[source] io::Error),
}

impl WeatherServer {
    /// Starts a server and waits until it listens, which takes some milliseconds.
    ///
    /// # Errors
    ///
    /// See [`WeatherError`]; each says what to do.
    pub fn start(settings: ServerSettings) -> Result<WeatherServer, WeatherError> {
        let program = program().map_err(WeatherError::NoProgram)?;
        allow_files(FILES);
        let mut child = command(program)
            .arg("weather-server")
            // Its input: the server ends when that does, also when this process is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(WeatherError::NotStarted)?;
        let (orders, replies) =
            child.stdin.take().zip(child.stdout.take()).expect("both are piped");
        let mut server = WeatherServer {
            child,
            port: 0,
            pipes: Mutex::new(Pipes { orders, replies: BufReader::new(replies) }),
        };
        let begun = server.ask(&Request::Change(settings));
        server.port = begun.map_err(WeatherError::NotStarted)?.port;
        Ok(server)
    }

    /// Where it listens, such as `http://127.0.0.1:40123`: what [`day_url`](super::day_url) wants
    /// as `base_url`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has done since its start, or since [`reset_log`](Self::reset_log).
    ///
    /// # Errors
    ///
    /// [`WeatherError::Gone`].
    pub fn log(&self) -> Result<ServerLog, WeatherError> {
        Ok(self.ask(&Request::Log).map_err(WeatherError::Gone)?.log)
    }

    /// Forgets the log, and sets its clock and the counts of attempts to zero: the same requests
    /// then have the same faults again.
    ///
    /// # Errors
    ///
    /// [`WeatherError::Gone`].
    pub fn reset_log(&self) -> Result<(), WeatherError> {
        let done = self.ask(&Request::Reset);
        done.map(|_| ()).map_err(WeatherError::Gone)
    }

    /// Behaves differently from now on, with an empty log.
    ///
    /// # Errors
    ///
    /// [`WeatherError::Gone`].
    pub fn change(&self, settings: ServerSettings) -> Result<(), WeatherError> {
        let done = self.ask(&Request::Change(settings));
        done.map(|_| ()).map_err(WeatherError::Gone)
    }

    /// Tells it to do something; how it stands then.
    fn ask(&self, request: &Request) -> io::Result<Standing> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        pipes.orders.write_all(&line)?;
        let mut reply = String::new();
        if pipes.replies.read_line(&mut reply)? == 0 {
            return Err(io::Error::other("its process is not there any more"));
        }
        serde_json::from_str::<Reply>(&reply)?.map_err(io::Error::other)
    }
}

impl fmt::Debug for WeatherServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeatherServer at {}, process {}", self.url(), self.pid())
    }
}

impl Drop for WeatherServer {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
