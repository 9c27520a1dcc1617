//! The connections of one listener: in which phase each is, since when, and what their bodies hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio_util::sync::CancellationToken;

use crate::settings::Http;

/// How long whoever has just begun keeps its place, in ms, whoever else wants it: time enough to be read and answered.
/// More than two looks at the clock.
const GRACE: u64 = 450;

/// Bytes that whoever reads takes within the time of a body. The system's buffers take a few now and then even when nobody reads:
/// a closed window is probed, and small pieces are laid together.
const ENOUGH: usize = 64 * 1024;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Nothing was asked yet, or the last answer is given or under way.
    Quiet = 0,
    /// A request's head has begun.
    Head = 1,
    /// A request's body is to come.
    Body = 2,
    /// The request is whole, and not yet answered.
    Answering = 3,
}

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    Head,
    Body,
    Quiet,
    /// It did not read its answer.
    Unread,
    /// Another needed its place.
    Room,
    /// Bodies held too much.
    Memory,
}

impl Cut {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Cut::Head => "slow_head",
            Cut::Body => "slow_body",
            Cut::Quiet => "quiet",
            Cut::Unread => "unread",
            Cut::Room => "room",
            Cut::Memory => "memory",
        }
    }
}

/// One connection. It leaves when the last who knows it lets go.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    all: Weak<Connections>,
    phase: AtomicU8,
    /// Since when it is in its phase, or when it last wrote; in ms of the listener.
    since: AtomicU64,
    /// Since when it cannot write all it has; 0: it can.
    unread: AtomicU64,
    /// Bytes that went since.
    taken: AtomicUsize,
    /// Whether the last ones could not go.
    stuck: AtomicBool,
    /// Bytes of the body that is being read.
    held: AtomicUsize,
    cut: CancellationToken,
}

/// All of a listener's. Their time is that of the last look: exact enough for seconds, and free for every byte.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Http,
    most: usize,
    now: AtomicU64,
    held: AtomicUsize,
    next: AtomicU64,
    open: Mutex<BTreeMap<u64, Weak<Connection>>>,
}

impl Connections {
    pub(super) fn new(limits: &Http, most: usize) -> Self {
        let limits = limits.clone();
        let (now, held, next) = (AtomicU64::new(1), AtomicUsize::new(0), AtomicU64::new(0));
        Self { limits, most: most.max(1), now, held, next, open: Mutex::default() }
    }

