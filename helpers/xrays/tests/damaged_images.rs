//! Thousands of damaged images: each gives a thumbnail or an error, soon, in bounded memory.
//!
//! The damage is seeded, so a failure can be repeated: it names the image and the round.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use platform::chance::Random;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use xrays::resize::{
    MAX_FILE, MAX_MEMORY, Reason, decode_gray, decode_plain, resize, resize_plain, resize_scaled,
    shrink,
};

/// Counts what is allocated at the same time.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator; only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn below(random: &mut Random, end: usize) -> usize {
    (random.next_u64() % end.max(1) as u64) as usize
}

/// The images in `tests/images`, without the thumbnails to compare with.
fn originals() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".pillow.png"))
        .collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// One to three kinds of damage.
fn damage(bytes: &mut Vec<u8>, others: &[(String, Vec<u8>)], random: &mut Random) {
    for _ in 0..1 + below(random, 3) {
        if bytes.len() < 8 {
            return;
        }
        let len = bytes.len();
        match below(random, 9) {
            // Single bits.
            0 => {
                for _ in 0..1 + below(random, 20) {
                    let at = below(random, len);
                    bytes[at] ^= 1 << below(random, 8);
                }
            }
            // Bits near the beginning, where the header is.
            1 => {
                for _ in 0..1 + below(random, 4) {
                    let at = below(random, len.min(700));
                    bytes[at] = random.next_u64() as u8;
                }
            }
            2 => bytes.truncate(below(random, len)),
            // A piece twice.
            3 => {
                let start = below(random, len);
                let end = start + below(random, (len - start).min(2000));
                let piece = bytes[start..end].to_vec();
                let at = below(random, len);
                bytes.splice(at..at, piece);
            }
            // A piece gone.
            4 => {
                let start = below(random, len);
                let end = start + below(random, (len - start).min(500));
                bytes.drain(start..end);
            }
            // Another size.
            5 | 6 => resized(bytes, random),
            // The end of another image.
            7 => {
                let other = &others[below(random, others.len())].1;
                bytes.truncate(below(random, len));
                bytes.extend(&other[below(random, other.len())..]);
            }
            // Extreme values in a row.
            _ => {
                let start = below(random, len);
                let end = (start + 1 + below(random, 16)).min(len);
                bytes[start..end].fill([0x00, 0xff, 0x7f, 0x80][below(random, 4)]);
            }
        }
    }
    // Half of the cut ones get an end again, or they would all be refused for lacking one.
    if bytes.starts_with(&[0xff, 0xd8]) && below(random, 2) == 0 {
        bytes.extend([0xff, 0xd9]);
    }
}

/// Puts another size into the header; for a PNG also the checksum that belongs to it.
fn resized(bytes: &mut [u8], random: &mut Random) {
    const SIDES: [u32; 12] = [0, 1, 7, 9, 64, 200, 1000, 4000, 9999, 20_000, 65_535, 0x7fff_ffff];
    let (width, height) = (SIDES[below(random, 12)], SIDES[below(random, 12)]);
    if bytes.starts_with(b"\x89PNG") && bytes.len() > 33 {
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    } else if let Some(at) = bytes.windows(2).position(|pair| matches!(pair, [0xff, 0xc0 | 0xc2]))
        && bytes.len() > at + 9
    {
        bytes[at + 5..at + 7].copy_from_slice(&(height as u16).to_be_bytes());
        bytes[at + 7..at + 9].copy_from_slice(&(width as u16).to_be_bytes());
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

/// Which case is being decoded, and since when it may be stuck.
static CASE: AtomicUsize = AtomicUsize::new(0);

/// Ends the test program when one case takes longer than `limit`.
fn watch(limit: Duration) {
    std::thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = CASE.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > limit {
                eprintln!("case {now} hangs");
                std::process::abort();
            }
        }
    });
}

