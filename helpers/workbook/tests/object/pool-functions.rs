//! What a notebook's cells are to a process pool: functions in a shared object. The tests in
//! `tests/pool.rs` open it and run one scenario after the other, each in a process of its own.

use helpers::pool::*;
use std::collections::HashSet;
use std::ffi::{CStr, c_char, c_int};
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs the scenario of that name: 0 if its assertions hold, 1 if not, 2 if there is none.
///
/// # Safety
///
/// `name` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run_scenario(name: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    let name = name.to_str().unwrap_or_default();
    let Some((_, scenario)) = SCENARIOS.iter().find(|(known, _)| *known == name) else {
        return 2;
    };
    match std::panic::catch_unwind(scenario) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

const SCENARIOS: &[(&str, fn())] = &[
    ("order", order),
    ("same_results_as_rayon", same_results_as_rayon),
    ("sizes", sizes),
    ("many_items", many_items),
    ("panic_in_an_item", panic_in_an_item),
    ("death_of_a_worker", death_of_a_worker),
    ("death_in_a_chunk", death_in_a_chunk),
    ("death_in_passing", death_in_passing),
    ("exit_of_a_worker", exit_of_a_worker),
    ("idle_workers_killed", idle_workers_killed),
    ("time_limit", time_limit),
    ("cancelled", cancelled),
    ("dropped_while_busy", dropped_while_busy),
    ("printing", printing),
    ("too_large", too_large),
    ("not_carried", not_carried),
    ("large_results", large_results),
    ("functions_by_turns", functions_by_turns),
    ("nothing_left", nothing_left),
    ("replaced_after_so_many", replaced_after_so_many),
    ("standard_input_is_empty", standard_input_is_empty),
    ("ended_by_its_death", ended_by_its_death),
    ("smoke", smoke),
    ("pointers", pointers),
    ("another_object_is_replaced", another_object_is_replaced),
    ("own_object_is_replaced", own_object_is_replaced),
    ("own_object_is_deleted", own_object_is_deleted),
    ("program_is_replaced", program_is_replaced),
    ("dropped_while_starting", dropped_while_starting),
    ("cancelled_while_starting", cancelled_while_starting),
    ("forks_in_an_item", forks_in_an_item),
    ("death_with_a_child", death_with_a_child),
    ("closed_socket", closed_socket),
    ("closes_low_numbers", closes_low_numbers),
    ("megabytes_without_a_newline", megabytes_without_a_newline),
    ("too_many_files", too_many_files),
];

fn pool(workers: usize) -> ProcessPool {
    ProcessPool::new(workers).unwrap()
}

fn square(n: u64) -> u64 {
    n * n
}

/// A little work of different length for neighbours, so that results arrive out of order.
fn slow_square(n: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(if n.is_multiple_of(3) { 3000 } else { 100 }));
    n * n
}

fn values<R: std::fmt::Debug>(results: Vec<Result<R, ItemError>>) -> Vec<R> {
    results.into_iter().map(|r| r.unwrap()).collect()
}

fn order() {
    let pool = pool(3);
    let expected: Vec<u64> = (0..60).map(square).collect();
    assert_eq!(values(pool.map(slow_square, 0..60)), expected);
    assert_eq!(values(pool.chunk_size(7).map(slow_square, 0..60)), expected);
    assert_eq!(pool.try_map(slow_square, 0..60).unwrap(), expected);
    let mut arrived: Vec<(usize, u64)> = pool
        .map_unordered(slow_square, 0..60)
        .map(|(index, result)| (index, result.unwrap()))
        .collect();
    assert!(!arrived.is_sorted(), "as they arrive");
    arrived.sort();
    let numbered: Vec<(usize, u64)> = expected.into_iter().enumerate().collect();
    assert_eq!(arrived, numbered);
    let submitted: Vec<Submitted<u64>> = (0..9).map(|n| pool.submit(slow_square, n)).collect();
    for (n, one) in (0..).zip(submitted) {
        assert_eq!(one.wait().unwrap(), n * n);
    }
    // What has ended is not asked again, as it may have more, or block.
    let mut asked = (0..5).map(Some).chain([None, Some(7)]);
    let items = std::iter::from_fn(|| asked.next().expect("not asked after its end"));
    assert_eq!(pool.map_unordered(slow_square, items).count(), 5);
    // A result is given once.
    let one = pool.submit(square, 3);
    assert_eq!(one.wait_for(Duration::from_secs(60)), Some(Ok(9)));
    assert_eq!(one.wait().unwrap_err().cause, Cause::Cancelled);
}

