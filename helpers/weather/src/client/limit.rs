//! So many calls in a window of time, and no more.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Lets so many calls through in any window of time; others wait for their turn.
///
/// ```
/// use platform::runtime::on_one_thread;
/// use weather::RateLimit;
/// use std::time::{Duration, Instant};
///
/// let limit = RateLimit::new(2, Duration::from_millis(50));
/// let start = Instant::now();
/// on_one_thread(async {
///     for _ in 0..4 {
///         limit.acquire().await;
///     }
/// });
/// assert!(start.elapsed() >= Duration::from_millis(50));
/// ```
#[derive(Debug)]
pub struct RateLimit {
    calls: usize,
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the latest calls are, also those to come, in the order of time.
    turns: VecDeque<Instant>,
    /// Nobody is let through before.
    closed_until: Option<Instant>,
}

impl RateLimit {
    /// So many calls in any such window.
    pub fn new(calls: usize, window: Duration) -> RateLimit {
        RateLimit { calls: calls.max(1), window, state: Mutex::default() }
    }

    /// Waits for the caller's turn. Turns are given in the order in which they are asked for.
    pub async fn acquire(&self) {
        let turn = self.next_turn();
        sleep_until(turn).await;
    }

    /// Lets nobody through for so long: for a server that says when it will answer again. Turns
    /// that have been given already stay.
    pub fn close_for(&self, time: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What a server asks for may be more than the clock can hold.
        let until = Instant::now() + time.min(Duration::from_secs(1_000_000_000));
        state.closed_until = state.closed_until.max(Some(until));
    }

    fn next_turn(&self) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turn = Instant::now().max(state.closed_until.unwrap_or_else(Instant::now));
        if let Some(&last) = state.turns.back() {
            turn = turn.max(last);
        }
        if state.turns.len() == self.calls
            && let Some(first) = state.turns.pop_front()
        {
            turn = turn.max(first + self.window);
        }
        state.turns.push_back(turn);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::runtime::{on_one_thread, on_threads};
    use std::sync::Arc;

    #[test]
    fn no_window_holds_more() {
        const WINDOW: Duration = Duration::from_millis(60);
        let limit = Arc::new(RateLimit::new(3, WINDOW));
        let mut times = on_threads(2, async move {
            let mut set = tokio::task::JoinSet::new();
            for _ in 0..10 {
                let limit = limit.clone();
                set.spawn(async move {
                    limit.acquire().await;
                    Instant::now()
                });
            }
            set.join_all().await
        });
        times.sort();
        // The timer may be late by some milliseconds, and is never early.
        for pair in times.windows(4) {
            assert!(pair[3] - pair[0] >= WINDOW - Duration::from_millis(20));
        }
        let whole = times[9] - times[0];
        assert!(whole >= WINDOW * 3 - Duration::from_millis(20), "{whole:?}");
    }

    #[test]
    fn closed_is_closed() {
        let limit = RateLimit::new(100, Duration::from_millis(1));
        let start = std::time::Instant::now();
        limit.close_for(Duration::from_millis(40));
        on_one_thread(limit.acquire());
        assert!(start.elapsed() >= Duration::from_millis(40));
    }
}
