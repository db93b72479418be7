//! How a worker is told which function to run. Shared by helpers, which asks, and the worker's
//! program, which loads; so it needs only std.

/// A function as another process can find it: by its place in the shared object that holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The shared object, as bytes of a path.
    pub object: Vec<u8>,
    /// Bytes from the object's beginning in memory to the function.
    pub offset: u64,
    /// The first bytes of the function's code. Code is the same wherever it is loaded, so other
    /// bytes mean that the file has been replaced since.
    pub code: [u8; CODE],
    /// Items and results with more bytes than this are refused.
    pub largest: u64,
}

/// How many bytes of code are compared.
pub const CODE: usize = 16;

/// What the worker's program says when it is ready to load a function.
pub const READY: &[u8] = b"ready 1";

/// What it says when it has loaded one. Anything else is the reason why not.
pub const LOADED: &[u8] = b"loaded";

impl Place {
    /// The message that asks for the function.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + CODE + self.object.len());
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.largest.to_le_bytes());
        bytes.extend_from_slice(&self.code);
        bytes.extend_from_slice(&self.object);
        bytes
    }

    /// The function that a message asks for; `None` where it is too short to ask for one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Place> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (largest, rest) = rest.split_first_chunk()?;
        let (code, object) = rest.split_first_chunk()?;
        Some(Place {
            object: object.to_vec(),
            offset: u64::from_le_bytes(*offset),
            code: *code,
            largest: u64::from_le_bytes(*largest),
        })
    }
}
