//! How a worker is told which function to run. Shared by helpers, which asks, and the worker's
//! program, which loads.
//!
//! A function is named by the shared object that holds it and by its distance from the object's
//! beginning. A path alone does not say which object: a rebuilt one may lie there by now, with
//! another function at the same distance. So the [`build`](Spot::build) goes with it, and it is
//! read from memory, where the code is that runs: the linker's build id (`LC_UUID` on macOS), which
//! is made from what it links; where there is none, a checksum of all code and constants.

use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// All that a worker needs in order to call a function. Its message is this as postcard writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// What the worker's program calls; see `pool::entry`.
    pub entry: Spot,
    /// The function, which the entry calls for each item.
    pub function: Spot,
    /// A function of helpers itself, which a cell shares with other cells: an entry works with the
    /// build of helpers for which it was compiled.
    pub helpers: Spot,
    /// Items and results with more bytes than this are refused.
    pub largest: u64,
}

/// A function in a shared object, as another process can find it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// The shared object, as bytes of a path.
    pub object: Vec<u8>,
    /// Which build of it.
    pub build: Vec<u8>,
    /// Bytes from the object's beginning in memory to the function.
    pub offset: u64,
}

/// What the worker's program says when it is ready to load a function. The number goes up when
/// the messages change: the program and helpers may be of different versions.
pub const READY: &[u8] = b"ready 3";

/// What it says when it has loaded one. Anything else is the reason why not.
pub const LOADED: &[u8] = b"loaded";

impl Spot {
    /// The object's path.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.object))
    }
}

/// A shared object, or the program itself, as it lies in this process's memory.
#[derive(Debug)]
pub struct Mapped {
    /// The name by which it was opened; empty for the program itself.
    pub name: Vec<u8>,
    /// What offsets are counted from.
    pub base: usize,
    /// Which build it is.
    pub build: Vec<u8>,
}

#[cfg(target_os = "linux")]
pub use elf::mapped_at;
#[cfg(target_os = "macos")]
pub use mach::mapped_at;

#[cfg(target_os = "linux")]
mod elf {
    use super::Mapped;
    use std::ffi::{CStr, c_int, c_void};
    use std::sync::{Mutex, PoisonError};

    /// One `struct dl_phdr_info` after the other until one holds the address.
    struct Search {
        address: usize,
        found: Option<Mapped>,
    }

    /// What is loaded at an address. `None` where no object is, or where the system does not tell.
    pub fn mapped_at(address: *const c_void) -> Option<Mapped> {
        let mut search = Search { address: address as usize, found: None };
        let data: *mut Search = &mut search;
        // SAFETY: `look_at` takes what dl_iterate_phdr gives it, and `data` is a valid Search that
        // nobody else uses until the call returns.
        unsafe { libc::dl_iterate_phdr(Some(look_at), data.cast()) };
        search.found
    }

    /// A part of an object that is mapped: where it begins, its length, and its flags.
    struct Segment {
        start: usize,
        length: usize,
        flags: u32,
    }

    /// # Safety
    ///
    /// For dl_iterate_phdr only: `info` is valid during the call, and `data` is a `Search`.
    unsafe extern "C" fn look_at(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: the caller's promise. The headers lie in the object, which stays loaded while
        // dl_iterate_phdr holds the loader's lock.
        let (info, search, headers) = unsafe {
            let (info, search) = (&*info, &mut *data.cast::<Search>());
            if info.dlpi_phdr.is_null() {
                return 0;
            }
            let count = usize::from(info.dlpi_phnum);
            let headers = std::slice::from_raw_parts(info.dlpi_phdr, count);
            (info, search, headers)
        };
        let base = info.dlpi_addr as usize;
        let of_type = |wanted| {
            let these = headers.iter().filter(move |header| header.p_type == wanted);
            these.map(move |header| Segment {
                start: base.wrapping_add(header.p_vaddr as usize),
                length: header.p_filesz as usize,
                flags: header.p_flags,
            })
        };
        let holds = |segment: &Segment, start: usize, length: usize| {
            start >= segment.start && start - segment.start + length <= segment.length
        };
        let loaded = || of_type(libc::PT_LOAD).filter(|segment| segment.flags & libc::PF_R != 0);
        if !loaded().any(|segment| holds(&segment, search.address, 1)) {
            return 0;
        }
        // What is never written to is the same in every process that loads the object.
        let constant = || loaded().filter(|segment| segment.flags & libc::PF_W == 0);
        let bytes = |segment: Segment| {
            // SAFETY: callers pass what lies in a readable part of the object that nobody writes
            // to. The slice is not used after this function.
            unsafe { std::slice::from_raw_parts(segment.start as *const u8, segment.length) }
        };
        let build = of_type(libc::PT_NOTE)
            .filter(|note| constant().any(|whole| holds(&whole, note.start, note.length)))
            .find_map(|note| build_id(bytes(note)))
            .unwrap_or_else(|| {
                remembered((base, info.dlpi_subs), || checksum(constant().map(bytes)).to_vec())
            });
        let name = match info.dlpi_name.is_null() {
            true => Vec::new(),
            // SAFETY: a C string of the loader's, which lives as long as the object is loaded.
            false => unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes().to_vec(),
        };
        search.found = Some(Mapped { name, base, build });
        1
    }

