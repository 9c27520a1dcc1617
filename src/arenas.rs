//! What C takes of memory: one arena for all threads, which gives back what is free.
//!
//! Rust's memory is mimalloc's, `SQLite`'s is glibc's: a thread for each connection, an arena for each thread, and each arena keeps
//! the most that was ever in use there, up to eight arenas for each core. After 16 minutes at 60 events a second they held 50 MB, of
//! which 15 MB were in use, and there were more each minute; one arena holds 26 MB from the second minute on. Nothing waits for it:
//! `SQLite` takes memory under a lock of its own.

use std::time::Duration;

/// How often free memory is given back: a large batch or a long answer leaves some, and the arena would keep it between what lives longer.
const EVERY: Duration = Duration::from_mins(1);

/// Gives back C's free memory, for ever. It takes milliseconds, on a thread that may wait.
pub(crate) async fn give_back() {
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
pub(crate) fn keep_one() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc is told by its own call alone, or by an environment that nobody sets")]
    // SAFETY: `mallopt(3)` takes two numbers and keeps no reference.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) }; // refused, there are more arenas and nothing else
}
