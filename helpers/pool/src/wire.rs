//! Frames: how items travel to a worker and results come back.
//!
//! A frame is its length (4 bytes, little-endian) and so many bytes. A frame of items holds one or
//! more of them, each with its own length before it. A frame of results holds one answer for each
//! item, in the same order: a length, and a `Result` as postcard writes it.

use super::error::Cause;
use platform::panics::quietly;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use std::any::{Any, TypeId};
use std::io::{self, Read};

/// A frame without items: the worker shall return to its program, which loads another function.
pub const ANOTHER_FUNCTION: [u8; 4] = [0; 4];

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

/// A frame that holds these bytes.
pub fn frame_of(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(4 + bytes.len());
    begin(&mut frame);
    frame.extend_from_slice(bytes);
    finish(&mut frame);
    frame
}

/// What a whole frame holds: all but its length.
pub fn content(frame: &[u8]) -> &[u8] {
    frame.get(4..).unwrap_or_default()
}

/// Appends an encoded value with its length before it. On an error nothing is appended.
pub fn append<T: Serialize>(value: &T, largest: usize, frame: &mut Vec<u8>) -> Result<(), Cause> {
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
                postcard::Error::SerializeBufferFull => Cause::TooLarge(largest),
                other => Cause::NotCarried(other.to_string()),
            })
        }
    }
}

/// Appends the answer to an item. A result that is a `Vec<u8>` travels as a whole: serde takes it
/// for a list of numbers, one after the other. The encoding is the same.
pub fn append_answer<R: Serialize + 'static>(
    result: &R,
    largest: usize,
    frame: &mut Vec<u8>,
) -> Result<(), Cause> {
    // The first byte says that it is a result.
    let with_it = largest.saturating_add(1);
    let appended = match (result as &dyn Any).downcast_ref() {
        Some(bytes) => append(&Ok::<_, Cause>(Whole(bytes)), with_it, frame),
        None => append(&Ok::<_, Cause>(result), with_it, frame),
    };
    appended.map_err(|cause| match cause {
        Cause::TooLarge(_) => Cause::TooLarge(largest),
        other => other,
    })
}

/// Appends why there is no result.
pub fn append_failure(cause: &Cause, frame: &mut Vec<u8>) {
    let answer: Result<(), &Cause> = Err(cause);
    append(&answer, usize::MAX, frame).expect("a cause can be encoded");
}

/// Bytes that travel as a whole.
struct Whole<'a>(&'a Vec<u8>);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
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

/// Takes the first answer.
pub fn take_answer<R: DeserializeOwned + 'static>(frame: &mut &[u8]) -> Result<R, Cause> {
    let incomplete = || Cause::NotCarried("the worker's answer is not complete".to_owned());
    let answer = take(frame).ok_or_else(incomplete)?;
    // The cell's own code may decode the result, and panic.
    match quietly(|| decode(answer)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Err(Cause::NotCarried(error.to_string())),
        Err(message) => Err(Cause::NotCarried(message)),
    }
}

fn decode<R: DeserializeOwned + 'static>(answer: &[u8]) -> postcard::Result<Result<R, Cause>> {
    if TypeId::of::<R>() == TypeId::of::<Vec<u8>>() {
        let bytes: Result<&[u8], Cause> = postcard::from_bytes(answer)?;
        return Ok(bytes.map(|bytes| {
            let bytes: Box<dyn Any> = Box::new(bytes.to_vec());
            *bytes.downcast().expect("the types are the same")
        }));
    }
    postcard::from_bytes(answer)
}

/// Waits for a whole frame; `None` at the stream's end.
pub fn receive(frames: &mut Frames, stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(frame) = frames.next() {
            return Ok(Some(frame));
        }
        match frames.read(stream) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
#[derive(Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Of the buffer, these bytes are read and not yet taken.
    start: usize,
    end: usize,
}

/// What one read can take where no large frame has begun.
const USUAL: usize = 64 * 1024;