/// Text, floats, options, nested lists: there and back.
fn describe((word, numbers): (String, Vec<f64>)) -> (usize, Option<f64>, Vec<String>) {
    let largest = numbers.iter().copied().reduce(f64::max);
    (word.len(), largest, vec![word; numbers.len()])
}

fn same_results_as_rayon() {
    use helpers::rayon::prelude::*;
    let items: Vec<(String, Vec<f64>)> = (0..200)
        .map(|n| ("kopi ".repeat(n % 7), (0..n % 5).map(|i| i as f64 / 3.0).collect()))
        .collect();
    let plain: Vec<_> = items.iter().cloned().map(describe).collect();
    let rayon: Vec<_> = items.par_iter().cloned().map(describe).collect();
    let pool = pool(2);
    let processes = values(pool.map(describe, items.clone()));
    let chunks = values(pool.chunk_size(13).map(describe, items));
    assert_eq!(plain, rayon);
    assert_eq!(plain, processes);
    assert_eq!(plain, chunks);
}

fn sizes() {
    assert_eq!(ProcessPool::new(0).unwrap_err(), PoolError::NoWorkers);
    let pool = pool(4);
    assert_eq!(pool.workers(), 4);
    assert_eq!(pool.pids().len(), 4);
    assert!(pool.map(square, std::iter::empty()).is_empty());
    assert_eq!(pool.map_unordered(square, []).count(), 0);
    assert_eq!(values(pool.map(square, [5])), [25]);
    assert_eq!(values(pool.map(square, [5, 6])), [25, 36]);
    assert_eq!(values(pool.chunk_size(100).map(square, 0..3)), [0, 1, 4]);
    assert_eq!(values(pool.chunk_size(0).map(square, 0..3)), [0, 1, 4]);
    // Items and results without any bytes.
    let units = pool.map(|()| (), std::iter::repeat_n((), 1000));
    assert_eq!(values(units).len(), 1000);
}

fn many_items() {
    let pool = pool(2);
    let expected: Vec<u64> = (0..100_000).map(square).collect();
    assert_eq!(values(pool.map(square, 0..100_000)), expected);
    assert_eq!(values(pool.chunk_size(1000).map(square, 0..100_000)), expected);
}

fn no_sevens(n: u32) -> u32 {
    assert!(n % 10 != 7, "{n} is a seven");
    100 / (n % 10)
}

