//! A client that asks every millisecond, and a server that answers: UDP, so that every loss is one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use model::Instant;
use reactor::{Interest, Reactor, Token};

use super::say;
use crate::Outcome;

/// From one request to the next.
const PERIOD: Duration = Duration::from_millis(1);
/// How long the last answers may take.
const REST: Duration = Duration::from_millis(200);
/// Bytes of a request: its number.
const LENGTH: usize = 4;

/// Answers every request with itself, for ever.
pub(super) fn answer(port: u16) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("answer requests: {error}");
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).map_err(failed)?;
    say("answering")?;
    let mut request = [0; LENGTH];
    loop {
        let (_, client) = socket.recv_from(&mut request).map_err(failed)?;
        // A client whose answer can't be sent has lost a request, and will say so.
        let _ = socket.send_to(&request, client);
    }
}

/// What became of each request.
struct Record {
    asked: Vec<Instant>,
    answered: Vec<bool>,
}

/// Asks every [`PERIOD`] for `millis`. Says `answered` at the first answer, and at the end `lost COUNT GAP`: how many got
/// none, and the longest time in milliseconds between two that did.
pub(super) fn ask(address: IpAddr, port: u16, millis: u64) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("ask: {error}");
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let mut reactor = Reactor::new().map_err(failed)?;
    reactor.register(Token(0), &socket, Interest::READABLE).map_err(failed)?;
    let server = SocketAddr::new(address, port);
    let mut record = Record { asked: Vec::new(), answered: Vec::new() };
    let begin = sys::clock::now();
    let end = begin + Duration::from_millis(millis);
    let mut next = begin;
    let mut ready = Vec::new();
    loop {
        let now = sys::clock::now();
        if now >= end + REST {
            break;
        }
        if now >= next && now < end {
            let number = u32::try_from(record.asked.len()).map_err(|error| error.to_string())?;
            // Nobody may be there: that request is lost.
            let _ = socket.send_to(&number.to_be_bytes(), server);
            record.asked.push(now);
            record.answered.push(false);
            next = next + PERIOD;
        }
        reactor.arm(Some(if now < end { next } else { end + REST })).map_err(failed)?;
        reactor.wait(&mut ready).map_err(failed)?;
        let mut answer = [0; LENGTH];
        while socket.recv(&mut answer).is_ok() {
            if !record.answered.contains(&true) {
                say("answered")?;
            }
            let number = usize::try_from(u32::from_be_bytes(answer)).unwrap_or(usize::MAX);
            if let Some(answered) = record.answered.get_mut(number) {
                *answered = true;
            }
        }
    }
    let (lost, gap) = record.judge();
    say(format!("lost {lost} {:.3}", gap.as_secs_f64() * 1e3))
}

impl Record {
    /// How many were lost after the first answer, and the longest time between two that were answered.
    fn judge(&self) -> (usize, Duration) {
        let both = self.asked.iter().zip(&self.answered).skip_while(|(_, answered)| !**answered);
        let (mut lost, mut gap, mut last) = (0, Duration::ZERO, None);
        for (asked, answered) in both {
            if *answered {
                gap = gap.max(asked.since(last.unwrap_or(*asked)));
                last = Some(*asked);
            } else {
                lost += 1;
            }
        }
        (lost, gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_before_the_first_answer_do_not_count() {
        let asked = (0..6).map(|milli| Instant::from_nanos(milli * 1_000_000)).collect();
        let record = Record { asked, answered: vec![false, true, true, false, false, true] };
        assert_eq!(record.judge(), (2, Duration::from_millis(3)));
    }
}
