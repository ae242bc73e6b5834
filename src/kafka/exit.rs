//! The end of the process without C's exit handlers.

#![allow(unsafe_code, reason = "_exit is a C function")]

use std::ffi::c_int;

/// Ends the process at once with status `code`.
///
/// `std::process::exit` runs C's exit handlers, one of which frees OpenSSL's tables while librdkafka's
/// threads still use them. Nothing is flushed: what is to be read must have been written before.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no precondition; it does not return.
    unsafe { _exit(code) }
}

unsafe extern "C" {
    fn _exit(status: c_int) -> !;
}
