//! What the ledger locks, waits and tells the time with: std's. `tests/loom` compiles the ledger by itself, with loom's.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
pub(super) use std::time::Instant;