    /// A checksum takes milliseconds for a large object and is wanted at each call of a pool. It
    /// holds as long as nothing else can have been loaded at the same address: until the number
    /// of objects that have ever been unloaded, the key's other half, goes up.
    fn remembered(key: (usize, u64), make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        type Known = Vec<((usize, u64), Vec<u8>)>;
        static KNOWN: Mutex<Known> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, build)) = known.iter().find(|(known, _)| *known == key) {
            return build.clone();
        }
        known.retain(|(known, _)| known.1 == key.1);
        let build = make();
        known.push((key, build.clone()));
        build
    }

    /// The linker's build id, where one of these notes is it. A note is three numbers (the lengths
    /// of its name and of its content, its type), the name, and the content, each filled up to a
    /// multiple of four bytes.
    pub fn build_id(mut notes: &[u8]) -> Option<Vec<u8>> {
        const BUILD_ID: u32 = 3;
        loop {
            let (numbers, rest) = notes.split_first_chunk::<12>()?;
            let number = |at: usize| {
                let bytes = numbers[at..].first_chunk();
                bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
            };
            let (name_length, length) = (number(0) as usize, number(4) as usize);
            let (name, rest) = rest.split_at_checked(name_length.next_multiple_of(4))?;
            let content = rest.get(..length)?;
            if number(8) == BUILD_ID && name == b"GNU\0" && !content.is_empty() {
                return Some(content.to_vec());
            }
            notes = rest.get(length.next_multiple_of(4)..)?;
        }
    }

    /// Not against intent, only against chance. Four sums side by side: one would wait for itself.
    pub fn checksum<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut sums = [1_u64, 2, 3, 4];
        let add = |sum: &mut u64, word: u64| {
            *sum = (*sum ^ word).wrapping_mul(ODD);
            *sum ^= *sum >> 29;
        };
        for part in parts {
            let (blocks, rest) = part.as_chunks::<32>();
            for block in blocks {
                let (words, _) = block.as_chunks::<8>();
                for (sum, word) in sums.iter_mut().zip(words) {
                    add(sum, u64::from_le_bytes(*word));
                }
            }
            for byte in rest {
                add(&mut sums[0], u64::from(*byte));
            }
            add(&mut sums[1], part.len() as u64);
        }
        let mut bytes = [0; 32];
        for (place, sum) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            *place = sum.to_le_bytes();
        }
        bytes
    }
}

#[cfg(target_os = "macos")]
mod mach {
    use super::Mapped;
    use std::ffi::{CStr, c_void};

    /// The beginning of a Mach-O file of 64 bits; see mach-o/loader.h.
    #[repr(C)]
    struct Header {
        magic: u32,
        processor: [u32; 2],
        file_type: u32,
        commands: u32,
        commands_length: u32,
        flags: [u32; 2],
    }

    const MAGIC: u32 = 0xfeed_facf;
    const EXECUTABLE: u32 = 2;
    const UUID: u32 = 0x1b;

