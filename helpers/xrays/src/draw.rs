//! Draws one chest X-ray: not for doctors, but of the size, the look and the file length of one.
//!
//! Bones and organs are soft, so they are drawn small and enlarged; only the grain of the film and
//! the side marker are drawn pixel by pixel.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use platform::chance;
use std::f32::consts::TAU;

/// The JPEG file of the X-ray with this number. The same number always gives the same bytes.
pub(super) fn jpeg(index: usize, pneumonia: bool) -> Vec<u8> {
    let mut random = Random::new(index as u64);
    let (width, height) = size(&mut random);
    let colour = random.unit() < 0.06;
    let pixels = film(width, height, pneumonia, &mut random);
    encode(&pixels, width, height, colour)
}

/// Width and height in pixels: sizes spread as in Kaggle's set, 2.3 megapixels in the mean.
fn size(random: &mut Random) -> (usize, usize) {
    let megapixels = if random.unit() < 0.05 {
        random.between(0.1, 0.3)
    } else {
        (2.13 * (0.5 * random.normal()).exp()).clamp(0.3, 7.8)
    };
    let shape = (1.22 + 0.14 * random.normal()).clamp(0.85, 2.2);
    let height = (megapixels * 1e6 / shape).sqrt();
    ((height * shape) as usize, height as usize)
}

fn encode(pixels: &[u8], width: usize, height: usize, colour: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pixels.len() / 8);
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 86);
    let (width, height) = (width as u32, height as u32);
    let written = if colour {
        // Some were saved as colour, with the blue of the film.
        let tinted: Vec<u8> = pixels
            .iter()
            .flat_map(|&level| [level.saturating_sub(3), level, level.saturating_add(4)])
            .collect();
        encoder.write_image(&tinted, width, height, ExtendedColorType::Rgb8)
    } else {
        encoder.write_image(pixels, width, height, ExtendedColorType::L8)
    };
    written.expect("a JPEG of this size can be written to memory");
    bytes
}

/// The longer side of the small drawing, in pixels.
const DRAWN: usize = 420;

fn film(width: usize, height: usize, pneumonia: bool, random: &mut Random) -> Vec<u8> {
    let shrink = (DRAWN as f32 / width.max(height) as f32).min(1.0);
    let small = |side: usize| ((side as f32 * shrink) as usize).max(2);
    let (columns, rows) = (small(width), small(height));
    let body = Body::new(pneumonia, random);
    let mut drawing = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let x = 2.0 * (column as f32 + 0.5) / columns as f32 - 1.0;
            let y = 2.0 * (row as f32 + 0.5) / rows as f32 - 1.0;
            drawing.push(body.level(x, y));
        }
    }
    let mut pixels = enlarge(&drawing, columns, rows, width, height, random);
    stamp(&mut pixels, width, height, random.unit() < 0.5);
    pixels
}

/// Enlarges by straight lines between the drawing's pixels, and adds grain.
fn enlarge(
    drawing: &[f32],
    columns: usize,
    rows: usize,
    width: usize,
    height: usize,
    random: &mut Random,
) -> Vec<u8> {
    // Where a pixel lies in the drawing: the left neighbour and the share of the right one.
    let place = |at: usize, of: usize, drawn: usize| {
        let position = (at as f32 + 0.5) * drawn as f32 / of as f32 - 0.5;
        let position = position.clamp(0.0, (drawn - 1) as f32);
        let left = (position as usize).min(drawn - 2);
        (left, position - left as f32)
    };
    let across: Vec<(usize, f32)> = (0..width).map(|x| place(x, width, columns)).collect();
    let mut line = vec![0.0; columns];
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        let (upper, share) = place(y, height, rows);
        let above = &drawing[upper * columns..][..columns];
        let below = &drawing[(upper + 1) * columns..][..columns];
        for ((level, above), below) in line.iter_mut().zip(above).zip(below) {
            *level = above + (below - above) * share;
        }
        let mut bits = 0_u64;
        for (x, &(left, share)) in across.iter().enumerate() {
            if x % 4 == 0 {
                bits = random.next();
            }
            // The sum of two bytes: a triangle between -255 and 255.
            let grain = ((bits & 255) + ((bits >> 8) & 255)) as f32 - 255.0;
            bits >>= 16;
            let level = line[left] + (line[left + 1] - line[left]) * share;
            pixels.push((level + grain * GRAIN) as u8);
        }
    }
    pixels
}

/// Levels of grain per unit of the triangle above; it decides how long the files are.
const GRAIN: f32 = 0.03;

/// Where everything lies, in a body that spans -1 to 1 from left to right and from top to bottom.
struct Body {
    exposure: f32,
    tilt: f32,
    lungs: [Blob; 2],
    heart: Blob,
    haze: Vec<Blob>,
    ribs: f32,
    texture: [f32; 3],
}

/// An ellipse with a soft edge.
struct Blob {
    x: f32,
    y: f32,
    across: f32,
    down: f32,
}

impl Blob {
    /// 1 in the middle, 0.5 on the edge, 0 outside.
    fn cover(&self, x: f32, y: f32, softness: f32) -> f32 {
        let (dx, dy) = ((x - self.x) / self.across, (y - self.y) / self.down);
        let distance = (dx * dx + dy * dy).sqrt();
        smooth((1.0 - distance) / softness + 0.5)
    }
}

