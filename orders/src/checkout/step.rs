//! What a checkout does, what comes of it, and how it ends. Pure.

/// What came of the last effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// PostgreSQL has the order; `same` says whether its content is this request's.
    OrderFound {
        same: bool,
    },
    OrderNotFound,
    /// PostgreSQL cannot say whether it has the order.
    OrderUnknown,
    /// The inventory has the reservation, confirmed, with its memo; `same` as above.
    ReservationFound {
        same: bool,
    },
    /// The inventory holds stock for it, not yet confirmed, with its memo; `same` as above.
    HoldFound {
        same: bool,
    },
    /// Confirmed and recorded, so PostgreSQL has it, but cannot be asked now.
    ReservationRecorded,
    ReservationNotFound,
    /// The hold ended by itself: the order may have another.
    HoldExpired,
    /// The hold was given up: its order ends with it.
    HoldReleased,
    InventoryAway,
    /// A call may have been executed: the same key must be used again.
    InventoryUnknown,
    Priced,
    /// At nothing: there is nothing to pay.
    PricedAtNothing,
    /// It is to be paid for, and nobody said how.
    MethodMissing,
    /// A SKU is sold no more.
    Unpriced,
    /// A line costs otherwise than the shopper was shown.
    PriceChanged,
    MixedCurrencies,
    /// The order's own record is over its bound.
    TooLarge,
    CatalogAway,
    Purchased,
    /// The id was decided before with these lines: its first outcome, and it was `ok`.
    PurchasedBefore,
    /// The id was decided before with other lines.
    DecidedOtherwise,
    PurchaseRefused,
    /// A newer checkout, or the reconciler, took the attempt's place.
    AttemptClosed,
    /// The shopper's earlier hold is given up, as far as it is known.
    Replaced,
    Held,
    HeldBefore,
    Extended,
    /// The hold has lasted as long as it may.
    ExtensionCapped,
    Authorised,
    PaymentDeclined,
    /// The provider has not decided yet.
    PaymentPending,
    /// The provider has no payment for the order.
    PaymentNone,
    /// The payment was voided or refunded, or belongs to another amount or method: it cannot pay for this.
    PaymentUnusable,
    /// Certainly not asked for.
    PaymentAway,
    /// Perhaps authorised: asking again finds it.
    PaymentUnknown,
    Confirmed,
    Recorded,
    RecordingFailed,
    /// Whether or not it was captured: the reconciler captures what is recorded.
    CaptureTried,
    Acknowledged,
    Released,
    /// Whether or not it was voided: the reconciler voids what has no order.
    VoidTried,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    LookUpOrder,
    LookUpReservation {
        attempt: u8,
    },
    LookUpPayment,
    Price,
    Purchase,
    Replace,
    Reserve {
        attempt: u8,
    },
    /// Asks, by doing it again, whether the attempt's place was taken.
    Close {
        attempt: u8,
    },
    Authorise,
    Extend {
        attempt: u8,
    },
    Confirm {
        attempt: u8,
    },
    Record,
    Capture,
    Acknowledge,
    Release {
        attempt: u8,
    },
    Void,
    Answer(Answer),
}

impl Effect {
    /// As fault points name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LookUpOrder => "look-up-order",
            Self::LookUpReservation { .. } => "look-up-reservation",
            Self::LookUpPayment => "look-up-payment",
            Self::Price => "price",
            Self::Purchase => "purchase",
            Self::Replace => "replace",
            Self::Reserve { .. } => "reserve",
            Self::Close { .. } => "close",
            Self::Authorise => "authorise",
            Self::Extend { .. } => "extend",
            Self::Confirm { .. } => "confirm",
            Self::Record => "record",
            Self::Capture => "capture",
            Self::Acknowledge => "acknowledge",
            Self::Release { .. } => "release",
            Self::Void => "void",
            Self::Answer(_) => "answer",
        }
    }
}

/// How a checkout ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// The order that this key already made.
    Known,
    /// Recorded: 201.
    Placed,
    /// In the log, not yet recorded: 202.
    Accepted,
    /// The inventory said no; the first refusal, also on a retry.
    Refused,
    /// The provider said no; final as well.
    Declined,
    /// Ended without an order: replaced by a newer checkout, or not paid for in time.
    GivenUp,
    /// A SKU has no price any more.
    Unpriced,
    /// At another price than was shown; nothing is sold at it before the shopper has seen it.
    PriceChanged,
    MixedCurrencies,
    /// It has to be paid for: how?
    MethodMissing,
    /// The cart does not fit one order.
    TooLarge,
    KeyReused,
    EmptyCart,
    Unavailable(Away),
    /// The payment is under way.
    PaymentPending,
    /// Perhaps accepted.
    Unknown,
}

/// Who is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Away {
    Catalog,
    Inventory,
    Database,
    Payments,
}
