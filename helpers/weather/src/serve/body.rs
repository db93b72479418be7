//! The bodies of answers, also those that break off or never end.

use super::state::Visit;
use crate::settings::Fault;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::io;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// A body. It holds its visit, which ends when the body has been sent or the client has gone.
pub struct Answer {
    fault: Option<Fault>,
    /// What is still to be sent.
    rest: Bytes,
    /// How many bytes it is said to have, if that is said.
    length: Option<usize>,
    /// Before a cut, and between drops.
    pause: Pin<Box<Sleep>>,
    _visit: Option<Visit>,
}

/// Between the first half and the cut, so that the half is sent before.
const BEFORE_THE_CUT: Duration = Duration::from_millis(10);

const DRIP: Duration = Duration::from_millis(100);

impl Answer {
    /// All of it at once.
    pub fn whole(bytes: Bytes) -> Answer {
        Answer {
            fault: None,
            length: Some(bytes.len()),
            rest: bytes,
            pause: Box::pin(sleep(Duration::ZERO)),
            _visit: None,
        }
    }

    /// With what this fault does to a body:
    ///
    /// - a cut: the first half, and then the connection is cut;
    /// - truncated: the first half, which passes for the whole;
    /// - a drip: one byte at a time, and blanks for ever after the last one.
    pub fn new(fault: Option<Fault>, bytes: Bytes, visit: Visit) -> Answer {
        let half = bytes.slice(..bytes.len() / 2);
        let whole = Answer { fault, _visit: Some(visit), ..Answer::whole(bytes) };
        match fault {
            Some(Fault::Cut) => {
                Answer { rest: half, pause: Box::pin(sleep(BEFORE_THE_CUT)), ..whole }
            }
            Some(Fault::Truncated) => Answer { length: Some(half.len()), rest: half, ..whole },
            Some(Fault::Drip) => Answer { length: None, ..whole },
            _ => whole,
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
        let bytes = match self.fault {
            Some(Fault::Cut) if self.rest.is_empty() => {
                ready!(self.pause.as_mut().poll(context));
                return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
            }
            Some(Fault::Drip) => {
                ready!(self.pause.as_mut().poll(context));
                self.pause = Box::pin(sleep(DRIP));
                if self.rest.is_empty() { Bytes::from_static(b" ") } else { self.rest.split_to(1) }
            }
            _ => take(&mut self.rest),
        };
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        let exact = |length| SizeHint::with_exact(length as u64);
        self.length.map(exact).unwrap_or_default()
    }

    fn is_end_stream(&self) -> bool {
        let is_over = self.length.is_some() && self.rest.is_empty();
        is_over && self.fault != Some(Fault::Cut)
    }
}
