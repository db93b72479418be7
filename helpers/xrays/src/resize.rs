//! One X-ray file to a small grey thumbnail.
//!
//! Three ways to the same 64 × 64 levels:
//!
//! | function | decoder | resampler |
//! |---|---|---|
//! | [`resize_plain`] | `image`, in colour where the file has colour | `image` |
//! | [`resize`] | `zune-jpeg` straight to grey | `fast_image_resize` |
//! | [`resize_scaled`] | of a JPEG only the mean of each 8 × 8 block | `fast_image_resize` |
//!
//! All of them do what Pillow does in `Image.open(f).convert("L").resize((64, 64))`: the picture
//! is stretched to a square, alpha is ignored, an EXIF orientation is not applied. At the qualities
//! that cameras and programs write, [`resize`] differs from Pillow by rounding only and
//! [`resize_scaled`] by less than one level. In JPEGs of the very lowest qualities it is more: at
//! quality 1 up to 2 levels for [`resize`] (where Pillow cuts off colours that do not exist), and up
//! to 4 for [`resize_scaled`]. Of grey PNGs with 16 bits the upper eight count, where Pillow makes
//! every level above 255 of 65535 white.
//!
//! All of them refuse the same files (but for damage inside the blocks of a JPEG, most of which
//! [`resize_scaled`] walks over). Among these are rare kinds of JPEG, of which the decoder would make
//! garbage without saying so: with a scan of its own for each colour, with colours sampled finer than
//! the brightness, or with a third of the samples. The error says what to do.
//!
//! Each file gives a [`Thumbnail`] or an error with its name, whatever is in it: damaged input is
//! no reason to panic, to hang, or to take more memory than [`MAX_MEMORY`].

mod block_means;
mod error;
mod gray;
pub(crate) mod header;
mod laps;
mod thumbnail;

pub use error::{Reason, ResizeError};
/// The filters of [`shrink_to`]: `Box`, `Bilinear`, `Hamming`, `CatmullRom`, `Mitchell`, `Gaussian`,
/// `Lanczos3`.
pub use fast_image_resize::FilterType as Filter;
pub use laps::Laps;
pub use thumbnail::{SIDE, Thumbnail, differences};

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{ResizeAlg, ResizeOptions, Resizer};
use image::GrayImage;
use image::imageops;
use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The most pixels that an image may have: 100 megapixels. X-rays have 0.1 to 10.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The most memory, in bytes, that reading and decoding one image may take: 512 MiB.
///
/// What a file needs is worked out from its header, before anything is allocated for its pixels.
pub const MAX_MEMORY: u64 = 512 << 20;
/// The longest file that is read, in bytes: 128 MiB.
pub const MAX_FILE: u64 = 128 << 20;

/// A JPEG or PNG file as a thumbnail: the fast way that looks at every pixel.
pub fn resize(path: &Path) -> Result<Thumbnail, ResizeError> {
    resize_in_stages(path, &mut Laps::new())
}

/// [`resize`] is this, without a look at the stopwatch. The stages are `read`, `decode` and `resize`.
pub fn resize_in_stages(path: &Path, laps: &mut Laps) -> Result<Thumbnail, ResizeError> {
    with_scratch(|scratch| {
        read_into(path, &mut scratch.file)?;
        laps.end("read");
        scratch.whole_file(laps)
    })
    .map_err(|reason: Reason| reason.in_file(path))
}

/// A JPEG or PNG file as a thumbnail: the obvious way, with the `image` crate alone.
pub fn resize_plain(path: &Path) -> Result<Thumbnail, ResizeError> {
    let bytes = read(path)?;
    let gray = decode_plain(&bytes).map_err(|error| error.reason.in_file(path))?;
    Ok(shrink_plain(&gray))
}

/// A JPEG file as a thumbnail, from an eighth of its width and height.
///
/// A JPEG does not hold pixels. It holds each block of 8 × 8 pixels as one mean level (the "DC
/// coefficient") and up to 63 waves that are added to it. The means alone are a picture of an
/// eighth of the width and height, so a thumbnail can be made from them: the waves' bits are
/// walked over, since nothing says where a block ends, but never computed.
///
/// Baseline JPEGs (most files are) whose shorter side has at least 512 pixels take this way: the
/// means then have at least the thumbnail's 64 levels a side. All other files (progressive or
/// small JPEGs, CMYK, PNG) go the way of [`resize`].
pub fn resize_scaled(path: &Path) -> Result<Thumbnail, ResizeError> {
    resize_scaled_in_stages(path, &mut Laps::new())
}

/// [`resize_scaled`] is this, without a look at the stopwatch. The stages are those of
/// [`resize_in_stages`].
pub fn resize_scaled_in_stages(path: &Path, laps: &mut Laps) -> Result<Thumbnail, ResizeError> {
    with_scratch(|scratch| {
        read_into(path, &mut scratch.file)?;
        laps.end("read");
        let header = header::check(&scratch.file)?;
        let enough = header.width.min(header.height) >= 8 * SIDE as u32;
        if header.format == header::Format::Jpeg
            && enough
            && let Some(means) = block_means::decode_into(&scratch.file, &mut scratch.pixels)
        {
            laps.end("decode");
            let thumbnail = shrink_with(&mut scratch.resizer, &scratch.pixels, means);
            laps.end("resize");
            return Ok(thumbnail);
        }
        scratch.whole_file(laps)
    })
    .map_err(|reason: Reason| reason.in_file(path))
}

/// Stage 1: the file's bytes, at most [`MAX_FILE`] of them.
pub fn read(path: &Path) -> Result<Vec<u8>, ResizeError> {
    let mut bytes = Vec::new();
    read_into(path, &mut bytes).map_err(|reason| reason.in_file(path))?;
    Ok(bytes)
}

