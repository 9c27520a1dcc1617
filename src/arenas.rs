//! What C takes of memory: one arena for all threads.
//!
//! Rust's memory is mimalloc's, `SQLite`'s is glibc's: a thread for each connection, an arena for each thread, and each arena keeps
//! the most that was ever in use there, up to eight arenas for each core. After 16 minutes at 60 events a second they held 50 MB, of
//! which 15 MB were in use, and there were more each minute; one arena holds 26 MB from the second minute on. Nothing waits for it:
//! `SQLite` takes memory under a lock of its own.

/// Keeps C's memory in one arena. To be called before there is a second thread.
pub(crate) fn keep_one() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc is told by its own call alone, or by an environment that nobody sets")]
    // SAFETY: `mallopt(3)` takes two numbers and keeps no reference.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) }; // refused, there are more arenas and nothing else
}
