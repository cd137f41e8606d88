//! Loading a config apart from what is made of it.
//!
//! Knows no file and no section. Invariant: what was loaded is gone, or shared by whoever keeps it, when this returns.

use std::sync::Arc;

use super::load::Loaded;
use super::problem::Problem;

/// Loads a config on a thread of its own, and lets `then` make something of it on this one.
///
/// The system's allocator gives a thread its own part of memory: what a large file is read into, which is ten times what
/// stays, does not lie between what stays and is given back as a whole.
pub(super) fn apart<T>(
    load: impl FnOnce() -> Result<Loaded, Vec<Problem>> + Send,
    then: impl FnOnce(&Arc<Loaded>) -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    /// Freeing so much in one piece makes the allocator join all small pieces that were freed before (glibc: 64 KiB and
    /// more, but less than what is mapped by itself).
    const SWEPT_BYTES: usize = 100 << 10;
    std::thread::scope(|scope| {
        let (give, take) = std::sync::mpsc::sync_channel(1);
        let (done, over) = std::sync::mpsc::sync_channel::<()>(1);
        scope.spawn(move || {
            let loaded = load().map(Arc::new);
            let mine = loaded.as_ref().ok().map(Arc::clone);
            let _ = give.send(loaded);
            // Ends when `done` is gone.
            let _ = over.recv();
            drop(mine);
            drop(std::hint::black_box(Vec::<u8>::with_capacity(SWEPT_BYTES)));
        });
        let made = match take.recv() {
            Ok(loaded) => loaded.and_then(|loaded| then(&loaded)),
            // It panicked, and so will the end of this scope.
            Err(_) => Err(Vec::new()),
        };
        drop(done);
        made
    })
}
