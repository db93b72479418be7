//! libjpeg-turbo, found at run time.
//!
//! Linking to a C library would make everybody install it. It is looked for once, by the names it
//! goes by on Linux and macOS, and used through the part of the TurboJPEG API that versions 2 and
//! 3 share.

use super::error::Reason;
use super::header::{self, Format};
use super::{SIDE, Scaled};
use libc::{c_char, c_int, c_uchar, c_ulong, c_void};
use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The libjpeg-turbo that [`resize_scaled`](super::resize_scaled) uses: its version as far as it
/// can be told, and its place. `None` where there is none.
pub fn turbojpeg() -> Option<String> {
    library().map(|library| library.description.clone())
}

/// The library, opened at the first call and kept.
pub(super) fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY
        .get_or_init(|| candidates().iter().find_map(|name| Library::open(name)))
        .as_ref()
}

fn candidates() -> Vec<CString> {
    let names = if cfg!(target_os = "macos") {
        ["libturbojpeg.0.dylib", "libturbojpeg.dylib"]
    } else {
        ["libturbojpeg.so.0", "libturbojpeg.so"]
    };
    let mut folders = vec![PathBuf::new()];
    // A conda environment's libraries are not on the system's search path.
    if let Some(prefix) = std::env::var_os("CONDA_PREFIX") {
        folders.insert(0, PathBuf::from(prefix).join("lib"));
    }
    if cfg!(target_os = "macos") {
        folders.push("/opt/homebrew/opt/jpeg-turbo/lib".into());
        folders.push("/usr/local/opt/jpeg-turbo/lib".into());
    }
    folders
        .iter()
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .filter_map(|path| CString::new(path.into_os_string().into_encoded_bytes()).ok())
        .collect()
}

// The functions' types, as turbojpeg.h gives them.
type Handle = *mut c_void;
type Init = unsafe extern "C" fn() -> Handle;
/// Handle, bytes, their count; width, height, subsampling and colours to be written.
type Header = unsafe extern "C" fn(
    Handle,
    *const c_uchar,
    c_ulong,
    *mut c_int,
    *mut c_int,
    *mut c_int,
    *mut c_int,
) -> c_int;
/// Handle, bytes, their count; the buffer, its width, bytes per row, height, pixel format, flags.
type Decompress = unsafe extern "C" fn(
    Handle,
    *const c_uchar,
    c_ulong,
    *mut c_uchar,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
) -> c_int;
type ErrorText = unsafe extern "C" fn(Handle) -> *mut c_char;
type Status = unsafe extern "C" fn(Handle) -> c_int;

pub(super) struct Library {
    description: String,
    init: Init,
    header: Header,
    decompress: Decompress,
    error_text: ErrorText,
    error_code: Status,
    destroy: Status,
}

const GRAY: c_int = 6; // TJPF_GRAY
const FAST_DCT: c_int = 2048; // TJFLAG_FASTDCT
const LIMIT_SCANS: c_int = 32768; // TJFLAG_LIMITSCANS: 500, then an error
const WARNING: c_int = 0; // TJERR_WARNING: a result there is
const CMYK: c_int = 3; // TJCS_CMYK; TJCS_YCCK is 4

