//! A thread that knows nothing of a runtime.

/// Runs `work` on a thread that belongs to no runtime, and waits for it: for clients that block,
/// such as `reqwest::blocking`, which cannot be used in a cell that follows a top-level `.await`.
///
/// ```
/// use platform::threads::on_fresh_thread;
///
/// assert_eq!(on_fresh_thread(|| 6 * 7), 42);
/// ```
///
/// # Panics
///
/// If `work` panics, with its panic; or if the system gives no thread.
pub fn on_fresh_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let joined = std::thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