fn panic_in_an_item() {
    let pool = pool(2);
    let before = pool.pids();
    for results in [pool.map(no_sevens, 1..20), pool.chunk_size(6).map(no_sevens, 1..20)] {
        for (index, result) in results.into_iter().enumerate() {
            let expected = match index + 1 {
                7 | 17 => Err(format!("{} is a seven", index + 1)),
                10 => Err("attempt to divide by zero".to_owned()),
                n => Ok(100 / (n as u32 % 10)),
            };
            let found = result.map_err(|error| match error.cause {
                Cause::Panicked(message) if error.index == index => message,
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected);
        }
    }
    let error = pool.try_map(no_sevens, 1..20).unwrap_err();
    assert!(matches!(error.cause, Cause::Panicked(_)));
    assert_eq!(pool.pids(), before, "a panic costs no worker");
}

fn ends_badly(n: u32) -> u32 {
    match n {
        3 => std::process::abort(),
        // SAFETY: it is not safe. That is what the test is about.
        5 => unsafe { std::ptr::null::<u32>().read_volatile() },
        // SAFETY: kill has no conditions.
        8 => unsafe { libc::kill(std::process::id() as i32, libc::SIGKILL) as u32 },
        n => n + 100,
    }
}

fn check_ends_badly(results: Vec<Result<u32, ItemError>>) {
    assert_eq!(results.len(), 40);
    for (index, result) in results.into_iter().enumerate() {
        let signal = match index {
            3 => libc::SIGABRT,
            5 => libc::SIGSEGV,
            8 => libc::SIGKILL,
            n => {
                assert_eq!(result, Ok(n as u32 + 100));
                continue;
            }
        };
        let error = result.unwrap_err();
        assert_eq!(error.index, index);
        assert_eq!(error.cause, Cause::WorkerDied(Death::Signal(signal)));
        assert!(error.pid.is_some());
        let text = error.to_string();
        assert!(text.contains(&format!("signal {signal}")), "{text}");
    }
}

fn death_of_a_worker() {
    let pool = pool(2);
    check_ends_badly(pool.map(ends_badly, 0..40));
    assert_eq!(values(pool.map(square, 0..5)), [0, 1, 4, 9, 16], "the pool lives on");
    assert!(!pool.pids().is_empty());
}

fn death_in_a_chunk() {
    check_ends_badly(pool(2).chunk_size(4).map(ends_badly, 0..40));
    check_ends_badly(pool(3).chunk_size(100).map(ends_badly, 0..40));
}

/// Dies at the first try, and leaves a file that says so.
fn dies_once(file: String) -> u32 {
    if Path::new(&file).exists() {
        return 7;
    }
    std::fs::write(&file, "").unwrap();
    std::process::abort()
}

fn death_in_passing() {
    let folder = Folder::new();
    let results = pool(2).map(dies_once, [folder.file("tried")]);
    assert_eq!(values(results), [7], "the second try counts");
}

/// A folder that goes with its value.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = std::env::temp_dir().join(format!("pool-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn exit_of_a_worker() {
    let exits = |n: i32| -> i32 {
        if n == 2 {
            std::process::exit(3);
        }
        n
    };
    let results = pool(2).map(exits, 0..6);
    for (index, result) in (0..).zip(results) {
        match index {
            2 => assert_eq!(result.unwrap_err().cause, Cause::WorkerDied(Death::Exit(3))),
            _ => assert_eq!(result, Ok(index)),
        }
    }
}

