//! A worker of a process pool: opens the shared object of a notebook's cell and calls a function
//! of it, for as long as the notebook wants.
//!
//! `helpers::pool` starts this program and talks to it; see there. What a worker must never do is
//! outlive its notebook.

use crate::load::{CODE, LOADED, Place, READY};
use anyhow::{Context, Result, anyhow, bail};
use std::ffi::{CStr, CString, c_int, c_void};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// See `helpers::pool::entry`.
type Entry = extern "C" fn(c_int, u64) -> c_int;

/// Serves until the notebook closes its end of the socket, which is this program's input.
pub fn serve() -> Result<ExitCode> {
    let mut socket =
        take_input().context("this is started by notebooks, with a socket as input")?;
    end_with(socket.as_raw_fd())?;
    loop {
        send(&mut socket, READY)?;
        let Some(message) = receive(&mut socket)? else {
            return Ok(ExitCode::SUCCESS);
        };
        let place = Place::from_bytes(&message).context("the request is too short")?;
        match load(&place) {
            Ok(entry) => {
                send(&mut socket, LOADED)?;
                if entry(socket.as_raw_fd(), place.largest) != 0 {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Err(why) => send(&mut socket, format!("{why:#}").as_bytes())?,
        }
    }
}

/// The socket on standard input, which becomes empty: what a cell's function reads from there must
/// not be the items of others. Children of this program do not get the socket.
fn take_input() -> Result<UnixStream> {
    let input = std::io::stdin();
    let socket = UnixStream::from(input.as_fd().try_clone_to_owned()?);
    socket.peer_addr()?;
    let nothing = File::open("/dev/null")?;
    // SAFETY: both are open, and nobody else uses standard input in this program.
    if unsafe { libc::dup2(nothing.as_raw_fd(), input.as_raw_fd()) } < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(socket)
}

/// Ends this program when the other end of the socket is closed, also in the middle of an item:
/// the system closes it however the notebook ends.
fn end_with(socket: RawFd) -> Result<()> {
    let watch = move || {
        let mut watched = libc::pollfd {
            fd: socket,
            events: 0,
            revents: 0,
        };
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
    socket.write_all(&(message.len() as u32).to_le_bytes())?;
    socket.write_all(message)?;
    Ok(())
}

/// One message; `None` at the end.
fn receive(socket: &mut UnixStream) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    socket.read_exact(&mut message)?;
    Ok(Some(message))
}

/// Opens the object and finds the function's entry in it.
fn load(place: &Place) -> Result<Entry> {
    let name = String::from_utf8_lossy(&place.object).into_owned();
    let object = CString::new(place.object.clone())?;
    let handle = open(&object).with_context(|| format!("a worker cannot open {name}"))?;
    let base = base_of(handle, &object)
        .ok_or_else(|| anyhow!("the system does not say where {name} was loaded"))?;
    let address = base.wrapping_add(place.offset as usize);
    // Reading where nothing is mapped would end this process without a word, so ask first.
    if object_at(address).as_deref() != object_at(base).as_deref() {
        bail!("{name} has no function there; it has been replaced, run its cell again");
    }
    let mut code = [0; CODE];
    // SAFETY: the address lies in the object, which is mapped and readable.
    unsafe { std::ptr::copy_nonoverlapping(address.cast(), code.as_mut_ptr(), CODE) };
    if code != place.code {
        bail!("{name} has been replaced since its cell ran; run the cell again");
    }
    // SAFETY: the notebook found this offset for a function of this type in the same object, and
    // the bytes there are that function's first ones.
    Ok(unsafe { std::mem::transmute::<*const c_void, Entry>(address) })
}

/// Opens a shared object, for good: its functions stay valid. The error is the system's.
pub fn open(object: &CStr) -> Result<*mut c_void> {
    // SAFETY: opening runs the object's initialisers. It is a Rust library, such as a notebook has
    // open already or this project builds, and these have none that do harm.
    let handle = unsafe { libc::dlopen(object.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
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

fn information(address: *const c_void) -> Option<libc::Dl_info> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: dladdr reads nothing through the address, and writes only to `info`.
    (unsafe { libc::dladdr(address, &mut info) } != 0).then_some(info)
}

/// The file that is loaded at an address.
fn object_at(address: *const c_void) -> Option<CString> {
    let name = information(address)?.dli_fname;
    // SAFETY: dladdr gives null or a C string that lives as long as the object.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_owned())
}

/// Where an open object begins in memory.
#[cfg(target_os = "linux")]
fn base_of(handle: *mut c_void, _object: &CStr) -> Option<*const c_void> {
    /// The beginning of `struct link_map` in link.h.
    #[repr(C)]
    struct LinkMap {
        shift: usize,
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
    // SAFETY: the pointer is to the map of an open object, which begins with these fields. The
    // dynamic section lies in the object, and dladdr tells the base in the notebook's way.
    let inside = unsafe { (*map).dynamic };
    Some(information(inside)?.dli_fbase)
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

/// Where an open object begins in memory.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn base_of(_handle: *mut c_void, _object: &CStr) -> Option<*const c_void> {
    None
}
