//! What an image file says about itself, read without decoding it.
//!
//! Decoders allocate what a header asks for, and a damaged header can ask for anything. So the
//! size is looked up here first, and compared with what the file can hold at all.

use super::error::Reason;
use super::{MAX_MEMORY, MAX_PIXELS};

/// The file formats that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Huffman-coded, 8 bits: baseline, extended or progressive.
    Jpeg,
    Png,
}

/// An image's format, size and colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub format: Format,
    /// Pixels, at least 1.
    pub width: u32,
    /// Pixels, at least 1.
    pub height: u32,
    /// Values per pixel after decoding: 1 grey, 2 grey and alpha, 3 colour, 4 CMYK or with alpha.
    pub channels: u8,
    /// JPEG: whether the decoder must make colours first, since its way straight to grey would
    /// leave out every other band of rows. PNG: never.
    pub by_colour: bool,
    /// Bytes that the decoder needs for the decoded pixels and its own buffers, at most.
    memory: u64,
    /// Where the compressed pixels begin.
    data: usize,
    /// Bytes that the compressed pixels take at the very least.
    shortest: u64,
}

/// Reads the header. `bytes` may be the beginning of a file; [`Reason::Truncated`] means that
/// the header is longer than that.
pub(crate) fn read_header(bytes: &[u8]) -> Result<Header, Reason> {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    let header = match bytes {
        [] => return Err(Reason::Empty),
        [0xff, 0xd8, 0xff, ..] => jpeg(bytes)?,
        _ if bytes.starts_with(PNG) => png(bytes)?,
        _ => return Err(Reason::NotAnImage),
    };
    if header.width == 0 || header.height == 0 {
        let Header { width, height, .. } = header;
        return Err(Reason::Damaged(format!("{width} × {height} pixels")));
    }
    Ok(header)
}

/// Reads the header of a whole file, and refuses what is too large or cut off.
pub(crate) fn check(bytes: &[u8]) -> Result<Header, Reason> {
    let header = read_header(bytes)?;
    let Header { width, height, .. } = header;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        let (megapixels, limit) = (pixels as f64 / 1e6, MAX_PIXELS / 1_000_000);
        return Err(Reason::TooLarge(format!(
            "{width} × {height} pixels are {megapixels:.0} megapixels, and the limit is {limit}"
        )));
    }
    // One decoder copies the file.
    let memory = header.memory + 2 * bytes.len() as u64;
    if memory > MAX_MEMORY {
        return Err(Reason::TooLarge(format!(
            "{width} × {height} pixels of this kind take {} MiB to decode, and the limit is {}",
            memory >> 20,
            MAX_MEMORY >> 20
        )));
    }
    let data = &bytes[header.data.min(bytes.len())..];
    let complete = match header.format {
        Format::Jpeg => data.windows(2).rev().any(|pair| pair == [0xff, 0xd9]),
        Format::Png => png_end(bytes).is_some(),
    };
    if !complete || (data.len() as u64) < header.shortest {
        return Err(Reason::Truncated);
    }
    Ok(header)
}

