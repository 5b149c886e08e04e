//! D-Bus messages as bytes, as far as a method call and its answer need: the D-Bus specification, "Message Protocol" and
//! "Type System".
//!
//! What it must never do: trust a length. A message longer than [`MAX_MESSAGE`] is refused before it is waited for, and
//! every read is bounded by the bytes that are there. Of types it knows what systemd's manager answers with, no more.

/// The longest message that is taken, in bytes; what is asked for has a few hundred.
pub(super) const MAX_MESSAGE: usize = 16 * 1024;
/// What precedes the fields: order, kind, flags, version, three numbers.
const FIXED: usize = 16;
/// Of byte orders.
const LITTLE: u8 = b'l';
const BIG: u8 = b'B';
const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
/// Who isn't there isn't started for us.
const NO_AUTO_START: u8 = 2;
const VERSION: u8 = 1;
/// Fields of a header.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// Whom a call is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Callee<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument<'a> {
    /// `s`
    Text(&'a str),
    /// `as`, of one
    Texts(&'a str),
}

/// A message that is of interest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'b> {
    /// What a call came to.
    Answer { to: u32, body: Reader<'b> },
    /// Why a call came to nothing.
    Refusal { to: u32, name: &'b str, why: &'b str },
    /// Something else.
    Other,
}

/// These bytes are no D-Bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// A call as it is sent.
pub(super) fn call(serial: u32, callee: &Callee<'_>, arguments: &[Argument<'_>]) -> Vec<u8> {
    let mut body = Writer::default();
    let mut signature = String::new();
    for argument in arguments {
        match argument {
            Argument::Text(text) => {
                signature.push('s');
                body.text(text);
            }
            Argument::Texts(text) => {
                signature.push_str("as");
                // The array's length, without its own four bytes: the text's length, the text, its end.
                body.number(length(text.len()) + 5);
                body.text(text);
            }
        }
    }
    let mut fields = Writer::default();
    let Callee { destination, path, interface, member } = callee;
    for (field, kind, value) in [
        (PATH, "o", path),
        (INTERFACE, "s", interface),
        (MEMBER, "s", member),
        (DESTINATION, "s", destination),
    ] {
        fields.pad(8);
        fields.0.push(field);
        fields.signature(kind);
        fields.text(value);
    }
    if !signature.is_empty() {
        fields.pad(8);
        fields.0.push(SIGNATURE);
        fields.signature("g");
        fields.signature(&signature);
    }
    let mut message = Writer(vec![LITTLE, METHOD_CALL, NO_AUTO_START, VERSION]);
    message.number(length(body.0.len()));
    message.number(serial);
    message.number(length(fields.0.len()));
    // The fields begin at a multiple of eight, so that their own padding is right.
    message.0.extend(fields.0);
    message.pad(8);
    message.0.extend(body.0);
    message.0
}

/// What we send is short.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn pad(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.pad(4);
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(length(text.len()));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, signature: &str) {
        self.0.push(u8::try_from(signature.len()).unwrap_or(u8::MAX));
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }
}

/// How long the message is that these bytes begin with; `None` until enough of it is there.
///
/// # Errors
/// It is none, or too long.
pub(super) fn extent(bytes: &[u8]) -> Result<Option<usize>, Garbage> {
    let Some(header) = bytes.get(..FIXED) else { return Ok(None) };
    let mut reader = Reader::new(header)?;
    let numbers = (reader.skip(4), reader.number(), reader.number(), reader.number());
    let (Ok(()), Ok(body), Ok(_), Ok(fields)) = numbers else { return Err(Garbage) };
    let [body, fields] = [body, fields].map(|it| usize::try_from(it).unwrap_or(usize::MAX));
    let longest = |length: usize| if length <= MAX_MESSAGE { Ok(length) } else { Err(Garbage) };
    let total = (FIXED + longest(fields)?).next_multiple_of(8) + longest(body)?;
    longest(total).map(Some)
}

/// What a whole message says.
///
/// # Errors
/// It isn't one.
pub(super) fn read(message: &[u8]) -> Result<Heard<'_>, Garbage> {
    let mut reader = Reader::new(message)?;
    let kind = *message.get(1).ok_or(Garbage)?;
    reader.skip(12)?;
    let end = usize::try_from(reader.number()?).map_err(|_| Garbage)?.checked_add(FIXED).ok_or(Garbage)?;
    let (mut to, mut name) = (None, "");
    while reader.at < end {
        reader.pad(8)?;
        let field = reader.byte()?;
        let signature = reader.signature()?;
        match (field, signature) {
            (REPLY_SERIAL, "u") => to = Some(reader.number()?),
            (ERROR_NAME, "s") => name = reader.text()?,
            (_, "u") => reader.number().map(drop)?,
            (_, "s" | "o") => reader.text().map(drop)?,
            (_, "g") => reader.signature().map(drop)?,
            _ => return Err(Garbage),
        }
    }
    reader.pad(8)?;
    Ok(match (kind, to) {
        (METHOD_RETURN, Some(to)) => Heard::Answer { to, body: reader },
        // What an error says beside its name is up to whoever sends it.
        (ERROR, Some(to)) => Heard::Refusal { to, name, why: reader.text().unwrap_or_default() },
        _ => Heard::Other,
    })
}

