//! What the three ways promise, on small images of every kind and on real X-rays where there are
//! some.

use super::*;
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images")
}

/// The thumbnail that Pillow 13 makes of one of the images.
fn pillow(name: &str) -> Thumbnail {
    let image = image::open(images().join(format!("{name}.pillow.png"))).unwrap();
    Thumbnail::from_pixels(image.into_luma8().into_raw()).unwrap()
}

fn assert_near(name: &str, made: Result<Thumbnail, ResizeError>, limit: f64) {
    let difference = made.unwrap().difference(&pillow(name));
    assert!(difference <= limit, "{name}: {difference:.3} levels");
}

#[test]
fn each_kind_of_image_comes_out_like_pillows() {
    let kinds = [
        "gray.jpg",
        "gray-progressive.jpg",
        "gray-restart.jpg",
        "colour.jpg",
        "colour-422.jpg",
        "colour-444.jpg",
        "colour-440.jpg",
        "colour-440-progressive.jpg",
        "colour-411.jpg",
        "colour-410.jpg",
        "colour-progressive.jpg",
        "rgb.jpg",
        "cmyk.jpg",
        "turned.jpg",
        "large-gray.jpg",
        "large-colour.jpg",
        "thread.jpg",
        "gray.png",
        "gray-alpha.png",
        "one-bit.png",
        "palette.png",
        "alpha.png",
        "interlaced.png",
        "rgb16.png",
        "dot.png",
        "thread.png",
    ];
    for name in kinds {
        let path = images().join(name);
        assert_near(name, resize(&path), 0.5);
        assert_near(name, resize_scaled(&path), 1.0);
        // Its weights of the colours are others.
        let limit = if name.contains("gray") { 0.5 } else { 12.0 };
        assert_near(name, resize_plain(&path), limit);
    }
}

#[test]
fn sixteen_bits_are_not_clipped() {
    // Pillow makes everything above level 255 of 65535 white.
    let deep = resize(&images().join("gray16.png")).unwrap();
    let shallow = resize(&images().join("gray.png")).unwrap();
    assert!(deep.difference(&shallow) < 4.0);
}

/// The ways to a thumbnail, and those to the pixels before it: (name, outcome as text).
fn every_way(path: &Path) -> Vec<(&'static str, Result<(), ResizeError>)> {
    let bytes = fs::read(path).unwrap();
    vec![
        ("fast", resize(path).map(drop)),
        ("plain", resize_plain(path).map(drop)),
        ("scaled", resize_scaled(path).map(drop)),
        ("grey pixels", decode_gray(&bytes).map(drop)),
        ("plain pixels", decode_plain(&bytes).map(drop)),
    ]
}

/// Every way refuses the file in these words; those that know its name say it.
fn assert_refused(path: &Path, words: &[&str]) {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    for (way, outcome) in every_way(path) {
        let error = outcome.expect_err(&format!("{name}, {way}"));
        let text = error.to_string();
        for word in words {
            assert!(text.contains(word), "{name}, {way}: {text}");
        }
        assert!(way.ends_with("pixels") || text.contains(&name), "{text}");
        for debugging in ["{", "0x", "Error", "unwrap", "index", "panic", "slice"] {
            assert!(!text.contains(debugging), "{name}, {way}: {text}");
        }
    }
}

// The files `rare-…` and `colour-4…` were made from one picture of 101 × 77 pixels by libjpeg's
// `cjpeg -quality 90 -sample S`, S being 1x1 for 444, 2x1 for 422, 1x2 for 440, 2x2 for 420, 4x1 for
// 411, 4x2 for 410, `1x1,2x2,2x2` and `1x1,1x2,1x1` for the fine chroma; with `-progressive` where
// the name says so, and with `-scans` and a file of the lines "0;", "1;", "2;", or "0;", "1,2;" for
// `rare-scans-two`. The decoder makes garbage of most of the rare ones, without an error.

