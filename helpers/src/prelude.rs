//! What nearly every cell names, in one `use`. What fewer chapters need is one line more, by topic,
//! such as `use helpers::weather::*;`.

// Measuring, and what can be said of it.
pub use measure::{Comparison, Timing, alike, at_least, at_most, claim, median, seconds, up_to};

// Figures; the others are in `helpers::figures`.
pub use figures::{bars, lines, quantities, speedup, timeline};

// This machine, and how much work it is given.
pub use platform::machine::{cores, machine};
pub use platform::size::{size, sized};

// Exercises, Python's side, and the code behind a call.
pub use crate::check::check;
pub use crate::python::python;
pub use crate::source::source;
pub use serde_json::json;

// Methods, without the names of their traits: a notebook may still `use` those.
pub use crate::python::MeasurePython as _;
pub use crate::results::Claim as _;
pub use figures::Bars as _;
pub use futures_util::StreamExt as _;

// From other crates and std.
pub use crate::{futures_util, image, rayon, reqwest, serde, serde_json, tokio};
pub use rayon::prelude::*;
pub use std::time::{Duration, Instant};

#[cfg(test)]
mod tests {
    /// Iterators, rayon's and streams have methods of the same names; none may get in another's
    /// way, as every cell has them all.
    #[test]
    fn methods_of_the_same_name_live_side_by_side() {
        use super::*;
        use crate::runtime::on_one_thread;
        let plain: Vec<i32> = (0..4).map(|n| n * n).filter(|n| n % 2 == 0).collect();
        let parallel: Vec<i32> = (0..4).into_par_iter().map(|n| n * n).collect();
        (0..2).for_each(|n| assert!(n < 2));
        vec![1, 2].par_iter().for_each(|n| assert!(*n > 0));
        let streamed: Vec<i32> = on_one_thread(async {
            let stream = futures_util::stream::iter(0..4).map(|n| async move { n * n });
            stream.buffered(2).collect().await
        });
        assert_eq!(plain, [0, 4]);
        assert_eq!(parallel, streamed);
        {
            use futures_util::{Stream, StreamExt};
            fn doubled(of: impl Stream<Item = i32>) -> impl Stream<Item = i32> {
                of.map(|n| 2 * n)
            }
            let sum = doubled(futures_util::stream::iter(0..4)).fold(0, async |a, b| a + b);
            assert_eq!(on_one_thread(sum), 12);
        }
    }

    /// A reader's own names win, and the names of other libraries do not clash with these.
    #[test]
    fn a_readers_own_names_work() {
        use super::*;
        use std::fs::*;
        fn lines(text: &str) -> usize {
            text.lines().count()
        }
        struct Timing;
        let here = env!("CARGO_MANIFEST_DIR");
        let manifest = read(format!("{here}/Cargo.toml")).unwrap();
        assert!(lines(&String::from_utf8(manifest).unwrap()) > 10);
        let _ = Timing;
        assert!(cores() > 0);
    }
}
