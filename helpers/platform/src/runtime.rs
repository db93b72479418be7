//! tokio on exactly as many threads as you say.
//!
//! A cell that follows a top-level `.await` sits inside a runtime already, and a runtime cannot be
//! started inside another. So each of these makes its own on a fresh thread, and ends it.

pub use crate::threads::on_fresh_thread;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use tokio::runtime::Builder;

/// Runs a future, and everything that it spawns, on one thread; returns its output.
///
/// What it spawned and did not wait for is dropped when it ends.
///
/// ```
/// use platform::runtime::on_one_thread;
///
/// let sum = on_one_thread(async {
///     let (a, b) = tokio::join!(async { 1 }, async { 2 });
///     a + b
/// });
/// assert_eq!(sum, 3);
/// ```
///
/// # Panics
///
/// If the future panics, with its panic; or if the system gives no thread.
pub fn on_one_thread<T: Send>(future: impl Future<Output = T> + Send) -> T {
    run(Builder::new_current_thread(), future)
}

/// Runs a future on this many threads: what it spawns is shared out among them.
///
/// The future itself has a thread of its own, so spawn what is to run on the `threads`.
///
/// # Panics
///
/// As [`on_one_thread`]; and for 0 threads.
pub fn on_threads<T: Send>(threads: usize, future: impl Future<Output = T> + Send) -> T {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads);
    run(builder, future)
}

/// Only the boxing depends on `T`: a cell then has little to compile.
fn run<T: Send>(builder: Builder, future: impl Future<Output = T> + Send) -> T {
    let output = Mutex::new(None);
    let keep = async {
        let value = future.await;
        if let Ok(mut output) = output.lock() {
            *output = Some(value);
        }
    };
    block(builder, Box::pin(keep));
    let output = output.into_inner();
    output.ok().flatten().expect("block() has run the future to its end")
}

fn block(mut builder: Builder, future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
    on_fresh_thread(move || {
        let runtime =
            builder.enable_all().build().expect("the system gives tokio its threads and timers");
        runtime.block_on(future);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::thread;

    async fn threads_of(tasks: usize) -> HashSet<thread::ThreadId> {
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..tasks {
            set.spawn(async {
                tokio::task::yield_now().await;
                thread::current().id()
            });
        }
        set.join_all().await.into_iter().collect()
    }

    #[test]
    fn one_thread_is_one_thread() {
        assert_eq!(on_one_thread(threads_of(50)).len(), 1);
    }

    #[test]
    fn more_threads_are_at_most_so_many() {
        assert!(on_threads(3, threads_of(50)).len() <= 3);
    }

    #[test]
    fn it_works_inside_a_runtime() {
        let nested = on_one_thread(async { on_one_thread(async { 7 }) });
        assert_eq!(nested, 7);
    }

    #[test]
    fn what_it_borrows_need_not_be_static() {
        let words = [String::from("kaya"), String::from("kopi")];
        assert_eq!(on_one_thread(async { words.len() }), 2);
    }

    #[test]
    #[should_panic(expected = "burnt")]
    fn a_panic_comes_back() {
        on_one_thread(async { panic!("burnt") })
    }
}
