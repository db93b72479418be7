//! The bodies of answers, also those that break off or never end.

use super::state::Visit;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// A body. It holds its visit, which ends when the body has been sent or the client has gone.
pub struct Answer {
    kind: Kind,
    _visit: Option<Visit>,
}

enum Kind {
    Whole(Bytes),
    Cut {
        whole: usize,
        half: Bytes,
        pause: Pin<Box<Sleep>>,
    },
    Drip {
        bytes: Bytes,
        pause: Pin<Box<Sleep>>,
    },
    Huge {
        left: usize,
        chunk: Bytes,
    },
}

/// Between the first half and the cut, so that the half is sent before.
const BEFORE_THE_CUT: Duration = Duration::from_millis(10);

const DRIP: Duration = Duration::from_millis(100);

const CHUNK: usize = 64 * 1024;

const HUGE: usize = 100_000_000;

impl Answer {
    pub fn whole(bytes: Bytes, visit: Option<Visit>) -> Answer {
        Answer {
            kind: Kind::Whole(bytes),
            _visit: visit,
        }
    }

    /// The first half; then the connection is cut.
    pub fn cut(bytes: Bytes, visit: Visit) -> Answer {
        let kind = Kind::Cut {
            whole: bytes.len(),
            half: bytes.slice(..bytes.len() / 2),
            pause: Box::pin(sleep(BEFORE_THE_CUT)),
        };
        Answer {
            kind,
            _visit: Some(visit),
        }
    }

    /// One byte at a time, and blanks for ever after the last one.
    pub fn drip(bytes: Bytes, visit: Visit) -> Answer {
        let kind = Kind::Drip {
            bytes,
            pause: Box::pin(sleep(Duration::ZERO)),
        };
        Answer {
            kind,
            _visit: Some(visit),
        }
    }

    /// 100 MB, and no word about it beforehand.
    pub fn huge(visit: Visit) -> Answer {
        let kind = Kind::Huge {
            left: HUGE,
            chunk: Bytes::from(vec![b' '; CHUNK]),
        };
        Answer {
            kind,
            _visit: Some(visit),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let bytes = match &mut self.kind {
            Kind::Whole(bytes) => std::mem::take(bytes),
            Kind::Cut { half, pause, .. } => {
                if half.is_empty() {
                    std::task::ready!(pause.as_mut().poll(context));
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                std::mem::take(half)
            }
            Kind::Drip { bytes, pause } => {
                std::task::ready!(pause.as_mut().poll(context));
                *pause = Box::pin(sleep(DRIP));
                match bytes.is_empty() {
                    true => Bytes::from_static(b" "),
                    false => bytes.split_to(1),
                }
            }
            Kind::Huge { left, chunk } => {
                let count = chunk.len().min(*left);
                *left -= count;
                chunk.slice(..count)
            }
        };
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Cut { whole, .. } => SizeHint::with_exact(*whole as u64),
            Kind::Drip { .. } | Kind::Huge { .. } => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.kind, Kind::Whole(bytes) if bytes.is_empty())
    }
}
