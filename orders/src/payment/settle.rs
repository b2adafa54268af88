//! What is to become of an authorisation without a recorded order. Pure.
//!
//! A payment may be voided only when its order can have no hold any more. The attempts at an order are a row: the next one is
//! begun only when the one before has ended by itself, and none after one that was released or refused. So the row is looked
//! through to its end; where a next attempt could still be begun, its place is taken first by a command that is refused for ever.

use inventory_api::OutcomeCode;

use crate::checkout::MAX_ATTEMPTS;

/// Where one attempt at an order stands in the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Missing,
    Held,
    Confirmed,
    Acknowledged,
    Released,
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is an order: its payment is captured when it is recorded.
    Leave,
    LookAt {
        attempt: u8,
    },
    /// Stock is held and the payment is there: go on with the checkout.
    Resume {
        attempt: u8,
    },
    /// Take this attempt's place, then void.
    Close {
        attempt: u8,
    },
    Void,
}

/// What follows from where an attempt stands, all before it having ended by themselves.
pub(crate) fn judge(attempt: u8, standing: Standing) -> Verdict {
    match standing {
        Standing::Confirmed | Standing::Acknowledged => Verdict::Leave,
        Standing::Held => Verdict::Resume { attempt },
        Standing::Released => Verdict::Void,
        Standing::Expired if attempt + 1 < MAX_ATTEMPTS => Verdict::LookAt { attempt: attempt + 1 },
        Standing::Expired => Verdict::Void,
        Standing::Missing => Verdict::Close { attempt },
    }
}

/// What follows when the place was decided about before with other content, from where the attempt stands then.
pub(crate) fn judge_taken(standing: Standing) -> Verdict {
    match standing {
        // Decided, and there is no reservation: it was refused, which ends the row too.
        Standing::Missing | Standing::Released => Verdict::Void,
        // Somebody was faster; the next pass sees what came of it.
        _ => Verdict::Leave,
    }
}

/// How to end a checkout that a newer one replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// No attempt of the order can be confirmed any more.
    Ended,
    Release {
        attempt: u8,
    },
    /// Not begun, and somebody may be about to: take its place, and release it if they were faster.
    Close {
        attempt: u8,
    },
    /// It is an order, or its last attempt ended by itself, or it is not known.
    Leave,
}

/// What follows from having released an attempt, all before it having ended by themselves.
pub(crate) fn judge_released(attempt: u8, outcome: OutcomeCode) -> Ending {
    match outcome {
        OutcomeCode::Ok | OutcomeCode::AlreadyReleased => Ending::Ended,
        OutcomeCode::Expired if attempt + 1 < MAX_ATTEMPTS => Ending::Release { attempt: attempt + 1 },
        OutcomeCode::NotFound => Ending::Close { attempt },
        _ => Ending::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_row_is_voided() {
        assert_eq!(judge(0, Standing::Expired), Verdict::LookAt { attempt: 1 });
        assert_eq!(judge(MAX_ATTEMPTS - 1, Standing::Expired), Verdict::Void);
        assert_eq!(judge(1, Standing::Missing), Verdict::Close { attempt: 1 });
        for standing in [Standing::Held, Standing::Confirmed, Standing::Acknowledged, Standing::Expired] {
            assert_eq!(judge_taken(standing), Verdict::Leave);
        }
    }
}
