//! The sources of X-rays, and what they refuse.
use super::*;
