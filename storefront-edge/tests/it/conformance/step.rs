//! The form a test is written in: requests one after another, what the origin would say to each, and what has to come of it.
//! Must not: run anything.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    answer::Answer,
    wire::{Content, Head},
};
use crate::conformance::origin::Received;

/// What a client saw of one request, and what reached the origin meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) interim: Vec<Head>,
    pub(crate) head: Head,
    pub(crate) content: Content,
    pub(crate) received: Vec<Received>,
}

/// Whether the origin takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    /// It is asked as often as it has answers, and its last answer reaches the client.
    Asked,
    /// It is asked as often as it has answers, and a stored answer reaches the client.
    Confirmed,
    /// It is not asked, and a stored answer with its age reaches the client.
    Cached,
    /// As `Cached`, and it is asked behind the client's back.
    CachedThenAsked,
    /// It is not asked, and no stored answer reaches the client.
    Generated,
    /// It fails, however often it is asked, and a stored answer reaches the client.
    CachedOverFailure,
    /// It fails, however often it is asked, and no stored answer reaches the client.
    Failed,
    /// Asked or not, both are right.
    Either,
}

pub(crate) type Check = Box<dyn Fn(&Seen) + Send>;

/// One request and what has to come of it.
pub(crate) struct Step {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) pause: Duration,
    pub(crate) hostless: bool,
    pub(crate) without_origin: bool,
    pub(crate) patient: bool,
    pub(crate) answers: Vec<Answer>,
    pub(crate) contact: Contact,
    pub(crate) status: Option<u16>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) may_end_early: bool,
    pub(crate) checks: Vec<Check>,
}

/// A request with this method for `/t`, answered by nobody yet.
pub(crate) fn request(method: &str) -> Step {
    Step {
        method: method.to_owned(),
        target: "/t".to_owned(),
        fields: Vec::new(),
        content: None,
        pause: Duration::ZERO,
        hostless: false,
        without_origin: false,
        patient: false,
        answers: Vec::new(),
        contact: Contact::Cached,
        status: None,
        body: None,
        may_end_early: false,
        checks: Vec::new(),
    }
}

pub(crate) fn get() -> Step {
    request("GET")
}

pub(crate) fn head() -> Step {
    request("HEAD")
}

/// The request.
impl Step {
    pub(crate) fn at(self, target: &str) -> Self {
        Self { target: target.to_owned(), ..self }
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn content(self, content: &str) -> Self {
        Self { content: Some(content.as_bytes().to_vec()), ..self }
    }

    /// Where real time is the point.
    pub(crate) fn after(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Without `Host`.
    pub(crate) fn hostless(self) -> Self {
        Self { hostless: true, ..self }
    }

    /// Asked again until it comes out right: the step before set something going.
    pub(crate) fn soon(self) -> Self {
        Self { patient: true, ..self }
    }

    /// Nobody listens at the origin's address from here on.
    pub(crate) fn without_origin(self) -> Self {
        Self { without_origin: true, ..self }
    }
}

/// Who answers.
impl Step {
    fn contact(self, contact: Contact, answers: Vec<Answer>) -> Self {
        Self { contact, answers, ..self }
    }

    pub(crate) fn asks(self, answer: Answer) -> Self {
        self.contact(Contact::Asked, vec![answer])
    }

    /// Several requests to the origin for one of the client.
    pub(crate) fn asks_each(self, answers: Vec<Answer>) -> Self {
        self.contact(Contact::Asked, answers)
    }

    pub(crate) fn cached(self) -> Self {
        self.contact(Contact::Cached, Vec::new())
    }

    pub(crate) fn cached_then_asks(self, answer: Answer) -> Self {
        self.contact(Contact::CachedThenAsked, vec![answer])
    }

    pub(crate) fn confirmed_by(self, answer: Answer) -> Self {
        self.contact(Contact::Confirmed, vec![answer])
    }

    /// The edge answers itself, whatever.
    pub(crate) fn not_passed_on(self) -> Self {
        self.contact(Contact::Generated, Vec::new())
    }

    pub(crate) fn generated(self, status: u16) -> Self {
        self.contact(Contact::Generated, Vec::new()).status(status)
    }

    pub(crate) fn cached_over(self, failure: Answer) -> Self {
        self.contact(Contact::CachedOverFailure, vec![failure; 8])
    }

    pub(crate) fn fails_with(self, failure: Answer) -> Self {
        self.contact(Contact::Failed, vec![failure; 8])
    }

    pub(crate) fn either(self, answer: Answer) -> Self {
        self.contact(Contact::Either, vec![answer])
    }
}

/// What reaches the client, and what reached the origin.
impl Step {
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        Self { body: Some(body.as_ref().to_vec()), ..self }
    }

    pub(crate) fn may_end_early(self) -> Self {
        Self { may_end_early: true, ..self }
    }

    pub(crate) fn check(mut self, check: impl Fn(&Seen) + Send + 'static) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    /// The answer has this field with this value (of all its lines).
    pub(crate) fn has(self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().to_owned();
        self.check(move |seen| assert_eq!(seen.head.get(name).as_deref(), Some(value.as_str()), "{name} of the answer"))
    }

    pub(crate) fn lacks(self, name: &'static str) -> Self {
        self.check(move |seen| assert_eq!(seen.head.get(name), None, "{name} of the answer"))
    }

    pub(crate) fn age(self, within: RangeInclusive<u64>) -> Self {
        self.check(move |seen| {
            let age = seen.head.get("age").and_then(|age| age.parse().ok());
            assert!(age.is_some_and(|age| within.contains(&age)), "Age is {age:?} and not within {within:?}");
        })
    }

    /// The last request to the origin has this field with this value.
    pub(crate) fn origin_got(self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().to_owned();
        self.check(move |seen| {
            let got = seen.received.last().and_then(|received| received.head.get(name));
            assert_eq!(got.as_deref(), Some(value.as_str()), "{name} of the request to the origin");
        })
    }

    /// The last request to the origin has no such field.
    pub(crate) fn origin_lacks_last(self, name: &'static str) -> Self {
        self.check(move |seen| {
            let got = seen.received.last().and_then(|received| received.head.get(name));
            assert_eq!(got, None, "{name} of the last request to the origin");
        })
    }

    /// No request to the origin has such a field.
    pub(crate) fn origin_lacks(self, name: &'static str) -> Self {
        self.check(move |seen| {
            for received in &seen.received {
                assert_eq!(received.head.get(name), None, "{name} of the request to the origin");
            }
        })
    }
}

/// Asked once, and served from the cache from then on.
pub(crate) fn reused(answer: Answer) -> Vec<Step> {
    vec![get().asks(answer), get().cached()]
}

/// Asked each time.
pub(crate) fn not_reused(answer: Answer) -> Vec<Step> {
    vec![get().asks(answer), get().asks(super::answer::status(200).with("X-Second", "yes"))]
}

/// A request that is answered by the first answer, and the same request that `then` describes.
pub(crate) fn first(answer: Answer, then: Step) -> Vec<Step> {
    vec![get().asks(answer), then]
}
