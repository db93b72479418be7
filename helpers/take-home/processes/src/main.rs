//! Work in other processes, for code that may crash: a pool without a library.
//!
//!     cargo run --release -- --workers 4 xrays/*.jpg
//!
//! Each worker is this very program, started with `--worker`: a path goes in as a line, and a line of
//! answer comes back. A worker that dies costs one file, and a new one takes its place.

use clap::Parser;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::slice::Iter;
use std::sync::Mutex;

/// Prints the mean level of grey of each image; a crash in a decoder costs one image.
#[derive(Parser)]
struct Options {
    /// The images, their names without line breaks
    files: Vec<String>,
    /// How many processes; as many as there are cores without this
    #[arg(long)]
    workers: Option<usize>,
    #[arg(long, hide = true)]
    worker: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if options.worker {
        return be_a_worker();
    }
    let cores = std::thread::available_parallelism()?.get();
    let queue = Mutex::new(options.files.iter());
    std::thread::scope(|scope| {
        let workers = 0..options.workers.unwrap_or(cores).max(1);
        let threads: Vec<_> = workers.map(|_| scope.spawn(|| keep_busy(&queue))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })
}

/// What may crash: put your own work here.
fn work(path: &str) -> image::ImageResult<f64> {
    let grey = image::open(path)?.into_luma8();
    let sum: u64 = grey.pixels().map(|pixel| u64::from(pixel.0[0])).sum();
    Ok(sum as f64 / grey.len() as f64)
}

fn be_a_worker() -> io::Result<()> {
    for path in io::stdin().lines() {
        let answer =
            work(&path?).map_or_else(|why| format!("error: {why}"), |mean| mean.to_string());
        println!("{}", answer.replace('\n', " "));
    }
    Ok(())
}

/// A thread of the parent that only waits: for a worker's answers, as long as there are files.
fn keep_busy(queue: &Mutex<Iter<'_, String>>) -> io::Result<()> {
    let next = || queue.lock().expect("no panic").next();
    let mut path = next();
    while path.is_some() {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--worker").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut worker = command.spawn()?;
        let mut questions = worker.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(worker.stdout.take().expect("it is piped")).lines();
        while let Some(file) = path {
            writeln!(questions, "{file}").ok(); // who has died gives no answer either
            let answer = answers.next().transpose()?;
            path = next();
            let Some(answer) = answer else {
                println!("{file}: the worker died ({})", worker.wait()?);
                break;
            };
            println!("{file}: {answer}");
        }
        drop(questions); // the end of its input is the end of its work
        worker.wait()?;
    }
    Ok(())
}
