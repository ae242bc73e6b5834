//! The order of things: requests in, responses out. The only room that knows all others.
//!
//! Threads of a connector:
//!
//! * *main* waits in [`run`] for the first of: the session's end, a delivery that failed, SIGTERM,
//!   SIGINT. It alone ends the process.
//! * *session* reads stdin, decodes, encodes, hands over and answers ([`serve`]). It may be blocked
//!   in a read when a delivery fails, which is why it cannot be the one that ends the process.
//! * *delivery* belongs to the outbox and drains delivery reports ([`crate::kafka`]).
//! * one worker of a tokio runtime carries the registry's and the admin requests.

mod annotate;
mod apply;
mod binding;
mod delivery;
mod foresee;
#[doc(hidden)]
pub mod fuzz;
mod open;
mod progress;
mod registration;
mod serve;
mod spec;
mod subjects;
mod topics;
mod transact;
mod validate;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use anyhow::{Context, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub use binding::BindingInfo;
pub(crate) use open::schemas;
pub use serve::{Surroundings, serve};
pub(crate) use topics::{Contradiction, Topics};
pub(crate) use transact::{COMMITTED, SENT};
pub(crate) use validate::check_bindings;

use crate::kafka;
use crate::log;
use crate::protocol::Codec;

/// Serves one stream of requests on stdin and stdout, and ends the process: with status 0 at the end
/// of input, with 1 after an error, which is then the last line on stderr.
pub fn run() -> ! {
    match supervise() {
        // Every response has been flushed. A client may still be going down in the background.
        Ok(End::Session(Ok(()))) => kafka::exit_now(0),
        Ok(End::Session(Err(error))) | Err(error) => give_up(&format!("{error:#}"), 1),
        Ok(End::Delivery(error)) => give_up(&error.to_string(), 1),
        Ok(End::Signal(name, status)) => {
            give_up(&format!("stopped by {name}; a transaction that was not committed is given up"), status)
        }
    }
}

/// What ends a connector.
enum End {
    /// The session returned: the end of input, or an error.
    Session(anyhow::Result<()>),
    /// A delivery failed or stalled, which ends the session whatever it is at.
    Delivery(kafka::Error),
    /// The signal's name, and the exit status that it stands for.
    Signal(&'static str, i32),
}

fn supervise() -> anyhow::Result<End> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("requests")
        .enable_all()
        .build()
        .context("starting the runtime for requests")?;
    // Before anything else: until then a signal ends the process by itself, without a line that says so.
    let (mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        let of = |kind| signal(kind).context("waiting for signals");
        (of(SignalKind::terminate())?, of(SignalKind::interrupt())?)
    };
    let codec = Codec::from_env()?;
    let (ends, mut ended) = mpsc::unbounded_channel();

    let mut surroundings = Surroundings {
        runtime: runtime.handle().clone(),
        on_failure: {
            let ends = ends.clone();
            // The other end is gone only when the process is ending already.
            Some(Box::new(move |error| drop(ends.send(End::Delivery(error)))))
        },
        input_is_ready,
        measured: std::env::var_os(MEASURED).is_some(),
    };
    // Not by way of `io::Stdin` and `io::Stdout`: the one has a small buffer of its own, the other would cut a frame
    // at its last newline into two writes.
    let input = io::stdin().as_fd().try_clone_to_owned().map(File::from).context("taking stdin")?;
    widen(&input);
    let output = io::stdout().as_fd().try_clone_to_owned().map(File::from).context("taking stdout")?;
    thread::Builder::new()
        .name("session".into())
        .spawn(move || {
            let result = caught(|| serve(input, output, codec, &mut surroundings));
            drop(ends.send(End::Session(result)));
        })
        .context("starting the session's thread")?;

    let end = runtime.block_on(async {
        tokio::select! {
            end = ended.recv() => end.unwrap_or_else(|| {
                End::Session(Err(anyhow!("the session's thread ended without a result: an internal error")))
            }),
            _ = terminate.recv() => End::Signal("SIGTERM", 143),
            _ = interrupt.recv() => End::Signal("SIGINT", 130),
        }
    });
    // Requests that are still under way have nobody who waits for them.
    runtime.shutdown_background();
    Ok(end)
}

/// Asks for a pipe that holds more than the usual 64 KiB, so that either side does more between two switches.
fn widen(input: &File) {
    if let Err(error) = rustix::pipe::fcntl_setpipe_size(input, PIPE) {
        // It is no pipe, or the user has as many as the system grants.
        tracing::debug!(%error, "stdin keeps its size");
    }
}

/// Whether a read of stdin would not wait.
fn input_is_ready() -> bool {
    let stdin = io::stdin();
    let mut events = [PollFd::new(&stdin, PollFlags::IN)];
    rustix::event::poll(&mut events, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// The variable that has a session end with a line of what it has sent. `preview` sets it for a load.
pub(crate) const MEASURED: &str = "MATERIALIZE_KAFKA_MEASURED";

/// Bytes that the pipe to stdin may hold.
const PIPE: usize = 256 << 10;

/// What `session` returns, or an error that tells of its panic.
fn caught(session: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    // Nothing that the session had is used afterwards.
    panic::catch_unwind(AssertUnwindSafe(session)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("for no given reason");
        Err(anyhow!("the session panicked: {text}; this is a defect, please report it with the lines before"))
    })
}

/// Ends the process while other threads may still be at work.
fn give_up(message: &str, status: i32) -> ! {
    log::last(message);
    kafka::exit_now(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_tells_its_text() {
        for (session, text) in [
            ((|| panic!("three is {}", 4)) as fn() -> anyhow::Result<()>, "three is 4"),
            (|| panic!("a text"), "a text"),
            (|| panic::panic_any(5), "for no given reason"),
        ] {
            assert_eq!(
                caught(session).unwrap_err().to_string(),
                format!(
                    "the session panicked: {text}; this is a defect, please report it with the lines before"
                )
            );
        }
        caught(|| Ok(())).unwrap();
    }
}
