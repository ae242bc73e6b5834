//! Waiting for many answers of a registry: for as long as they come, and no longer.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::bail;

use crate::registry::{self, Client};

/// How many answers have come.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(Arc<AtomicUsize>);

impl Answered {
    /// One more.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What comes of `asked`, which counts its answers in `answered`.
///
/// This may take as long as answers come, but no longer than `patience` without one: with a thousand bindings a registry
/// that is far away, or that takes so many requests a second, needs its time.
///
/// # Errors
///
/// That of `asked`, or none came in time; told with `doing` (checking the compatibility of 2 schemas) and `done` (checked).
pub(super) async fn patiently<T>(
    asked: impl Future<Output = Result<T, registry::Error>>,
    answered: &Answered,
    patience: Duration,
    client: &Client,
    (doing, done): (&str, &str),
) -> anyhow::Result<T> {
    let mut asked = pin!(asked);
    let mut before = 0;
    loop {
        if let Ok(answer) = tokio::time::timeout(patience, &mut asked).await {
            return Ok(answer?);
        }
        let now = answered.count();
        if now == before {
            bail!(
                "{doing} at the schema registry {}: {now} were {done}, and none within the last {patience:?}; check that the \
                 registry is healthy and lets so many requests through, then try again",
                client.addresses()
            );
        }
        before = now;
    }
}