fn idle_workers_killed() {
    let pool = pool(2);
    assert_eq!(values(pool.map(square, 0..3)), [0, 1, 4]);
    for pid in pool.pids() {
        // SAFETY: these are this pool's own workers.
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(values(pool.map(square, 0..100)).len(), 100);
}

fn hangs_at_two(n: u64) -> u64 {
    if n == 2 {
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    n
}

fn time_limit() {
    let pool = pool(2);
    let limit = Duration::from_millis(300);
    for chunk_size in [1, 3] {
        let start = Instant::now();
        let results = pool.chunk_size(chunk_size).time_limit(limit).map(hangs_at_two, 0..20);
        for (index, result) in (0..).zip(results) {
            match index {
                2 => assert_eq!(result.unwrap_err().cause, Cause::TimedOut(limit)),
                n => assert_eq!(result, Ok(n)),
            }
        }
        assert!(start.elapsed() >= limit);
    }
    // An item that is only slow, and one that ran before it, are not counted together.
    let slow = |n: u64| {
        std::thread::sleep(Duration::from_millis(120));
        n
    };
    assert_eq!(values(pool.time_limit(limit).map(slow, 0..8)).len(), 8);
}

fn cancelled() {
    let pool = pool(2);
    // One runs, one waits behind others.
    let running: Vec<Submitted<u64>> = (0..2).map(|_| pool.submit(hangs_at_two, 2)).collect();
    let waiting = pool.submit(hangs_at_two, 1);
    assert!(running[0].wait_for(Duration::from_millis(100)).is_none());
    waiting.cancel();
    assert_eq!(waiting.wait().unwrap_err().cause, Cause::Cancelled);
    for one in running {
        one.cancel();
        assert_eq!(one.wait().unwrap_err().cause, Cause::Cancelled);
    }
    // Dropping the iterator cancels the rest: the pool is free at once.
    let mut results = pool.map_unordered(hangs_at_two, [1, 2, 2, 2, 2]);
    assert_eq!(results.next(), Some((0, Ok(1))));
    drop(results);
    assert_eq!(values(pool.map(square, 0..3)), [0, 1, 4]);
    // After a first error nothing more is started, and nothing that runs is waited for.
    let first_fails = |n: u64| match n {
        0 => panic!("first"),
        _ => hangs_at_two(2),
    };
    let error = pool.try_map(first_fails, 0..10).unwrap_err();
    assert_eq!((error.index, error.cause), (0, Cause::Panicked("first".into())));
    assert_eq!(values(pool.map(square, 0..3)), [0, 1, 4]);
}

fn dropped_while_busy() {
    let pool = pool(2);
    let pids = pool.pids();
    let never: Vec<Submitted<u64>> = (0..5).map(|_| pool.submit(hangs_at_two, 2)).collect();
    std::thread::sleep(Duration::from_millis(50));
    drop(pool);
    for pid in pids {
        // SAFETY: signal 0 only asks whether there is such a process.
        assert_ne!(unsafe { libc::kill(pid as i32, 0) }, 0, "{pid} lives");
    }
    for one in never {
        assert_eq!(one.wait().unwrap_err().cause, Cause::Cancelled);
    }
}

/// What the notebook shows of it, the test sees on standard output.
fn printing() {
    let pool = pool(2);
    let prints = |n: u32| -> u32 {
        println!("out {n}");
        eprintln!("err {n}");
        print!("half {n}");
        n
    };
    let pids = pool.pids();
    assert_eq!(values(pool.map(prints, 0..3)).len(), 3);
    drop(pool);
    println!("pids {pids:?}");
    // More than a socket holds, in one item; and last words before an end.
    let pool = self::pool(1);
    let floods = |n: u32| -> usize {
        for line in 0..n {
            println!("flood {line} {}", "x".repeat(100));
        }
        n as usize
    };
    assert_eq!(values(pool.map(floods, [20_000])), [20_000]);
    let last_words = |(): ()| -> () {
        println!("last words");
        std::process::abort()
    };
    assert!(pool.map(last_words, [()])[0].is_err());
    println!("the end");
}

fn too_large() {
    let pool = ProcessPool::builder(2).max_item_bytes(1000).build().unwrap();
    let repeat = |(byte, times): (u8, usize)| vec![byte; times];
    let sizes = [10, 990, 2000, 30];
    let results = pool.map(repeat, sizes.map(|size| (1, size)));
    for (size, result) in sizes.into_iter().zip(results) {
        match size {
            2000 => assert_eq!(result.unwrap_err().cause, Cause::TooLarge(1000)),
            _ => assert_eq!(result.unwrap().len(), size),
        }
    }
    for chunk_size in [1, 3] {
        let items = sizes.map(|size| vec![1u8; size]);
        let results = pool.chunk_size(chunk_size).map(|bytes: Vec<u8>| bytes.len(), items);
        for (index, (size, result)) in sizes.into_iter().zip(results).enumerate() {
            match size {
                2000 => {
                    let error = result.unwrap_err();
                    assert_eq!((error.index, error.cause), (index, Cause::TooLarge(1000)));
                }
                _ => assert_eq!(result, Ok(size)),
            }
        }
    }
}

/// serde refuses it on one side or the other.
#[derive(Debug, PartialEq)]
struct Moody(u8);

impl serde::Serialize for Moody {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            1 => Err(serde::ser::Error::custom("not today")),
            other => other.serialize(serializer),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Moody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            2 => Err(serde::de::Error::custom("not there")),
            3 => panic!("a decoder that panics"),
            other => Ok(Moody(other)),
        }
    }
}

fn not_carried() {
    let pool = pool(2);
    for results in [pool.map(Moody, 0..5), pool.chunk_size(5).map(Moody, 0..5)] {
        for (index, result) in (0..).zip(results) {
            match index {
                0 | 4 => assert_eq!(result, Ok(Moody(index))),
                _ => assert!(matches!(result.unwrap_err().cause, Cause::NotCarried(_))),
            }
        }
    }
    let results = pool.map(|moody: Moody| moody.0, (0..5).map(Moody));
    let carried: Vec<bool> = results.iter().map(|result| result.is_ok()).collect();
    assert_eq!(carried, [true, false, false, false, true]);
}

fn large_results() {
    let pool = pool(2);
    let megabytes = |n: usize| vec![n as u8; n * 1_000_000];
    let before = peak_memory();
    for (index, result) in pool.map_unordered(megabytes, (0..60).map(|n| 8 + n % 3)) {
        let bytes = result.unwrap();
        assert_eq!(bytes.len(), (8 + index % 3) * 1_000_000);
        assert!(bytes.iter().all(|&byte| usize::from(byte) == 8 + index % 3));
    }
    let grown = peak_memory() - before;
    // 60 results have 540 MB.
    assert!(grown < 150_000_000, "memory grew by {} MB", grown / 1_000_000);
    // Large items, there and back.
    let items = (0..6).map(|n| vec![n as f64; 1_000_000]);
    let echoed = values(pool.map(|numbers: Vec<f64>| numbers, items));
    assert!(echoed.iter().enumerate().all(|(n, all)| all.len() == 1_000_000 && all[7] == n as f64));
}

