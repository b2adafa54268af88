//! What an answer is stored under: authority, and path with query.

use quick_cache::Equivalent;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Empty where there is but one origin whose answers do not depend on the name it is called by.
    pub(crate) authority: Box<str>,
    pub(crate) target: Box<str>,
}

/// The same, borrowed, so that looking a key up copies nothing. It hashes as [`Key`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyRef<'a> {
    pub(crate) authority: &'a str,
    pub(crate) target: &'a str,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.target == &*key.target && self.authority == &*key.authority
    }
}

impl KeyRef<'_> {
    /// Bytes that it takes.
    pub(crate) fn weight(&self) -> u64 {
        (self.authority.len() + self.target.len()) as u64
    }

    pub(crate) fn owned(&self) -> Key {
        Key { authority: self.authority.into(), target: self.target.into() }
    }
}

impl Key {
    pub(crate) fn borrowed(&self) -> KeyRef<'_> {
        KeyRef { authority: &self.authority, target: &self.target }
    }
}
