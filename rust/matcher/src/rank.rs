//! What orders the heads of lanes: the rank, then the member, bytewise.

use std::cmp::Ordering;
use std::fmt;

/// The member of a lane's sorted set. The usual form (16 hex digits and a UUID) is kept in 24 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Member {
    /// The minor sequence, then the two halves of the UUID.
    Packed([u64; 3]),
    /// Any other text.
    Text(Box<str>),
}

const PACKED_LENGTH: usize = 52;
/// Where a UUID in the form `8-4-4-4-12` has its hyphens, after 16 digits.
const HYPHENS: [usize; 4] = [24, 29, 34, 39];

impl Member {
    /// The member of a lane that holds nothing.
    pub(crate) fn none() -> Self {
        Self::Text("".into())
    }

    pub(crate) fn parse(text: &str) -> Self {
        packed(text.as_bytes()).map_or_else(|| Self::Text(text.into()), Self::Packed)
    }
}

fn packed(text: &[u8]) -> Option<[u64; 3]> {
    if text.len() != PACKED_LENGTH || HYPHENS.iter().any(|&place| text[place] != b'-') {
        return None;
    }
    let high = number(&text[16..24])? << 32 | number(&text[25..29])? << 16 | number(&text[30..34])?;
    let low = number(&text[35..39])? << 48 | number(&text[40..])?;
    Some([number(&text[..16])?, high, low])
}

/// Up to 16 hexadecimal digits; upper case would compare differently, so it stays text.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

impl fmt::Display for Member {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Packed(words) => {
                out.write_str(std::str::from_utf8(&unpacked(*words)).unwrap_or_default())
            }
        }
    }
}

fn unpacked(words: [u64; 3]) -> [u8; PACKED_LENGTH] {
    let mut text = [b'-'; PACKED_LENGTH];
    let mut digits = 0;
    for (place, byte) in text.iter_mut().enumerate() {
        if HYPHENS.contains(&place) {
            continue;
        }
        let digit = words[digits / 16] >> (60 - 4 * (digits % 16)) & 15;
        *byte = b"0123456789abcdef"[usize::try_from(digit).unwrap_or_default()];
        digits += 1;
    }
    text
}

impl Ord for Member {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Digits and lower-case letters order like their values, so no text is needed.
            (Self::Packed(a), Self::Packed(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Packed(a), Self::Text(b)) => unpacked(*a).as_slice().cmp(b.as_bytes()),
            (Self::Text(a), Self::Packed(b)) => a.as_bytes().cmp(unpacked(*b).as_slice()),
        }
    }
}

impl PartialOrd for Member {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