/// Of this process, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

fn functions_by_turns() {
    let pool = pool(2);
    let pids = pool.pids();
    for round in 0..20u64 {
        assert_eq!(values(pool.map(square, [round])), [round * round]);
        assert_eq!(values(pool.map(|n: u64| n + 1, [round])), [round + 1]);
    }
    // And at the same time, from several threads.
    std::thread::scope(|scope| {
        for added in 0..4u64 {
            let pool = &pool;
            scope.spawn(move || {
                let sums = pool.map(|(a, b): (u64, u64)| a + b, (0..500).map(|n| (n, added)));
                assert!((0..).zip(values(sums)).all(|(n, sum)| sum == n + added));
                assert_eq!(values(pool.map(square, 0..50)).len(), 50);
            });
        }
    });
    assert_eq!(pool.pids(), pids, "the same workers all the time");
}

fn nothing_left() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    drop(pool(2));
    let before = (count(), threads());
    let mut pids = HashSet::new();
    for round in 0..200u64 {
        let pool = pool(2);
        pids.extend(pool.pids());
        if round % 2 == 0 {
            assert_eq!(values(pool.map(square, 0..3)), [0, 1, 4]);
        }
        if round % 50 == 0 {
            assert!(pool.map(|()| -> () { std::process::abort() }, [()])[0].is_err());
        }
    }
    assert_eq!((count(), threads()), before, "file descriptors and threads");
    let children =
        std::fs::read_to_string(format!("/proc/self/task/{0}/children", std::process::id()));
    assert_eq!(children.unwrap_or_default(), "");
    let alive = |pid: &u32| Path::new(&format!("/proc/{pid}")).exists();
    assert_eq!(pids.into_iter().filter(alive).count(), 0);
}

fn replaced_after_so_many() {
    let pool = ProcessPool::builder(1).max_items_per_worker(10).build().unwrap();
    let pids = values(pool.map(|_: u32| std::process::id(), 0..40));
    let different: HashSet<u32> = pids.iter().copied().collect();
    assert!((3..=4).contains(&different.len()), "{different:?}");
}

fn standard_input_is_empty() {
    let reads = |(): ()| {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::stdin(), &mut text).unwrap();
        text
    };
    assert_eq!(values(pool(1).map(reads, [(), ()])), ["", ""]);
}

/// Says who its workers are and goes on for ever: the test kills it.
fn ended_by_its_death() {
    let pool = pool(2);
    println!("workers {:?}", pool.pids());
    let busy = |_: u32| -> u32 {
        loop {
            std::hint::spin_loop();
        }
    };
    pool.map(busy, 0..4);
}

/// A little of everything, for valgrind.
fn smoke() {
    let pool = pool(2);
    assert_eq!(values(pool.map(square, 0..20)).len(), 20);
    assert_eq!(values(pool.chunk_size(5).map(describe, [("kaya".to_owned(), vec![1.0])])).len(), 1);
    assert!(pool.map(no_sevens, [7])[0].is_err());
    assert_eq!(values(pool.map(|n: usize| vec![n; 50_000], [1, 2])).len(), 2);
}

/// A function of a file of its own: what `POOL_OTHER` names.
fn function_of(object: &Path) -> fn(u64) -> u64 {
    let file = std::ffi::CString::new(object.to_str().unwrap()).unwrap();
    // SAFETY: the test has built the object, with a function of this name and type.
    unsafe {
        let object = libc::dlopen(file.as_ptr(), libc::RTLD_NOW);
        assert!(!object.is_null(), "{file:?} cannot be opened");
        let function = libc::dlsym(object, c"act".as_ptr());
        assert!(!function.is_null());
        std::mem::transmute::<*mut libc::c_void, fn(u64) -> u64>(function)
    }
}

fn path_in(variable: &str) -> std::path::PathBuf {
    std::env::var_os(variable).expect("the test sets it").into()
}

