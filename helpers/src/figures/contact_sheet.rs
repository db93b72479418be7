//! Grey images side by side.

use super::Figure;
use super::canvas::{Align, GRID, MARGIN, RIGHT, SMALL, card};
use super::table::{listed, table};
use super::text::{clean, shorten, wrap};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, GrayImage, ImageEncoder, imageops};

/// Grey images side by side, wrapped to rows, with a caption under each.
///
/// Every image is scaled to fit its cell and keeps its shape; small ones show their pixels. Large
/// ones are reduced before they are embedded, so that the figure stays below about 180 kB
/// whatever comes in. Of more than 48 images the first 48 are drawn.
pub fn contact_sheet<S: AsRef<str>>(title: &str, images: &[(S, GrayImage)]) -> Figure {
    let images: Vec<(&str, &GrayImage)> = images
        .iter()
        .map(|(caption, image)| (caption.as_ref(), image))
        .collect();
    draw(title, &images)
}

const MOST: usize = 48;
const GAP: f64 = 14.0;
/// Bytes of PNG in one figure; base64 makes a third more of them.
const BUDGET: usize = 110_000;

fn draw(title: &str, images: &[(&str, &GrayImage)]) -> Figure {
    let captions: Vec<String> = images.iter().map(|(caption, _)| clean(caption)).collect();
    let size = |image: &GrayImage| format!("{} × {}", image.width(), image.height());
    let rows: Vec<Vec<String>> = captions
        .iter()
        .zip(images)
        .map(|(caption, (_, image))| vec![caption.clone(), size(image)])
        .collect();
    let mut notes = Vec::new();
    if images.is_empty() {
        notes.push("nothing to show: there are no images yet".to_owned());
    }
    if images.len() > MOST {
        notes.push(format!("the first {MOST} of {} images", images.len()));
    }
    let alt = format!(
        "Contact sheet “{}”, {} grey images: {}.",
        clean(title),
        images.len(),
        listed(&captions, 12)
    );
    Figure {
        svg: paint(title, &notes, &captions, images),
        alt,
        table: table(title, &["image", "size (px)"], &rows, &notes),
    }
}

fn paint(
    title: &str,
    notes: &[String],
    captions: &[String],
    images: &[(&str, &GrayImage)],
) -> String {
    let images: Vec<&GrayImage> = images.iter().take(MOST).map(|(_, image)| *image).collect();
    let across = images.len().clamp(2, 6);
    let cell = ((RIGHT - MARGIN - GAP * (across - 1) as f64) / across as f64).min(300.0);
    let texts: Vec<Vec<String>> = captions
        .iter()
        .take(MOST)
        .map(|caption| wrap(caption, SMALL, false, cell, 2))
        .collect();
    let fitted: Vec<(f64, f64)> = images.iter().map(|image| fit(image, cell)).collect();
    let coded = encode(&images, &fitted);

    // A row is as high as its highest image and longest caption.
    let mut tops = vec![0.0];
    for row in fitted.chunks(across).zip(texts.chunks(across)) {
        let high = row.0.iter().map(|size| size.1).fold(0.0, f64::max);
        let lines = row.1.iter().map(Vec::len).max().unwrap_or(0);
        tops.push(tops[tops.len() - 1] + high + 10.0 + 17.0 * lines as f64 + GAP);
    }
    let body = (tops[tops.len() - 1] - GAP).max(6.0);
    card(title, notes, false, body, |canvas, top| {
        for (place, (wide, high)) in fitted.iter().enumerate() {
            let (column, row) = (place % across, place / across);
            let middle = MARGIN + (cell + GAP) * column as f64 + cell / 2.0;
            let row_high = fitted.chunks(across).nth(row).into_iter().flatten();
            let row_high = row_high.map(|size| size.1).fold(0.0, f64::max);
            let (x, y) = (middle - wide / 2.0, top + tops[row] + row_high - high);
            match &coded[place] {
                Some(png) => canvas.image(x, y, *wide, *high, png),
                None => canvas.small(middle, y + high / 2.0, "empty image", Align::Middle),
            }
            canvas.frame(x - 0.5, y - 0.5, x + wide + 0.5, y + high + 0.5, GRID, 1.0);
            for (line, text) in texts[place].iter().enumerate() {
                let below = top + tops[row] + row_high + 15.0 + 17.0 * line as f64;
                let text = shorten(text, SMALL, false, cell);
                canvas.small(middle, below, &text, Align::Middle);
            }
        }
    })
}

