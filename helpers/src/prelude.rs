//! Everything a notebook names, in one `use`.

pub use crate::amdahl::*;
pub use crate::cafe::*;
pub use crate::check::*;
pub use crate::display::*;
pub use crate::figures::*;
pub use crate::machine::*;
pub use crate::measure::*;
pub use crate::memory::*;
pub use crate::overhead::*;
pub use crate::pool::*;
pub use crate::progress::*;
pub use crate::python::*;
pub use crate::record::*;
pub use crate::resize::*;
pub use crate::runtime::*;
pub use crate::size::*;
pub use crate::weather::*;
pub use crate::xrays::*;
pub use crate::{futures_util, image, rayon, reqwest, serde, serde_json, tokio};

pub use rayon::prelude::*;
pub use std::time::{Duration, Instant};
