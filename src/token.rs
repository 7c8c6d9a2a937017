//! Tokens: the text that a program keeps in place of a secret.
//!
//! `v2:` + url-safe base64 with padding (RFC 4648 §5) of nonce(12) ‖ ciphertext ‖ tag(16). See `docs/format.md`.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use base64_simd::Out;

use crate::cipher::OVERHEAD;
use crate::error::{Error, Result};
use crate::fallible;
use crate::scratch;
use crate::secret::SecretBytes;
use crate::status::Status;

/// The longest plaintext, in bytes: 64 MiB.
pub const MAX_PLAINTEXT: usize = 64 << 20;

const PREFIX: &[u8] = b"v2:";
/// Reserved for a format to come.
const NEXT_PREFIX: &[u8] = b"v3:";

/// What canonical text is decoded with: padding required, trailing bits zero.
const CANONICAL: base64_simd::Base64 = base64_simd::URL_SAFE;
/// What text that has been reduced to its base64 characters is decoded with.
const REDUCED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Whether `value` is a token, and not plaintext from before tokens: it begins with `v2:`, or with `v3:`, which is
/// reserved. Nothing else is looked at.
///
/// ```
/// assert!(keycask::is_encrypted(b"v2:anything"));
/// assert!(!keycask::is_encrypted(b"sk-acme"));
/// ```
#[must_use]
pub fn is_encrypted(value: &[u8]) -> bool {
    value.starts_with(PREFIX) || value.starts_with(NEXT_PREFIX)
}

/// The length of the token for a plaintext of `plaintext_len` bytes.
///
/// # Errors
///
/// [`Status::Limit`] when the plaintext is longer than [`MAX_PLAINTEXT`].
pub(crate) fn text_len(plaintext_len: usize) -> Result<usize> {
    if plaintext_len > MAX_PLAINTEXT {
        return Err(too_long());
    }
    Ok(PREFIX.len() + (plaintext_len + OVERHEAD).div_ceil(3) * 4)
}

/// At most so many bytes of plaintext are in a token whose text has `text_len` bytes.
#[cfg(feature = "capi")]
pub(crate) fn plaintext_bound(text_len: usize) -> usize {
    decoded_bound(text_len).saturating_sub(OVERHEAD).min(MAX_PLAINTEXT)
}

/// Writes the token of `plaintext_len` bytes that `seal` seals into the buffer it is given. `text` has [`text_len`]
/// bytes; it is not touched when `seal` fails.
#[inline]
pub(crate) fn write(plaintext_len: usize, text: &mut [u8], seal: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
    scratch::with(plaintext_len + OVERHEAD, |sealed| {
        seal(sealed)?;
        let (prefix, body) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        if CANONICAL.encoded_length(sealed.len()) != body.len() {
            return Err(Error::new(Status::Internal, "a token has another length than was computed for it"));
        }
        let _ = CANONICAL.encode(sealed, Out::from_slice(body));
        Ok(())
    })
}

/// A token made by `write`, which gets a buffer of exactly its length.
pub(crate) fn made(plaintext_len: usize, write: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<String> {
    let len = text_len(plaintext_len)?;
    let mut text = fallible::zeroes(len)?;
    write(&mut text)?;
    String::from_utf8(text).map_err(|_| Error::new(Status::Internal, "a token is not ASCII"))
}

/// The plaintext of the token `text`, opened by `open`, which gets a buffer of exactly its length.
pub(crate) fn opened(
    text: &[u8],
    strict: bool,
    open: impl FnOnce(Sealed<'_>, &mut [u8]) -> Result<()>,
) -> Result<SecretBytes> {
    read(text, strict, |sealed| {
        let mut plaintext = SecretBytes::zeroed(sealed.plaintext_len())?;
        open(sealed, plaintext.expose_mut())?;
        Ok(plaintext)
    })
}

/// A token's bytes, decoded but not yet opened: nonce ‖ ciphertext ‖ tag.
#[derive(Clone, Copy)]
pub(crate) struct Sealed<'a>(&'a [u8]);

impl<'a> Sealed<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn plaintext_len(self) -> usize {
        self.0.len() - OVERHEAD
    }
}

