//! What a connection is doing and since when, and when that has lasted too long. [`judge`] is pure.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
};

/// Time in steps of 100 ms, since the thread began to serve: one store for all connections instead of a timer for each.
pub(super) type Tick = u32;

pub(super) const TICKS_PER_SECOND: Tick = 10;

/// A head comes within so long of its first byte: 4 KiB over the slowest of mobile connections take 2 s.
const HEAD_LIMIT: Tick = 10 * TICKS_PER_SECOND;

/// A connection without a request under way. Browsers close theirs after 60 s to 5 min.
const IDLE_LIMIT: Tick = 75 * TICKS_PER_SECOND;

/// The same while nearly all places are taken.
const CROWDED_IDLE_LIMIT: Tick = 3 * TICKS_PER_SECOND;

/// An idle connection gives its buffers back after so long. Making them again costs a microsecond.
const PARK_AFTER: Tick = TICKS_PER_SECOND;

/// Over HTTP/2, after the last answer was passed on: for the caller to take the rest of it, at most a piece and what waits to be sent,
/// 80 KiB, over a slow connection of 8 KiB a second.
const LEAVING_LIMIT: Tick = 10 * TICKS_PER_SECOND;

/// Two round trips around the world take 0.8 s.
const HANDSHAKE_LIMIT: Tick = 5 * TICKS_PER_SECOND;

/// For the caller to read the last answer and to close.
const FAREWELL_LIMIT: Tick = 2 * TICKS_PER_SECOND;

/// When this process stops, an idle connection stays open so long for a request that is on its way: a request that meets a closed
/// connection is lost. Busy callers send their next one sooner, and learn with its answer that the connection ends.
const LAST_IDLE: Tick = 2 * TICKS_PER_SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// TLS is being agreed on.
    Handshake,
    /// No request under way, nothing of one has come.
    Idle,
    /// A head has begun.
    Head,
    /// A request is being answered.
    Busy,
    /// The last answer was written; the caller has yet to close.
    Farewell,
    /// The same over HTTP/2, where a caller may have yet to take what was written.
    Leaving,
}

/// What the connection is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Give the buffers back.
    Park,
    /// Answer 408 and close.
    TooSlow,
    /// Close once nothing is under way.
    Close,
    /// Close now.
    Cut,
}

/// What is known of a connection when it is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) phase: Phase,
    /// Since the phase began.
    pub(super) age: Tick,
    /// Since the caller stopped taking bytes, or pieces of any answer that is there for it.
    pub(super) stalled: Option<Tick>,
    /// A caller who takes nothing of an answer for so long is gone.
    pub(super) stall_limit: Tick,
    /// Whether buffers are held that can be given back.
    pub(super) can_park: bool,
    /// Since this process was told to stop.
    pub(super) draining: Option<Tick>,
    pub(super) is_crowded: bool,
}

pub(super) fn judge(seen: Seen) -> Option<Order> {
    if seen.stalled.is_some_and(|stalled| stalled >= seen.stall_limit) {
        return Some(Order::Cut);
    }
    let idle_limit = match (seen.draining, seen.is_crowded) {
        (Some(since), _) if since >= LAST_IDLE => 0,
        (_, true) => CROWDED_IDLE_LIMIT,
        (_, false) => IDLE_LIMIT,
    };
    match seen.phase {
        Phase::Handshake => (seen.age >= HANDSHAKE_LIMIT).then_some(Order::Cut),
        Phase::Head => (seen.age >= HEAD_LIMIT).then_some(Order::TooSlow),
        Phase::Farewell => (seen.age >= FAREWELL_LIMIT).then_some(Order::Cut),
        Phase::Leaving => (seen.age >= LEAVING_LIMIT).then_some(Order::Cut),
        Phase::Busy => None,
        Phase::Idle if seen.age >= idle_limit => Some(Order::Close),
        Phase::Idle => (seen.can_park && seen.age >= PARK_AFTER).then_some(Order::Park),
    }
}

/// Shared by a connection's task, its I/O and the sweep, all on one thread.
pub(super) struct Life {
    now: Rc<Cell<Tick>>,
    phase: Cell<Phase>,
    since: Cell<Tick>,
    stalled: Cell<Option<Tick>>,
    /// Answers of which the next piece is there and has not been asked for, and since when none of any answer was.
    held: Cell<u32>,
    held_since: Cell<Tick>,
    /// Requests being answered: more than one over HTTP/2.
    under_way: Cell<u32>,
    has_buffers: Cell<bool>,
    order: Cell<Option<Order>>,
    waker: RefCell<Option<Waker>>,
}

impl Life {
    pub(super) fn new(now: Rc<Cell<Tick>>, phase: Phase) -> Self {
        let since = Cell::new(now.get());
        Self {
            now,
            phase: Cell::new(phase),
            since,
            stalled: Cell::new(None),
            held: Cell::new(0),
            held_since: Cell::new(0),
            under_way: Cell::new(0),
            has_buffers: Cell::new(false),
            order: Cell::new(None),
            waker: RefCell::new(None),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.now.get());
    }

    /// Bytes came from the caller. Whether they are of a head.
    pub(super) fn has_read(&self) -> bool {
        match self.phase.get() {
            Phase::Idle => {
                self.enter(Phase::Head);
                true
            }
            Phase::Head => true,
            Phase::Busy | Phase::Handshake | Phase::Farewell | Phase::Leaving => false,
        }
    }

    /// Whether the caller takes bytes.
    pub(super) fn has_written(&self, took: bool) {
        match (took, self.stalled.get()) {
            (false, None) => self.stalled.set(Some(self.now.get())),
            (true, Some(_)) => self.stalled.set(None),
            _ => {}
        }
    }