/// Only one test at a time may allocate.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn the_largest_images_stay_within_the_memory() {
    let _turn = TURN.lock();
    let png = |width: u32, height: u32, colour: ExtendedColorType, bytes: usize| {
        let mut file = Vec::new();
        let black = vec![0; width as usize * height as usize * bytes];
        PngEncoder::new(&mut file).write_image(&black, width, height, colour).unwrap();
        file
    };
    let measure = |bytes: &[u8]| {
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let outcome = decode_gray(bytes).map(|image| image.len());
        let peak = PEAK.load(Ordering::Relaxed) - before;
        assert!(peak as u64 <= MAX_MEMORY, "{peak} bytes at once");
        (outcome, peak)
    };
    let (pixels, _) = measure(&png(10_000, 10_000, ExtendedColorType::L8, 1));
    assert_eq!(pixels, Ok(100_000_000));
    let (refused, peak) = measure(&png(10_001, 10_000, ExtendedColorType::L8, 1));
    assert!(matches!(refused.unwrap_err().reason, Reason::TooLarge(_)));
    assert!(peak < 10_000);
    let (refused, peak) = measure(&png(8000, 8000, ExtendedColorType::Rgb16, 6));
    assert!(matches!(refused.unwrap_err().reason, Reason::TooLarge(_)));
    assert!(peak < 10_000);
}

#[test]
fn damaged_images_end_well() {
    let _turn = TURN.lock();
    const ROUNDS: usize = 200;
    watch(Duration::from_secs(15));
    let originals = originals();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    let (mut decoded, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    let mut most = 0;
    for (number, (name, original)) in originals.iter().enumerate() {
        for round in 0..ROUNDS {
            let mut random = Random((number * 1_000_003 + round) as u64);
            let mut bytes = original.clone();
            damage(&mut bytes, &originals, &mut random);
            fs::write(&path, &bytes).unwrap();

            CASE.fetch_add(1, Ordering::Relaxed);
            let (start, before) = (Instant::now(), NOW.load(Ordering::Relaxed));
            PEAK.store(before, Ordering::Relaxed);
            let gray = decode_gray(&bytes).map(|image| shrink(&image));
            let _ = decode_plain(&bytes);
            let fast = resize(&path);
            let _ = resize_plain(&path);
            let scaled = resize_scaled(&path);
            slowest = slowest.max(start.elapsed());
            let peak = PEAK.load(Ordering::Relaxed) - before;
            most = most.max(peak);

            let case = format!("{name}, round {round}");
            // It needs less of the file, so it may succeed where the others fail.
            assert!(scaled.is_ok() || fast.is_err(), "{case}: {scaled:?}");
            assert!(peak as u64 <= MAX_MEMORY, "{case}: {peak} bytes at once");
            match (gray, fast) {
                (Ok(gray), Ok(fast)) => {
                    assert_eq!(gray, fast, "{case}: bytes and file differ");
                    decoded += 1;
                }
                (Err(gray), Err(fast)) => {
                    assert_eq!(gray.reason, fast.reason, "{case}");
                    let text = fast.to_string();
                    assert!(text.contains("damaged: "), "{case}: no name in “{text}”");
                    refused += 1;
                }
                (gray, fast) => panic!("{case}: {gray:?} from bytes, {fast:?} from the file"),
            }
            if let Err(error) = scaled {
                assert!(error.file.is_some(), "{case}");
            }
        }
    }
    println!(
        "{decoded} decoded, {refused} refused; at most {} MiB and {slowest:?} each",
        most >> 20
    );
    assert!(decoded + refused >= 4000);
    assert!(decoded > 500 && refused > 500, "{decoded} and {refused}");
}

#[test]
fn a_file_without_end_is_not_read() {
    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.jpg");
    // Takes no room on the disk: a hole.
    let file = fs::File::create(&path).unwrap();
    file.set_len(MAX_FILE + 1).unwrap();
    let text = resize(&path).unwrap_err().to_string();
    assert!(text.contains("long.jpg: is too large: it is longer than 128 MiB"), "{text}");
    if cfg!(unix) {
        let text = resize(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(text.contains("it is not a file"), "{text}");
    }
}