impl Body {
    fn new(pneumonia: bool, random: &mut Random) -> Self {
        let mut lung = |side: f32| Blob {
            x: side * random.between(0.38, 0.46),
            y: random.between(-0.12, 0.0),
            across: random.between(0.28, 0.36),
            down: random.between(0.58, 0.72),
        };
        let lungs = [lung(-1.0), lung(1.0)];
        let patches = if pneumonia { 2 + (random.unit() * 4.0) as usize } else { 0 };
        let haze = (0..patches)
            .map(|_| {
                let lung = &lungs[usize::from(random.unit() < 0.5)];
                Blob {
                    x: lung.x + random.between(-0.15, 0.15),
                    y: lung.y + random.between(-0.2, 0.5),
                    across: random.between(0.1, 0.28),
                    down: random.between(0.1, 0.25),
                }
            })
            .collect();
        Body {
            exposure: random.between(0.85, 1.12),
            tilt: random.between(-0.06, 0.06),
            heart: Blob {
                x: random.between(0.08, 0.16),
                y: random.between(0.3, 0.42),
                across: random.between(0.28, 0.38),
                down: random.between(0.26, 0.36),
            },
            ribs: random.between(0.0, 0.15),
            texture: [0; 3].map(|_| random.between(0.0, TAU)),
            lungs,
            haze,
        }
    }

    /// The grey level at a place, 8 to 245.
    fn level(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x + self.tilt * y, y - self.tilt * x);
        // Shoulders above, the torso's sides below.
        let half = 0.93 - 0.25 * smooth((-0.55 - y) * 3.0);
        let torso = smooth((half - x.abs()) * 9.0);
        let air = self.lungs[0].cover(x, y, 0.35).max(self.lungs[1].cover(x, y, 0.35));
        let belly = smooth((y - 0.62 + 0.25 * (x.abs() - 0.42).powi(2)) * 12.0);
        let air = air * (1.0 - belly);

        let mut level = 22.0 + 118.0 * torso - 84.0 * air + 42.0 * belly * torso;
        level += 55.0 * gauss(x / 0.13) * torso;
        level += 40.0 * self.heart.cover(x, y, 0.5) * (1.0 - 0.5 * belly);
        // Vertebrae, seen faintly through the middle.
        level += 6.0 * gauss(x / 0.08) * (y * 40.0).sin();
        level += 26.0 * self.rib(x, y) * torso * (0.45 + 0.55 * air);
        level += 34.0 * self.collarbone(x, y) * torso;
        for patch in &self.haze {
            level += 46.0 * patch.cover(x, y, 1.1) * air;
        }
        let [a, b, c] = self.texture;
        let vessels = (x * 23.0 + a + 3.0 * (y * 5.0 + b).sin()).sin()
            * (y * 19.0 + c + 2.0 * (x * 7.0 + a).sin()).sin();
        level += 7.0 * vessels * air;
        (level * self.exposure).clamp(8.0, 245.0)
    }

    /// How much rib there is at a place: arcs that fall outwards.
    fn rib(&self, x: f32, y: f32) -> f32 {
        let outwards = x.abs();
        if !(0.08..0.88).contains(&outwards) {
            return 0.0;
        }
        // The back of the ribs falls gently, the front steeply.
        let back = (y + 0.85 - self.ribs - 0.3 * outwards * outwards) / 0.17;
        let front = (y + 0.95 - self.ribs - 0.75 * outwards * outwards) / 0.17;
        let band = |at: f32| {
            let number = at.round();
            if !(0.0..=8.0).contains(&number) {
                return 0.0;
            }
            gauss((at - number) / 0.17)
        };
        band(back).max(0.5 * band(front)) * smooth((0.86 - outwards) * 12.0)
    }

    fn collarbone(&self, x: f32, y: f32) -> f32 {
        let middle = -0.72 - 0.16 * (x.abs() - 0.1) + 0.03 * (x * 9.0).sin();
        gauss((y - middle) / 0.03) * smooth((x.abs() - 0.08) * 20.0)
    }
}

/// 0 below 0, 1 above 1, an S in between.
fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A bell of height 1.
fn gauss(t: f32) -> f32 {
    (-t * t).exp()
}

/// The side marker: a white letter in an upper corner.
fn stamp(pixels: &mut [u8], width: usize, height: usize, left: bool) {
    const L: [u8; 7] = [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111];
    const R: [u8; 7] = [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001];
    let letter = if left { L } else { R };
    let dot = (width.min(height) / 130).max(1);
    // The patient's left is on the right of the film.
    let corner_x = if left { width - width / 12 - 5 * dot } else { width / 12 };
    let corner_y = height / 14;
    for y in 0..7 * dot {
        for x in 0..5 * dot {
            if letter[y / dot] & (0b10000 >> (x / dot)) != 0 {
                pixels[(corner_y + y) * width + corner_x + x] = 248;
            }
        }
    }
}

/// What one X-ray is drawn from.
struct Random(chance::Random);

impl Random {
    fn new(index: u64) -> Self {
        let seed = index.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x0c0f_fee0_dead_beef;
        let mut random = Random(chance::Random(seed));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 up to, not including, 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Mean 0, spread 1, by the sum of twelve uniform values.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_drawn_from_the_same_numbers_for_ever() {
        // Kept sets grow: the new X-rays must be those of the set, whoever draws them.
        assert_eq!(Random::new(7).next(), 0x4279_00f5_7ec7_c2b9);
    }

    #[test]
    fn a_number_always_gives_the_same_file() {
        assert_eq!(jpeg(7, true), jpeg(7, true));
        assert_ne!(jpeg(7, true), jpeg(8, true));
    }

    #[test]
    fn sizes_are_spread_like_kaggles() {
        let mut sizes: Vec<f64> = (0..1431)
            .map(|index| size(&mut Random::new(index)))
            .map(|(width, height)| (width * height) as f64 / 1e6)
            .collect();
        sizes.sort_by(f64::total_cmp);
        let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
        assert!((2.2..2.4).contains(&mean), "{mean}");
        assert!(sizes[0] < 0.2 && sizes[1430] > 6.0, "{:?}", (sizes[0], sizes[1430]));
    }
}
