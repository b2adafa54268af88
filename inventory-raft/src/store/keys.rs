//! Keys of records in snapshots: kind, virtual shard, name; and of pages in the state directory: kind, number. Big-endian, so that
//! byte order is key order.
//!
//! One of 256 virtual shards stands in each key from day one, so that groups of shards can later move to Raft groups of their
//! own without rewriting what is stored.

/// Kind of a record; the first byte of its key. Frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Clock = 1,
    Sku = 2,
    Reservation = 3,
    Remembered = 4,
}

pub(crate) fn kind(key: &[u8]) -> Option<Kind> {
    [Kind::Clock, Kind::Sku, Kind::Reservation, Kind::Remembered].into_iter().find(|kind| key.first() == Some(&(*kind as u8)))
}

/// The virtual shard of a name.
pub(crate) fn shard(name: &[u8]) -> u8 {
    blake3::hash(name).as_bytes()[0]
}

/// Key of a record whose shard is known.
pub(crate) fn record(kind: Kind, shard: u8, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + name.len());
    key.push(kind as u8);
    key.push(shard);
    key.extend_from_slice(name);
    key
}

/// Key of a page of entries in the state directory.
pub(crate) fn page(kind: Kind, number: u32) -> Vec<u8> {
    let [a, b, c, d] = number.to_be_bytes();
    vec![kind as u8, a, b, c, d]
}

pub(crate) fn page_number(key: &[u8]) -> Option<u32> {
    key.get(1..)?.try_into().ok().map(u32::from_be_bytes)
}

pub(crate) fn clock() -> Vec<u8> {
    vec![Kind::Clock as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden bytes: a change here is a change of the disk format.
    #[test]
    fn keys_keep_their_bytes() {
        assert_eq!(clock(), [1]);
        assert_eq!(record(Kind::Sku, shard(b"A-1"), b"A-1"), [2, 66, 65, 45, 49]);
        assert_eq!(shard(&7_u128.to_be_bytes()), 125);
        assert_eq!(page(Kind::Reservation, 258), [3, 0, 0, 1, 2]);
        assert_eq!(page_number(&page(Kind::Sku, 70_000)), Some(70_000));
        assert_eq!(kind(&[9]), None);
    }
}
