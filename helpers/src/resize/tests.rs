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

#[test]
fn the_stages_make_the_whole() {
    let path = images().join("colour.jpg");
    let bytes = read(&path).unwrap();
    assert_eq!(
        shrink(&decode_gray(&bytes).unwrap()),
        resize(&path).unwrap()
    );
    assert_eq!(
        shrink_plain(&decode_plain(&bytes).unwrap()),
        resize_plain(&path).unwrap()
    );
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
        (
            "cut.jpg",
            &whole[..whole.len() - 100],
            "ends too early; copy or download it again",
        ),
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
    assert!(matches!(folder_itself.reason, Reason::Io(_)));
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
    let set = crate::xrays::xrays_from(Path::new(&folder)).unwrap();
    for xray in set.spread(24).files() {
        let fast = resize(&xray.path).unwrap();
        let scaled = resize_scaled(&xray.path).unwrap();
        let difference = fast.difference(&scaled);
        assert!(difference <= 1.0, "{}: {difference}", xray.path.display());
    }
}