/// Walks from marker to marker up to the first scan.
fn jpeg(bytes: &[u8]) -> Result<Header, Reason> {
    let byte = |at: usize| bytes.get(at).copied().ok_or(Reason::Truncated);
    let word = |at: usize| Ok::<_, Reason>(u16::from_be_bytes([byte(at)?, byte(at + 1)?]));

    let mut frame = None;
    let mut at = 2;
    loop {
        // Between segments decoders skip whatever is not a marker.
        while byte(at)? != 0xff {
            at += 1;
        }
        while byte(at)? == 0xff {
            at += 1;
        }
        let marker = byte(at)?;
        at += 1;
        match marker {
            // Stuffing, or markers without a segment.
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 => return Err(Reason::Truncated),
            // Start of frame. C4, C8 and CC lie in the range and mean something else.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let (bits, height, width) = (byte(at + 2)?, word(at + 3)?, word(at + 5)?);
                let channels = byte(at + 7)?;
                if frame.is_some() {
                    return Err(Reason::Damaged("two frames".to_owned()));
                }
                let progressive = marker == 0xc2;
                match marker {
                    0xc0..=0xc2 if bits == 8 => {}
                    0xc0..=0xc2 => {
                        return Err(Reason::Rare(format!("{bits} bits for each level")));
                    }
                    0xc3 => return Err(Reason::Rare("lossless".to_owned())),
                    0xc9 | 0xca => return Err(Reason::Rare("arithmetic coding".to_owned())),
                    _ => return Err(Reason::Rare(format!("process {}", marker - 0xc0))),
                }
                if !matches!(channels, 1 | 3 | 4) {
                    return Err(Reason::Rare(format!("{channels} colour channels")));
                }
                let mut shapes = [(0, 0); 4];
                for (channel, shape) in shapes.iter_mut().take(channels.into()).enumerate() {
                    let both = byte(at + 9 + 3 * channel)?;
                    *shape = (both >> 4, both & 15);
                }
                let most = check_sampling(&shapes[..channels.into()])?;
                frame = Some((width, height, channels, progressive, most));
            }
            // Start of scan.
            0xda => {
                let data = at + usize::from(word(at)?);
                let in_scan = byte(at + 2)?;
                let Some((width, height, channels, progressive, most)) = frame else {
                    return Err(Reason::Damaged("no frame before the scan".to_owned()));
                };
                // A progressive file has many scans by nature. In any other the decoder mixes up
                // the rows of scans that have not all colours, and says nothing.
                if !progressive && in_scan < channels {
                    let why = "a scan of its own for each colour";
                    return Err(Reason::Rare(why.to_owned()));
                }
                // Decoders pad to whole blocks, of 32 × 32 pixels at most.
                let padded = |side: u16| u64::from(side).next_multiple_of(32);
                let pixels = padded(width) * padded(height);
                // The decoded pixels, their grey copy, a band of 32 rows, and per channel two
                // bytes (in one odd case of the decoder four) for each coefficient.
                let samples = u64::from(channels);
                let coefficients = if progressive { 4 * samples * pixels } else { 0 };
                let gray = if channels > 1 { pixels } else { 0 };
                let bands = 16 * 32 * samples * padded(width);
                return Ok(Header {
                    format: Format::Jpeg,
                    width: width.into(),
                    height: height.into(),
                    channels,
                    by_colour: progressive && most == (1, 2),
                    memory: samples.min(3) * pixels + gray + bands + coefficients,
                    data,
                    // One bit for each block of 8 × 8 pixels.
                    shortest: u64::from(width.div_ceil(8)) * u64::from(height.div_ceil(8)) / 8,
                });
            }
            _ => {}
        }
        at += usize::from(word(at)?);
    }
}

/// The largest sampling factors of a JPEG's channels, across and down; refuses those that the
/// decoder gets wrong.
///
/// The first channel is the brightness, or one of four inks. It must be the finest, as in all files
/// that cameras and programs write. The others may have a half, a quarter or (down) a third of it.
fn check_sampling(shapes: &[(u8, u8)]) -> Result<(u8, u8), Reason> {
    let most = *shapes.first().unwrap_or(&(1, 1));
    let across = |across: u8| matches!(across, 1 | 2 | 4) && across <= most.0;
    let down = |down: u8| match most.1 {
        1 | 2 => (1..=most.1).contains(&down),
        3 | 4 => down == 1 || down == most.1,
        _ => false,
    };
    if shapes.iter().all(|&(w, h)| across(w) && down(h)) {
        return Ok(most);
    }
    let all: Vec<String> = shapes.iter().map(|(w, h)| format!("{w}×{h}")).collect();
    let why = format!("its channels are sampled {}", all.join(", "));
    let possible = |factor: u8| (1..=4).contains(&factor);
    Err(match shapes.iter().all(|&(w, h)| possible(w) && possible(h)) {
        true => Reason::Rare(why),
        false => Reason::Damaged(why),
    })
}

