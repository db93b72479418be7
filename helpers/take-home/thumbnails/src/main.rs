//! A folder of images to one NumPy array of grey thumbnails, on all cores.
//!
//!     cargo run --release -- xrays thumbnails.npy --side 64
//!
//! Line i of `thumbnails.txt` names the file of `numpy.load("thumbnails.npy")[i]`.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use indicatif::ParallelProgressIterator;
use ndarray::Array3;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Makes grey thumbnails of all JPEG and PNG files in a folder, as one NumPy array.
#[derive(Parser)]
struct Options {
    /// The folder with the images; folders inside of it are left out
    folder: PathBuf,
    /// The array to write: number × side × side, a byte for each level of grey
    #[arg(default_value = "thumbnails.npy")]
    array: PathBuf,
    /// Width and height of a thumbnail, in pixels
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    side: u32,
}

fn main() -> Result<()> {
    let Options { folder, array, side } = Options::parse();
    let files = images(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    // A resizer for each thread keeps its memory from one image to the next.
    let work = |resizer: &mut Resizer, path: &PathBuf| thumbnail(resizer, path, side);
    let results: Vec<Result<Vec<u8>>> =
        files.par_iter().progress().map_init(Resizer::new, work).collect();

    let (mut pixels, mut names) = (Vec::new(), Vec::new());
    for (path, result) in files.iter().zip(results) {
        match result {
            Ok(levels) => {
                pixels.extend(levels);
                names.push(path.display().to_string());
            }
            Err(why) => eprintln!("left out: {}: {why:#}", path.display()),
        }
    }
    ensure!(!names.is_empty(), "{} has no image that can be read", folder.display());
    let shape = (names.len(), side as usize, side as usize);
    ndarray_npy::write_npy(&array, &Array3::from_shape_vec(shape, pixels)?)?;
    std::fs::write(array.with_extension("txt"), names.join("\n") + "\n")?;
    println!("{} of {} images are in {}", names.len(), files.len(), array.display());
    Ok(())
}

/// The JPEG and PNG files of a folder, sorted by name.
fn images(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = paths.collect::<std::io::Result<Vec<PathBuf>>>()?;
    files.retain(|path| {
        let name = path.to_string_lossy().to_lowercase();
        [".jpg", ".jpeg", ".png"].iter().any(|end| name.ends_with(end))
    });
    files.sort();
    Ok(files)
}

/// Every pixel counts (Pillow's BICUBIC), and the picture is stretched to a square.
fn thumbnail(resizer: &mut Resizer, path: &Path, side: u32) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    // What a JPEG lacks at its end is made up by the decoder; the end's mark tells. PNG has checksums.
    let last = |mark: u8| bytes.windows(2).rposition(|pair| pair == [0xff, mark]);
    let jpeg = image::guess_format(&bytes)? == image::ImageFormat::Jpeg;
    ensure!(!jpeg || last(0xd9) > last(0xda), "it is cut off"); // end of image, start of pixels
    let grey = image::load_from_memory(&bytes)?.into_luma8();
    let large = Image::from_vec_u8(grey.width(), grey.height(), grey.into_raw(), PixelType::U8)?;
    let mut small = Image::new(side, side, PixelType::U8);
    let bicubic = ResizeAlg::Convolution(FilterType::CatmullRom);
    resizer.resize(&large, &mut small, &ResizeOptions::new().resize_alg(bicubic))?;
    Ok(small.into_vec())
}
