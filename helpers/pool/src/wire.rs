//! Frames: how items travel to a worker and results come back.
//!
//! A frame is its length (4 bytes, little-endian) and so many bytes. A frame of items holds one or
//! more of them, each with its own length before it; a frame of results holds one answer for each
//! item, in the same order: a [`Tag`], a length, and so many bytes.

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use std::any::{Any, TypeId};
use std::io::{self, Read};
use std::ops::Range;

/// In place of a length: the worker shall return to its program, which loads another function.
pub const ANOTHER_FUNCTION: u32 = u32::MAX;

/// What the bytes of an answer are.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(u8)]
pub enum Tag {
    /// The encoded result.
    Value = 0,
    /// The message of a panic.
    Panic = 1,
    /// Why the item or the result could not be carried.
    NotCarried = 2,
    /// Nothing: the result has more bytes than allowed.
    TooLarge = 3,
}

impl Tag {
    fn from_byte(byte: u8) -> Option<Tag> {
        [Tag::Value, Tag::Panic, Tag::NotCarried, Tag::TooLarge]
            .into_iter()
            .find(|tag| *tag as u8 == byte)
    }
}

/// Why something could not be written into a frame.
#[derive(Debug)]
pub enum EncodeError {
    /// It has more bytes than allowed.
    TooLarge,
    /// serde's or postcard's reason.
    Refused(String),
}

/// Begins a frame; [`finish`] writes its length.
pub fn begin(frame: &mut Vec<u8>) {
    frame.clear();
    frame.extend_from_slice(&[0; 4]);
}

/// Writes the length of everything after the first four bytes into them.
pub fn finish(frame: &mut [u8]) {
    let length = frame.len() - 4;
    let length = u32::try_from(length).expect("a frame is kept below 4 GiB");
    frame[..4].copy_from_slice(&length.to_le_bytes());
}

/// Appends an encoded value with its length before it. On an error nothing is appended.
pub fn append<T: Serialize>(
    value: &T,
    largest: usize,
    frame: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = frame.len();
    frame.extend_from_slice(&[0; 4]);
    let limit = start.saturating_add(4).saturating_add(largest);
    let storage = Limited { frame, limit };
    match postcard::serialize_with_flavor(value, storage) {
        Ok(()) => {
            let length = (frame.len() - start - 4) as u32;
            frame[start..start + 4].copy_from_slice(&length.to_le_bytes());
            Ok(())
        }
        Err(error) => {
            frame.truncate(start);
            Err(match error {
                postcard::Error::SerializeBufferFull => EncodeError::TooLarge,
                other => EncodeError::Refused(other.to_string()),
            })
        }
    }
}

/// Appends a result. The same as [`append`], but quicker for a `Vec<u8>`: serde takes it for a list
/// of numbers, one after the other. The encoding is the same.
pub fn append_result<R: Serialize + 'static>(
    result: &R,
    largest: usize,
    frame: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match (result as &dyn Any).downcast_ref() {
        Some(bytes) => append(&Whole(bytes), largest, frame),
        None => append(result, largest, frame),
    }
}

/// Bytes that travel as a whole.
struct Whole<'a>(&'a Vec<u8>);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A result from what [`append_result`] made of it, without the length before it.
pub fn result<R: DeserializeOwned + 'static>(encoded: &[u8]) -> postcard::Result<R> {
    if TypeId::of::<R>() == TypeId::of::<Vec<u8>>() {
        let bytes: &[u8] = postcard::from_bytes(encoded)?;
        let bytes: Box<dyn Any> = Box::new(bytes.to_vec());
        if let Ok(bytes) = bytes.downcast() {
            return Ok(*bytes);
        }
    }
    postcard::from_bytes(encoded)
}

/// Appends a text (an error's) as an answer.
pub fn append_text(tag: Tag, text: &str, frame: &mut Vec<u8>) {
    frame.push(tag as u8);
    append_part(text.as_bytes(), frame);
}

/// Appends bytes with their length before them: what [`take`] takes.
pub fn append_part(part: &[u8], frame: &mut Vec<u8>) {
    frame.extend_from_slice(&(part.len() as u32).to_le_bytes());
    frame.extend_from_slice(part);
}

/// Takes the first part with a length before it; `None` where there is none.
pub fn take<'a>(frame: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = frame.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *frame = rest;
    Some(part)
}

/// Takes the first answer; `None` where there is none.
pub fn take_answer<'a>(frame: &mut &'a [u8]) -> Option<(Tag, &'a [u8])> {
    let (tag, mut rest) = frame.split_first()?;
    let tag = Tag::from_byte(*tag)?;
    let part = take(&mut rest)?;
    *frame = rest;
    Some((tag, part))
}

/// Writes into a frame up to a limit.
struct Limited<'a> {
    frame: &'a mut Vec<u8>,
    limit: usize,
}

impl postcard::ser_flavors::Flavor for Limited<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.frame.len() >= self.limit {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.frame.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if self.frame.len() + bytes.len() > self.limit {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.frame.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Takes frames from a stream, several from one read where they are small.
pub struct Frames {
    buffer: Vec<u8>,
    /// Of the buffer, these bytes are read and not yet taken.
    start: usize,
    end: usize,
}

/// What one read can take, and what the buffer returns to after a large frame.
const USUAL: usize = 64 * 1024;

/// What the other side sent.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// A whole frame, without its length; see [`Frames::bytes`].
    Frame(Range<usize>),
    /// [`ANOTHER_FUNCTION`].
    AnotherFunction,
}

impl Frames {
    /// Nothing read yet.
    pub fn new() -> Self {
        Frames {
            buffer: vec![0; USUAL],
            start: 0,
            end: 0,
        }
    }

