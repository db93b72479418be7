//! A worker of a process pool: opens the shared object of a notebook's cell and calls a function
//! of it, for as long as the notebook wants.
//!
//! `pool` starts this program and talks to it; see there. What a worker must never do is
//! outlive its notebook.

use crate::load::{LOADED, Place, READY, Spot, mapped_at};
use crate::wire::{Frames, content, frame_of, receive};
use anyhow::{Context, Result, anyhow, ensure};
use std::ffi::{CStr, CString, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// See `pool::entry`.
type Entry = unsafe extern "C" fn(c_int, u64, *const c_void) -> c_int;

/// Serves until the notebook closes its end of the socket, which is this program's input.
pub fn serve() -> Result<ExitCode> {
    let mut socket =
        take_input().context("this is started by notebooks, with a socket as input")?;
    end_with(socket.as_raw_fd())?;
    loop {
        send(&mut socket, READY)?;
        let Some(message) = receive(&mut Frames::default(), &mut socket)? else {
            return Ok(ExitCode::SUCCESS);
        };
        let place: Place =
            postcard::from_bytes(content(&message)).context("the request asks for no function")?;
        match load(&place) {
            Ok((entry, function)) => {
                send(&mut socket, LOADED)?;
                // SAFETY: the notebook found entry and function together and knew the function's
                // type, and both lie here as they lie there. The socket is open, and only the
                // watch has it too, which does not read or write.
                let end = unsafe { entry(socket.as_raw_fd(), place.largest, function) };
                if end != 0 {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Err(why) => send(&mut socket, format!("{why:#}").as_bytes())?,
        }
    }
}

/// The socket gets a number from here on. Some programs close the low numbers, to be sure of what
/// is open; the next file would get the socket's, and the answers.
const FIRST: RawFd = 100;

/// The socket on standard input, which becomes empty: what a cell's function reads from there must
/// not be the items of others. Programs that this one starts do not get the socket.
fn take_input() -> Result<UnixStream> {
    let input = std::io::stdin();
    // SAFETY: fcntl gives a number that is not in use, or -1; the copy is this function's alone.
    let copy = unsafe { libc::fcntl(input.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST) };
    let socket = match copy {
        // So few numbers are allowed that there is none so high.
        ..0 => UnixStream::from(input.as_fd().try_clone_to_owned()?),
        // SAFETY: as above.
        _ => unsafe { UnixStream::from_raw_fd(copy) },
    };
    socket.peer_addr()?;
    let nothing = File::open("/dev/null")?;
    // SAFETY: both are open, and nobody else uses standard input in this program yet.
    if unsafe { libc::dup2(nothing.as_raw_fd(), input.as_raw_fd()) } < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(socket)
}

/// Ends this program when the other end of the socket is closed, also in the middle of an item:
/// the system closes it however the notebook ends.
fn end_with(socket: RawFd) -> Result<()> {
    let watch = move || {
        let mut watched = libc::pollfd { fd: socket, events: 0, revents: 0 };
        loop {
            // SAFETY: `watched` is one valid pollfd, and the socket stays open.
            let found = unsafe { libc::poll(&mut watched, 1, -1) };
            if found > 0 {
                // SAFETY: ends the process at once and touches nothing of the item's.
                unsafe { libc::_exit(0) };
            }
        }
    };
    std::thread::Builder::new().spawn(watch)?;
    Ok(())
}

fn send(socket: &mut UnixStream, message: &[u8]) -> Result<()> {
    Ok(socket.write_all(&frame_of(message))?)
}

/// Opens the objects and finds the entry and the function in them.
fn load(place: &Place) -> Result<(Entry, *const c_void)> {
    let entry = find(&place.entry, 0)?;
    let function = find(&place.function, 0)?;
    // That is open by now, because the entry needs it. Another one that lies at the path would not
    // be the one that the entry uses.
    find(&place.helpers, libc::RTLD_NOLOAD)?;
    // SAFETY: the notebook found an entry, which is a function of this type, at the same distance
    // from the beginning of the same build of the object.
    let entry = unsafe { std::mem::transmute::<*const c_void, Entry>(entry) };
    Ok((entry, function))
}

/// Where a function lies in this process. Opens the object, if it is not open yet.
fn find(spot: &Spot, flags: c_int) -> Result<*const c_void> {
    let name = spot.path().display();
    let replaced = || format!("{name} has been replaced since its cell ran; run the cell again");
    let object = CString::new(spot.object.clone())?;
    let handle = match open(&object, flags) {
        Err(_) if flags & libc::RTLD_NOLOAD != 0 => return Err(anyhow!(replaced())),
        opened => opened.with_context(|| format!("a worker cannot open {name}"))?,
    };
    let base = base_of(handle, &object)
        .ok_or_else(|| anyhow!("the system does not say where {name} was loaded"))?;
    let address = base.wrapping_byte_add(spot.offset as usize);
    // Calling what lies elsewhere, or in another build, would be worse than no answer.
    let mapped = mapped_at(address).filter(|mapped| mapped.base == base as usize);
    let build = mapped.map(|mapped| mapped.build);
    ensure!(build.as_ref() == Some(&spot.build), replaced());
    Ok(address)
}

/// Opens a shared object, for good: its functions stay valid. The error is the system's.
pub fn open(object: &CStr, flags: c_int) -> Result<*mut c_void> {
    let flags = flags | libc::RTLD_NOW | libc::RTLD_LOCAL;
    // SAFETY: opening runs the object's initialisers. It is a Rust library, such as a notebook has
    // open already or this project builds, and these have none that do harm.
    let handle = unsafe { libc::dlopen(object.as_ptr(), flags) };
    match handle.is_null() {
        true => Err(anyhow!(last_error())),
        false => Ok(handle),
    }
}

fn last_error() -> String {
    // SAFETY: dlerror gives null or a C string that is valid until the next call on this thread.
    unsafe {
        let text = libc::dlerror();
        match text.is_null() {
            true => "no reason given".to_owned(),
            false => CStr::from_ptr(text).to_string_lossy().into_owned(),
        }
    }
}

/// Where an open object begins in memory, as in [`mapped_at`].
#[cfg(target_os = "linux")]
fn base_of(handle: *mut c_void, _object: &CStr) -> Option<*const c_void> {
    /// The beginning of `struct link_map` in link.h.
    #[repr(C)]
    struct LinkMap {
        base: *const c_void,
        name: *const libc::c_char,
        dynamic: *const c_void,
    }
    let mut map: *const LinkMap = std::ptr::null();
    let into: *mut *const LinkMap = &mut map;
    // SAFETY: for this request dlinfo writes one pointer to where its third argument points.
    let status = unsafe { libc::dlinfo(handle, libc::RTLD_DI_LINKMAP, into.cast()) };
    if status != 0 || map.is_null() {
        return None;
    }
    // SAFETY: the pointer is to the map of an open object, which begins with these fields and
    // stays, as nobody closes the object.
    Some(unsafe { (*map).base })
}

/// Where an open object begins in memory.
#[cfg(target_os = "macos")]
fn base_of(_handle: *mut c_void, object: &CStr) -> Option<*const c_void> {
    unsafe extern "C" {
        fn _dyld_image_count() -> u32;
        fn _dyld_get_image_name(index: u32) -> *const libc::c_char;
        fn _dyld_get_image_header(index: u32) -> *const c_void;
    }
    let real = |name: &CStr| std::fs::canonicalize(name.to_str().ok()?).ok();
    let wanted = real(object)?;
    // SAFETY: these only read dyld's list. An index beyond its end gives null.
    unsafe {
        (0.._dyld_image_count())
            .find(|&index| {
                let name = _dyld_get_image_name(index);
                !name.is_null() && real(CStr::from_ptr(name)).as_ref() == Some(&wanted)
            })
            .map(|index| _dyld_get_image_header(index))
    }
}
