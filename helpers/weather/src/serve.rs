//! A server that speaks the air-temperature API of data.gov.sg, on 127.0.0.1: what chapter 05
//! fetches from. It is a process of its own, so that its work does not count as the client's.
//!
//! `WeatherServer` starts it and talks to it by lines of JSON, see `settings.rs`. It ends when its
//! input does, so it cannot outlive its notebook.
//!
//! | submodule | idea |
//! |---|---|
//! | `readings` | temperatures, and the formats of both versions |
//! | `state` | what becomes of a request: limits, latency, faults, and the log |
//! | `body` | bodies, also such as never end |

mod body;
mod readings;
mod state;

use crate::settings::{Fault, Reply, Request as Order, ServerSettings, Standing};
use anyhow::{Context, Result};
use body::Answer;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use platform::files::allow_files;
use readings::Version;
use state::{Asked, Plan, Server, Visit};
use std::convert::Infallible;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const VERSION_1: &str = "/v1/environment/air-temperature";
const VERSION_2: &str = "/v2/real-time/api/air-temperature";

/// How many connections may wait to be accepted; a herd of clients must not be turned away.
const BACKLOG: u32 = 4096;

/// How many connections it can have, about.
const FILES: u64 = 16 * 1024;

/// tokio's timer rounds up to its next tick of a millisecond, and a crowd of answers that are due at
/// one tick goes out one by one. On average this makes up for it.
const TICK: Duration = Duration::from_millis(1);

/// Serves until the input ends.
pub fn serve() -> Result<ExitCode> {
    allow_files(FILES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(async { listen() })?;
    let port = listener.local_addr()?.port();
    let server = Arc::new(Server::new(ServerSettings::default()));
    let orders = server.clone();
    // Reading lines blocks, so it has a thread of its own, and it ends the whole program.
    std::thread::Builder::new().spawn(move || {
        if let Err(error) = obey(&orders, port) {
            eprintln!("the weather server: {error:#}");
        }
        std::process::exit(0);
    })?;
    runtime.block_on(accept(listener, server))
}

fn listen() -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    socket.listen(BACKLOG).context("no free port on 127.0.0.1")
}

/// Does what each line of input says and answers it by a line of output.
fn obey(server: &Arc<Server>, port: u16) -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        let order = serde_json::from_str(&line?);
        let reply: Reply = order.map_err(|error| error.to_string()).map(|order| {
            match order {
                Order::Change(settings) => server.change(settings),
                Order::Log => {}
                Order::Reset => server.reset(),
            }
            let log = server.log();
            Standing { port, log }
        });
        let mut output = std::io::stdout().lock();
        serde_json::to_writer(&mut output, &reply)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

async fn accept(listener: TcpListener, server: Arc<Server>) -> ! {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, server.clone()));
            }
            // No more files, or a client that has gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>) {
    // A header and its body are small: waiting for more to send would only add latency.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, server.clone()));
    // Errors are clients that went away, and connections that a fault cut.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    server: Arc<Server>,
) -> Result<Response<Answer>, Infallible> {
    let get = request.method() == Method::GET;
    let version = match request.uri().path() {
        VERSION_1 if get => Version::V1,
        VERSION_2 if get => Version::V2,
        "/log" if get => {
            let log = serde_json::to_string(&server.log()).unwrap_or_default();
            return Ok(response(StatusCode::OK, JSON, Answer::whole(log.into())));
        }
        _ => return Ok(problem(StatusCode::NOT_FOUND, "no such path")),
    };
    let query = request.uri().query().unwrap_or_default();
    let Some(asked) = Asked::from_query(version, query) else {
        let hint = "the query must hold a date, as in ?date=2020-09-06";
        return Ok(problem(StatusCode::BAD_REQUEST, hint));
    };
    let (visit, plan) = Visit::begin(&server, asked);
    tokio::time::sleep(plan.delay.saturating_sub(TICK)).await;
    Ok(respond(&server, visit, plan))
}

fn respond(server: &Arc<Server>, mut visit: Visit, plan: Plan) -> Response<Answer> {
    let bytes = match plan.fixed {
        Some(text) => Bytes::from_static(text.as_bytes()),
        None => server.bytes(visit.asked()),
    };
    visit.answered(plan.status.as_u16());
    let is_html = plan.fault == Some(Fault::Html);
    let kind = if is_html { "text/html" } else { JSON };
    let body = Answer::new(plan.fault, bytes, visit);
    let mut response = response(plan.status, kind, body);
    if let Some(seconds) = plan.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

const JSON: &str = "application/json";

fn response(status: StatusCode, kind: &'static str, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn problem(status: StatusCode, message: &'static str) -> Response<Answer> {
    let code = status.as_u16();
    let text = format!("{{\"code\":{code},\"errorMsg\":\"{message}\"}}");
    response(status, JSON, Answer::whole(text.into()))
}
