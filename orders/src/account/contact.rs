//! E-mail addresses and phone numbers, parsed once.

/// RFC 5321 section 4.5.3.1.3 allows 256 for a path with its brackets.
const MAX_EMAIL_BYTES: usize = 254;

/// E.164: at most 15 digits; 7 is the shortest in use.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Lower case, so that the same address in other letters is the same account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let bad = "an e-mail address such as ada@example.org is needed";
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(bad)?;
        let plain = |part: &str| {
            !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control() || "@,;<>\"()".contains(c))
        };
        let dotted = domain.split('.').count() >= 2 && domain.split('.').all(|label| !label.is_empty());
        if text.len() > MAX_EMAIL_BYTES || !plain(local) || !plain(domain) || !dotted {
            return Err(bad);
        }
        Ok(Self(text.to_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// E.164 with a leading `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PhoneNumber(String);

impl PhoneNumber {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let bad = "a phone number with its country code such as +49 30 123456 is needed";
        let digits = text.trim().strip_prefix('+').ok_or(bad)?;
        let kept: String = digits.chars().filter(|c| !" .-()/".contains(*c)).collect();
        if !PHONE_DIGITS.contains(&kept.len()) || !kept.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad);
        }
        Ok(Self(format!("+{kept}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_write_and_refuses_the_rest() {
        assert_eq!(Email::parse(" Ada@Example.org ").unwrap().as_str(), "ada@example.org");
        for bad in ["", "ada", "ada@", "@example.org", "a b@example.org", "ada@example", "ada@example..org"] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(PhoneNumber::parse("+49 (30) 12-34.56").unwrap().as_str(), "+4930123456");
        for bad in ["", "030123456", "+12", "+1234567890123456", "+49abc12345"] {
            assert!(PhoneNumber::parse(bad).is_err(), "{bad:?}");
        }
    }
}
