//! What it costs to hand out work: the price of small things, of a context switch, of a process;
//! and which processor a thread is on.

use measure::Timing;
use platform::threads::on_fresh_thread;
use std::io::{self, Read, Write, pipe};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

/// The price of one of many small things: the wall seconds of `all`, which does the thing `times`
/// times, divided by `times`. Five runs after a warm-up, printed like any timing.
///
/// For what is too short or too varied to be timed one by one. It runs on a fresh thread, as
/// [`Comparison::measure`](measure::Comparison::measure) does.
///
/// # Panics
///
/// If `all` does.
///
/// ```
/// let lock = std::sync::Mutex::new(0);
/// let timing = helpers::overhead::price("free lock", 1_000, &mut || {
///     for _ in 0..1_000 {
///         *lock.lock().unwrap() += 1;
///     }
/// });
/// assert_eq!(*lock.lock().unwrap(), 6_000);
/// assert_eq!(timing.wall.len(), 5);
/// ```
pub fn price(name: &str, times: u32, all: &mut (dyn FnMut() + Send)) -> Timing {
    let times = times.max(1);
    let run = |_| {
        let start = Instant::now();
        all();
        start.elapsed().as_secs_f64() / f64::from(times)
    };
    let runs: Vec<f64> = on_fresh_thread(|| (0..6).map(run).skip(1).collect());
    let timing = Timing { calls: times, ..Timing::of_wall(name, runs) };
    println!("{timing}");
    timing
}

/// Wall seconds of one context switch, the mean of `2 × rounds`: two threads hand one byte to and
/// fro through two pipes, so that each must sleep until the other has written.
///
/// On Linux both threads are held on one processor, so every hand-over is a switch from one to the
/// other, together with the write and the read that it takes. Elsewhere they may run on two, and
/// the time is that of waking one another.
///
/// The method is that of lmbench: McVoy and Staelin, *lmbench: portable tools for performance
/// analysis*, USENIX 1996.
///
/// # Errors
///
/// If the system has no pipe left to give.
///
/// ```
/// let seconds = helpers::overhead::context_switch(100).unwrap();
/// assert!(seconds > 0.0 && seconds < 1.0);
/// ```
pub fn context_switch(rounds: u32) -> io::Result<f64> {
    let rounds = rounds.max(1);
    let (mut here, mut to_here) = pipe()?;
    let (mut there, mut to_there) = pipe()?;
    thread::scope(|scope| {
        // Threads of its own: a processor that a thread is held on stays with it.
        let partner = scope.spawn(move || {
            stay_on_first_processor();
            let mut token = [0];
            while there.read_exact(&mut token).is_ok() && to_here.write_all(&token).is_ok() {}
        });
        let player = scope.spawn(move || -> io::Result<f64> {
            stay_on_first_processor();
            let mut token = [1];
            to_there.write_all(&token)?;
            here.read_exact(&mut token)?;
            let start = Instant::now();
            for _ in 0..rounds {
                to_there.write_all(&token)?;
                here.read_exact(&mut token)?;
            }
            Ok(start.elapsed().as_secs_f64() / f64::from(rounds) / 2.0)
        });
        // The player's end of the pipe is closed with it, and the partner ends.
        let outcome = player.join();
        let _ = partner.join();
        outcome.unwrap_or_else(|_| Err(io::Error::other("the thread that counts has panicked")))
    })
}

/// Starts a program without arguments, such as `true`, and waits until it has ended.
///
/// It has no input and no output: in a notebook those belong to the kernel's protocol.
///
/// # Errors
///
/// If there is no such program, or it cannot be started.
pub fn start_process(program: &str) -> io::Result<()> {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).status().map(drop)
}

/// Holds the calling thread on the first processor that this process may use, where that can be
/// asked for; where not, nothing changes.
fn stay_on_first_processor() {
    #[cfg(target_os = "linux")]
    {
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: a cpu_set_t is a plain array of bits, for which all zeros is a value.
        let mut allowed: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: `allowed` is writable and of the size that is given; 0 is the calling thread.
        if unsafe { libc::sched_getaffinity(0, size, &mut allowed) } != 0 {
            return;
        }
        // SAFETY: every number is below CPU_SETSIZE, the number of bits of a cpu_set_t.
        let first = (0..libc::CPU_SETSIZE as usize)
            .find(|&number| unsafe { libc::CPU_ISSET(number, &allowed) });
        if let Some(first) = first {
            // SAFETY: as above, and `one` is read only.
            unsafe {
                let mut one: libc::cpu_set_t = std::mem::zeroed();
                libc::CPU_SET(first, &mut one);
                libc::sched_setaffinity(0, size, &one);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_takes_some_time_and_its_threads_end() {
        for rounds in [0, 1, 500] {
            let seconds = context_switch(rounds).unwrap();
            assert!(seconds > 0.0 && seconds < 1.0, "{seconds}");
        }
    }

    #[test]
    fn a_process_starts_or_says_why_not() {
        assert!(start_process("true").is_ok());
        assert!(start_process("no-such-program-here").is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_caller_is_not_held_on_one_processor() {
        let before = thread::available_parallelism().unwrap();
        context_switch(10).unwrap();
        assert_eq!(thread::available_parallelism().unwrap(), before);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_that_is_held_stays() {
        // SAFETY: the call takes nothing and only returns a number.
        let processor_now = || unsafe { libc::sched_getcpu() };
        let held = thread::spawn(move || {
            stay_on_first_processor();
            let first = processor_now();
            thread::yield_now();
            (first, processor_now())
        });
        let (first, later) = held.join().unwrap();
        assert!(first >= 0 && first == later, "{first}, then {later}");
    }
}
