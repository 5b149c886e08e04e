//! Frames: the binary form of a message, one or several per datagram. The only file of the project that knows bincode.
//!
//! A frame is an envelope (magic, version, length of what follows) and a bincode payload. What comes in may be
//! anything: the envelope is checked before the payload is looked at, the decoder may allocate no more than a frame
//! could hold, and a payload with a byte left over is refused. It must never be used for a type that contains itself
//! (the decoder would recurse as deep as the sender likes) or that has a list of empty things (they cost no bytes,
//! so no limit counts them). Read `docs.rs/bincode/2.0.1`, `config`, first.

use std::fmt;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::error::DecodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame, envelope included, in bytes. A sender with more to say says it in several messages.
pub const MAX_FRAME: usize = 64 * 1024;
/// The version of the envelope and the payload's encoding; what the messages mean has a version in their hello.
pub const VERSION: u16 = 1;

/// The first bytes of every frame.
const MAGIC: [u8; 4] = *b"HNDO";
/// Magic, version (16 bits), payload length (32 bits); little-endian.
const ENVELOPE: usize = 10;

/// Fixed-width integers make frames a little longer and give each value exactly one encoding.
const CODEC: Configuration<LittleEndian, Fixint, Limit<MAX_FRAME>> =
    bincode::config::standard().with_fixed_int_encoding().with_limit::<MAX_FRAME>();

/// Why something can't become a frame, or bytes aren't one. The link it came over can't be trusted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`] (how many bytes).
    TooLong(usize),
    /// Shorter than an envelope (how many bytes).
    TooShort(usize),
    /// It doesn't begin as a frame does.
    NotAFrame,
    /// Another version of the envelope (which).
    Version(u16),
    /// The envelope promises another length than what came.
    Length {
        /// What the envelope says, in bytes.
        promised: u32,
        /// What follows the envelope, in bytes.
        found: usize,
    },
    /// The payload ended before the frame did (how many bytes are left over).
    LeftOver(usize),
    /// The payload is not such a message, in the decoder's words.
    Payload(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(length) => write!(f, "a frame of {length} bytes; the limit is {MAX_FRAME}"),
            Self::TooShort(length) => {
                write!(f, "{length} bytes are no frame; an envelope alone has {ENVELOPE}")
            }
            Self::NotAFrame => f.write_str("not a frame of this suite"),
            Self::Version(version) => {
                write!(f, "a frame of version {version}; this program speaks {VERSION}")
            }
            Self::Length { promised, found } => {
                write!(f, "a frame that promises {promised} bytes and has {found}")
            }
            Self::LeftOver(count) => write!(f, "a message with {count} bytes too many"),
            Self::Payload(why) => write!(f, "not a message of this link: {why}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// A decoder's complaint for a person; its own words are those of its source.
fn words(error: DecodeError) -> String {
    match error {
        DecodeError::OtherString(why) => why,
        DecodeError::LimitExceeded => "it promises more than a frame holds".to_owned(),
        DecodeError::UnexpectedEnd { .. } => "it ends too early".to_owned(),
        other => other.to_string(),
    }
}

/// The frame that holds `message`.
///
/// # Errors
/// [`FrameError::TooLong`] for a message that no frame can hold.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let payload = bincode::serde::encode_to_vec(message, CODEC)
        .map_err(|error| FrameError::Payload(error.to_string()))?;
    let length = ENVELOPE.saturating_add(payload.len());
    let promised = u32::try_from(payload.len()).map_err(|_| FrameError::TooLong(length))?;
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    let mut frame = Vec::with_capacity(length);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&VERSION.to_le_bytes());
    frame.extend_from_slice(&promised.to_le_bytes());
    frame.extend_from_slice(&payload);
    Ok(frame)
}

/// The frames of a datagram, as far as their envelopes can be believed: what is behind that is one more, which is none.
pub fn split(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let promised = rest.get(ENVELOPE - 4..ENVELOPE).and_then(|bytes| bytes.first_chunk().copied());
        let length = promised.map(u32::from_le_bytes).and_then(|length| usize::try_from(length).ok());
        let end = length.and_then(|length| length.checked_add(ENVELOPE)).unwrap_or(rest.len());
        let (frame, others) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = others;
        (!frame.is_empty()).then_some(frame)
    })
}

