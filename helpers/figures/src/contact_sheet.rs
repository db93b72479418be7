//! Images side by side, with a caption under each.

use crate::Figure;
use crate::card::*;
use crate::text::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat};
use plotters::style::text_anchor::HPos;
use std::io::Cursor;

/// Grey images side by side, wrapped to rows, with a caption under each.
///
/// Every image is as large as its cell lets it be; small ones show their pixels. Large ones are
/// reduced before they are embedded, so that the figure stays below about 200 kB. Of more than 48
/// images the first 48 are drawn.
///
/// ```
/// use figures::contact_sheet;
///
/// let figure = contact_sheet("Before and after", &[("a", image::GrayImage::new(40, 30))]);
/// assert!(figure.table().contains("40 × 30"));
/// ```
pub fn contact_sheet<S: AsRef<str>>(title: &str, images: &[(S, GrayImage)]) -> Figure {
    draw(title, images, false)
}

/// A [`contact_sheet`] on which all images have the same scale, so that their sizes can be compared.
pub fn contact_sheet_to_scale<S: AsRef<str>>(title: &str, images: &[(S, GrayImage)]) -> Figure {
    draw(title, images, true)
}

const MOST: usize = 48;
const GAP: f64 = 14.0;
/// Bytes of PNG in one figure; base64 makes a third more of them.
const BUDGET: usize = 120_000;

fn draw<S: AsRef<str>>(title: &str, images: &[(S, GrayImage)], to_scale: bool) -> Figure {
    let mut card = Card::new(title);
    card.measured = false;
    card.note(to_scale, "all images at the same scale".to_owned());
    let captions: Vec<String> = images.iter().map(|image| clean(image.0.as_ref())).collect();
    let size = |side: u32| fixed(side.into(), 0);
    let size = |image: &GrayImage| format!("{} × {}", size(image.width()), size(image.height()));
    let row =
        |(caption, (_, image)): (&String, &(S, GrayImage))| vec![caption.clone(), size(image)];
    let rows: Vec<Vec<String>> = captions.iter().zip(images).map(row).collect();
    let shown = card.few(images, MOST, "image");
    let shown: Vec<&GrayImage> = shown.iter().map(|(_, image)| image).collect();
    let svg = (!shown.is_empty()).then(|| paint(&card, &captions, &shown, to_scale));
    let (what, list) = (count(images.len(), "grey image"), listed(&captions, 12));
    let heads = ["image", "size (px)"];
    card.figure("Contact sheet", &format!("{what}, {list}"), (&heads, &rows), svg)
}

fn paint(card: &Card, captions: &[String], images: &[&GrayImage], to_scale: bool) -> String {
    let across = images.len().clamp(2, 6);
    let cell = ((RIGHT - LEFT - GAP * (across - 1) as f64) / across as f64).min(300.0);
    let most = fitting(cell, SMALL);
    let longest = |image: &GrayImage| f64::from(image.width().max(image.height()).max(1));
    let largest = images.iter().map(|image| longest(image)).fold(1.0, f64::max);
    let fit = |image: &&GrayImage| {
        let scale = cell / if to_scale { largest } else { longest(image) };
        let side = |pixels: u32| (f64::from(pixels) * scale).max(2.0).round();
        (side(image.width()), side(image.height()))
    };
    let sizes: Vec<(f64, f64)> = images.iter().map(fit).collect();

    // A row is as high as its highest image and a caption; images stand on its ground.
    let (mut places, mut end) = (Vec::new(), 0.0);
    for row in sizes.chunks(across) {
        let ground = end + row.iter().map(|size| size.1).fold(0.0, f64::max);
        for (column, (wide, high)) in row.iter().enumerate() {
            let middle = LEFT + (cell + GAP) * column as f64 + cell / 2.0;
            places.push(((middle - wide / 2.0).round(), ground - high, middle, ground));
        }
        end = ground + 27.0 + GAP;
    }
    // plotters' SVG has no images: they lie on its picture, in an SVG around it.
    let mut laid = String::new();
    let pngs = encode(images, &sizes);
    let svg = card.svg(end, |pen, top| {
        for (place, &(x, y, middle, ground)) in places.iter().enumerate() {
            let ((wide, high), y) = (sizes[place], top + y);
            let around = [(x - 1.0, y - 1.0), (x + wide + 1.0, y + high + 1.0)];
            pen.rect(around, stroke(RULE, 1.0))?;
            let caption = shorten(&captions[place], most);
            pen.small(middle, top + ground + 15.0, &caption, HPos::Center)?;
            let [x, y, wide, high] = [x, y, wide, high].map(fine);
            laid.push_str(&format!(
                "<image x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" \
                 preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" \
                 href=\"data:image/png;base64,{}\"/>",
                STANDARD.encode(&pngs[place])
            ));
        }
        Ok(())
    });
    let (wide, high) = card.size(end);
    format!(
        "<svg width=\"{wide}\" height=\"{high}\" viewBox=\"0 0 {wide} {high}\" \
         xmlns=\"http://www.w3.org/2000/svg\">{svg}{laid}</svg>"
    )
}

/// Each image as a PNG at the size at which it is shown; nothing for images without pixels.
fn encode(images: &[&GrayImage], sizes: &[(f64, f64)]) -> Vec<Vec<u8>> {
    // Twice the pixels where there is room for them: screens are finer than 760 px.
    let mut detail = 2.0;
    loop {
        let all = images.iter().zip(sizes);
        let png = |(image, size): (&&GrayImage, &(f64, f64))| png(image, *size, detail);
        let pngs: Vec<Vec<u8>> = all.map(png).collect();
        let bytes: usize = pngs.iter().map(Vec::len).sum();
        if bytes <= BUDGET || detail < 0.02 {
            return pngs;
        }
        detail *= (BUDGET as f64 / bytes as f64).sqrt().min(0.95);
    }
}

/// The image as PNG of that size: reduced by means, or enlarged so that its pixels can be seen.
fn png(image: &GrayImage, size: (f64, f64), detail: f64) -> Vec<u8> {
    if image.width() == 0 || image.height() == 0 {
        return Vec::new();
    }
    let side = |pixels: f64| ((pixels * detail) as u32).max(1);
    let (wide, high) = (side(size.0), side(size.1));
    let resized = match image.width() > wide || image.height() > high {
        true => imageops::thumbnail(image, wide.min(image.width()), high.min(image.height())),
        false => imageops::resize(image, wide, high, FilterType::Nearest),
    };
    let mut png = Cursor::new(Vec::new());
    let done = resized.write_to(&mut png, ImageFormat::Png);
    done.map_or(Vec::new(), |()| png.into_inner())
}