/// How far into its object a function lies, and its first bytes.
fn look_of(function: fn(u64) -> u64) -> (usize, [u8; 16]) {
    let address = function as *const libc::c_void;
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr writes to `info` only. The code of a function is readable, and these have
    // more bytes.
    unsafe {
        assert_ne!(libc::dladdr(address, info.as_mut_ptr()), 0);
        let base = info.assume_init().dli_fbase as usize;
        (address as usize - base, *address.cast())
    }
}

/// Functions in variables, and of another object than the one that asks.
fn pointers() {
    let pool = pool(2);
    let both: [fn(u64) -> u64; 2] = [square, |n| n + 1];
    for function in both {
        let expected: Vec<u64> = (0..30).map(function).collect();
        assert_eq!(values(pool.map(function, 0..30)), expected);
    }
    // Of std, made here or there; and a type's own constructor.
    assert_eq!(values(pool.map(u64::swap_bytes, [1])), [1 << 56]);
    assert_eq!(values(pool.map(Some, [1_u8])), [Some(1)]);
    let other = function_of(&path_in("POOL_OTHER"));
    let expected: Vec<u64> = (0..30).map(other).collect();
    assert_eq!(values(pool.map(other, 0..30)), expected);
    assert_eq!(values(pool.map(square, [3])), [9]);
}

