//! What allocators keep of memory that is free.
//!
//! Rust's memory is mimalloc's, `SQLite`'s is glibc's: a thread for each connection, an arena for each thread, and each arena keeps
//! the most that was ever in use there, up to eight arenas for each core. After 16 minutes at 60 events a second they held 50 MB, of
//! which 15 MB were in use, and there were more each minute; one arena holds 26 MB from the second minute on. Nothing waits for it:
//! `SQLite` takes memory under a lock of its own.

use std::time::Duration;

use libmimalloc_sys::{mi_option_get, mi_option_set_default, mi_option_t};

/// `mi_option_purge_delay` of mimalloc 3, after how many ms free memory is given back; its crate does not name it (mimalloc.h,
/// `mi_option_e`).
const PURGE_DELAY: mi_option_t = 15;
/// What it is by itself.
const PURGE_DELAY_MS: std::ffi::c_long = 1_000;

/// How often C's free memory is given back: a large batch or a long answer leaves some, and the arena would keep it between what lives longer.
const EVERY: Duration = Duration::from_mins(1);

/// Gives back C's free memory, for ever. It takes milliseconds, on a thread that may wait.
pub(crate) async fn give_back_regularly() {
    loop {
        tokio::time::sleep(EVERY).await;
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        {
            #[expect(unsafe_code, reason = "glibc is asked by its own call alone")]
            // SAFETY: `malloc_trim(3)` takes a number, and locks each arena while it looks through it.
            let trim = || unsafe { libc::malloc_trim(0) };
            let _ = tokio::task::spawn_blocking(trim).await; // the next minute comes
        }
    }
}

/// Keeps C's memory in one arena. To be called before there is a second thread.
pub(crate) fn keep_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc is told by its own call alone, or by an environment that nobody sets")]
    // SAFETY: `mallopt(3)` takes two numbers and keeps no reference.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) }; // refused, there are more arenas and nothing else
}

/// Has mimalloc give free memory back at once, in place of a second later. For a process that takes little at a time and soon lets it go,
/// as ingest does: half of what it holds under load was free. What works through large batches (a replay) would ask the system for the same
/// memory again and again, and takes 1.7 times as long.
pub(crate) fn give_back_at_once() {
    #[expect(unsafe_code, reason = "mimalloc is told by its own calls alone")]
    // SAFETY: both take numbers, and may be called at any time (mimalloc.h).
    unsafe {
        // Another order of the options has another value there, and is left alone; so is what the environment says.
        if mi_option_get(PURGE_DELAY) == PURGE_DELAY_MS {
            mi_option_set_default(PURGE_DELAY, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "as above")]
    fn mimalloc_knows_the_option() {
        // SAFETY: as above.
        let delay = || unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), PURGE_DELAY_MS, "mimalloc.h has another order");
        give_back_at_once();
        assert_eq!(delay(), 0);
    }
}
