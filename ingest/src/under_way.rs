//! How many webhooks are under way: read, and not yet answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what is under way.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Entered {
    all: Arc<AtomicUsize>,
    count: usize,
}

impl UnderWay {
    /// Counts one more.
    pub fn enter(&self) -> Entered {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        Entered { all: Arc::clone(&self.0), count }
    }
}

impl Entered {
    /// How many there were when this one came, with it.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_leaves_is_not_counted() {
        let under_way = UnderWay::default();
        let first = under_way.enter();
        assert_eq!(first.count(), 1);
        assert_eq!(under_way.enter().count(), 2);
        assert_eq!(under_way.enter().count(), 2, "the one before has left");
        drop(first);
        assert_eq!(under_way.enter().count(), 1);
    }
}
