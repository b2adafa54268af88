//! The sandbox's cards, by payment-method id. Pure.

use std::time::Duration;

/// Longer than a shop waits for one call.
const LATE: Duration = Duration::from_secs(6);

/// How long a pending payment is pending: longer than a checkout asks for it, three times with half a second between.
pub(super) const PENDING: Duration = Duration::from_secs(5);

/// What asking for an authorisation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Authorised,
    Declined(&'static str),
    /// Authorised after [`PENDING`].
    Pending,
    Nothing,
}

/// How it is told to the one who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    AtOnce,
    /// The first time after so long, then at once.
    Late(Duration),
    /// The first time the connection is cut in the middle of the answer, then at once.
    Lost,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) made: Made,
    pub(super) told: Told,
    /// Every webhook comes twice.
    pub(super) twice: bool,
    /// The answer to the first capture is lost after the capture.
    pub(super) capture_lost: bool,
}

const PLAIN: Card = Card { made: Made::Authorised, told: Told::AtOnce, twice: false, capture_lost: false };

/// `None`: there is no such card, which is told as a decline.
pub(super) fn card(method: &str) -> Option<Card> {
    Some(match method {
        "pm_card_visa" => PLAIN,
        "pm_card_declined" => Card { made: Made::Declined("card_declined"), ..PLAIN },
        "pm_card_insufficient_funds" => Card { made: Made::Declined("insufficient_funds"), ..PLAIN },
        "pm_card_timeout" => Card { made: Made::Nothing, told: Told::Never, ..PLAIN },
        "pm_card_silent" => Card { told: Told::Never, ..PLAIN },
        "pm_card_late" => Card { told: Told::Late(LATE), ..PLAIN },
        "pm_card_lost" => Card { told: Told::Lost, ..PLAIN },
        "pm_card_twice" => Card { twice: true, ..PLAIN },
        "pm_card_pending" => Card { made: Made::Pending, ..PLAIN },
        "pm_card_capture_lost" => Card { capture_lost: true, ..PLAIN },
        _ => return None,
    })
}
