//! A load that is stopped: SIGINT and SIGTERM end the storing, not the process, so that it ends with its figures.
//!
//! A task on the runtime for requests waits for signals. The first is noted, and looked at between two batches; what was
//! sent is committed then. Whoever sends a second one does not want to wait for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use super::error::Error;
use super::progress::tell;
use crate::kafka;

/// A signal that stops a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Signal {
    Interrupt = 1,
    Terminate = 2,
}

/// Whether a signal has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    /// 0, the signal, or [`OVER`].
    signal: Arc<AtomicU8>,
}

impl Signal {
    /// Its name, as it is told.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The exit status of a process that it ends.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl Stop {
    /// From here on signals are noted. A second one ends the process at once.
    pub(super) fn watch(&self, runtime: &Handle) -> Result<(), Error> {
        let _entered = runtime.enter();
        let of = |kind| signal(kind).map_err(|source| Error::System { doing: "waiting for signals", source });
        let (mut interrupt, mut terminate) = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?);
        let stop = self.clone();
        runtime.spawn(async move {
            loop {
                let signal = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                };
                let name = signal.name();
                match stop.turn(signal as u8) {
                    0 => tell(&format!(
                        "stopped by {name}: what was sent is being committed; a second signal ends at once"
                    )),
                    before => {
                        let again =
                            if before == OVER { "" } else { " again; what was not committed is given up" };
                        tell(&format!("stopped by {name}{again}"));
                        kafka::exit_now(i32::from(signal.status()));
                    }
                }
            }
        });
        Ok(())
    }

    /// The signal that has come, if one has.
    pub(super) fn signal(&self) -> Option<Signal> {
        signal_of(self.signal.load(Ordering::Relaxed))
    }

    /// Ends the time in which a signal stops the storing, and gives the one that did. From here on the next one ends the process.
    pub(super) fn close(&self) -> Option<Signal> {
        signal_of(self.turn(OVER))
    }

    /// Goes on from 0, and gives what there was.
    fn turn(&self, to: u8) -> u8 {
        self.signal
            .compare_exchange(0, to, Ordering::Relaxed, Ordering::Relaxed)
            .unwrap_or_else(|before| before)
    }
}

fn signal_of(noted: u8) -> Option<Signal> {
    [Signal::Interrupt, Signal::Terminate].into_iter().find(|signal| *signal as u8 == noted)
}

/// All is sent, and no signal has come.
const OVER: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_counts_while_documents_are_sent() {
        let stop = Stop::default();
        assert_eq!((stop.signal(), stop.turn(Signal::Terminate as u8)), (None, 0));
        assert_eq!(stop.turn(Signal::Interrupt as u8), Signal::Terminate as u8);
        assert_eq!((stop.signal(), stop.close()), (Some(Signal::Terminate), Some(Signal::Terminate)));

        let stop = Stop::default();
        assert_eq!(stop.close(), None);
        assert_eq!((stop.turn(Signal::Interrupt as u8), stop.signal()), (OVER, None));
    }
}