/// The first chunk has everything.
fn png(bytes: &[u8]) -> Result<Header, Reason> {
    let start = bytes.get(..33).ok_or(Reason::Truncated)?;
    if &start[12..16] != b"IHDR" {
        return Err(Reason::Damaged("a PNG without its first chunk".to_owned()));
    }
    let side =
        |at: usize| u32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    let (width, height, bits, colour) = (side(16), side(20), start[24], start[25]);
    // A later chunk may make one colour transparent, which adds alpha to the decoded pixels.
    let (channels, decoded, channels_coded) = match colour {
        0 => (1, 2, 1),
        2 => (3, 4, 3),
        3 => (3, 4, 1),
        4 => (2, 2, 2),
        6 => (4, 4, 4),
        other => return Err(Reason::Damaged(format!("colour type {other}"))),
    };
    let pixels = u64::from(width) * u64::from(height);
    let per_pixel = decoded * if bits == 16 { 2 } else { 1 };
    Ok(Header {
        format: Format::Png,
        width,
        height,
        channels,
        by_colour: false,
        // The decoded pixels, their grey copy, and the decompressor.
        memory: pixels
            .saturating_mul(per_pixel + 1)
            .saturating_add(16 * u64::from(width) + (1 << 20)),
        data: 33,
        // Deflate makes nothing shorter than a 1032nd.
        shortest: pixels.saturating_mul(channels_coded * u64::from(bits.max(1))) / 8 / 1040,
    })
}

/// Where a PNG's last chunk begins, `IEND`, or where it would: some programs leave it out. `None`
/// for a file that ends within another chunk, or before its pixels.
///
/// Lengths are believed, checksums are left to the decoder.
pub(super) fn png_end(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut pixels) = (8, false);
    while let Some(start) = bytes.get(at..at + 12) {
        let kind = &start[4..8];
        if kind == b"IEND" {
            return Some(at);
        }
        pixels |= kind == b"IDAT";
        let length = u32::from_be_bytes([start[0], start[1], start[2], start[3]]);
        at += 12 + length as usize;
    }
    (pixels && at <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg_header(marker: u8, height: u16, width: u16, channels: u8) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2];
        bytes.extend([0xff, marker, 0, 8 + 3 * channels, 8]);
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.push(channels);
        bytes.extend((1..=channels).flat_map(|c| [c, 0x11, 0]));
        bytes.extend([0xff, 0xda, 0, 6 + 2 * channels, channels]);
        bytes.extend((1..=channels).flat_map(|c| [c, 0]));
        bytes.extend([0, 63, 0]);
        bytes
    }

    #[test]
    fn size_and_colour_of_a_jpeg() {
        let header = read_header(&jpeg_header(0xc0, 300, 400, 3)).unwrap();
        assert_eq!((header.width, header.height, header.channels), (400, 300, 3));
        assert!(!header.by_colour);
        let progressive = read_header(&jpeg_header(0xc2, 300, 400, 3)).unwrap();
        assert!(progressive.memory > header.memory);
    }

    #[test]
    fn limits_come_before_decoding() {
        let giant = check(&jpeg_header(0xc0, 65535, 65535, 1)).unwrap_err();
        assert!(matches!(&giant, Reason::TooLarge(why) if why.contains("4295 megapixels")));
        let kept = check(&jpeg_header(0xc2, 9000, 9000, 4)).unwrap_err();
        assert!(matches!(&kept, Reason::TooLarge(why) if why.contains("MiB")));
        assert_eq!(check(&jpeg_header(0xc0, 9000, 9000, 1)), Err(Reason::Truncated));
        let flat = check(&jpeg_header(0xc0, 0, 9000, 1)).unwrap_err();
        assert!(matches!(&flat, Reason::Damaged(why) if why == "9000 × 0 pixels"));
    }

    #[test]
    fn every_beginning_of_a_header_is_truncated() {
        let bytes = jpeg_header(0xc0, 300, 400, 3);
        for end in 3..bytes.len() - 9 {
            assert_eq!(read_header(&bytes[..end]), Err(Reason::Truncated), "{end}");
        }
        assert_eq!(read_header(&[]), Err(Reason::Empty));
        assert_eq!(read_header(b"GIF89a"), Err(Reason::NotAnImage));
    }
}
