//! Names of what people create.

use super::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use super::outcome::{Fault, Kind, Rejection};

/// `[a-z0-9][a-z0-9._-]{0,62}`; `@` and `/` stay free for snapshots and paths.
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(plain)
        && bytes.len() <= NAME_BYTES_MAX
        && bytes.iter().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
}

pub fn check_name(what: Kind, text: &str) -> Result<(), Rejection> {
    if is_name(text) { Ok(()) } else { Err(Rejection::Invalid { what, fault: Fault::Name }) }
}

/// Free text that is stored: bounded, printable.
pub fn check_text(what: Kind, text: &str) -> Result<(), Rejection> {
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Rejection::Invalid { what, fault: Fault::Text });
    }
    Ok(())
}