/// Stage 2 of [`resize`]: a JPEG or PNG in memory as grey levels.
///
/// Colour becomes `(19595 R + 38470 G + 7471 B) / 65536`, rounded: Pillow's `convert("L")`.
pub fn decode_gray(bytes: &[u8]) -> Result<GrayImage, ResizeError> {
    let mut pixels = Vec::new();
    let (width, height) = gray::decode_into(bytes, &mut pixels)?;
    GrayImage::from_raw(width, height, pixels)
        .ok_or_else(|| Reason::Damaged("fewer pixels than its header says".to_owned()).into())
}

/// Stage 2 of [`resize_plain`]: what `image::open(path)?.into_luma8()` gives.
///
/// The `image` crate weighs red, green and blue by another standard (Rec. 709) than Pillow, so
/// colour files come out a little different.
pub fn decode_plain(bytes: &[u8]) -> Result<GrayImage, ResizeError> {
    Ok(gray::decode_plain(bytes)?.into_luma8())
}

/// Stage 3 of [`resize`]: any grey image to 64 × 64, by `fast_image_resize`.
///
/// The filter is the one behind Pillow's default, where it is called BICUBIC: Catmull–Rom,
/// stretched when it shrinks so that every pixel counts.
pub fn shrink(image: &GrayImage) -> Thumbnail {
    let whole = Scaled::whole(image.dimensions());
    with_scratch(|scratch| shrink_with(&mut scratch.resizer, image.as_raw(), whole))
}

/// Any grey image to any size, by any filter: [`shrink`] is this with 64 × 64 and
/// [`Filter::CatmullRom`]. A side of 0 counts as 1.
pub fn shrink_to(image: &GrayImage, width: u32, height: u32, filter: Filter) -> GrayImage {
    let (whole, size) = (Scaled::whole(image.dimensions()), (width.max(1), height.max(1)));
    let pixels =
        with_scratch(|scratch| resample(&mut scratch.resizer, image.as_raw(), whole, size, filter));
    GrayImage::from_raw(size.0, size.1, pixels)
        .expect("the resampler gives the size it is asked for")
}

/// Stage 3 of [`resize_plain`]: the same filter as in [`shrink`], by the `image` crate.
pub fn shrink_plain(image: &GrayImage) -> Thumbnail {
    if image.is_empty() {
        return Thumbnail::black();
    }
    let side = SIDE as u32;
    let small = imageops::resize(image, side, side, imageops::FilterType::CatmullRom);
    Thumbnail::from_pixels(small.into_raw()).expect("the resampler gives the size it is asked for")
}

/// What each thread keeps from one image to the next: fresh memory costs time for every page.
#[derive(Default)]
struct Scratch {
    file: Vec<u8>,
    pixels: Vec<u8>,
    resizer: Resizer,
}

/// A thread gives buffers back that are larger than this many bytes.
const KEEP: usize = 32 << 20;

fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let result = work(scratch);
        for buffer in [&mut scratch.file, &mut scratch.pixels] {
            if buffer.capacity() > KEEP {
                *buffer = Vec::new();
            }
        }
        result
    })
}

/// The size of a picture, maybe decoded at a fraction of its own.
struct Scaled {
    /// Whole pixels in the buffer.
    width: u32,
    height: u32,
    /// The part of them that the picture covers: its last column and row may reach beyond it.
    covered: (f64, f64),
}

impl Scaled {
    fn whole((width, height): (u32, u32)) -> Scaled {
        Scaled { width, height, covered: (width.into(), height.into()) }
    }
}

impl Scratch {
    /// The thumbnail of all pixels of the file that was read.
    fn whole_file(&mut self, laps: &mut Laps) -> Result<Thumbnail, Reason> {
        let size = gray::decode_into(&self.file, &mut self.pixels)?;
        laps.end("decode");
        let picture = Scaled::whole(size);
        let thumbnail = shrink_with(&mut self.resizer, &self.pixels, picture);
        laps.end("resize");
        Ok(thumbnail)
    }
}

fn shrink_with(resizer: &mut Resizer, pixels: &[u8], picture: Scaled) -> Thumbnail {
    let size = (SIDE as u32, SIDE as u32);
    let small = resample(resizer, pixels, picture, size, Filter::CatmullRom);
    Thumbnail::from_pixels(small).expect("the buffer was made for this size")
}

/// The resampler: the crate `fast_image_resize`. `Convolution` weighs all large pixels that fall
/// into a small one.
fn resample(
    resizer: &mut Resizer,
    pixels: &[u8],
    picture: Scaled,
    (width, height): (u32, u32),
    filter: Filter,
) -> Vec<u8> {
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(0.0, 0.0, picture.covered.0, picture.covered.1)
        .use_alpha(false);
    let mut small = vec![0; width as usize * height as usize];
    let source = TypedImageRef::<U8>::from_buffer(picture.width, picture.height, pixels)
        .expect("the decoders give as many pixels as they say");
    let mut target = TypedImage::<U8>::from_buffer(width, height, &mut small)
        .expect("the buffer was made for this size");
    resizer
        .resize_typed(&source, &mut target, &options)
        .expect("the whole of an image always lies within it");
    small
}

fn read_into(path: &Path, bytes: &mut Vec<u8>) -> Result<(), Reason> {
    bytes.clear();
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Reason::NotAFile);
    }
    bytes.reserve_exact(metadata.len().min(MAX_FILE) as usize + 1);
    // The file may grow while it is read.
    let length = file.take(MAX_FILE + 1).read_to_end(bytes)? as u64;
    if length > MAX_FILE {
        let limit = MAX_FILE >> 20;
        return Err(Reason::TooLarge(format!("it is longer than {limit} MiB")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
