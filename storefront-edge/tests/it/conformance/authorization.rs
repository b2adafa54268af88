
//! RFC 9111 section 3.5: answers to requests with credentials. Must not: test `private`.

use super::{
    answer::{Answer, ok, plain},
    date::date,
    step::{Step, get},
};

fn with_credentials() -> Step {
    get().with("Authorization", "Basic YTpi")
}

fn shared(answer: Answer) -> Vec<Step> {
    vec![with_credentials().asks(answer), get().cached(), get().with("Authorization", "Basic Yzpk").cached()]
}

fn not_shared(answer: Answer) -> Vec<Step> {
    vec![with_credentials().asks(answer), get().asks(plain())]
}

cases! {
    max_age: not_shared(ok("max-age=3600"));
    same_credentials: vec![with_credentials().asks(ok("max-age=3600")), with_credentials().asks(plain())];
    expires: not_shared(plain().with("Expires", date(3600)));
    guessed: not_shared(plain().with("Last-Modified", date(-86_400_000)));
    proxy_revalidate: not_shared(ok("max-age=3600, proxy-revalidate"));
    unknown_directive: not_shared(ok("max-age=3600, foo=\"public\""));
    public_and_private: not_shared(ok("max-age=3600, public, private"));
    public: shared(ok("max-age=3600, public"));
    s_maxage: shared(ok("s-maxage=3600"));
    must_revalidate: shared(ok("max-age=3600, must-revalidate"));
    public_in_mixed_case: shared(ok("max-age=3600, Public"));
    must_revalidate_when_stale: not_shared(ok("max-age=10, must-revalidate").with("Age", "20"));
    public_but_varying: vec![
        with_credentials().asks(ok("max-age=3600, public").with("Vary", "Authorization")),
        with_credentials().cached(),
        get().with("Authorization", "Basic Yzpk").asks(plain()),
        get().asks(plain()),
    ];
    public_in_cdn_cache_control: shared(plain().with("CDN-Cache-Control", "public, max-age=3600"));
    public_beside_cdn_cache_control: not_shared(ok("public").with("CDN-Cache-Control", "max-age=3600"));
    stored_without_credentials: vec![get().asks(ok("max-age=3600")), with_credentials().cached()];
    reach_the_origin: vec![with_credentials().asks(plain()).origin_got("authorization", "Basic YTpi")];
    challenge_is_passed_on: vec![
        get().asks(super::answer::status(401).with("WWW-Authenticate", "Basic realm=\"a\"")).has("www-authenticate", "Basic realm=\"a\""),
    ];
}