impl Library {
    fn open(name: &CStr) -> Option<Library> {
        // SAFETY: `name` ends in a zero. The library is a well-known one that does nothing when
        // it is loaded, and it is never closed, so that its functions stay valid.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            return None;
        }
        let symbol = |name: &CStr| {
            // SAFETY: `library` is open and `name` ends in a zero.
            let address = unsafe { libc::dlsym(library, name.as_ptr()) };
            (!address.is_null()).then_some(address)
        };
        let init = symbol(c"tjInitDecompress")?;
        let version = if symbol(c"tj3Init").is_some() { 3 } else { 2 };
        let place = place_of(init).unwrap_or_else(|| name.to_string_lossy().into_owned());
        // SAFETY: the symbols' types are those of turbojpeg.h, the same in versions 2 and 3;
        // `tjGetErrorCode` and `tjGetErrorStr2` are there since 2.0, so 1.x is not taken.
        unsafe {
            Some(Library {
                description: format!("libjpeg-turbo {version}, {place}"),
                init: std::mem::transmute::<*mut c_void, Init>(init),
                header: std::mem::transmute::<*mut c_void, Header>(symbol(c"tjDecompressHeader3")?),
                decompress: std::mem::transmute::<*mut c_void, Decompress>(symbol(
                    c"tjDecompress2",
                )?),
                error_text: std::mem::transmute::<*mut c_void, ErrorText>(symbol(
                    c"tjGetErrorStr2",
                )?),
                error_code: std::mem::transmute::<*mut c_void, Status>(symbol(c"tjGetErrorCode")?),
                destroy: std::mem::transmute::<*mut c_void, Status>(symbol(c"tjDestroy")?),
            })
        }
    }

    /// Decodes a JPEG to grey, at the smallest scale that suits, into `pixels`.
    ///
    /// `None` for files that this library does not decode to grey.
    pub(super) fn decode_into(
        &'static self,
        bytes: &[u8],
        pixels: &mut Vec<u8>,
    ) -> Result<Option<Scaled>, Reason> {
        let header = header::check(bytes)?;
        if header.format != Format::Jpeg {
            return Ok(None);
        }
        with_decoder(self, |handle| {
            let length = bytes.len() as c_ulong;
            let (mut width, mut height, mut sampling, mut colours) = (0, 0, 0, 0);
            // SAFETY: the handle is this thread's own; the library reads `length` bytes and
            // writes to four integers.
            let status = unsafe {
                (self.header)(
                    handle,
                    bytes.as_ptr(),
                    length,
                    &mut width,
                    &mut height,
                    &mut sampling,
                    &mut colours,
                )
            };
            self.outcome(handle, status)?;
            if (width as u32, height as u32) != (header.width, header.height) {
                return Err(Reason::Damaged("two sizes in one file".to_owned()));
            }
            if colours >= CMYK {
                return Ok(None);
            }
            let eighths = eighths(header.width.min(header.height));
            let (width, height) = (
                scaled(header.width, eighths),
                scaled(header.height, eighths),
            );
            // Zeros first, as for the other decoder.
            pixels.clear();
            pixels.resize(width as usize * height as usize, 0);
            // SAFETY: the library writes `height` rows of `width` bytes, which `pixels` has. It
            // chooses the largest scale whose result fits, and that is the one computed above.
            let status = unsafe {
                (self.decompress)(
                    handle,
                    bytes.as_ptr(),
                    length,
                    pixels.as_mut_ptr(),
                    width as c_int,
                    width as c_int,
                    height as c_int,
                    GRAY,
                    FAST_DCT | LIMIT_SCANS,
                )
            };
            self.outcome(handle, status)?;
            let covered = |side: u32| f64::from(side * eighths) / 8.0;
            Ok(Some(Scaled {
                width,
                height,
                covered: (covered(header.width), covered(header.height)),
            }))
        })
    }

    /// A warning means that there is a picture nevertheless: the other decoders take it as well.
    fn outcome(&self, handle: Handle, status: c_int) -> Result<(), Reason> {
        // SAFETY: the handle is valid, and the text lives until its next call.
        unsafe {
            if status == 0 || (self.error_code)(handle) == WARNING {
                return Ok(());
            }
            let text = CStr::from_ptr((self.error_text)(handle));
            Err(Reason::Damaged(text.to_string_lossy().into_owned()))
        }
    }
}

/// Into how many eighths of its size a picture with this shorter side is decoded.
///
/// Only 1, 2, 4 and 8 are fast. At least the thumbnail's size must be left.
fn eighths(shorter: u32) -> u32 {
    let enough = |eighths: &u32| shorter * eighths >= 8 * SIDE as u32;
    [1, 2, 4].into_iter().find(enough).unwrap_or(8)
}

/// The library rounds up.
fn scaled(side: u32, eighths: u32) -> u32 {
    (side * eighths).div_ceil(8)
}

/// Runs `work` with the calling thread's own decoder: making one for each image costs time.
fn with_decoder<T>(
    library: &'static Library,
    work: impl FnOnce(Handle) -> Result<T, Reason>,
) -> Result<T, Reason> {
    struct Decoder(&'static Library, Handle);
    impl Drop for Decoder {
        fn drop(&mut self) {
            // SAFETY: the handle came from the library and nobody else has it.
            unsafe { (self.0.destroy)(self.1) };
        }
    }
    thread_local! {
        static DECODER: RefCell<Option<Decoder>> = const { RefCell::new(None) };
    }
    DECODER.with_borrow_mut(|slot| {
        let decoder = slot.get_or_insert_with(|| {
            // SAFETY: it takes nothing and returns a handle or null.
            Decoder(library, unsafe { (library.init)() })
        });
        if decoder.1.is_null() {
            *slot = None;
            return Err(Reason::Damaged("libjpeg-turbo did not start".to_owned()));
        }
        work(decoder.1)
    })
}

/// The file that a function was loaded from.
fn place_of(function: *mut c_void) -> Option<String> {
    // SAFETY: all fields of the struct may be zero, and dladdr only writes to it.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: as above; the address is only looked up.
    let found = unsafe { libc::dladdr(function, &mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's own text, which ends in a zero and lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    let path = std::fs::canonicalize(name.to_string_lossy().as_ref());
    Some(path.ok()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_keeps_the_thumbnails_size() {
        assert_eq!(eighths(2000), 1);
        assert_eq!(eighths(512), 1);
        assert_eq!(eighths(511), 2);
        assert_eq!(eighths(150), 4);
        assert_eq!(eighths(127), 8);
        assert_eq!(eighths(1), 8);
        assert_eq!(scaled(1017, 1), 128);
    }

    #[test]
    fn a_missing_library_is_no_error() {
        assert!(Library::open(c"libthere-is-no-such.so").is_none());
    }
}