#[test]
fn jpegs_with_scans_of_their_own_for_colours_are_refused_in_words() {
    for kind in ["444", "422", "440", "420", "411", "410", "two"] {
        let path = images().join(format!("rare-scans-{kind}.jpg"));
        let words = ["a rare kind of JPEG (a scan of its own", "save it again"];
        assert_refused(&path, &words);
    }
}

#[test]
fn jpegs_with_odd_sampling_are_refused_in_words() {
    for (name, sampling) in [
        ("rare-fine-chroma.jpg", "1×1, 2×2, 2×2"),
        ("rare-fine-chroma-440.jpg", "1×1, 1×2, 1×1"),
        ("rare-3x1.jpg", "3×1, 1×1, 1×1"),
    ] {
        let path = images().join(name);
        let words = ["a rare kind of JPEG", sampling, "save it again"];
        assert_refused(&path, &words);
    }
}

/// A 16-bit grey PNG of 40 × 40 pixels with levels from 0 to `brightest`.
fn deep_png(brightest: u16) -> Vec<u8> {
    let level = |i: u32| (u32::from(brightest) * i / 1599) as u16;
    let levels = (0..1600).map(level).collect();
    let image = image::ImageBuffer::<image::Luma<u16>, Vec<u16>>::from_raw(40, 40, levels);
    let mut png = std::io::Cursor::new(Vec::new());
    let image = image::DynamicImage::ImageLuma16(image.unwrap());
    image.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

#[test]
fn a_deep_png_with_unused_bits_is_not_silently_black() {
    let folder = tempfile::tempdir().unwrap();
    for (brightest, advice) in [
        (4095, "levels of 12 bits in a 16-bit PNG); multiply its levels by 16 "),
        (16_383, "levels of 14 bits in a 16-bit PNG); multiply its levels by 4 "),
        (1, "levels of 1 bits in a 16-bit PNG); multiply its levels by 32768 "),
    ] {
        let path = folder.path().join(format!("deep-{brightest}.png"));
        fs::write(&path, deep_png(brightest)).unwrap();
        assert_refused(&path, &["would be almost black", advice]);
    }
    for brightest in [0, 16_384, 65_535] {
        let path = folder.path().join("fine.png");
        fs::write(&path, deep_png(brightest)).unwrap();
        let mean = resize(&path).unwrap().mean();
        let expected = f64::from(brightest >> 8) / 2.0;
        assert!((mean - expected).abs() < 2.0, "{brightest}: {mean}");
    }
}

#[test]
fn a_png_without_its_last_chunk_is_read_as_pillow_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["gray.png", "alpha.png", "interlaced.png", "palette.png"] {
        let whole = fs::read(images().join(name)).unwrap();
        let path = folder.path().join(name);
        // All of the last chunk, or a part of it.
        for missing in 1..=12 {
            fs::write(&path, &whole[..whole.len() - missing]).unwrap();
            assert_near(name, resize(&path), 0.5);
            assert_near(name, resize_scaled(&path), 0.5);
            for (way, outcome) in every_way(&path) {
                assert!(outcome.is_ok(), "{name}, {way}, {missing}: {outcome:?}");
            }
        }
        for missing in [13, 16, 24, whole.len() / 2] {
            fs::write(&path, &whole[..whole.len() - missing]).unwrap();
            assert_refused(&path, &["ends too early; copy or download it again"]);
        }
    }
}

