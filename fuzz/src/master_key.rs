//! A master key's text, beside the walk that docs/format.md describes.

use keycask::MasterKey;

pub fn master_key(data: &[u8]) {
    let read = MasterKey::from_text(data).ok().map(|key| key.to_text().expose().to_vec());
    assert_eq!(read, walked(data).map(|raw| encoded(&raw)), "{data:?}");
}

fn value_of(byte: u8) -> Option<u32> {
    Some(
        match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        }
        .into(),
    )
}

/// The steps of "The master key as text".
fn walked(text: &[u8]) -> Option<[u8; 32]> {
    let space = |char: char| char.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&char);
    let text = std::str::from_utf8(text).ok()?.trim_matches(space);
    if !text.is_ascii() {
        return None;
    }
    let (mut raw, mut bits, mut count, mut pads) = (Vec::new(), 0u32, 0, 0);
    for byte in text.bytes() {
        if let Some(value) = value_of(byte) {
            bits = (bits << 6 | value) & 0xff_ffff;
            count = (count + 1) % 4;
            pads = 0;
            if count == 0 {
                raw.extend_from_slice(&bits.to_be_bytes()[1..]);
            }
        } else if byte == b'=' && count >= 2 {
            pads += 1;
            if count + pads >= 4 {
                break;
            }
        }
    }
    match count {
        0 => {}
        2 => raw.push((bits >> 4) as u8),
        3 => raw.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return None,
    }
    raw.try_into().ok()
}

fn encoded(raw: &[u8; 32]) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bit = |at: usize| if at < 256 { usize::from(raw[at / 8] >> (7 - at % 8) & 1) } else { 0 };
    let mut text: Vec<u8> =
        (0..43).map(|at| alphabet[(0..6).fold(0, |value, each| value << 1 | bit(6 * at + each))]).collect();
    text.push(b'=');
    text
}
