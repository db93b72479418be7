//! JPEG and PNG in memory to grey levels.

use super::error::Reason;
use super::header::{self, Format};
use super::{MAX_FILE, MAX_MEMORY};
use image::{DynamicImage, ImageError, ImageFormat, ImageReader, Limits};
use platform::panics::quietly;
use std::io::Cursor;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Decodes into `pixels`, whose old content does not matter; returns width and height.
pub(super) fn decode_into(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(u32, u32), Reason> {
    let header = header::check(bytes)?;
    contained(|| match header.format {
        Format::Jpeg => gray_of_jpeg(bytes, header.by_colour, pixels),
        Format::Png => {
            let image = by_image(bytes, ImageFormat::Png)?;
            let size = (image.width(), image.height());
            *pixels = luma(image);
            Ok(size)
        }
    })
}

/// Decodes with the `image` crate, in the file's own colours.
pub(super) fn decode_plain(bytes: &[u8]) -> Result<DynamicImage, Reason> {
    let format = match header::check(bytes)?.format {
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
    };
    contained(|| by_image(bytes, format))
}

/// Damaged input has made decoders panic before; that is the file's fault, not the caller's.
pub(super) fn contained<T>(decode: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    quietly(decode).unwrap_or_else(|_| Err(mistake()))
}

/// What a decoder stops at. Its own words are about its insides: they help nobody with the file.
fn mistake() -> Reason {
    Reason::Damaged("its compressed pixels make no sense".to_owned())
}

/// More scans than any encoder writes: each one is a pass over the whole image.
pub(super) const MAX_SCANS: usize = 64;

/// The decoder: the crate `zune-jpeg`. Where brightness is stored apart from the colours, these are
/// not even looked at.
fn gray_of_jpeg(bytes: &[u8], by_colour: bool, pixels: &mut Vec<u8>) -> Result<(u32, u32), Reason> {
    let damaged = |_: zune_jpeg::errors::DecodeErrors| mistake();
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) =
        decoder.dimensions().ok_or_else(|| Reason::Damaged("no size".to_owned()))?;
    let count = width * height;
    let straight = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr) => !by_colour,
        Some(ColorSpace::Luma) => true,
        _ => false,
    };
    if straight {
        // What the decoder leaves out in damaged data is black, not the image before.
        pixels.clear();
        pixels.resize(count, 0);
        decoder.decode_into(pixels).map_err(damaged)?;
    } else {
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::RGB));
        pixels.clear();
        let mut colours = vec![0; 3 * count];
        decoder.decode_into(&mut colours).map_err(damaged)?;
        pixels.extend(colours.chunks_exact(3).map(|c| level(c[0], c[1], c[2])));
    }
    Ok((width as u32, height as u32))
}

fn by_image(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, Reason> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY - MAX_FILE);
    let end = match format {
        ImageFormat::Png => header::png_end(bytes),
        _ => None,
    };
    // A PNG whose pixels are all there, and only its last chunk is not, is as good as another.
    let mut completed = Vec::new();
    let lacks_end = end.is_some_and(|end| bytes[end..].len() < END.len());
    if let Some(end) = end.filter(|_| lacks_end) {
        completed.extend(&bytes[..end]);
        completed.extend(END);
    }
    let whole = if lacks_end { &completed } else { bytes };
    let mut reader = ImageReader::with_format(Cursor::new(whole), format);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| match error {
        ImageError::Limits(_) => Reason::TooLarge("it takes too much memory".to_owned()),
        _ if lacks_end => Reason::Truncated,
        ImageError::IoError(_) => Reason::Truncated,
        other if format == ImageFormat::Png && other.to_string().contains("CRC") => {
            Reason::Damaged("a checksum in it is wrong".to_owned())
        }
        _ => mistake(),
    })?;
    check_depth(&image)?;
    Ok(image)
}

/// A PNG's last chunk: no bytes of content, its name, and the checksum of that.
const END: &[u8; 12] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Refuses what would come out as black: levels of 14 bits or less, as X-ray detectors give them,
/// that somebody stored in 16 bits without stretching them.
fn check_depth(image: &DynamicImage) -> Result<(), Reason> {
    let Some(wide) = image.as_flat_samples_u16() else {
        return Ok(());
    };
    let channels = usize::from(wide.layout.channels);
    let pixels = wide.samples.chunks_exact(channels);
    let brightest = pixels.flat_map(|pixel| &pixel[..colours(channels)]).max();
    // An image without any light is black, not dark.
    let Some(brightest) = brightest.filter(|&&level| level > 0) else {
        return Ok(());
    };
    match u16::BITS - brightest.leading_zeros() {
        bits @ ..=14 => Err(Reason::Dark { bits }),
        _ => Ok(()),
    }
}

/// Pillow's `convert("L")`: alpha is ignored, of 16 bits the upper eight count.
fn luma(image: DynamicImage) -> Vec<u8> {
    if let DynamicImage::ImageLuma8(gray) = image {
        return gray.into_raw();
    }
    let channels = image.color().channel_count().into();
    match image.as_flat_samples_u16() {
        Some(wide) => levels(wide.samples, channels, |level| (level >> 8) as u8),
        None => levels(image.as_bytes(), channels, |level| level),
    }
}

fn levels<T: Copy>(samples: &[T], channels: usize, eight_bits: impl Fn(T) -> u8) -> Vec<u8> {
    let pixels = samples.chunks_exact(channels);
    match colours(channels) {
        1 => pixels.map(|pixel| eight_bits(pixel[0])).collect(),
        _ => pixels.map(|p| level(eight_bits(p[0]), eight_bits(p[1]), eight_bits(p[2]))).collect(),
    }
}

/// How many of a pixel's channels are not alpha.
fn colours(channels: usize) -> usize {
    if channels < 3 { 1 } else { 3 }
}

/// The grey level of a colour, as Pillow computes it.
fn level(red: u8, green: u8, blue: u8) -> u8 {
    let weighed = u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471;
    ((weighed + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_pure_colours() {
        assert_eq!(level(255, 255, 255), 255);
        assert_eq!(level(255, 0, 0), 76);
        assert_eq!(level(0, 255, 0), 150);
        assert_eq!(level(0, 0, 255), 29);
    }

    #[test]
    fn a_panic_becomes_a_reason_in_plain_words() {
        let outcome: Result<(), Reason> = contained(|| panic!("index out of range"));
        assert_eq!(outcome, Err(Reason::Damaged("its compressed pixels make no sense".to_owned())));
    }
}
