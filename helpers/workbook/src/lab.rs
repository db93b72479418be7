//! `cargo workbook`: opens JupyterLab on the workbook.

use crate::chapter::name_of;
use crate::child;
use crate::kernel;
use crate::layout::{Layout, user};
use crate::locks;
use crate::notebooks::chapters;
use crate::setup;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Sets up what is missing and runs JupyterLab until it is stopped.
pub fn open(layout: &Layout, jupyter_arguments: &[String]) -> Result<ExitCode> {
    // Held until the end: `clean` would otherwise take the files from under an open JupyterLab.
    let _open = locks::share(layout, locks::OPEN)?;
    let environment = setup::ensure(layout)?;
    let runtime = layout.made().join("jupyter-runtime");
    fs::create_dir_all(&runtime)?;
    let first = chapters(layout)?
        .first()
        .map(|chapter| format!("/lab/tree/{}", name_of(chapter)))
        .unwrap_or_else(|| "/lab".to_owned());
    let log_file = layout.made().join("jupyter.log");
    let log = File::create(&log_file)?;
    let configuration = layout.made().join("jupyter-config");
    configure(&configuration, &settings(&layout.notebooks(), &first, &token()?))?;
    let mut command = environment.command();
    command
        // Not its program in `bin`: that one's first line cannot name every folder.
        .args(["-m", "jupyterlab"])
        .current_dir(layout.notebooks())
        // Where JupyterLab tells its address, which is read below.
        .env("JUPYTER_RUNTIME_DIR", &runtime)
        // In place of the reader's own, and before the machine's.
        .env("JUPYTER_CONFIG_DIR", &configuration)
        .env("JUPYTER_CONFIG_PATH", &configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log));
    if let Some(own) = readers_settings() {
        command.env("JUPYTERLAB_SETTINGS_DIR", own);
    }
    // Of root it wants to hear that this is meant.
    if user() == 0 {
        command.arg("--allow-root");
    }
    let browser = has_browser();
    if !browser {
        command.arg("--no-browser");
    }
    command.args(jupyter_arguments);
    child::set_apart(&mut command);
    // A second earlier, for file systems that keep no fractions.
    let since = SystemTime::now() - Duration::from_secs(1);
    let mut jupyter = command.spawn().context("JupyterLab did not start")?;
    child::pass_signals(&jupyter, libc::SIGTERM, libc::SIGTERM);
    println!("Starting JupyterLab …");
    let address = wait_for_address(&runtime, since, &mut jupyter, &first)?;
    if let Some(address) = &address {
        println!("JupyterLab is running at\n\n    {address}\n");
        if browser {
            println!("It opens in your browser. Ctrl-C here stops it.");
        } else {
            println!("Open that address in a browser. Ctrl-C here stops JupyterLab.");
        }
    }
    let status = child::wait(&mut jupyter)?;
    kernel::sweep(layout)?;
    if address.is_none() {
        bail!(
            "JupyterLab ended ({status}) before it could be reached. It said:\n{}",
            last_lines(&log_file)
        );
    }
    println!("JupyterLab has stopped. Your notebooks are saved in notebooks/.");
    Ok(ExitCode::SUCCESS)
}

/// What JupyterLab is told, in a file rather than as arguments: those of the reader's come after it
/// and win, and nobody else on the machine can read the token.
///
/// The reader's own configuration of Jupyter is left out as a whole. It is for other servers: it may
/// move the folder or the address, turn the token off, or name classes that are not installed here.
fn settings(notebooks: &Path, first: &str, token: &str) -> Value {
    let identity = json!({ "token": token, "hashed_password": "" });
    json!({
        "ServerApp": {
            "ip": "127.0.0.1",
            "base_url": "/",
            "root_dir": notebooks,
            "certfile": "",
            "keyfile": "",
            // Ctrl-C stops at once instead of asking.
            "answer_yes": true,
        },
        "LabApp": { "default_url": first },
        // The processors too; and nothing but what is shown, as measuring takes time from the cells.
        "ResourceUseDisplay": { "track_cpu_percent": true, "enable_prometheus_metrics": false },
        "IdentityProvider": identity,
        "PasswordIdentityProvider": identity,
    })
}

/// Writes JupyterLab's configuration, readable by this user only.
fn configure(folder: &Path, settings: &Value) -> Result<()> {
    fs::create_dir_all(folder)?;
    // Jupyter would otherwise bring settings of a very old IPython into this folder.
    fs::write(folder.join("migrated"), "")?;
    for name in ["jupyter_server_config.json", "jupyter_lab_config.json"] {
        let (path, aside) = (folder.join(name), folder.join(format!("{name}.new")));
        let _ = fs::remove_file(&aside);
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?
            .write_all(settings.to_string().as_bytes())?;
        fs::rename(&aside, &path)?;
    }
    Ok(())
}