impl Frames {
    /// Reads once, when [`next`](Self::next) has nothing; the number of bytes, 0 at the stream's end.
    pub fn read(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        let begun = &self.buffer[self.start..self.end];
        let needed = length_of(begun).unwrap_or(0).max(USUAL);
        if self.buffer.len() < needed {
            let mut larger = vec![0; needed];
            larger[..begun.len()].copy_from_slice(begun);
            self.buffer = larger;
        } else {
            self.buffer.copy_within(self.start..self.end, 0);
        }
        self.end -= self.start;
        self.start = 0;
        let count = stream.read(&mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// The next frame that has been read whole, if there is one; see [`content`].
    pub fn next(&mut self) -> Option<Vec<u8>> {
        let begun = &self.buffer[self.start..self.end];
        let frame = begun.get(..length_of(begun)?)?;
        // A large frame has a buffer of its size, and takes it along.
        if frame.len() > USUAL {
            (self.start, self.end) = (0, 0);
            return Some(std::mem::take(&mut self.buffer));
        }
        self.start += frame.len();
        Some(frame.to_vec())
    }
}

/// The length of the frame that has begun, with the four bytes that tell it.
fn length_of(begun: &[u8]) -> Option<usize> {
    Some(4 + u32::from_le_bytes(*begun.first_chunk()?) as usize)
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

    fn frame(length: usize) -> Vec<u8> {
        frame_of(&(0..length).map(|i| (i % 251) as u8).collect::<Vec<_>>())
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let lengths = [0, 1, 70_000, 3, 1_000_000, USUAL - 4, USUAL, 2, 300_000, 0];
        let sent = lengths.map(frame);
        let all = sent.concat();
        for piece in [1 << 30, 100_000, 4097, 7] {
            let mut stream = Pieces(&all, piece);
            let mut frames = Frames::default();
            for frame in &sent {
                let received = receive(&mut frames, &mut stream).unwrap().unwrap();
                assert!(&received == frame);
                assert_eq!(content(&received), &frame[4..]);
                assert!(frames.buffer.len() <= USUAL, "large frames leave nothing");
            }
            assert_eq!(receive(&mut frames, &mut stream).unwrap(), None);
        }
    }

    #[test]
    fn a_value_over_the_limit_leaves_no_trace() {
        let mut frame = Vec::new();
        begin(&mut frame);
        append(&"kaya", 100, &mut frame).unwrap();
        let before = frame.clone();
        let error = append(&vec![7u8; 101], 100, &mut frame).unwrap_err();
        assert_eq!(error, Cause::TooLarge(100));
        assert_eq!(frame, before);
        finish(&mut frame);
        let mut parts = content(&frame);
        assert_eq!(postcard::from_bytes(take(&mut parts).unwrap()), Ok("kaya"));
        assert_eq!(take(&mut parts), None);
    }

    #[test]
    fn bytes_travel_whole_and_are_encoded_as_a_list() {
        for length in [0, 1, 127, 128, 70_000] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let (mut whole, mut list) = (Vec::new(), Vec::new());
            append_answer(&bytes, 100_000, &mut whole).unwrap();
            append(&Ok::<_, Cause>(&bytes), 100_000, &mut list).unwrap();
            assert_eq!(whole, list);
            assert_eq!(take_answer(&mut &whole[..]), Ok(bytes));
        }
        // An encoded list has its length before it, here in one byte.
        append_answer(&vec![7_u8; 99], 100, &mut Vec::new()).unwrap();
        let error = append_answer(&vec![7_u8; 100], 100, &mut Vec::new()).unwrap_err();
        assert_eq!(error, Cause::TooLarge(100));
        let mut numbers = Vec::new();
        append_answer(&vec![1_u32, 300], 100, &mut numbers).unwrap();
        assert_eq!(take_answer(&mut &numbers[..]), Ok(vec![1_u32, 300]));
    }

    #[test]
    fn a_damaged_answer_is_not_a_result() {
        let mut answers = Vec::new();
        append_failure(&Cause::Panicked("burnt".to_owned()), &mut answers);
        for length in 0..answers.len() {
            let cut = take_answer::<u8>(&mut &answers[..length]);
            assert!(matches!(cut, Err(Cause::NotCarried(_))), "{cut:?}");
        }
        let whole = take_answer::<u8>(&mut &answers[..]);
        assert_eq!(whole, Err(Cause::Panicked("burnt".to_owned())));
        for damaged in [&[1, 0, 0, 0, 9][..], &[2, 0, 0, 0, 1, 99], &[0xff; 9]] {
            let answer = take_answer::<Vec<u8>>(&mut &damaged[..]);
            assert!(matches!(answer, Err(Cause::NotCarried(_))), "{answer:?}");
        }
    }
}