    /// The next frame that has been read whole, if there is one.
    pub fn next(&mut self) -> Option<Received> {
        let (length, rest) = self.buffer[self.start..self.end].split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        if length == ANOTHER_FUNCTION {
            self.start += 4;
            return Some(Received::AnotherFunction);
        }
        if rest.len() < length as usize {
            return None;
        }
        let from = self.start + 4;
        self.start = from + length as usize;
        Some(Received::Frame(from..self.start))
    }

    /// The bytes of a frame, until the next [`fill`](Self::fill).
    pub fn bytes(&self, frame: Range<usize>) -> &[u8] {
        &self.buffer[frame]
    }

    /// Reads once. Returns how many bytes came; 0 at the end of the stream.
    pub fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.make_room();
        let count = stream.read(&mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// Room for the rest of the frame that has begun, or for a few small ones. A large frame gets
    /// a buffer of its size, which is let go of when the frame is taken.
    fn make_room(&mut self) {
        let begun = &self.buffer[self.start..self.end];
        let needed = match begun.first_chunk() {
            Some(length) => 4 + u32::from_le_bytes(*length) as usize,
            None => 0,
        }
        .max(begun.len() + 1)
        .max(USUAL);
        if needed > self.buffer.len() || self.buffer.len() > USUAL.max(needed) {
            let mut buffer = vec![0; needed];
            buffer[..begun.len()].copy_from_slice(begun);
            self.end -= self.start;
            self.start = 0;
            self.buffer = buffer;
        } else if self.start > 0 && (self.start == self.end || self.end > self.buffer.len() / 2) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it holds in pieces.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn frame_of(length: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        begin(&mut frame);
        frame.extend((0..length).map(|i| (i % 251) as u8));
        finish(&mut frame);
        frame
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let lengths = [
            0,
            1,
            5,
            70_000,
            3,
            1_000_000,
            USUAL - 4,
            USUAL,
            2,
            300_000,
            0,
        ];
        let sent: Vec<u8> = lengths
            .iter()
            .flat_map(|&length| frame_of(length))
            .collect();
        for piece in [1 << 30, 100_000, 4097, 7] {
            let mut stream = Pieces(&sent, piece);
            let mut frames = Frames::new();
            for length in lengths {
                loop {
                    match frames.next() {
                        Some(Received::Frame(frame)) => {
                            assert_eq!(frames.bytes(frame), &frame_of(length)[4..]);
                            break;
                        }
                        Some(other) => panic!("{other:?}"),
                        None => assert!(frames.fill(&mut stream).unwrap() > 0),
                    }
                }
            }
            assert_eq!(frames.fill(&mut stream).unwrap(), 0);
            assert_eq!(
                frames.buffer.len(),
                USUAL,
                "large frames leave nothing behind"
            );
        }
    }

    #[test]
    fn a_value_over_the_limit_leaves_no_trace() {
        let mut frame = Vec::new();
        begin(&mut frame);
        append(&"kaya", 100, &mut frame).unwrap();
        let before = frame.clone();
        let error = append(&vec![7u8; 101], 100, &mut frame).unwrap_err();
        assert!(matches!(error, EncodeError::TooLarge));
        assert_eq!(frame, before);
        finish(&mut frame);
        let mut parts = &frame[4..];
        assert_eq!(postcard::from_bytes(take(&mut parts).unwrap()), Ok("kaya"));
        assert_eq!(take(&mut parts), None);
    }

    #[test]
    fn bytes_travel_whole_and_are_encoded_as_a_list() {
        for length in [0, 1, 127, 128, 70_000] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let (mut whole, mut list) = (Vec::new(), Vec::new());
            append_result(&bytes, 100_000, &mut whole).unwrap();
            append(&bytes, 100_000, &mut list).unwrap();
            assert_eq!(whole, list);
            assert_eq!(result(&whole[4..]), Ok(bytes));
            assert!(result::<Vec<u8>>(&whole[4..whole.len() - 1]).is_err());
        }
        let error = append_result(&vec![7_u8; 101], 100, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, EncodeError::TooLarge));
        let mut numbers = Vec::new();
        append_result(&vec![1_u32, 300], 100, &mut numbers).unwrap();
        assert_eq!(result(&numbers[4..]), Ok(vec![1_u32, 300]));
    }

    #[test]
    fn a_cut_frame_gives_nothing() {
        let mut frame = Vec::new();
        append_text(Tag::Panic, "burnt", &mut frame);
        for length in 0..frame.len() {
            assert_eq!(take_answer(&mut &frame[..length]), None);
        }
        let answer = take_answer(&mut &frame[..]);
        assert_eq!(answer, Some((Tag::Panic, &b"burnt"[..])));
        assert_eq!(
            take_answer(&mut &[9, 0, 0, 0, 0][..]),
            None,
            "an unknown tag"
        );
    }
}