    pub(super) fn open(self: &Arc<Self>, now: u64) -> Arc<Connection> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            id,
            all: Arc::downgrade(self),
            phase: AtomicU8::new(Phase::Quiet as u8),
            since: AtomicU64::new(now),
            unread: AtomicU64::new(0),
            taken: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            cut: CancellationToken::new(),
        });
        self.list().insert(id, Arc::downgrade(&connection));
        connection
    }

    /// Whether one more may come. If there is no room, the one that has been waited for longest gives its place up; there
    /// is none if all are being answered or have just begun.
    pub(super) fn has_room(&self) -> bool {
        self.list().len() < self.most || self.give_one_up()
    }

    /// Cuts the connection that has been waited for longest.
    pub(super) fn give_one_up(&self) -> bool {
        let now = self.now.load(Ordering::Relaxed);
        self.cut_oldest(Cut::Room, |one| {
            one.phase() != Phase::Answering && now.saturating_sub(one.since.load(Ordering::Relaxed)) > GRACE
        })
    }

    /// Cuts all whose time is over at `now`, and says why.
    pub(super) fn look(&self, now: u64) -> Vec<Cut> {
        self.now.store(now, Ordering::Relaxed);
        let all: Vec<_> = self.list().values().filter_map(Weak::upgrade).collect();
        let over = all.into_iter().filter_map(|connection| Some((connection.over(&self.limits, now)?, connection)));
        over.map(|(why, connection)| {
            self.cut(&connection, why);
            why
        })
        .collect()
    }

    fn cut_oldest(&self, why: Cut, may: impl Fn(&Connection) -> bool) -> bool {
        let all: Vec<_> = self.list().values().filter_map(Weak::upgrade).collect();
        let waited = all.into_iter().filter(|connection| may(connection));
        let Some(oldest) = waited.min_by_key(|connection| (connection.since.load(Ordering::Relaxed), connection.id))
        else {
            return false;
        };
        self.cut(&oldest, why);
        super::count(why);
        true
    }

    fn cut(&self, connection: &Connection, why: Cut) {
        tracing::debug!(why = why.as_str(), "cut a connection");
        self.list().remove(&connection.id);
        self.release(connection);
        connection.cut.cancel();
    }

    fn release(&self, connection: &Connection) {
        self.held.fetch_sub(connection.held.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// What all bodies hold now.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.list().len()
    }

    /// Whatever panics under this lock leaves the list whole.
    fn list(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    pub(super) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Quiet,
            1 => Phase::Head,
            2 => Phase::Body,
            _ => Phase::Answering,
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        if let Some(all) = self.all.upgrade() {
            self.since.store(all.now.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Bytes came: the first of a head, if none was under way.
    pub(super) fn came(&self) {
        if self.phase() == Phase::Quiet {
            self.enter(Phase::Head);
        }
    }

    /// So many bytes went.
    pub(super) fn went(&self, bytes: usize) {
        self.stuck.store(false, Ordering::Relaxed);
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        if self.phase() == Phase::Quiet {
            self.enter(Phase::Quiet);
        }
    }

    /// Bytes could not go.
    pub(super) fn stuck(&self) {
        self.stuck.store(true, Ordering::Relaxed);
        if self.unread.load(Ordering::Relaxed) == 0
            && let Some(all) = self.all.upgrade()
        {
            self.wait_from(all.now.load(Ordering::Relaxed));
        }
    }

    /// Counts anew what is taken from now on.
    fn wait_from(&self, now: u64) {
        self.taken.store(0, Ordering::Relaxed);
        self.unread.store(now, Ordering::Relaxed);
    }

    /// Whether it has not read its answer for too long.
    fn leaves_unread(&self, ms: u64, now: u64) -> bool {
        let since = self.unread.load(Ordering::Relaxed);
        if since == 0 {
            return false;
        }
        if !self.stuck.load(Ordering::Relaxed) {
            self.unread.store(0, Ordering::Relaxed); // all it had went
            return false;
        }
        if now.saturating_sub(since) <= ms {
            return false;
        }
        if self.taken.load(Ordering::Relaxed) < ENOUGH {
            return true;
        }
        self.wait_from(now); // it reads, if slowly
        false
    }

    /// A head is whole; `body`: more is to come.
    pub(super) fn asked(&self, body: bool) {
        self.enter(if body { Phase::Body } else { Phase::Answering });
    }

    /// So many bytes of a body came. If bodies hold too much, the body gives up that has been read for longest.
    pub(super) fn holds(&self, bytes: usize) {
        let Some(all) = self.all.upgrade() else { return };
        self.held.fetch_add(bytes, Ordering::Relaxed);
        if all.held.fetch_add(bytes, Ordering::Relaxed) + bytes > all.limits.body_bytes_max {
            all.cut_oldest(Cut::Memory, |one| one.phase() == Phase::Body);
        }
    }

    /// The body is whole, or nobody wants the rest.
    pub(super) fn read(&self) {
        if self.phase() == Phase::Body {
            self.enter(Phase::Answering);
        }
    }

    /// The answer begins.
    pub(super) fn answered(&self) {
        if let Some(all) = self.all.upgrade() {
            all.release(self);
        }
        self.enter(Phase::Quiet);
    }

    /// Whether its time is over.
    fn over(&self, limits: &Http, now: u64) -> Option<Cut> {
        let longer = |since: u64, ms: u64| now.saturating_sub(since) > ms;
        if self.leaves_unread(limits.body_ms, now) {
            return Some(Cut::Unread);
        }
        let (ms, why) = match self.phase() {
            Phase::Quiet => (limits.quiet_ms, Cut::Quiet),
            Phase::Head => (limits.head_ms, Cut::Head),
            Phase::Body => (limits.body_ms, Cut::Body),
            Phase::Answering => return None, // whoever answers has deadlines of its own
        };
        longer(self.since.load(Ordering::Relaxed), ms).then_some(why)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            all.release(self);
            all.list().remove(&self.id);
        }
    }
}
