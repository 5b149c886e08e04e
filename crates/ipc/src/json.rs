//! JSON Lines: one object per line, in UTF-8, ended by a newline.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of the JSON Lines protocols; a change that an old reader can't ignore raises it.
pub const PROTOCOL: u32 = 1;

/// A line that is not what was expected, with the parser's words.
#[derive(Debug)]
pub struct LineError(String);

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LineError {}

/// One line, with its newline, ready to be sent.
///
/// # Errors
/// A value that JSON can't hold, such as a map with keys that aren't strings; our own messages have none.
pub fn line<T: Serialize>(message: &T) -> Result<Vec<u8>, LineError> {
    let mut bytes = serde_json::to_vec(message).map_err(|error| LineError(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The message on one line; the newline may be there or not.
///
/// # Errors
/// [`LineError`] says what was expected and where (serde_json's words).
pub fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineError> {
    serde_json::from_slice(line).map_err(|error| LineError(error.to_string()))
}
