
//! RFC 9111 section 4.2.2: a tenth of the time since `Last-Modified`, for the statuses that allow it. Must not: test explicit lifetimes.

use super::{
    answer::{Answer, ok, plain, status},
    date::{date, date_asctime, date_rfc850},
    step::{Step, get, not_reused, reused},
};

const LONG_AGO: i64 = -1000 * 86_400;
/// RFC 9110 section 15.1, less 206, which is partial.
const GUESSED: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
const NOT_GUESSED: [u16; 31] = [
    201, 202, 207, 208, 226, 299, 302, 303, 305, 307, 399, 400, 401, 402, 403, 406, 408, 409, 411, 412, 413, 415, 418, 422, 429, 499, 500, 502,
    503, 504, 599,
];

fn modified(code: u16) -> Answer {
    status(code).with("Last-Modified", date(LONG_AGO))
}

fn each(codes: &[u16], with: impl Fn(u16) -> Answer, then: impl Fn(Step) -> Step) -> Vec<Step> {
    let both = |code: &u16| {
        let target = format!("/{code}");
        [get().at(&target).asks(with(*code)), then(get().at(&target))]
    };
    codes.iter().flat_map(both).collect()
}

cases! {
    an_old_answer_is_reused: reused(modified(200));
    each_status_that_allows_it: each(&GUESSED, modified, Step::cached);
    no_other_status: each(&NOT_GUESSED, modified, |step| step.asks(plain()));
    public_allows_it: each(&[201, 403, 503, 599], |code| modified(code).with("Cache-Control", "public"), Step::cached);
    below_a_tenth: reused(plain().with("Last-Modified", date(-10_000)).with("Age", "500"));
    above_a_tenth: not_reused(plain().with("Last-Modified", date(-10_000)).with("Age", "1500"));
    changed_just_now: not_reused(plain().with("Last-Modified", date(0)));
    changed_in_the_future: not_reused(plain().with("Last-Modified", date(86_400)));
    no_date: not_reused(plain().with("Last-Modified", "foo"));
    rfc850: reused(plain().with("Last-Modified", date_rfc850(LONG_AGO)));
    asctime: reused(plain().with("Last-Modified", date_asctime(LONG_AGO)));
    not_with_max_age: not_reused(modified(200).with("Cache-Control", "max-age=10").with("Age", "20"));
    not_with_max_age_0: not_reused(modified(200).with("Cache-Control", "max-age=0"));
    not_with_s_maxage: not_reused(modified(200).with("Cache-Control", "s-maxage=10").with("Age", "20"));
    not_with_expires: not_reused(modified(200).with("Expires", date(-60)));
    not_with_no_cache: not_reused(modified(200).with("Cache-Control", "no-cache"));
    not_with_no_store: not_reused(modified(200).with("Cache-Control", "no-store"));
    not_with_private: not_reused(modified(200).with("Cache-Control", "private"));
    with_a_query: vec![get().at("/t?a=b").asks(modified(200)), get().at("/t?a=b").cached()];
    public_alone_grows_old: not_reused(ok("public").with("Age", "31536000"));
}