    /// A piece of an answer is there for the caller, until [`Life::has_taken`]. Over HTTP/2 nothing is written to a caller who leaves no
    /// window for it, so that it does not show in the writing.
    pub(super) fn holds(&self) {
        if self.held.get() == 0 {
            self.held_since.set(self.now.get());
        }
        self.held.set(self.held.get() + 1);
    }

    /// The piece was taken, or nobody is to take it any more.
    pub(super) fn has_taken(&self) {
        self.held.set(self.held.get() - 1);
        self.held_since.set(self.now.get());
    }

    /// A request begins. It ends when the guard is dropped: with the last byte of the answer's body, or when it is given up.
    pub(super) fn request(self: &Rc<Self>) -> UnderWay {
        self.under_way.set(self.under_way.get() + 1);
        self.phase.set(Phase::Busy);
        UnderWay(self.clone())
    }

    pub(super) fn set_buffers(&self, held: bool) {
        self.has_buffers.set(held);
    }

    /// Whether it waits without buffers.
    pub(super) fn is_parked(&self) -> bool {
        self.phase.get() == Phase::Idle && !self.has_buffers.get()
    }

    pub(super) fn seen(&self, stall_limit: Tick, draining: Option<Tick>, is_crowded: bool) -> Seen {
        let now = self.now.get();
        let held = (self.held.get() > 0).then(|| self.held_since.get());
        let stalled = self.stalled.get().into_iter().chain(held).min();
        Seen {
            phase: self.phase.get(),
            age: now - self.since.get(),
            stalled: stalled.map(|since| now - since),
            stall_limit,
            can_park: self.has_buffers.get() && self.stalled.get().is_none(),
            draining: draining.map(|since| now - since),
            is_crowded,
        }
    }

    pub(super) fn tell(&self, order: Order) {
        self.order.set(Some(order));
        self.wake();
    }

    /// Lets the connection look at how things are.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// The order, and from here on the task that is woken for the next one.
    pub(super) fn take_order(&self, cx: &Context<'_>) -> Option<Order> {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.order.take()
    }
}

/// A request being answered.
pub(super) struct UnderWay(Rc<Life>);

impl UnderWay {
    pub(super) fn life(&self) -> &Life {
        &self.0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let left = self.0.under_way.get() - 1;
        self.0.under_way.set(left);
        if left == 0 {
            self.0.enter(Phase::Idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STALL_LIMIT: Tick = 600;

    const CALM: Seen = Seen {
        phase: Phase::Idle,
        age: 0,
        stalled: None,
        stall_limit: STALL_LIMIT,
        can_park: true,
        draining: None,
        is_crowded: false,
    };

    #[test]
    fn each_phase_ends_in_its_time() {
        for (phase, limit, order) in [
            (Phase::Handshake, HANDSHAKE_LIMIT, Order::Cut),
            (Phase::Head, HEAD_LIMIT, Order::TooSlow),
            (Phase::Farewell, FAREWELL_LIMIT, Order::Cut),
            (Phase::Leaving, LEAVING_LIMIT, Order::Cut),
            (Phase::Idle, IDLE_LIMIT, Order::Close),
        ] {
            let early = judge(Seen { phase, age: limit - 1, can_park: false, ..CALM });
            assert_eq!((early, judge(Seen { phase, age: limit, ..CALM })), (None, Some(order)), "{phase:?}");
        }
        assert_eq!(judge(Seen { age: PARK_AFTER, ..CALM }), Some(Order::Park));
        assert_eq!(judge(Seen { age: CROWDED_IDLE_LIMIT, is_crowded: true, ..CALM }), Some(Order::Close));
        assert_eq!(judge(Seen { draining: Some(LAST_IDLE), ..CALM }), Some(Order::Close));
        assert_eq!(judge(Seen { draining: Some(LAST_IDLE - 1), ..CALM }), None);
    }

    proptest! {
        #[test]
        fn a_request_is_cut_only_when_its_caller_takes_nothing(age: Tick, stalled: Option<Tick>, draining: Option<Tick>,
                                                                 is_crowded: bool) {
            let order = judge(Seen { phase: Phase::Busy, age, stalled, draining, is_crowded, ..CALM });
            prop_assert_eq!(order, stalled.filter(|stalled| *stalled >= STALL_LIMIT).map(|_| Order::Cut));
        }
    }

    #[test]
    fn only_the_first_bytes_after_an_answer_begin_a_head() {
        let life = Rc::new(Life::new(Rc::default(), Phase::Idle));
        life.set_buffers(true);
        assert!(life.has_read() && life.phase() == Phase::Head);
        let (one, other) = (life.request(), life.request());
        assert!(!life.has_read());
        drop(one);
        assert_eq!(life.phase(), Phase::Busy);
        drop(other);
        assert!(life.phase() == Phase::Idle && life.seen(STALL_LIMIT, None, false).can_park && life.has_read());
    }

    #[test]
    fn an_answer_is_held_up_from_the_last_piece_that_any_of_them_gave() {
        let now = Rc::new(Cell::new(0));
        let life = Life::new(now.clone(), Phase::Busy);
        let stalled = || life.seen(STALL_LIMIT, None, false).stalled;
        assert_eq!(stalled(), None);
        life.holds();
        now.set(10);
        life.holds();
        assert_eq!(stalled(), Some(10), "another answer is no progress");
        life.has_taken();
        now.set(15);
        assert_eq!(stalled(), Some(5));
        life.has_written(false);
        now.set(20);
        life.has_taken();
        assert_eq!(stalled(), Some(5), "bytes that cannot be written count by themselves");
    }
}
