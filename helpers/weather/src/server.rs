//! Starts and stops a weather server, a process of its own.

use super::settings::{Reply, Request, ServerLog, ServerSettings};
use platform::files::allow_files;
use platform::program::{command, program};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

/// A weather server on 127.0.0.1. Dropping it stops it, and so does the end of the notebook,
/// however that comes about.
///
/// ```text
/// let server = WeatherServer::start(ServerSettings::default())?;
/// let day = fetch_day(&reqwest::Client::new(), &server.url(), "2020-09-06").await?;
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
#[derive(Debug, Clone, PartialEq)]
pub enum WeatherError {
    /// Its program is missing; holds what was tried.
    NoProgram(String),
    /// It did not start; holds the reason.
    NotStarted(String),
    /// It has ended, or does not answer as it should; holds the reason.
    Gone(String),
}

impl fmt::Display for WeatherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WeatherError::NoProgram(tried) => write!(
                f,
                "the weather server's program was not found ({tried}); `cargo workbook setup` \
                 builds it"
            ),
            WeatherError::NotStarted(why) => write!(f, "the weather server did not start: {why}"),
            WeatherError::Gone(why) => write!(f, "the weather server has ended: {why}"),
        }
    }
}

impl std::error::Error for WeatherError {}

impl WeatherServer {
    /// Starts a server and waits until it listens, which takes some milliseconds.
    ///
    /// # Errors
    ///
    /// See [`WeatherError`]; each says what to do.
    pub fn start(settings: ServerSettings) -> Result<WeatherServer, WeatherError> {
        let program = program().map_err(WeatherError::NoProgram)?;
        allow_files(FILES);
        let not_started = |why: String| WeatherError::NotStarted(why);
        let mut child = command(program)
            .arg("weather-server")
            // Its input: the server ends when that does, also when this process is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| not_started(error.to_string()))?;
        let (orders, replies) = child
            .stdin
            .take()
            .zip(child.stdout.take())
            .ok_or_else(|| not_started("it has no pipes".to_owned()))?;
        let mut server = WeatherServer {
            child,
            port: 0,
            pipes: Mutex::new(Pipes {
                orders,
                replies: BufReader::new(replies),
            }),
        };
        server.port = match server.ask(&Request::Change(settings)) {
            Ok(Reply::Changed { port }) => port,
            Ok(other) => return Err(not_started(format!("it said {other:?}"))),
            Err(error) => return Err(not_started(error.to_string())),
        };
        Ok(server)
    }

    /// Where it listens, such as `http://127.0.0.1:40123`: what the fetching functions want as
    /// `base_url`.
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
        match self.ask(&Request::Log)? {
            Reply::Log(log) => Ok(log),
            other => Err(unexpected(&other)),
        }
    }

    /// Forgets the log, and sets its clock and the counts of attempts to zero: the same requests
    /// then have the same faults again.
    ///
    /// # Errors
    ///
    /// [`WeatherError::Gone`].
    pub fn reset_log(&self) -> Result<(), WeatherError> {
        match self.ask(&Request::Reset)? {
            Reply::Reset => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Behaves differently from now on, with an empty log.
    ///
    /// # Errors
    ///
    /// [`WeatherError::Gone`].
    pub fn change(&self, settings: ServerSettings) -> Result<(), WeatherError> {
        match self.ask(&Request::Change(settings))? {
            Reply::Changed { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&self, request: &Request) -> Result<Reply, WeatherError> {
        let gone = |why: String| WeatherError::Gone(why);
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = serde_json::to_vec(request).map_err(|e| gone(e.to_string()))?;
        line.push(b'\n');
        pipes
            .orders
            .write_all(&line)
            .map_err(|error| gone(error.to_string()))?;
        let mut reply = String::new();
        match pipes.replies.read_line(&mut reply) {
            Ok(0) => Err(gone("its process is not there any more".into())),
            Ok(_) => serde_json::from_str(&reply).map_err(|error| gone(error.to_string())),
            Err(error) => Err(gone(error.to_string())),
        }
    }
}

fn unexpected(reply: &Reply) -> WeatherError {
    WeatherError::Gone(format!("an unexpected reply: {reply:?}"))
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
