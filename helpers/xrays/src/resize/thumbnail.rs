//! The result of the job: 64 × 64 grey levels.

use image::GrayImage;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Width and height of a thumbnail, in pixels.
pub const SIDE: usize = 64;

/// 64 × 64 grey levels (0 black, 255 white), row by row from the top left.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Thumbnail(Vec<u8>);

impl Thumbnail {
    /// A thumbnail of these levels; `None` unless there are 64 × 64 of them.
    pub fn from_pixels(pixels: Vec<u8>) -> Option<Self> {
        (pixels.len() == SIDE * SIDE).then_some(Thumbnail(pixels))
    }

    pub(crate) fn black() -> Self {
        Thumbnail(vec![0; SIDE * SIDE])
    }

    /// The 4096 levels, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.0
    }

    /// The same as an image, for showing and saving.
    pub fn image(&self) -> GrayImage {
        GrayImage::from_raw(SIDE as u32, SIDE as u32, self.0.clone())
            .expect("a thumbnail has 64 × 64 levels")
    }

    /// The mean level, 0 to 255.
    pub fn mean(&self) -> f64 {
        self.0.iter().map(|&level| f64::from(level)).sum::<f64>() / self.0.len() as f64
    }

    /// How far two thumbnails lie apart at most, in levels.
    pub fn largest_difference(&self, other: &Thumbnail) -> u8 {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(&a, &b)| a.abs_diff(b)).max().unwrap_or(0)
    }

    /// How far two thumbnails lie apart: the mean absolute difference, in levels.
    pub fn difference(&self, other: &Thumbnail) -> f64 {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / self.0.len() as f64
    }
}

/// How far two lists of thumbnails lie apart, pair by pair: the mean difference of all levels, and
/// the largest one. What only one of the lists has does not count; without a pair the mean is 0.
pub fn differences(reference: &[Thumbnail], others: &[Thumbnail]) -> (f64, u8) {
    let pairs = || reference.iter().zip(others);
    let sum: f64 = pairs().map(|(a, b)| a.difference(b)).sum();
    let largest = pairs().map(|(a, b)| a.largest_difference(b)).max();
    (sum / pairs().count().max(1) as f64, largest.unwrap_or(0))
}

impl fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbnail({SIDE}×{SIDE}, mean level {:.1})", self.mean())
    }
}

impl From<Thumbnail> for Vec<u8> {
    fn from(thumbnail: Thumbnail) -> Self {
        thumbnail.0
    }
}

impl TryFrom<Vec<u8>> for Thumbnail {
    type Error = String;

    fn try_from(pixels: Vec<u8>) -> Result<Self, String> {
        let count = pixels.len();
        Thumbnail::from_pixels(pixels)
            .ok_or_else(|| format!("a thumbnail has {} levels, not {count}", SIDE * SIDE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_the_way_to_another_process() {
        let levels: Vec<u8> = (0..SIDE * SIDE).map(|i| (i % 251) as u8).collect();
        let thumbnail = Thumbnail::from_pixels(levels).unwrap();
        let sent = serde_json::to_string(&thumbnail).unwrap();
        assert_eq!(serde_json::from_str::<Thumbnail>(&sent).unwrap(), thumbnail);
        assert!(serde_json::from_str::<Thumbnail>("[1,2,3]").is_err());
    }

    #[test]
    fn difference_is_the_mean_over_all_levels() {
        let (black, mut other) = (Thumbnail::black(), Thumbnail::black());
        other.0[0] = 64;
        assert_eq!(black.difference(&other), 64.0 / 4096.0);
        assert_eq!(other.mean(), 64.0 / 4096.0);
        assert_eq!(black.largest_difference(&other), 64);
        let pair = [black.clone(), other.clone()];
        let apart = differences(&pair, &[other.clone(), other]);
        assert_eq!(apart, (32.0 / 4096.0, 64));
        assert_eq!(differences(&pair, &[]), (0.0, 0));
    }
}