#[test]
fn damage_is_told_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let png = fs::read(images().join("gray.png")).unwrap();
    let pixels = png.windows(4).position(|kind| kind == b"IDAT").unwrap();
    let length = u32::from_be_bytes(png[pixels - 4..pixels].try_into().unwrap()) as usize;
    let mut sum = png.clone();
    sum[pixels + 4 + length] ^= 1;
    let path = write("sum.png", &sum);
    assert_refused(&path, &["a checksum in it is wrong", "replace it"]);

    let jpeg = fs::read(images().join("colour.jpg")).unwrap();
    let tables = jpeg.windows(2).position(|m| m == [0xff, 0xc4]).unwrap();
    let mut wrong = jpeg.clone();
    wrong[tables + 4..tables + 30].fill(0xff);
    let path = write("tables.jpg", &wrong);
    assert_refused(&path, &["its compressed pixels make no sense", "replace it"]);

    let cut = write("cut.jpg", &jpeg[..jpeg.len() / 2]);
    assert_refused(&cut, &["ends too early; copy or download it again"]);
    let gif = write("really-a-gif.jpeg", b"GIF89a\x01\0\x01\0\0\0\0;");
    assert_refused(&gif, &["is neither a JPEG nor a PNG; leave it out"]);
    assert_refused(&write("empty.png", b""), &["is empty"]);

    let mut precise = jpeg.clone();
    let frame = precise.windows(2).position(|m| m == [0xff, 0xc0]).unwrap();
    precise[frame + 4] = 12;
    let path = write("precise.jpg", &precise);
    assert_refused(&path, &["a rare kind of JPEG (12 bits for each level)"]);
    for (process, words) in [(0xc3, "lossless"), (0xc9, "arithmetic coding")] {
        let mut other = jpeg.clone();
        other[frame + 1] = process;
        let path = write("other.jpg", &other);
        assert_refused(&path, &["a rare kind of JPEG (", words]);
    }
}

