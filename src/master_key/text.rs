//! A master key's text: base64 of 32 bytes, read as leniently as the Python module reads it.

use base64ct::{Base64Url, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::secret::{KEY_SIZE, SecretBytes, SecretKey};
use crate::status::Status;

/// The length of the text in characters, padding included.
pub(crate) const TEXT_LEN: usize = 44;

/// So many characters of base64 carry a key; the last one has two bits to spare.
const DATA_LEN: usize = 43;

/// The text without the white space around it, as Python's `str.strip` defines it. What is not UTF-8 stays as it is,
/// to be refused by [`decode`].
pub(super) fn strip(text: &[u8]) -> &[u8] {
    let white = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    std::str::from_utf8(text).map_or(text, |text| text.trim_matches(white).as_bytes())
}

/// Decodes a master key's text by CPython's walk over base64 (`binascii.a2b_base64`, not strict): characters outside
/// both alphabets are skipped, complete padding ends the text. Missing padding is accepted besides.
///
/// Branches depend on which class a character is of (data, padding, other), never on the value it carries.
pub(super) fn decode(text: &[u8]) -> Result<SecretKey> {
    let text = strip(text);
    if text.is_empty() {
        return Err(invalid("it is blank"));
    }
    if !text.is_ascii() {
        return Err(invalid("it holds a character that is not ASCII"));
    }
    // A character more than a key has, so that a longer text is noticed; the spare place holds 'A', six zero bits,
    // and completes the last group: 44 characters, 33 bytes, of which the last belongs to no key.
    let mut data = Zeroizing::new([b'A'; DATA_LEN + 1]);
    let mut count = 0;
    let mut padding = 0;
    for &byte in text {
        match byte {
            b'=' => {
                let group = count % 4;
                if group >= 2 {
                    padding += 1;
                    if group + padding >= 4 {
                        break;
                    }
                }
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'+' | b'/' => {
                padding = 0;
                if let Some(place) = data.get_mut(count) {
                    *place = to_url_safe(byte);
                }
                count += 1;
            }
            _ => {}
        }
    }
    if count != DATA_LEN {
        return Err(invalid(format_args!(
            "it holds {count} characters of base64, and a key of {KEY_SIZE} bytes takes {DATA_LEN} and one '='"
        )));
    }
    let mut bytes = Zeroizing::new([0; KEY_SIZE + 1]);
    Base64UrlUnpadded::decode(*data, &mut *bytes).map_err(|_| invalid("it is not base64"))?;
    SecretKey::try_made(|key| {
        key.copy_from_slice(&bytes[..KEY_SIZE]);
        Ok(())
    })
}

/// `+` to `-` and `/` to `_`, without a branch.
fn to_url_safe(byte: u8) -> u8 {
    let plus = u8::from(byte == b'+');
    let slash = u8::from(byte == b'/');
    byte + plus * (b'-' - b'+') + slash * (b'_' - b'/')
}

pub(super) fn encode(key: &SecretKey) -> SecretBytes {
    let mut text = vec![0; TEXT_LEN];
    let written = Base64Url::encode(key.expose(), &mut text).map(str::len);
    assert_eq!(written, Ok(TEXT_LEN), "the text of a key has {TEXT_LEN} characters");
    SecretBytes::from(text)
}

fn invalid(found: impl std::fmt::Display) -> Error {
    Error::new(
        Status::MasterKeyInvalid,
        format!(
            "the master key's text is not base64 of {KEY_SIZE} bytes: {found}; make one with kc_master_key_generate"
        ),
    )
}
