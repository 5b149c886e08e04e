//! A DNS message each way, as bytes. RFC 1035, section 4.1; RFC 5452, sections 4 and 9, on whose answer it is.
//!
//! What it must never do: believe an answer to another question, follow where a compressed name leads, or read past the
//! end. One question and the records of one answer are all that a check needs, so this is no resolver: a name is only
//! stepped over, and nothing is kept. (The kept libraries build trees of owned names for what takes a screen here.)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use checks::Outcome;
use config::{DnsQuery, Rcode};

/// The header's length, in bytes.
const HEADER: usize = 12;
/// Of the header's third and fourth byte: an answer, cut off, recursion desired.
const RESPONSE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;
const RECURSION_DESIRED: u8 = 0x01;
/// What kind of question it is; 0 is a plain one.
const OPCODE: u8 = 0x78;
const RCODE: u8 = 0x0f;
/// The class of the Internet.
const INTERNET: u16 = 1;
/// The two bits that make a label's length a pointer, which ends a name.
const POINTER: u8 = 0xc0;
/// More labels than a legal name can have.
const MAX_LABELS: usize = 128;

/// The question, as it is sent.
pub(super) fn question(query: &DnsQuery, id: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    // One question, nothing else.
    bytes.extend([RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in query.name.split('.').filter(|label| !label.is_empty()) {
        // Judged when the configuration was read.
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(query.kind.number.to_be_bytes());
    bytes.extend(INTERNET.to_be_bytes());
    bytes
}

/// What an answer comes to; an error says why this is none to what was `asked`, and somebody else's perhaps.
pub(super) fn judge(query: &DnsQuery, asked: &[u8], answer: &[u8]) -> Result<Outcome, &'static str> {
    let mut reader = Reader(answer);
    let header = reader.take(HEADER).ok_or("too short")?;
    let [id_high, id_low, flags, more, questions @ .., a, b, _, _, _, _] = header else {
        return Err("too short");
    };
    if asked.get(..2) != Some(&[*id_high, *id_low]) {
        return Err("another's number");
    }
    if flags & RESPONSE == 0 || flags & OPCODE != 0 {
        return Err("no answer");
    }
    let ours = asked.get(HEADER..).unwrap_or_default();
    if questions != [0, 1] || !reader.take(ours.len()).is_some_and(|theirs| is_same(theirs, ours)) {
        return Err("about another question");
    }
    let rcode = Rcode(more & RCODE);
    if rcode != query.rcode {
        return Ok(Outcome::Failed(format!("answered {rcode}, not {}", query.rcode)));
    }
    if rcode != Rcode::NOERROR {
        return Ok(Outcome::Passed);
    }
    let is_cut = flags & TRUNCATED != 0;
    let wanted = Records { count: u16::from_be_bytes([*a, *b]), kind: query.kind.number };
    let found = wanted.read(reader);
    Ok(match found {
        Some(found) => appraise(query, &found, is_cut),
        // What a truncated answer has lost may be part of a record.
        None if is_cut => appraise(query, &Found::default(), is_cut),
        None => Outcome::Failed("answered with records that break off".to_owned()),
    })
}

fn appraise(query: &DnsQuery, found: &Found, is_cut: bool) -> Outcome {
    let kind = query.kind.name;
    match query.address {
        Some(address) if found.addresses.contains(&address) => Outcome::Passed,
        Some(address) if is_cut => Outcome::Failed(format!("{address} is not in a truncated answer")),
        Some(address) => Outcome::Failed(match found.addresses.first() {
            Some(other) if found.count == 1 => format!("answered {other}, not {address}"),
            Some(other) => format!("answered {other} and {} more, not {address}", found.count - 1),
            None => format!("answered without a record of type {kind}"),
        }),
        None if found.count > 0 || is_cut => Outcome::Passed,
        None => Outcome::Failed(format!("answered without a record of type {kind}")),
    }
}

/// Letters may come back in another case (RFC 1035, section 2.3.3); type and class may not.
fn is_same(theirs: &[u8], ours: &[u8]) -> bool {
    let (name, tail) = ours.split_at(ours.len().saturating_sub(4));
    let theirs = theirs.split_at_checked(name.len());
    theirs.is_some_and(|(their_name, rest)| their_name.eq_ignore_ascii_case(name) && rest == tail)
}

/// Which records of an answer matter.
struct Records {
    /// How many there are of all kinds.
    count: u16,
    kind: u16,
}

/// The records of the kind that was asked for.
#[derive(Debug, Default)]
struct Found {
    count: usize,
    addresses: Vec<IpAddr>,
}

impl Records {
    /// `None` if the bytes end before they do.
    fn read(&self, mut reader: Reader<'_>) -> Option<Found> {
        let mut found = Found::default();
        for _ in 0..self.count {
            reader.skip_name()?;
            let kind = reader.number()?;
            let class = reader.number()?;
            // How long it may be kept.
            reader.take(4)?;
            let length = reader.number()?;
            let data = reader.take(usize::from(length))?;
            if (kind, class) == (self.kind, INTERNET) {
                found.count += 1;
                found.addresses.extend(address(data));
            }
        }
        Some(found)
    }
}

fn address(data: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(data).map(Ipv4Addr::from).ok().map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(data).map(Ipv6Addr::from).ok().map(IpAddr::from);
    v4().or_else(v6)
}

/// What is left to read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().map(u16::from_be_bytes).ok()
    }

    fn skip_name(&mut self) -> Option<()> {
        for _ in 0..MAX_LABELS {
            let &[length] = self.take(1)? else { return None };
            match length & POINTER {
                0 if length == 0 => return Some(()),
                0 => self.take(usize::from(length))?,
                POINTER => return self.take(1).map(|_| ()),
                _ => return None,
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use config::RecordKind;
    use proptest::prelude::*;

    use super::*;

    const ID: u16 = 0xbeef;

    fn query(address: Option<&str>) -> DnsQuery {
        DnsQuery {
            name: "www.example".into(),
            kind: RecordKind::A,
            server: None,
            source: None,
            link: None,
            address: address.map(|it| it.parse().unwrap()),
            rcode: Rcode::NOERROR,
        }
    }

    /// The answer of a server that has these addresses under a compressed name.
    fn answer(flags: [u8; 2], addresses: &[[u8; 4]]) -> Vec<u8> {
        let mut bytes = question(&query(None), ID);
        bytes[2..4].copy_from_slice(&flags);
        bytes[7] = u8::try_from(addresses.len()).unwrap();
        for address in addresses {
            bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            bytes.extend(address);
        }
        bytes
    }

    fn said(query: &DnsQuery, answer: &[u8]) -> String {
        let asked = question(query, ID);
        judge(query, &asked, answer).map_or_else(|why| format!("ignored: {why}"), |it| it.to_string())
    }

    #[test]
    fn a_question_is_what_the_standard_says() {
        let wanted = b"\xbe\xef\x01\x00\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";
        assert_eq!(question(&query(None), ID), wanted);
        let root = DnsQuery { name: String::new(), ..query(None) };
        assert_eq!(question(&root, ID)[HEADER..], [0, 0, 1, 0, 1]);
    }

    #[test]
    fn an_answer_is_judged_by_its_code_and_its_records() {
        let one = answer([0x84, 0], &[[10, 0, 0, 1]]);
        assert_eq!(said(&query(None), &one), "passed");
        assert_eq!(said(&query(Some("10.0.0.1")), &one), "passed");
        assert_eq!(said(&query(Some("10.0.0.2")), &one), "answered 10.0.0.1, not 10.0.0.2");
        let two = answer([0x84, 0], &[[10, 0, 0, 1], [10, 0, 0, 2]]);
        assert_eq!(said(&query(Some("10.0.0.2")), &two), "passed");
        assert_eq!(said(&query(Some("10.0.0.3")), &two), "answered 10.0.0.1 and 1 more, not 10.0.0.3");
        assert_eq!(said(&query(None), &answer([0x84, 0], &[])), "answered without a record of type A");
        assert_eq!(said(&query(None), &answer([0x84, 3], &[])), "answered NXDOMAIN, not NOERROR");
        assert_eq!(said(&query(None), &answer([0x84, 15], &[])), "answered code 15, not NOERROR");
        let gone = DnsQuery { rcode: Rcode(3), ..query(None) };
        assert_eq!(said(&gone, &answer([0x84, 3], &[])), "passed");
        assert_eq!(said(&gone, &one), "answered NOERROR, not NXDOMAIN");
    }

    #[test]
    fn a_truncated_answer_is_one() {
        let mut cut = answer([0x86, 0], &[[10, 0, 0, 1]]);
        assert_eq!(said(&query(Some("10.0.0.1")), &cut), "passed");
        cut.truncate(cut.len() - 1);
        assert_eq!(said(&query(None), &cut), "passed");
        assert_eq!(said(&query(Some("10.0.0.1")), &cut), "10.0.0.1 is not in a truncated answer");
        cut[2] = 0x84;
        assert_eq!(said(&query(None), &cut), "answered with records that break off");
    }

    #[test]
    fn what_answers_nothing_that_was_asked_is_ignored() {
        let good = answer([0x84, 0], &[[10, 0, 0, 1]]);
        let but = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            said(&query(None), &bytes)
        };
        assert_eq!(said(&query(None), b""), "ignored: too short");
        assert_eq!(but(0, 0), "ignored: another's number");
        assert_eq!(but(2, 0x04), "ignored: no answer");
        assert_eq!(but(2, 0xac), "ignored: no answer");
        assert_eq!(but(5, 0), "ignored: about another question");
        assert_eq!(but(13, b'x'), "ignored: about another question");
        assert_eq!(but(26, 28), "ignored: about another question");
        assert_eq!(but(13, b'W'), "passed", "case means nothing");
    }

    proptest! {
        /// Whatever comes, with or without a good beginning, it comes to something.
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300), begins_well: bool, count: u8) {
            let mut answer = if begins_well { answer([0x84, 0], &[]) } else { Vec::new() };
            if let Some(answers) = answer.get_mut(7) {
                *answers = count;
            }
            answer.extend(bytes);
            let query = query(Some("10.0.0.1"));
            let _ = judge(&query, &question(&query, ID), &answer);
        }
    }
}
