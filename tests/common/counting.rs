//! The system's allocator, with a count of what is asked of it, for suites that prove that nothing is.
//!
//! Each takes it in as `#[path = "common/counting.rs"] mod counting;` and installs it:
//! `#[global_allocator] static ALLOCATOR: counting::Counting = counting::Counting;`

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The allocator that counts.
pub struct Counting;

/// Allocations of the calling thread so far.
pub fn of_this_thread() -> u64 {
    OF_THREAD.get()
}

/// Allocations of all threads so far.
pub fn of_all_threads() -> u64 {
    OF_ALL.load(Ordering::Relaxed)
}

static OF_ALL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OF_THREAD: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    OF_ALL.fetch_add(1, Ordering::Relaxed);
    // A thread that is ending has no counter any more; it is not one that measures.
    let _ = OF_THREAD.try_with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator cannot be counted otherwise")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from the system's allocator, through this one.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `memory` came from the system's allocator, through this one.
        unsafe { System.realloc(memory, layout, size) }
    }
}