/// The image's size in pixels of the figure: as large as the cell lets it be.
fn fit(image: &GrayImage, cell: f64) -> (f64, f64) {
    let (wide, high) = (f64::from(image.width()), f64::from(image.height()));
    if wide == 0.0 || high == 0.0 {
        return (cell, 40.0);
    }
    let scale = (cell / wide).min(cell / high);
    ((wide * scale).max(1.0), (high * scale).max(1.0))
}

/// Each image as a data URI of a small PNG; none for images without pixels.
fn encode(images: &[&GrayImage], fitted: &[(f64, f64)]) -> Vec<Option<String>> {
    // Twice the pixels where there is room for them: screens are finer than 760 px.
    let mut detail = 2.0;
    loop {
        let pngs: Vec<Option<Vec<u8>>> = images
            .iter()
            .zip(fitted)
            .map(|(image, size)| png(image, (size.0 * detail, size.1 * detail)))
            .collect();
        let bytes: usize = pngs.iter().flatten().map(Vec::len).sum();
        if bytes <= BUDGET || detail < 0.02 {
            let uri = |png: Vec<u8>| format!("data:image/png;base64,{}", STANDARD.encode(png));
            return pngs.into_iter().map(|png| png.map(uri)).collect();
        }
        detail *= (BUDGET as f64 / bytes as f64).sqrt().min(0.95);
    }
}

/// The image as PNG, reduced to `size` if it is larger.
fn png(image: &GrayImage, size: (f64, f64)) -> Option<Vec<u8>> {
    if image.width() == 0 || image.height() == 0 {
        return None;
    }
    let (wide, high) = ((size.0.ceil() as u32).max(1), (size.1.ceil() as u32).max(1));
    let smaller = (image.width() > wide || image.height() > high)
        .then(|| imageops::thumbnail(image, wide.min(image.width()), high.min(image.height())));
    let image = smaller.as_ref().unwrap_or(image);
    let mut out = Vec::new();
    PngEncoder::new(&mut out)
        .write_image(
            image.as_raw(),
            image.width(),
            image.height(),
            ExtendedColorType::L8,
        )
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check};
    use super::*;
    use image::Luma;

    /// Noise is what PNG cannot make smaller.
    fn noise(wide: u32, high: u32) -> GrayImage {
        let mut state = 1u32;
        GrayImage::from_fn(wide, high, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Luma([(state >> 24) as u8])
        })
    }

    #[test]
    fn any_number_of_images_is_legible_and_small() {
        for n in [0, 1, 2, 5, 16, 60] {
            for names in NAMES {
                let images: Vec<(String, GrayImage)> = (0..n)
                    .map(|i| {
                        (
                            format!("{} {i}", names[i % names.len()]),
                            noise(300, 200 + 10 * i as u32),
                        )
                    })
                    .collect();
                let figure = contact_sheet("Before and after", &images);
                check(&figure, 180_000);
                for (name, _) in images.iter().take(40) {
                    assert!(figure.table().contains(name.trim()));
                }
            }
        }
    }

    #[test]
    fn odd_shapes_do_not_panic() {
        let images = [
            ("empty", GrayImage::new(0, 0)),
            ("pixel", noise(1, 1)),
            ("thread", noise(1, 5000)),
            ("plank", noise(5000, 1)),
            ("large", noise(2000, 1800)),
        ];
        let figure = contact_sheet("t", &images);
        check(&figure, 180_000);
        assert!(figure.svg().contains("empty image"));
    }
}