#[track_caller]
fn assert_not_started<R: std::fmt::Debug>(results: Vec<Result<R, ItemError>>, why: &str) {
    assert!(!results.is_empty());
    for result in results {
        match result.unwrap_err().cause {
            Cause::NotStarted(text) => assert!(text.contains(why), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

/// At its path lies another build, whose function begins with the same bytes at the same place.
fn another_object_is_replaced() {
    let (old, new) = (path_in("POOL_OTHER"), path_in("POOL_REPLACEMENT"));
    let (function, replacement) = (function_of(&old), function_of(&new));
    assert_eq!(look_of(function), look_of(replacement));
    assert_ne!(function(3), replacement(3));
    let long_there = pool(1);
    assert_eq!(values(long_there.map(function, [3])), [function(3)]);
    std::fs::rename(&new, &old).unwrap();
    assert_eq!(values(long_there.map(function, [3])), [function(3)], "it has the old one");
    assert_not_started(pool(1).map(function, [3, 4]), "has been replaced since");
    assert_eq!(values(pool(1).map(square, [3])), [9], "others go on");
}

fn own_object_is_replaced() {
    let pool = pool(1);
    std::fs::rename(path_in("POOL_REPLACEMENT"), path_in("POOL_OBJECT")).unwrap();
    assert_not_started(pool.map(square, [3, 4]), "has been replaced since");
}

fn own_object_is_deleted() {
    let pool = pool(2);
    let busy = pool.submit(
        |n: u64| {
            std::thread::sleep(Duration::from_millis(300));
            n
        },
        7,
    );
    std::thread::sleep(Duration::from_millis(150));
    std::fs::remove_file(path_in("POOL_OBJECT")).unwrap();
    assert_not_started(pool.map(square, [3, 4]), "is no longer there; run its cell again");
    assert_eq!(busy.wait(), Ok(7), "what runs goes on");
}

fn program_is_replaced() {
    let program = path_in("WORKBOOK_PROGRAM");
    let pool = pool(1);
    assert_eq!(values(pool.map(square, [3])), [9]);
    let kill = || {
        for pid in pool.pids() {
            // SAFETY: it is this pool's own worker.
            unsafe { libc::kill(pid as i32, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let aside = program.with_extension("aside");
    std::fs::rename(&program, &aside).unwrap();
    assert_eq!(values(pool.map(square, [3])), [9], "the worker lives");
    kill();
    assert_not_started(pool.map(square, [3]), "`cargo workbook setup` builds this program");
    std::fs::copy(path_in("POOL_REPLACEMENT"), &program).unwrap();
    assert_not_started(pool.map(square, [3]), "another version than this notebook");
    std::fs::rename(&aside, &program).unwrap();
    assert_eq!(values(pool.map(square, [3])), [9]);
}

/// What such a program would be waited for is a minute.
const FAR_LESS: Duration = Duration::from_secs(20);

/// The program of this scenario never says that it is ready.
fn dropped_while_starting() {
    let pool = pool(2);
    let never: Vec<Submitted<u64>> = (0..5).map(|n| pool.submit(square, n)).collect();
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    drop(pool);
    assert!(start.elapsed() < FAR_LESS);
    for one in never {
        assert_eq!(one.wait().unwrap_err().cause, Cause::Cancelled);
    }
}

/// Likewise.
fn cancelled_while_starting() {
    let pool = pool(1);
    let never = pool.submit(square, 1);
    let next = pool.submit(square, 2);
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    never.cancel();
    assert_eq!(never.wait().unwrap_err().cause, Cause::Cancelled);
    assert!(next.wait_for(Duration::from_millis(100)).is_none(), "nobody cancelled that one");
    drop(pool);
    assert_eq!(next.wait().unwrap_err().cause, Cause::Cancelled);
    assert!(start.elapsed() < FAR_LESS);
}

/// Both processes come back from the item. Only one of them may answer.
fn forks_in_an_item() {
    let pool = pool(2);
    let forks = |n: u64| {
        // SAFETY: a worker has no other threads that hold a lock; what follows needs none.
        unsafe { libc::fork() };
        n * n
    };
    let expected: Vec<u64> = (0..60).map(square).collect();
    for chunk_size in [1, 3] {
        let results = pool.chunk_size(chunk_size).map(forks, 0..60);
        assert_eq!(values(results), expected);
        assert_eq!(values(pool.map(square, 0..60)), expected);
    }
}

/// The worker's end must be seen though a child of its own still holds the socket.
fn death_with_a_child() {
    let start = Instant::now();
    let pool = pool(2);
    let dies = |n: u64| {
        if n == 3 {
            // SAFETY: the child only sleeps and ends.
            if unsafe { libc::fork() } == 0 {
                std::thread::sleep(Duration::from_secs(60));
                // SAFETY: ends the process at once.
                unsafe { libc::_exit(0) };
            }
            std::process::abort();
        }
        n
    };
    for (n, result) in (0..).zip(pool.map(dies, 0..20)) {
        match n {
            3 => assert!(matches!(result.unwrap_err().cause, Cause::WorkerDied(_))),
            _ => assert_eq!(result, Ok(n)),
        }
    }
    assert!(start.elapsed() < FAR_LESS, "the child was waited for");
}

/// An item that closes the worker's socket has lost its result; its pool must not wait for it.
fn closed_socket() {
    let closes = |seconds: u64| {
        for number in 3..1000 {
            // SAFETY: it is not safe. That is what the test is about.
            unsafe { libc::close(number) };
        }
        std::thread::sleep(Duration::from_secs(seconds));
    };
    let pool = pool(1);
    for result in pool.map(closes, [0, 0]) {
        assert!(matches!(result.unwrap_err().cause, Cause::WorkerDied(_)));
    }
    assert_eq!(values(pool.map(square, 0..3)), [0, 1, 4]);
    let never = pool.submit(closes, 600);
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    drop(pool);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(never.wait().is_err());
}

/// The file that an item opens then must not get the answers.
fn closes_low_numbers() {
    let file = path_in("POOL_REPLACEMENT");
    let closes = |path: std::path::PathBuf| {
        for number in 0..10 {
            // SAFETY: as programs do that go into the background. Nothing here uses them.
            unsafe { libc::close(number) };
        }
        let files: Vec<_> = (0..10)
            .map(|n| std::fs::File::create(path.with_extension(n.to_string())).unwrap())
            .collect();
        std::mem::forget(files);
        7_u8
    };
    let pool = pool(1);
    let results = values(pool.map(closes, std::iter::repeat_n(file.clone(), 20)));
    assert_eq!(results, [7; 20]);
    for n in 0..10 {
        let content = std::fs::read(file.with_extension(n.to_string())).unwrap();
        assert_eq!(content, b"", "file {n}");
    }
}

fn megabytes_without_a_newline() {
    let pool = pool(2);
    let prints = |n: usize| {
        print!("{}", "~".repeat(n));
        n
    };
    assert_eq!(values(pool.map(prints, [3_000_000, 1_000_000])), [3_000_000, 1_000_000]);
}

fn too_many_files() {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls only read or write `limit`.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        let before = limit.rlim_cur;
        limit.rlim_cur = open + 6;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = before;
    }
    let error = ProcessPool::new(8).unwrap_err().to_string();
    assert!(error.contains("too many open files; take fewer workers"), "{error}");
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(values(pool(2).map(square, 0..3)), [0, 1, 4]);
}
