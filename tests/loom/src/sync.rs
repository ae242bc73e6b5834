//! What `src/kafka/sync.rs` names, of loom's making, and a clock that stands still unless a model moves it.
//!
//! With the clock at rest a wait with a time-out ends only when somebody notifies: a wake-up that is lost
//! is a deadlock here, which loom reports, and not the small delay that it would be in the connector.

use std::cell::Cell;
use std::time::Duration;

pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// A condition variable that nothing but a notification wakes.
pub(crate) struct Condvar(loom::sync::Condvar);

type Woken<'a, T> = (MutexGuard<'a, T>, ());

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _longest: Duration,
    ) -> Result<Woken<'a, T>, PoisonError<Woken<'a, T>>> {
        match self.0.wait(guard) {
            Ok(guard) => Ok((guard, ())),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), ()))),
        }
    }

    pub(crate) fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        longest: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Result<Woken<'a, T>, PoisonError<Woken<'a, T>>> {
        while condition(&mut guard) {
            (guard, ()) = self.wait_timeout(guard, longest)?;
        }
        Ok((guard, ()))
    }
}

/// A point in the model's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant(Duration);

thread_local! {
    // loom runs the threads of a model in turns on one thread of the system.
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

impl Instant {
    pub(crate) fn now() -> Self {
        Self(NOW.get())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        NOW.get().saturating_sub(self.0)
    }

    pub(crate) fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Lets time pass.
    pub(crate) fn pass(time: Duration) {
        NOW.set(NOW.get() + time);
    }
}
