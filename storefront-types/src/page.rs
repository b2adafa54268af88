//! Cursor-paged lists: `?limit=&cursor=` -> `{"items": [...], "next_cursor": null}`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items of a page when the request names no limit.
pub const DEFAULT_PAGE_LIMIT: u32 = 24;

/// Largest page. 200 list items of about 300 bytes are 60 KB of JSON, one comfortable answer.
pub const MAX_PAGE_LIMIT: u32 = 200;

/// One page of a list. `next_cursor` is opaque; `null` marks the last page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}
