//! Everything a notebook names, in one `use`.

pub use crate::amdahl::*;
pub use crate::cafe::*;
pub use crate::check::*;
pub use crate::cluster::*;
pub use crate::display::*;
pub use crate::figures::*;
pub use crate::machine::*;
pub use crate::measure::*;
pub use crate::memory::*;
pub use crate::overhead::*;
pub use crate::paths::scratch;
pub use crate::pool::*;
pub use crate::progress::*;
pub use crate::python::*;
pub use crate::readings::*;
pub use crate::record::*;
pub use crate::resize::*;
pub use crate::results::*;
pub use crate::runtime::*;
pub use crate::shell::*;
pub use crate::size::*;
pub use crate::weather::*;
pub use crate::xrays::*;
pub use crate::{futures_util, image, rayon, reqwest, serde, serde_json, tokio};

// Streams' methods, such as `buffer_unordered`, without the name: a notebook may still `use` it.
pub use futures_util::StreamExt as _;
pub use rayon::prelude::*;
pub use std::time::{Duration, Instant};

#[cfg(test)]
mod tests {
    /// Iterators, rayon's and streams have methods of the same names; none may get in another's
    /// way, as every cell has them all.
    #[test]
    fn methods_of_the_same_name_live_side_by_side() {
        use super::*;
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
}
