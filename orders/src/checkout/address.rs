//! Delivery addresses.

use orders_api::Address;
use storefront_types::Problem;

/// Longest text of one field in bytes. Six of them and 50 lines stay within the 4 KiB of a memo.
const MAX_FIELD_BYTES: usize = 120;

/// ISO 3166-1 alpha-2, officially assigned codes.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH \
    GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB \
    LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM \
    PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG \
    TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// What no label can show as it was typed: control characters, line and paragraph separators, and what turns the direction of writing around
/// (Unicode TR 36 section 2.7).
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Adds a parameter to the problem for each field that will not do.
pub(crate) fn check(address: &Address, mut problem: Problem) -> Problem {
    let needed =
        [("name", &address.name), ("line1", &address.line1), ("city", &address.city), ("postal_code", &address.postal_code)];
    for (name, text) in needed {
        if text.trim().is_empty() {
            problem = problem.invalid_param(format!("delivery_address.{name}"), "must not be empty");
        }
    }
    let optional = [("line2", &address.line2), ("region", &address.region)];
    let given = optional.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
    for (name, text) in needed.into_iter().chain(given) {
        if text.len() > MAX_FIELD_BYTES || text.chars().any(is_unprintable) {
            let reason = format!("at most {MAX_FIELD_BYTES} bytes without control characters");
            problem = problem.invalid_param(format!("delivery_address.{name}"), reason);
        }
    }
    if address.country.len() != 2 || !COUNTRIES.split(' ').any(|code| code == address.country) {
        problem = problem.invalid_param("delivery_address.country", "an ISO 3166-1 alpha-2 code such as DE or US");
    }
    problem
}