/// The message that exactly these bytes hold.
///
/// # Errors
/// Any [`FrameError`]; nothing larger than the frame was allocated to find out.
pub fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, FrameError> {
    if frame.len() > MAX_FRAME {
        return Err(FrameError::TooLong(frame.len()));
    }
    let too_short = FrameError::TooShort(frame.len());
    let Some((magic, rest)) = frame.split_first_chunk::<4>() else { return Err(too_short) };
    let Some((version, rest)) = rest.split_first_chunk::<2>() else { return Err(too_short) };
    let Some((promised, payload)) = rest.split_first_chunk::<4>() else { return Err(too_short) };
    if *magic != MAGIC {
        return Err(FrameError::NotAFrame);
    }
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let promised = u32::from_le_bytes(*promised);
    if usize::try_from(promised) != Ok(payload.len()) {
        return Err(FrameError::Length { promised, found: payload.len() });
    }
    let (message, consumed) = bincode::serde::decode_from_slice(payload, CODEC)
        .map_err(|error| FrameError::Payload(words(error)))?;
    match payload.len().checked_sub(consumed) {
        Some(0) => Ok(message),
        left_over => Err(FrameError::LeftOver(left_over.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn enveloped(payload: &[u8]) -> Vec<u8> {
        let mut frame = MAGIC.to_vec();
        frame.extend_from_slice(&VERSION.to_le_bytes());
        frame.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn each_way_to_be_wrong_has_its_name() {
        let good = encode(&7_u32).unwrap();
        assert_eq!(decode::<u32>(&good), Ok(7));
        assert_eq!(decode::<u32>(&[]), Err(FrameError::TooShort(0)));
        assert_eq!(decode::<u32>(&good[..9]), Err(FrameError::TooShort(9)));
        assert_eq!(decode::<u32>(&good[..good.len() - 1]), Err(FrameError::Length { promised: 4, found: 3 }));
        assert_eq!(decode::<u32>(&[b'x'; 14]), Err(FrameError::NotAFrame));
        let mut newer = good.clone();
        newer[4] = 2;
        assert_eq!(decode::<u32>(&newer), Err(FrameError::Version(2)));
        assert_eq!(decode::<u16>(&good), Err(FrameError::LeftOver(2)));
        assert!(matches!(decode::<u64>(&good), Err(FrameError::Payload(_))));
        assert_eq!(decode::<u32>(&vec![0; MAX_FRAME + 1]), Err(FrameError::TooLong(MAX_FRAME + 1)));
    }

    #[test]
    fn the_limit_holds_in_both_directions() {
        let fits = vec![0_u8; MAX_FRAME - ENVELOPE - size_of::<u64>()];
        let frame = encode(&fits).unwrap();
        assert_eq!(frame.len(), MAX_FRAME);
        assert_eq!(decode::<Vec<u8>>(&frame), Ok(fits.clone()));
        let one_more = vec![0_u8; fits.len() + 1];
        assert_eq!(encode(&one_more), Err(FrameError::TooLong(MAX_FRAME + 1)));
    }

    #[test]
    fn a_promised_length_allocates_nothing() {
        // Without the limit this is an allocation failure, which nobody can catch.
        for promised in [u64::MAX, 1 << 63, 3_000_000_000, MAX_FRAME as u64 + 1] {
            let frame = enveloped(&promised.to_le_bytes());
            assert!(matches!(decode::<Vec<u8>>(&frame), Err(FrameError::Payload(_))));
            assert!(matches!(decode::<String>(&frame), Err(FrameError::Payload(_))));
        }
    }

    #[test]
    fn what_is_wrong_with_a_payload_is_a_sentence() {
        let refused =
            |bytes: &[u8]| decode::<model::InstanceName>(&enveloped(bytes)).unwrap_err().to_string();
        let begin = "not a message of this link: ";
        assert_eq!(refused(&[0; 8]), format!("{begin}a name can't be empty"));
        assert_eq!(refused(&[9, 0, 0, 0, 0, 0, 0, 0, b'x']), format!("{begin}it ends too early"));
        assert_eq!(refused(&[0xff; 8]), format!("{begin}it promises more than a frame holds"));
    }

    #[test]
    fn a_datagram_holds_several_frames_and_what_is_none_comes_last() {
        let frames = [encode(&7_u32).unwrap(), encode(&(1_u8, 2_u8)).unwrap()];
        let datagram = frames.concat();
        assert_eq!(split(&datagram).collect::<Vec<_>>(), frames);
        assert_eq!(split(&[]).count(), 0);
        let torn = [&datagram[..], &frames[0][..12]].concat();
        let parts: Vec<&[u8]> = split(&torn).collect();
        assert_eq!((parts.len(), parts[2]), (3, &frames[0][..12]));
        assert!(matches!(decode::<u32>(parts[2]), Err(FrameError::Length { promised: 4, found: 2 })));
        assert_eq!(split(&torn[..5]).collect::<Vec<_>>(), [&torn[..5]]);
    }

    proptest! {
        #[test]
        fn any_datagram_is_split_into_all_of_it(bytes in proptest::collection::vec(any::<u8>(), 0..60), lengths in proptest::collection::vec(0_u8..9, 0..5)) {
            let mut datagram: Vec<u8> = lengths.iter().flat_map(|length| encode(&vec![7_u8; usize::from(*length)]).unwrap()).collect();
            datagram.extend(bytes);
            prop_assert_eq!(split(&datagram).collect::<Vec<_>>().concat(), datagram);
        }

        #[test]
        fn any_value_comes_back(value: (u64, Option<String>, Vec<(u8, String)>)) {
            prop_assert_eq!(decode::<(u64, Option<String>, Vec<(u8, String)>)>(&encode(&value).unwrap()), Ok(value));
        }

        #[test]
        fn any_bytes_are_refused_or_read_whole(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<(u64, Option<String>, Vec<(u8, String)>)>(&bytes);
            let frame = enveloped(&bytes);
            if let Ok(value) = decode::<(u64, Option<String>, Vec<(u8, String)>)>(&frame) {
                prop_assert_eq!(encode(&value).unwrap(), frame, "one value, one encoding");
            }
        }
    }
}