/// What is left of a message; places are multiples counted from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    is_big: bool,
}

impl<'b> Reader<'b> {
    fn new(message: &'b [u8]) -> Result<Self, Garbage> {
        match message.first() {
            Some(order @ (&LITTLE | &BIG)) => Ok(Self { bytes: message, at: 0, is_big: *order == BIG }),
            Some(_) | None => Err(Garbage),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Garbage> {
        let end = self.at.checked_add(length).ok_or(Garbage)?;
        let taken = self.bytes.get(self.at..end).ok_or(Garbage)?;
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<(), Garbage> {
        self.take(length).map(drop)
    }

    /// Goes on at the next multiple.
    pub(super) fn pad(&mut self, to: usize) -> Result<(), Garbage> {
        self.skip(self.at.next_multiple_of(to) - self.at)
    }

    fn byte(&mut self) -> Result<u8, Garbage> {
        self.take(1)?.first().copied().ok_or(Garbage)
    }

    /// `u`
    pub(super) fn number(&mut self) -> Result<u32, Garbage> {
        self.pad(4)?;
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| Garbage)?;
        Ok(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// `s` and `o`
    pub(super) fn text(&mut self) -> Result<&'b str, Garbage> {
        let length = self.number()?;
        self.words(usize::try_from(length).map_err(|_| Garbage)?)
    }

    /// `g`
    pub(super) fn signature(&mut self) -> Result<&'b str, Garbage> {
        let length = self.byte()?;
        self.words(usize::from(length))
    }

    fn words(&mut self, length: usize) -> Result<&'b str, Garbage> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Garbage)?;
        // The zero after it.
        self.skip(1)?;
        Ok(text)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALLEE: Callee<'static> =
        Callee { destination: "a.b", path: "/a", interface: "a.b.C", member: "Do" };

    /// A message to us, in either order of bytes: kind, whom it answers, and a body that is in that order already.
    pub(in super::super) fn message(kind: u8, to: u32, fields: &[(u8, &str)], body: &[u8]) -> Vec<u8> {
        let mut written = Writer::default();
        written.0.push(REPLY_SERIAL);
        written.signature("u");
        written.number(to);
        for (field, text) in fields {
            written.pad(8);
            written.0.push(*field);
            written.signature("s");
            written.text(text);
        }
        let mut message = Writer(vec![LITTLE, kind, 0, VERSION]);
        message.number(length(body.len()));
        message.number(1);
        message.number(length(written.0.len()));
        message.0.extend(written.0);
        message.pad(8);
        message.0.extend(body);
        message.0
    }

    /// Texts one after the other.
    pub(in super::super) fn texts(texts: &[&str]) -> Vec<u8> {
        let mut writer = Writer::default();
        texts.iter().for_each(|text| writer.text(text));
        writer.0
    }

    #[test]
    fn a_call_is_what_the_specification_says() {
        let wanted = b"l\x01\x02\x01\x0a\0\0\0\x07\0\0\0\x47\0\0\0\
            \x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0\
            \x02\x01s\0\x05\0\0\0a.b.C\0\0\0\
            \x03\x01s\0\x02\0\0\0Do\0\0\0\0\0\0\
            \x06\x01s\0\x03\0\0\0a.b\0\0\0\0\0\
            \x08\x01g\0\x01s\0\0\
            \x05\0\0\0hello\0";
        assert_eq!(
            call(7, &CALLEE, &[Argument::Text("hello")]).escape_ascii().to_string(),
            wanted.escape_ascii().to_string()
        );
    }

    #[test]
    fn answers_and_refusals_are_told_apart() {
        let answer = message(METHOD_RETURN, 9, &[], &texts(&["yes"]));
        assert_eq!(extent(&answer), Ok(Some(answer.len())));
        let Ok(Heard::Answer { to: 9, mut body }) = read(&answer) else { panic!("no answer") };
        assert_eq!((body.text(), body.text()), (Ok("yes"), Err(Garbage)));
        let refusal = message(ERROR, 9, &[(ERROR_NAME, "a.b.No")], &texts(&["never"]));
        assert_eq!(read(&refusal), Ok(Heard::Refusal { to: 9, name: "a.b.No", why: "never" }));
        assert_eq!(read(&message(4, 9, &[], &[])), Ok(Heard::Other));
    }

    #[test]
    fn no_length_is_believed() {
        let good = message(METHOD_RETURN, 9, &[], &texts(&["yes"]));
        for at in [4, 12] {
            let mut long = good.clone();
            long[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert_eq!(extent(&long), Err(Garbage));
        }
        assert_eq!(extent(&good[..FIXED - 1]), Ok(None));
        assert_eq!(extent(&[b'x'; FIXED]), Err(Garbage));
    }

    proptest! {
        /// Whatever comes, and whatever becomes of something that is right, it comes to something.
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0..60_usize, to: u8) {
            let _ = (extent(&bytes), read(&bytes));
            let mut broken = message(ERROR, 9, &[(ERROR_NAME, "a.b.No")], &texts(&["never"]));
            if let Some(byte) = broken.get_mut(at) {
                *byte = to;
            }
            let _ = (extent(&broken), read(&broken));
        }
    }
}
