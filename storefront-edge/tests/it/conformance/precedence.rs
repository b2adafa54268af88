
//! RFC 9111 section 4.2.1: `s-maxage` before `max-age` before `Expires`. Must not: test how each is parsed.

use super::{
    answer::ok,
    date::date,
    step::{not_reused, reused},
};

cases! {
    longer_s_maxage: reused(ok("max-age=1, s-maxage=3600").with("Age", "100"));
    shorter_s_maxage: not_reused(ok("max-age=3600, s-maxage=1").with("Age", "100"));
    longer_s_maxage_first: reused(ok("s-maxage=3600, max-age=1").with("Age", "100"));
    s_maxage_0: not_reused(ok("max-age=3600, s-maxage=0"));
    s_maxage_alone: reused(ok("s-maxage=3600"));
    s_maxage_in_mixed_case: reused(ok("S-MaxAge=3600"));
    s_maxage_before_a_past_expires: reused(ok("s-maxage=3600").with("Expires", date(-3600)));
    s_maxage_before_a_future_expires: not_reused(ok("s-maxage=1").with("Expires", date(3600)).with("Age", "100"));
    max_age_before_a_past_expires: reused(ok("max-age=3600").with("Expires", date(-3600)));
    max_age_before_an_invalid_expires: reused(ok("max-age=3600").with("Expires", "0"));
    max_age_before_a_future_expires: not_reused(ok("max-age=1").with("Expires", date(3600)).with("Age", "100"));
    max_age_0_before_expires: not_reused(ok("max-age=0").with("Expires", date(3600)));
    invalid_max_age_before_expires: not_reused(ok("max-age=abc").with("Expires", date(3600)));
    invalid_s_maxage_before_max_age: not_reused(ok("s-maxage=abc, max-age=3600"));
    other_directives_beside_expires: reused(ok("public, foo").with("Expires", date(3600)));
    no_cache_before_a_lifetime: not_reused(ok("no-cache, max-age=3600, s-maxage=3600").with("Expires", date(3600)));
    pragma_means_nothing: reused(ok("max-age=3600").with("Pragma", "no-cache"));
}