    /// What is loaded at an address. `None` where no object is, or where the system does not tell.
    pub fn mapped_at(address: *const c_void) -> Option<Mapped> {
        let mut info = libc::Dl_info {
            dli_fname: std::ptr::null(),
            dli_fbase: std::ptr::null_mut(),
            dli_sname: std::ptr::null(),
            dli_saddr: std::ptr::null_mut(),
        };
        // SAFETY: dladdr reads nothing through the address, and writes only to `info`.
        let found = unsafe { libc::dladdr(address, &mut info) } != 0;
        if !found || info.dli_fname.is_null() || info.dli_fbase.is_null() {
            return None;
        }
        // SAFETY: an object begins in memory with its header, and so many bytes of commands follow
        // it. Nobody writes to them, and the object is loaded as long as its code is in use.
        let (header, commands) = unsafe {
            let header = &*info.dli_fbase.cast::<Header>();
            if header.magic != MAGIC {
                return None;
            }
            let start = info.dli_fbase.cast::<u8>().add(size_of::<Header>());
            let length = header.commands_length as usize;
            (header, std::slice::from_raw_parts(start, length))
        };
        let name = match header.file_type {
            EXECUTABLE => Vec::new(),
            // SAFETY: dladdr gave a C string that lives as long as the object is loaded.
            _ => unsafe { CStr::from_ptr(info.dli_fname) }.to_bytes().to_vec(),
        };
        Some(Mapped { name, base: info.dli_fbase as usize, build: uuid(commands)? })
    }

    /// The content of the command that holds the linker's UUID. A command is its kind, its whole
    /// length, and its content.
    fn uuid(mut commands: &[u8]) -> Option<Vec<u8>> {
        loop {
            let (kind, rest) = commands.split_first_chunk()?;
            let (length, _) = rest.split_first_chunk()?;
            let length = u32::from_ne_bytes(*length) as usize;
            let (command, others) = commands.split_at_checked(length.max(8))?;
            if u32::from_ne_bytes(*kind) == UUID {
                return Some(command.get(8..24)?.to_vec());
            }
            commands = others;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::c_void;

    #[test]
    fn a_place_comes_out_as_it_went_in() {
        let spot = |name: &str, offset| Spot {
            object: name.into(),
            build: vec![7; name.len() % 3],
            offset,
        };
        let place = Place {
            entry: spot("/a b/é.so", 1),
            function: spot("", u64::MAX),
            helpers: spot("/c.so", 0),
            largest: 5,
        };
        let bytes = postcard::to_stdvec(&place).unwrap();
        let read = |bytes: &[u8]| postcard::from_bytes::<Place>(bytes).ok();
        assert_eq!(read(&bytes), Some(place));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None);
        }
        assert_eq!(read(&[0xff; 200]), None, "absurd lengths");
    }

    #[test]
    fn this_program_is_found_at_its_code() {
        let address = this_program_is_found_at_its_code as *const c_void;
        let mapped = mapped_at(address).unwrap();
        assert_eq!(mapped.name, b"");
        assert!(!mapped.build.is_empty());
        assert!(mapped.base < address as usize);
        let of_libc = mapped_at(libc::getpid as *const c_void).unwrap();
        assert_ne!(of_libc.build, mapped.build);
        assert!(!of_libc.name.is_empty());
        assert!(mapped_at(std::ptr::null()).is_none());
        let on_the_heap = Box::new(1_u8);
        assert!(mapped_at((&raw const *on_the_heap).cast()).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_build_id_is_found_among_notes() {
        let note = |kind: u32, name: &[u8], content: &[u8]| {
            let mut bytes = Vec::new();
            for number in [name.len() as u32, content.len() as u32, kind] {
                bytes.extend_from_slice(&number.to_ne_bytes());
            }
            for part in [name, content] {
                bytes.extend_from_slice(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        };
        let id = note(3, b"GNU\0", b"12345678");
        let others = [note(1, b"GNU\0", b"abcde"), note(3, b"Go\0\0\0", b"x")].concat();
        assert_eq!(elf::build_id(&id).unwrap(), b"12345678");
        assert_eq!(elf::build_id(&[&others[..], &id].concat()).unwrap(), b"12345678");
        assert_eq!(elf::build_id(&others), None);
        assert_eq!(elf::build_id(&[0xff; 40]), None, "absurd lengths");
        for length in 0..id.len() {
            assert_eq!(elf::build_id(&id[..length]), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_byte_counts_in_a_checksum() {
        let bytes: Vec<u8> = (0..100).collect();
        let whole = elf::checksum([&bytes[..]].into_iter());
        assert_eq!(whole, elf::checksum([&bytes[..]].into_iter()));
        assert_ne!(whole, elf::checksum([&bytes[..99]].into_iter()));
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(whole, elf::checksum([&other[..]].into_iter()), "byte {at}");
        }
    }
}