/// Decodes the token `text` and runs `work` on its bytes. With `strict` only the canonical form is taken: the prefix,
/// the url-safe alphabet, right padding, zero trailing bits, no white space.
///
/// # Errors
///
/// [`Status::Format`] when it is not a token, [`Status::Unsupported`] when it begins with `v3:`, [`Status::Limit`] when
/// it holds more than [`MAX_PLAINTEXT`].
#[inline(always)]
pub(crate) fn read<T>(text: &[u8], strict: bool, work: impl FnOnce(Sealed<'_>) -> Result<T>) -> Result<T> {
    match text.strip_prefix(PREFIX) {
        Some(body) => read_body(body, PREFIX.len(), strict, work),
        None => read_unprefixed(text, strict, work),
    }
}

#[inline(always)]
fn read_body<T>(body: &[u8], prefix_len: usize, strict: bool, work: impl FnOnce(Sealed<'_>) -> Result<T>) -> Result<T> {
    let bound = decoded_bound(body.len());
    if bound > MAX_PLAINTEXT + OVERHEAD + 2 {
        if strict {
            return Err(too_long());
        }
        // So long a text may still hold a token, with much white space in it; such a one is read from its reduced form.
        return read_reduced(body, prefix_len, strict, work);
    }
    scratch::with(bound, |buffer| match CANONICAL.decode(body, Out::from_slice(buffer)) {
        Ok(sealed) => work(complete(sealed)?),
        Err(_) => read_reduced(body, prefix_len, strict, work),
    })
}

#[cold]
fn read_unprefixed<T>(text: &[u8], strict: bool, work: impl FnOnce(Sealed<'_>) -> Result<T>) -> Result<T> {
    if text.starts_with(NEXT_PREFIX) {
        return Err(Error::new(
            Status::Unsupported,
            "the token begins with 'v3:', a format that this release does not read; update keycask",
        ));
    }
    if strict {
        return Err(not_a_token("it does not begin with 'v2:', which KC_STRICT requires"));
    }
    read_body(text, 0, strict, work).map_err(|error| match error.status() {
        Status::Format => Error::new(
            Status::Format,
            format!(
                "{}; without 'v2:' in front it may be plaintext from before tokens: ask kc_is_encrypted",
                error.message()
            ),
        ),
        _ => error,
    })
}

/// Reads what is not canonical: drops white space and padding, and folds the standard alphabet into the url-safe one.
#[cold]
fn read_reduced<T>(
    body: &[u8],
    prefix_len: usize,
    strict: bool,
    work: impl FnOnce(Sealed<'_>) -> Result<T>,
) -> Result<T> {
    if strict {
        return Err(not_a_token(
            "it is not in canonical form, which KC_STRICT requires: url-safe base64 with padding, no white space",
        ));
    }
    let data_len = check_lenient(body, prefix_len)?;
    let decoded_len = data_len / 4 * 3 + (data_len % 4).saturating_sub(1);
    if decoded_len > MAX_PLAINTEXT + OVERHEAD {
        return Err(too_long());
    }
    scratch::with(data_len, |reduced| {
        for (place, &byte) in reduced.iter_mut().zip(body.iter().filter(|&&byte| is_data(byte))) {
            *place = match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => other,
            };
        }
        scratch::with(decoded_len, |buffer| match REDUCED.decode_slice(&reduced, buffer) {
            Ok(len) => work(complete(&buffer[..len])?),
            Err(_) => Err(Error::new(Status::Internal, "base64 refused text that had been checked")),
        })
    })
}

/// Checks the characters and the padding of a token's body, and counts the characters that carry data.
fn check_lenient(body: &[u8], prefix_len: usize) -> Result<usize> {
    let (mut data, mut padding) = (0, 0);
    for (at, &byte) in body.iter().enumerate() {
        match byte {
            b'=' => padding += 1,
            _ if is_white_space(byte) => {}
            _ if !is_data(byte) => {
                return Err(not_a_token(format!("the byte at offset {} is not base64", prefix_len + at)));
            }
            _ if padding > 0 => {
                return Err(not_a_token(format!("text follows the padding, at offset {}", prefix_len + at)));
            }
            _ => data += 1,
        }
    }
    if data % 4 == 1 {
        return Err(not_a_token("its length is impossible for base64; it may have been cut"));
    }
    let whole = (4 - data % 4) % 4;
    if padding != 0 && padding != whole {
        return Err(not_a_token(format!(
            "it ends in {padding} '=' where {whole} or none belong; it may have been cut"
        )));
    }
    Ok(data)
}

fn is_data(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/')
}

/// White space as C's `isspace` knows it.
fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// At most so many bytes come out of `text_len` characters of base64.
fn decoded_bound(text_len: usize) -> usize {
    text_len / 4 * 3 + text_len % 4
}

fn complete(bytes: &[u8]) -> Result<Sealed<'_>> {
    if bytes.len() < OVERHEAD {
        return Err(not_a_token(format!(
            "it holds {} bytes, and nonce and tag alone take {OVERHEAD}; it may have been cut",
            bytes.len()
        )));
    }
    if bytes.len() > MAX_PLAINTEXT + OVERHEAD {
        return Err(too_long());
    }
    Ok(Sealed(bytes))
}

#[cold]
fn not_a_token(found: impl std::fmt::Display) -> Error {
    Error::new(Status::Format, format!("not a token: {found}"))
}

#[cold]
fn too_long() -> Error {
    Error::new(
        Status::Limit,
        format!("the plaintext is longer than {MAX_PLAINTEXT} bytes (64 MiB), the most that one token holds: split it"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token that holds `bytes`.
    fn token_of(bytes: &[u8]) -> String {
        let len = bytes.len() - OVERHEAD;
        let seal = |sealed: &mut [u8]| {
            sealed.copy_from_slice(bytes);
            Ok(())
        };
        made(len, |text| write(len, text, seal)).unwrap()
    }

    /// What `read` hands on of `text`.
    fn sealed(text: &[u8], strict: bool) -> std::result::Result<Vec<u8>, Status> {
        read(text, strict, |sealed| Ok(sealed.bytes().to_vec())).map_err(|error| error.status())
    }

    #[test]
    fn a_length_is_exact_up_to_the_longest_plaintext_and_an_error_beyond() {
        for len in (0..300).chain([4095, 4096, 4097]) {
            assert_eq!(token_of(&vec![0xa5; len + OVERHEAD]).len(), text_len(len).unwrap());
        }
        assert_eq!(text_len(MAX_PLAINTEXT).unwrap(), 3 + (MAX_PLAINTEXT + 28).div_ceil(3) * 4);
        for len in [MAX_PLAINTEXT + 1, usize::MAX] {
            assert_eq!(text_len(len).unwrap_err().status(), Status::Limit);
        }
    }

    /// What is too long is refused before it is looked at.
    #[test]
    fn a_strict_text_is_too_long_from_the_first_length_that_no_token_has() {
        let longest = text_len(MAX_PLAINTEXT).unwrap();
        let no_base64 = vec![b'!'; longest + 1];
        let refusal = |len: usize| sealed(&[PREFIX, &no_base64[..len - PREFIX.len()]].concat(), true).unwrap_err();
        assert_eq!(refusal(longest), Status::Format);
        assert_eq!(refusal(longest + 4), Status::Limit);
    }

    #[test]
    #[cfg(feature = "capi")]
    fn the_bound_of_a_plaintext_serves_for_every_form_of_its_token() {
        for len in 0..300 {
            let text = text_len(len).unwrap();
            let unpadded = PREFIX.len() + ((len + OVERHEAD) * 4).div_ceil(3);
            for text_len in [unpadded - PREFIX.len(), unpadded, text] {
                assert!(plaintext_bound(text_len) >= len, "{len}");
            }
            assert!(plaintext_bound(text) <= len + 6, "{len}");
        }
        assert_eq!((plaintext_bound(0), plaintext_bound(usize::MAX)), (0, MAX_PLAINTEXT));
    }

    #[test]
    fn the_longest_token_is_read_and_a_longer_one_is_over_the_limit() {
        let bytes = vec![0; MAX_PLAINTEXT + OVERHEAD + 1];
        assert_eq!(complete(&bytes[1..]).unwrap().plaintext_len(), MAX_PLAINTEXT);
        assert_eq!(complete(&bytes).map(|_| ()).unwrap_err().status(), Status::Limit);

        let len = text_len(MAX_PLAINTEXT).unwrap();
        let mut text = vec![b'A'; len];
        text[len - 1] = b'=';
        text.extend([b' '; 9]);
        let plaintext_len = |text: &[u8]| read(text, false, |sealed| Ok(sealed.plaintext_len()));
        assert_eq!(plaintext_len(&text[3..]).unwrap(), MAX_PLAINTEXT);
        text[len - 1] = b'A';
        assert_eq!(plaintext_len(&text[3..]).unwrap_err().status(), Status::Limit);
        text[..3].copy_from_slice(PREFIX);
        text.extend([b'A'; 3]);
        assert_eq!(read(&text, true, |_| Ok(())).unwrap_err().status(), Status::Limit);
    }

    #[test]
    fn every_form_of_a_token_holds_the_same_bytes_at_every_length() {
        for len in (0..400).chain(4090..4110) {
            let bytes: Vec<u8> = (0..len + OVERHEAD).map(|at| (at * 7 + len) as u8).collect();
            let text = token_of(&bytes);
            let standard = text.replace('-', "+").replace('_', "/");
            let wrapped: String = text.chars().map(|c| if c == 'A' { "A\r\n".to_string() } else { c.into() }).collect();
            assert_eq!(sealed(text.as_bytes(), true), Ok(bytes.clone()));
            for form in [&text, &text[3..], text.trim_end_matches('='), &standard, &wrapped] {
                assert_eq!(sealed(form.as_bytes(), false).as_ref(), Ok(&bytes), "{form}");
                assert_eq!(sealed(form.as_bytes(), true).is_ok(), *form == text, "{form}");
            }
        }
    }

    #[test]
    fn every_byte_is_data_white_space_padding_or_refused() {
        for byte in 0..=u8::MAX {
            let body = [b'A', byte, b'A', b'A'];
            let data = char::from(byte).is_ascii_alphanumeric() || b"-_+/".contains(&byte);
            let white = b" \t\n\x0b\x0c\r".contains(&byte);
            let counted = check_lenient(&body, 0).ok();
            assert_eq!(
                counted,
                if data {
                    Some(4)
                } else if white {
                    Some(3)
                } else {
                    None
                },
                "{byte:#x}"
            );
        }
    }

    #[test]
    fn padding_is_whole_or_missing() {
        for data in 0..12 {
            for padding in 0..8 {
                let body = "A".repeat(data) + &"=".repeat(padding);
                let whole = [Some(0), None, Some(2), Some(1)][data % 4];
                let right = whole.is_some_and(|whole| padding == 0 || padding == whole);
                assert_eq!(check_lenient(body.as_bytes(), 0).ok(), right.then_some(data), "{body}");
            }
        }
    }

    #[test]
    fn an_offset_in_a_message_counts_from_the_tokens_first_byte() {
        for (text, offset) in [("v2:AA!A", 5), ("AA!A", 2), (" v2:AA", 3), ("v2:AA==A", 7), ("AA== A", 5)] {
            let message = read(text.as_bytes(), false, |_| Ok(())).unwrap_err().message().to_string();
            let numbers: Vec<&str> = message.split(|c: char| !c.is_ascii_digit()).filter(|it| !it.is_empty()).collect();
            assert!(numbers.contains(&offset.to_string().as_str()), "{message}");
        }
    }
}
