//! A master key's text: base64 of 32 bytes, read as leniently as the Python module reads it.

use base64ct::{Base64Url, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::platform::secret_memory::Rank;
use crate::secret::{KEY_SIZE, SecretBytes, SecretKey};
use crate::status::Status;

/// The length of the text in characters, padding included.
pub(crate) const TEXT_LEN: usize = 44;

/// So many characters of base64 carry a key; the last one has two bits to spare.
const DATA_LEN: usize = 43;

/// The text without the white space around it, as Python's `str.strip` defines it. What is not UTF-8 stays as it is,
/// to be refused by [`decode`].
fn strip(text: &[u8]) -> &[u8] {
    let white = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    std::str::from_utf8(text).map_or(text, |text| text.trim_matches(white).as_bytes())
}

/// Whether nothing but white space is there. Of a text that begins with a letter, as a key's does, no more is looked at.
pub(super) fn is_blank(text: &[u8]) -> bool {
    !text.first().is_some_and(u8::is_ascii_graphic) && strip(text).is_empty()
}

/// The characters that carry a key, where the text has the length that [`encode`] gives it; a line's end and missing padding
/// are usual too.
fn canonical(text: &[u8]) -> Option<&[u8; DATA_LEN]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"=").unwrap_or(text).try_into().ok()
}

/// Decodes a master key's text. In its usual form that takes the same branches and addresses for every key.
pub(crate) fn decode(text: &[u8]) -> Result<SecretKey> {
    if let Some(data) = canonical(text)
        && let Ok(key) = decode_data(data)
    {
        return Ok(key);
    }
    decode_leniently(text)
}

/// Decodes a master key's text by CPython's walk over base64 (`binascii.a2b_base64`, not strict): characters outside
/// both alphabets are skipped, complete padding ends the text. Missing padding is accepted besides.
///
/// Branches depend on which class a character is of (letter, digit, padding, other), never on the value it carries.
fn decode_leniently(text: &[u8]) -> Result<SecretKey> {
    let text = strip(text);
    if text.is_empty() {
        return Err(invalid("it is blank"));
    }
    if !text.is_ascii() {
        return Err(invalid("it holds a character that is not ASCII"));
    }
    let mut data = Zeroizing::new([0; DATA_LEN]);
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
                    *place = byte;
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
    decode_data(&data)
}

/// The key that these characters of base64, in either alphabet, carry.
fn decode_data(data: &[u8; DATA_LEN]) -> Result<SecretKey> {
    // The spare place holds 'A', six zero bits, and completes the last group: 44 characters, 33 bytes, of which the last
    // belongs to no key.
    let mut text = Zeroizing::new([b'A'; DATA_LEN + 1]);
    for (place, &byte) in text.iter_mut().zip(data) {
        *place = to_url_safe(byte);
    }
    let mut bytes = Zeroizing::new([0; KEY_SIZE + 1]);
    Base64UrlUnpadded::decode(*text, &mut *bytes).map_err(|_| invalid("it is not base64"))?;
    SecretKey::try_made(Rank::First, |key| {
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

pub(crate) fn encode(key: &[u8; KEY_SIZE]) -> SecretBytes {
    let mut text = vec![0; TEXT_LEN];
    let written = Base64Url::encode(key, &mut text).map(str::len);
    assert_eq!(written, Ok(TEXT_LEN), "the text of a key has {TEXT_LEN} characters");
    SecretBytes::from(text)
}

fn invalid(found: impl std::fmt::Display) -> Error {
    Error::new(
        Status::MasterKeyInvalid,
        format!(
            "the master key's text is not base64 of {KEY_SIZE} bytes: {found}; check that it was copied whole (kc_master_key_generate makes new ones)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_of_any_length_is_blank_and_a_key_is_not() {
        for len in 0..=2 * TEXT_LEN {
            assert!(is_blank(" ".repeat(len).as_bytes()), "{len} spaces");
            assert!(is_blank(("\t".repeat(len) + "\n").as_bytes()), "{len} tabs");
        }
        let text = encode(&[7; KEY_SIZE]);
        assert!(!is_blank(text.expose()) && !is_blank(&[b" ", text.expose()].concat()));
    }

    /// The walk of `docs/format.md`, group by group; None for a text that is invalid.
    fn walked(text: &str) -> Option<Vec<u8>> {
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        if !text.is_ascii() {
            return None;
        }
        let (mut bytes, mut group, mut pads) = (Vec::new(), Vec::new(), 0);
        for c in text.replace('+', "-").replace('/', "_").chars() {
            if let Some(value) = ALPHABET.find(c) {
                pads = 0;
                group.push(value);
                if let [a, b, c, d] = group[..] {
                    bytes.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d].map(|byte| byte as u8));
                    group.clear();
                }
            } else if c == '=' && group.len() >= 2 {
                pads += 1;
                if group.len() + pads >= 4 {
                    break;
                }
            }
        }
        match group[..] {
            [] => {}
            [a, b] => bytes.push((a << 2 | b >> 4) as u8),
            [a, b, c] => bytes.extend([a << 2 | b >> 4, b << 4 | c >> 2].map(|byte| byte as u8)),
            _ => return None,
        }
        Some(bytes)
    }

    fn decoded(text: &str) -> Option<Vec<u8>> {
        decode(text.as_bytes()).ok().map(|key| key.expose().to_vec())
    }

    #[test]
    fn any_text_decodes_by_the_formats_walk() {
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut text: Vec<char> = (0..43).map(|_| ['A', 'b', '9', '-', '_', '+', '/'][random(7)]).collect();
            if random(4) > 0 {
                text.push('=');
            }
            for _ in 0..random(4) {
                let at = random(text.len());
                match random(3) {
                    0 => text.insert(at, ['=', '"', '#', '\n', 'x', '='][random(6)]),
                    1 => text[at] = ['=', '!', 'Q'][random(3)],
                    _ => drop(text.remove(at)),
                }
            }
            let text: String = text.into_iter().collect();
            let due = walked(&text).filter(|key| key.len() == KEY_SIZE);
            assert_eq!(decoded(&text), due, "{text:?}");
            *if due.is_some() { &mut taken } else { &mut refused } += 1;
        }
        assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
    }

    #[test]
    fn every_character_of_both_alphabets_has_its_value() {
        for character in (0..=u8::MAX).filter(|&byte| byte.is_ascii_alphanumeric() || b"-_+/".contains(&byte)) {
            let text = char::from(character).to_string() + &"A".repeat(42);
            assert_eq!(decoded(&text), walked(&text), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for seed in 0..=u8::MAX {
            let raw: [u8; KEY_SIZE] =
                std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add((at as u8).wrapping_mul(13)));
            let text = encode(&raw);
            assert_eq!(text.expose().len(), TEXT_LEN);
            assert_eq!(decode(text.expose()).unwrap().expose(), &raw);
        }
    }

    #[test]
    fn white_space_is_stripped_as_python_strips_it() {
        let stripped: String = ('\0'..='\u{ffff}').filter(|&c| strip(c.to_string().as_bytes()).is_empty()).collect();
        let mut due = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \u{85}\u{a0}\u{1680}".to_string();
        due.extend('\u{2000}'..='\u{200a}');
        due += "\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
        assert_eq!(stripped, due);
    }

    #[test]
    fn text_that_is_not_utf_8_is_invalid() {
        let text = [b"\xff".as_slice(), &[b'A'; 43]].concat();
        for text in [text.as_slice(), &text[..1], b" \xff "] {
            assert_eq!(decode(text).unwrap_err().status(), Status::MasterKeyInvalid);
        }
    }
}