#[test]
fn what_may_not_be_read_says_so() {
    let denied = Reason::from(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
    let text = denied.in_file(Path::new("locked.jpg")).to_string();
    assert!(text.starts_with("locked.jpg: cannot be read (you may not read it"), "{text}");
    assert!(text.ends_with("change who may read it"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let text = resize(folder.path()).unwrap_err().to_string();
    assert!(text.ends_with("cannot be read (it is not a file); leave it out"), "{text}");
}

#[test]
fn the_lowest_quality_costs_a_few_levels() {
    // What the documentation of the module says about it.
    let whole = image::open(images().join("large-gray.jpg")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (quality, limit) in [(1, 4.0), (75, 1.0)] {
        let path = folder.path().join(format!("{quality}.jpg"));
        let file = fs::File::create(&path).unwrap();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(file, quality);
        whole.write_with_encoder(encoder).unwrap();
        let difference = resize(&path).unwrap().difference(&resize_scaled(&path).unwrap());
        assert!(difference > 0.0 && difference <= limit, "{quality}: {difference}");
    }
}

#[test]
fn the_stages_make_the_whole() {
    let path = images().join("colour.jpg");
    let bytes = read(&path).unwrap();
    assert_eq!(shrink(&decode_gray(&bytes).unwrap()), resize(&path).unwrap());
    assert_eq!(shrink_plain(&decode_plain(&bytes).unwrap()), resize_plain(&path).unwrap());
}

#[test]
fn an_image_does_not_depend_on_the_one_before() {
    // Where data is damaged a decoder may leave pixels out.
    let mut bytes = fs::read(images().join("gray.jpg")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 200].fill(0x55);
    let mut pixels = vec![200; 1 << 20];
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let outcome = gray::decode_into(&bytes, &mut pixels);
        seen.insert((format!("{outcome:?}"), pixels.clone()));
        pixels.fill(99);
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn errors_name_the_file_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(images().join("gray.jpg")).unwrap();
    let cases: [(&str, &[u8], &str); 4] = [
        ("empty.jpg", b"", "is empty; copy or download it again"),
        ("text.jpg", b"hello", "is neither a JPEG nor a PNG"),
        ("cut.jpg", &whole[..whole.len() - 100], "ends too early; copy or download it again"),
        ("start.jpg", &whole[..3], "ends too early"),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        for way in [resize, resize_plain, resize_scaled] {
            let error = way(&path).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(expected), "{text}");
        }
    }
    let gone = resize(&folder.path().join("gone.jpg")).unwrap_err();
    assert!(gone.to_string().contains("gone.jpg: cannot be read"));
    let folder_itself = resize(folder.path()).unwrap_err();
    assert!(matches!(folder_itself.reason, Reason::NotAFile));
}

#[test]
fn errors_cross_to_another_process() {
    let error = resize(Path::new("no such file")).unwrap_err();
    let sent = serde_json::to_string(&error).unwrap();
    assert_eq!(serde_json::from_str::<ResizeError>(&sent).unwrap(), error);
}

#[test]
fn an_empty_image_is_black() {
    let nothing = GrayImage::new(0, 7);
    assert_eq!(shrink(&nothing), Thumbnail::black());
    assert_eq!(shrink_plain(&nothing), Thumbnail::black());
}

#[test]
fn real_xrays_come_out_alike() {
    let Some(folder) = std::env::var_os("WORKBOOK_XRAYS") else {
        println!("skipped: WORKBOOK_XRAYS names no real X-rays");
        return;
    };
    let set = crate::xrays_from(Path::new(&folder)).unwrap();
    for xray in set.spread(24).files() {
        let fast = resize(&xray.path).unwrap();
        let scaled = resize_scaled(&xray.path).unwrap();
        let difference = fast.difference(&scaled);
        assert!(difference <= 1.0, "{}: {difference}", xray.path.display());
    }
}

#[test]
fn any_size_and_filter_and_the_thumbnail_is_one_of_them() {
    let picture = decode_gray(&fs::read(images().join("large-gray.jpg")).unwrap()).unwrap();
    let side = SIDE as u32;
    let same = shrink_to(&picture, side, side, Filter::CatmullRom);
    assert_eq!(same, shrink(&picture).image());
    assert_eq!(shrink_to(&picture, 40, 30, Filter::Box).dimensions(), (40, 30));
    assert_eq!(shrink_to(&picture, 0, 9, Filter::Lanczos3).dimensions(), (1, 9));
    let of_nothing = shrink_to(&GrayImage::new(0, 0), 3, 2, Filter::Box);
    assert!(of_nothing.pixels().all(|pixel| pixel.0[0] == 0));
}

#[test]
fn a_stopwatch_changes_nothing() {
    let path = images().join("large-gray.jpg");
    let (mut whole, mut scaled) = (Laps::new(), Laps::new());
    assert_eq!(resize_in_stages(&path, &mut whole), resize(&path));
    assert_eq!(resize_scaled_in_stages(&path, &mut scaled), resize_scaled(&path));
    for laps in [whole, scaled] {
        let spent = laps.spent(&["read", "decode", "resize"]);
        assert!(spent.iter().all(|&stage| stage > 0.0), "{spent:?}");
        assert!((spent.iter().sum::<f64>() - laps.total()).abs() < 1e-9);
    }
}

/// What chapter 06 draws as the parts of a bar is the time of the path, and not of something else.
#[test]
fn the_stages_of_a_path_add_up_to_its_time() {
    type InStages = fn(&Path, &mut Laps) -> Result<Thumbnail, ResizeError>;
    let paths = ["large-gray.jpg", "large-colour.jpg", "gray.png"].map(|name| images().join(name));
    for in_stages in [resize_in_stages as InStages, resize_scaled_in_stages] {
        let share = |_| {
            let (mut laps, start) = (Laps::new(), std::time::Instant::now());
            for path in paths.iter().cycle().take(60) {
                in_stages(path, &mut laps).unwrap();
            }
            laps.total() / start.elapsed().as_secs_f64()
        };
        // A busy machine may take this thread away just where a run ends.
        let best = (0..3).map(share).fold(0.0, f64::max);
        assert!((0.9..=1.0).contains(&best), "the stages are {best:.3} of the whole");
    }
}