/// What nobody can guess.
fn token() -> Result<String> {
    let mut bytes = [0; 24];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom cannot be read")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where the reader's own settings of JupyterLab are, made in its menus: theme, keys, font size.
/// They stay; `None` if Jupyter shall decide.
fn readers_settings() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if set("JUPYTERLAB_SETTINGS_DIR").is_some() {
        return None;
    }
    let folder = match set("JUPYTER_CONFIG_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir()?.join(".jupyter"),
    };
    Some(folder.join("lab/user-settings"))
}

/// The end of a log, for an error message.
fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// The address with its token, from the file that the server writes, once it answers. `None` when
/// it ended before that.
fn wait_for_address(
    runtime: &Path,
    since: SystemTime,
    child: &mut Child,
    first: &str,
) -> Result<Option<String>> {
    let file = runtime.join(format!("jpserver-{}.json", child.id()));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        if child.try_wait()?.is_some() {
            return Ok(None);
        }
        if let Some((url, token)) = listening(&file, since) {
            let url = url.trim_end_matches('/');
            return Ok(Some(format!("{url}{first}?token={token}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(None)
}

/// The URL and token of the server that wrote `file` after `since`, if it answers. A killed server
/// leaves its file behind, and a living one writes it a moment before it answers.
fn listening(file: &Path, since: SystemTime) -> Option<(String, String)> {
    if fs::metadata(file).ok()?.modified().ok()? < since {
        return None;
    }
    let info: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let text = |field: &str| info[field].as_str().map(str::to_owned);
    let port = u16::try_from(info["port"].as_u64()?).ok()?;
    let (url, host) = (text("url")?, text("hostname")?);
    (url.starts_with("https:") || answers(&host, port)).then_some((url, text("token")?))
}

/// Whether a server answers there. That it takes a connection says little: while it starts, JupyterLab
/// listens for a moment, only to see whether the port is free.
fn answers(host: &str, port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((host, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /api HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n")?;
        let mut begins = [0; 5];
        stream.read_exact(&mut begins)?;
        Ok(&begins == b"HTTP/")
    };
    ask().unwrap_or(false)
}

/// Whether a browser can open here: on Linux that takes a display (or WSL's bridge to Windows).
fn has_browser() -> bool {
    if cfg!(target_os = "macos") {
        return std::env::var_os("SSH_CONNECTION").is_none();
    }
    ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    #[test]
    fn the_configuration_is_for_this_user_only_and_says_where_the_notebooks_are() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("jupyter-config");
        let notebooks = Path::new("/w/a \"quoted\" \\ e\u{301}/notebooks");
        // Twice: a second start replaces the first one's.
        for _ in 0..2 {
            let token = token().unwrap();
            assert_eq!(token.len(), 48);
            configure(&folder, &settings(notebooks, "/lab/tree/x", &token)).unwrap();
            for name in ["jupyter_server_config.json", "jupyter_lab_config.json"] {
                let file = folder.join(name);
                let mode = fs::metadata(&file).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
                let written: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
                assert_eq!(written["ServerApp"]["root_dir"], notebooks.to_str().unwrap());
                assert_eq!(written["ServerApp"]["ip"], "127.0.0.1");
                assert_eq!(written["IdentityProvider"]["token"], token);
            }
        }
        assert_ne!(token().unwrap(), token().unwrap());
    }

    #[test]
    fn an_address_is_told_only_when_it_answers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jpserver-1.json");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let second = Duration::from_secs(1);
        let before = SystemTime::now() - second;
        assert_eq!(listening(&file, before), None);
        let info = serde_json::json!({
            "url": "http://x/", "token": "t", "hostname": "127.0.0.1", "port": port,
        });
        fs::write(&file, info.to_string()).unwrap();
        let serve = std::thread::spawn(move || {
            // As JupyterLab does that only looks whether the port is free.
            drop(listener.accept().unwrap());
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let asked: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            asked.concat()
        });
        assert_eq!(listening(&file, before), None);
        let found = Some(("http://x/".to_owned(), "t".to_owned()));
        assert_eq!(listening(&file, before), found);
        // Left by an older server whose process number has come round again.
        assert_eq!(listening(&file, SystemTime::now() + 60 * second), None);
        assert!(serve.join().unwrap().starts_with("GET /api HTTP/"));
        // The listener is gone with its thread.
        assert_eq!(listening(&file, before), None);
    }
}
