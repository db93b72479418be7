//! How another process calls a function that a cell defines: the only unsafe part of the pool.
//!
//! A cell is compiled to a shared object, and so is the [`entry`] that the compiler makes for each
//! function given to a pool. Its [`Place`] is enough for a worker: it opens the same object and
//! calls the same code. Only the C calling convention crosses from the worker's program into the
//! object, so the two may be compiled differently.

use super::load::{CODE, Place};
use super::wire::{self, EncodeError, Frames, Received, Tag};
use crate::check::quietly;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::{CStr, OsStr, c_int, c_void};
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::LazyLock;

/// What the worker's program calls: the socket, and the largest item and result in bytes. The
/// answer is 0 where another function shall be loaded, 1 at the end.
type Entry = extern "C" fn(c_int, u64) -> c_int;

/// Where the entry of a function lies.
///
/// # Errors
///
/// In words for the reader, where another process cannot find the function.
pub fn place_of<A, R, F>(_function: &F, largest: usize) -> Result<Place, String>
where
    A: DeserializeOwned,
    R: Serialize + 'static,
    F: Fn(A) -> R + Copy,
{
    const {
        assert!(
            size_of::<F>() == 0,
            "a function for a process pool must not capture variables: they live in this process \
             only. Send what it needs with each item, as in \
             `pool.map(|(n, factor)| n * factor, numbers.map(|n| (n, factor)))`. \
             (A `fn` in a variable of type `fn(..)` counts as captured: give its name instead.)"
        )
    };
    place(entry::<A, R, F>, largest)
}

fn place(entry: Entry, largest: usize) -> Result<Place, String> {
    let address = entry as *const c_void;
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: dladdr reads nothing through `address`, and writes only to `info`, which is valid.
    let found = unsafe { libc::dladdr(address, &mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return Err("the system does not say where the function was loaded from".to_owned());
    }
    // SAFETY: dladdr gives a C string that lives as long as the object is loaded. It is loaded
    // now, because a function of it is in use.
    let object = unsafe { CStr::from_ptr(info.dli_fname) }
        .to_bytes()
        .to_vec();
    let file = Path::new(OsStr::from_bytes(&object));
    let identity = identity(file);
    // glibc gives the program's own name as it was typed, which need not be a path.
    let typed = !object.contains(&b'/');
    if typed || identity == *PROGRAM {
        return Err(
            "this function is part of an ordinary program, which no other process can open. \
             A process pool runs functions of notebook cells and of shared objects (a crate of \
             type cdylib or dylib); in a program use rayon, or start the program again"
                .to_owned(),
        );
    }
    if identity.is_none() {
        return Err(format!(
            "{}, which holds this function, is no longer there; run its cell again",
            file.display()
        ));
    }
    let mut code = [0; CODE];
    // SAFETY: the code of a function in use is mapped and readable, and nobody writes to it. An
    // entry is longer than these few bytes; it saves registers before it does anything.
    unsafe { std::ptr::copy_nonoverlapping(address.cast(), code.as_mut_ptr(), CODE) };
    Ok(Place {
        object,
        offset: (address as usize - info.dli_fbase as usize) as u64,
        code,
        largest: largest as u64,
    })
}

/// Which file a path leads to: device and inode. `None` where it leads nowhere.
fn identity(file: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The identity of this process's program. Asked for once, as every call of a pool compares it.
static PROGRAM: LazyLock<Option<(u64, u64)>> =
    LazyLock::new(|| identity(&std::env::current_exe().ok()?));

/// Runs in the worker: `F` for each item, until the socket ends or another function is wanted.
extern "C" fn entry<A, R, F>(socket: c_int, largest: u64) -> c_int
where
    A: DeserializeOwned,
    R: Serialize + 'static,
    F: Fn(A) -> R + Copy,
{
    // SAFETY: `F` has no bytes (`place_of` lets nothing else compile), so a well-aligned pointer
    // is all that a reference to it needs. `F` is Copy and whoever made this entry had one, so one
    // more does no harm.
    let function: &F = unsafe { NonNull::<F>::dangling().as_ref() };
    serve(socket, largest as usize, &mut |item, answers, largest| {
        let item: A =
            postcard::from_bytes(item).map_err(|e| EncodeError::Refused(e.to_string()))?;
        wire::append_result(&function(item), largest, answers)
    })
}

/// Calls the function for one encoded item and appends the encoded result.
type Call<'a> = &'a mut dyn FnMut(&[u8], &mut Vec<u8>, usize) -> Result<(), EncodeError>;

fn serve(socket: c_int, largest: usize, call: Call<'_>) -> c_int {
    // SAFETY: the worker's program gives an open socket and does not use it until this returns.
    // It stays that program's to close, hence ManuallyDrop.
    let mut socket = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(socket) });
    let mut frames = Frames::new();
    let mut answers = Vec::new();
    loop {
        match frames.next() {
            Some(Received::AnotherFunction) => return 0,
            Some(Received::Frame(items)) => {
                answer(frames.bytes(items), largest, call, &mut answers);
                // What an item printed is to be seen with its result.
                let _ = std::io::stdout().flush();
                if socket.write_all(&answers).is_err() {
                    return 1;
                }
                if answers.capacity() > 1 << 20 {
                    answers = Vec::new();
                }
            }
            None => match frames.fill(&mut *socket) {
                Ok(0) => return 1,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return 1,
            },
        }
    }
}

/// Makes the frame of answers for a frame of items.
fn answer(mut items: &[u8], largest: usize, call: Call<'_>, answers: &mut Vec<u8>) {
    wire::begin(answers);
    while let Some(item) = wire::take(&mut items) {
        let start = answers.len();
        answers.push(Tag::Value as u8);
        let (tag, text) = match quietly(|| call(item, answers, largest)) {
            Ok(Ok(())) => continue,
            Ok(Err(EncodeError::TooLarge)) => (Tag::TooLarge, String::new()),
            Ok(Err(EncodeError::Refused(why))) => (Tag::NotCarried, why),
            Err(message) => (Tag::Panic, message),
        };
        answers.truncate(start);
        wire::append_text(tag, &text, answers);
    }
    wire::finish(answers);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_program_is_told_so() {
        let error = place_of(&|n: u32| n + 1, 100).unwrap_err();
        assert!(error.contains("ordinary program"), "{error}");
    }

    #[test]
    fn each_item_has_an_answer() {
        let mut items = Vec::new();
        for item in [1u32, 0, 300] {
            wire::append(&item, 100, &mut items).unwrap();
        }
        items.extend_from_slice(&[1, 0, 0, 0, 0xff]);
        let mut answers = Vec::new();
        let mut call = |item: &[u8], answers: &mut Vec<u8>, largest: usize| {
            let item: u32 =
                postcard::from_bytes(item).map_err(|e| EncodeError::Refused(e.to_string()))?;
            wire::append(&vec![0u8; (600 / item) as usize], largest, answers)
        };
        answer(&items, 100, &mut call, &mut answers);
        let mut answers = &answers[4..];
        assert_eq!(wire::take_answer(&mut answers).unwrap().0, Tag::TooLarge);
        let (tag, message) = wire::take_answer(&mut answers).unwrap();
        assert_eq!(tag, Tag::Panic);
        assert_eq!(message, b"attempt to divide by zero");
        let (tag, value) = wire::take_answer(&mut answers).unwrap();
        assert_eq!((tag, value.len()), (Tag::Value, 3));
        assert_eq!(wire::take_answer(&mut answers).unwrap().0, Tag::NotCarried);
        assert!(answers.is_empty());
    }
}
