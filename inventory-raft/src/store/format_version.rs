//! Version of the data directory.

/// Raised by every change of the disk format that an older release cannot read.
pub(crate) const FORMAT_VERSION: u32 = 3;
