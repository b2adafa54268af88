//! Who works on an order in the model: shoppers' checkouts, the reconciler, and a newer checkout that replaces it.

use inventory_api::OutcomeCode;

use super::{
    Effect, Plan, Step, begin, next, recover,
    world::{Fault, World},
};
use crate::payment::{Ending, PaymentState, Standing, Verdict, judge, judge_released, judge_taken};

/// Whoever works on the order, one effect at a time.
#[derive(Clone, Debug)]
pub(super) enum Actor {
    Run(Step),
    /// The reconciler's look at an authorisation, as `payment/rest.rs` does it.
    LookAt(u8),
    Close(u8),
    LookAtTaken(u8),
    Void,
    /// A newer checkout of the same shopper, as `checkout/closing.rs` does it.
    End(u8),
    EndByClosing(u8),
    Done,
}

impl Actor {
    pub(super) fn shopper(empty: bool) -> Self {
        Self::Run(begin(Plan { empty, pays: true }))
    }

    pub(super) fn reconciler(world: &World) -> Self {
        let waits = world.payment == Some(PaymentState::Authorised) && !world.order;
        if waits { Self::LookAt(0) } else { Self::Done }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Run((_, Effect::Answer(_))))
    }

    /// Its next step touches nothing that others see.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Run((_, Effect::Price | Effect::Replace)))
    }

    pub(super) fn answer(&self) -> Option<super::Answer> {
        match self {
            Self::Run((_, Effect::Answer(answer))) => Some(*answer),
            _ => None,
        }
    }

    /// One step; after a crash nothing is left.
    pub(super) fn step(self, world: &mut World, fault: Fault, twice: bool) -> Self {
        let judged = |verdict| match verdict {
            Verdict::Leave => Self::Done,
            Verdict::LookAt { attempt } => Self::LookAt(attempt),
            Verdict::Resume { attempt } => Self::Run(recover(attempt)),
            Verdict::Close { attempt } => Self::Close(attempt),
            Verdict::Void => Self::Void,
        };
        match self {
            Self::Done => Self::Done,
            Self::Run((state, effect)) => {
                if twice {
                    world.run(effect, Fault::None);
                }
                world.run(effect, fault).map_or(Self::Done, |event| Self::Run(next(state, event)))
            }
            Self::LookAt(attempt) => judged(judge(attempt, world.standing(attempt))),
            Self::Close(attempt) => match world.close(attempt) {
                OutcomeCode::ConflictingDuplicate => Self::LookAtTaken(attempt),
                _ => Self::Void,
            },
            Self::End(attempt) => match judge_released(attempt, world.release(attempt)) {
                Ending::Ended => Self::Void,
                Ending::Leave => Self::Done,
                Ending::Release { attempt } => Self::End(attempt),
                Ending::Close { attempt } => Self::EndByClosing(attempt),
            },
            Self::EndByClosing(attempt) => match world.close(attempt) {
                // One that was refused ends the row by itself; else it was begun meanwhile.
                OutcomeCode::ConflictingDuplicate if world.standing(attempt) == Standing::Missing => Self::Done,
                OutcomeCode::ConflictingDuplicate => Self::End(attempt),
                _ => Self::Void,
            },
            Self::LookAtTaken(attempt) => judged(judge_taken(world.standing(attempt))),
            Self::Void => {
                world.void();
                Self::Done
            }
        }
    }
}
