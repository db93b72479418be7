//! How another process calls a function that a cell defines.
//!
//! A cell is compiled to a shared object. So is the [`entry`] that the compiler makes for each pair
//! of an item's and a result's type. Their [`Place`] is enough for a worker: it opens the same
//! objects and calls the same code. Only the C calling convention crosses from the worker's program
//! into the object, so the two may be compiled differently.
//!
//! # Why safe code cannot misuse it
//!
//! * The function is a `fn(A) -> R`: an address, and nothing else. A type parameter for the
//!   function would also take a closure that captures a value without bytes, such as a proof that
//!   a lock is held or a library initialised. It would have nothing to send, and the worker would
//!   have to invent the proof. No closure that captures anything becomes a `fn`.
//! * What else crosses is made there by the types' own `Deserialize`.
//! * The worker compares the builds of the objects, so that the address leads to the same function
//!   there, and the entry to the same types.
//!
//! What remains is in four places: [`entry`] makes a `fn` of an address and [`serve`] a socket of a
//! number, `load` reads the headers of objects in memory, and the worker's program
//! (`loader.rs`) opens objects and makes a function of an address. Two things are
//! taken on trust: whoever starts the program sends it places that were made here, and a build
//! stands for one content (a file that was patched by hand and keeps its build id is not found
//! out).
//!
//! Static variables have their first values in a worker. Code that can do harm before something
//! was initialised, and says so only by handing out its `fn` afterwards, cannot go to a pool.

use super::error::Cause;
use super::load::{Mapped, Place, Spot, mapped_at};
use super::wire::{self, Frames};
use platform::panics::quietly;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::{c_int, c_void};
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::LazyLock;

/// What the worker's program calls: the socket, the largest item and result in bytes, and the
/// address of the function. The answer is 0 where another function shall be loaded, 1 at the end.
type Entry = unsafe extern "C" fn(c_int, u64, *const c_void) -> c_int;

/// Where a function and its entry lie.
///
/// # Errors
///
/// In words for the reader, where another process cannot find the function.
pub fn place_of<A, R>(function: fn(A) -> R, largest: usize) -> Result<Place, String>
where
    A: DeserializeOwned,
    R: Serialize + 'static,
{
    let entry: Entry = entry::<A, R>;
    let entry = spot(entry as *const c_void)?;
    let function = spot(function as *const c_void)?;
    can_be_opened(&entry)?;
    if function.object != entry.object {
        can_be_opened(&function)?;
    }
    Ok(Place { entry, function, helpers: HELPERS.clone()?, largest: largest as u64 })
}

/// This code's own place. It stays the same as long as it can be asked for.
static HELPERS: LazyLock<Result<Spot, String>> = LazyLock::new(|| {
    let this: fn(c_int, Call<'_>) -> c_int = serve;
    spot(this as *const c_void)
});

fn spot(address: *const c_void) -> Result<Spot, String> {
    let Some(Mapped { name, base, build }) = mapped_at(address) else {
        return Err("the system does not say where the function was loaded from".to_owned());
    };
    Ok(Spot { object: name, build, offset: (address as usize - base) as u64 })
}

fn can_be_opened(spot: &Spot) -> Result<(), String> {
    let identity = identity(spot.path());
    // The program itself has no name, or its own as it was typed, which need not be a path.
    let typed = !spot.object.contains(&b'/');
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
            spot.path().display()
        ));
    }
    Ok(())
}

/// Which file a path leads to: device and inode. `None` where it leads nowhere.
fn identity(file: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The identity of this process's program. Asked for once, as every call of a pool compares it.
static PROGRAM: LazyLock<Option<(u64, u64)>> =
    LazyLock::new(|| identity(&std::env::current_exe().ok()?));

/// Runs in the worker: the function for each item, until the socket ends or another function is
/// wanted.
///
/// # Safety
///
/// `function` is the address of a `fn(A) -> R`, and `socket` an open socket that nobody else uses
/// until this returns.
unsafe extern "C" fn entry<A, R>(socket: c_int, largest: u64, function: *const c_void) -> c_int
where
    A: DeserializeOwned,
    R: Serialize + 'static,
{
    // SAFETY: the caller's promise. The place of this entry and that of the function were taken
    // down together, by `place_of`, which knew its type.
    let function = unsafe { std::mem::transmute::<*const c_void, fn(A) -> R>(function) };
    serve(socket, &mut |item, answers| {
        let item = postcard::from_bytes(item);
        let item: A = item.map_err(|error| Cause::NotCarried(error.to_string()))?;
        wire::append_answer(&function(item), largest as usize, answers)
    })
}

/// Calls the function for one encoded item and appends the answer.
type Call<'a> = &'a mut dyn FnMut(&[u8], &mut Vec<u8>) -> Result<(), Cause>;

fn serve(socket: c_int, call: Call<'_>) -> c_int {
    // SAFETY: the worker's program gives an open socket and does not use it until this returns.
    // It stays that program's to close, hence ManuallyDrop.
    let mut socket = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(socket) });
    let mut frames = Frames::default();
    let mut answers = Vec::new();
    let worker = std::process::id();
    loop {
        let items = match wire::receive(&mut frames, &mut *socket) {
            Ok(Some(items)) => items,
            Ok(None) | Err(_) => return 1,
        };
        if items == wire::ANOTHER_FUNCTION {
            return 0;
        }
        answer(wire::content(&items), call, &mut answers);
        // What an item printed is to be seen with its result.
        let _ = std::io::stdout().flush();
        if std::process::id() != worker {
            // The item has forked, and this is the copy. Its answer would be taken for that of
            // the next item.
            // SAFETY: ends this process at once, without the clean-up that is the other's.
            unsafe { libc::_exit(0) };
        }
        if socket.write_all(&answers).is_err() {
            return 1;
        }
        if answers.capacity() > 1 << 20 {
            answers = Vec::new();
        }
    }
}

/// Makes the frame of answers for a frame of items.
fn answer(mut items: &[u8], call: Call<'_>, answers: &mut Vec<u8>) {
    wire::begin(answers);
    while let Some(item) = wire::take(&mut items) {
        let start = answers.len();
        let outcome = quietly(|| call(item, answers));
        if let Err(cause) = outcome.unwrap_or_else(|message| Err(Cause::Panicked(message))) {
            answers.truncate(start);
            wire::append_failure(&cause, answers);
        }
    }
    wire::finish(answers);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_program_is_told_so() {
        let error = place_of(|n: u32| n + 1, 100).unwrap_err();
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
        let mut call = |item: &[u8], answers: &mut Vec<u8>| {
            let item: u32 =
                postcard::from_bytes(item).map_err(|e| Cause::NotCarried(e.to_string()))?;
            wire::append_answer(&vec![0u8; (600 / item) as usize], 100, answers)
        };
        answer(&items, &mut call, &mut answers);
        let mut answers = wire::content(&answers);
        let mut next = || wire::take_answer::<Vec<u8>>(&mut answers);
        assert_eq!(next(), Err(Cause::TooLarge(100)));
        let message = "attempt to divide by zero".to_owned();
        assert_eq!(next(), Err(Cause::Panicked(message)));
        assert_eq!(next(), Ok(vec![0, 0]));
        assert!(matches!(next(), Err(Cause::NotCarried(_))));
        assert!(answers.is_empty());
    }
}
