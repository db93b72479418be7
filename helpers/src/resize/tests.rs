//! What the three ways promise, on images made here and on real X-rays where there are some.

use super::*;
