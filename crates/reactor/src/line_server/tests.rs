//! Server and client in one loop, and clients that behave badly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;

use super::*;
use crate::event_loop::Ready;
use crate::line_client::{LineClient, ServerEvent};
use crate::testing::{Directory, LONG};

const FIRST: Token = Token(10);
const CLIENT: Token = Token(1);

struct Host {
    directory: Directory,
    reactor: Reactor,
    server: LineServer,
    events: Vec<ClientEvent>,
    /// Tokens that are not the server's.
    others: Vec<Token>,
}

impl Host {
    fn new() -> Self {
        let directory = Directory::new();
        let reactor = Reactor::new().unwrap();
        let server = LineServer::bind(&reactor, &directory.path("s"), 0o600, FIRST).unwrap();
        Self { directory, reactor, server, events: Vec::new(), others: Vec::new() }
    }

    /// A blocking client, as any program may be.
    fn dial(&self) -> UnixStream {
        let stream = UnixStream::connect(self.directory.path("s")).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    fn turn(&mut self) {
        assert!(self.turn_until(sys::clock::now() + LONG), "nothing happened, after {:?}", self.events);
    }

    /// Turns until nothing is left to be told.
    fn settle(&mut self) {
        while self.turn_until(model::Instant::ZERO) {}
    }

    /// One turn; false if nothing but the deadline came.
    fn turn_until(&mut self, deadline: model::Instant) -> bool {
        self.reactor.arm(Some(deadline)).unwrap();
        let mut ready = Vec::new();
        self.reactor.wait(&mut ready).unwrap();
        let something = ready != [Ready::Timer];
        for ready in ready {
            match ready {
                Ready::Token { token, .. } if self.server.owns(token) => {
                    self.events.extend(self.server.on_ready(&mut self.reactor, token));
                }
                Ready::Token { token, .. } => self.others.push(token),
                Ready::Timer => {}
                Ready::Signal(signal) => panic!("signal {signal}"),
            }
        }
        something
    }

    fn until(&mut self, done: impl Fn(&[ClientEvent]) -> bool) {
        while !done(&self.events) {
            self.turn();
        }
    }

    fn next_client(&mut self) -> ClientId {
        self.until(|events| events.iter().any(|event| matches!(event, ClientEvent::Connected(..))));
        match self.events.remove(0) {
            ClientEvent::Connected(id, peer) => {
                assert_eq!(peer.pid, Some(std::process::id()));
                id
            }
            other => panic!("{other:?}"),
        }
    }

    fn goodbye(&mut self, id: ClientId) -> GoneReason {
        let is_it = move |event: &ClientEvent| matches!(event, ClientEvent::Gone(gone, _) if *gone == id);
        self.until(|events| events.iter().any(is_it));
        let position = self.events.iter().position(is_it).unwrap();
        match self.events.remove(position) {
            ClientEvent::Gone(_, reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn lines_of(&self, id: ClientId) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for event in &self.events {
            match event {
                ClientEvent::Line(from, line) if *from == id => lines.push(line.clone()),
                ClientEvent::Line(..) | ClientEvent::Connected(..) | ClientEvent::Gone(..) => {}
            }
        }
        lines
    }
}

#[test]
fn a_question_and_an_answer_in_one_loop() {
    let mut host = Host::new();
    let path = host.directory.path("s");
    let mut client = LineClient::connect(&host.reactor, &path, CLIENT).unwrap();
    assert_eq!(client.peer_credentials().unwrap().pid, Some(std::process::id()));
    let id = host.next_client();
    assert_eq!(client.send(b"how are\nyou?\n"), Sent::Queued);
    host.until(|events| events.len() == 2);
    assert_eq!(host.lines_of(id), [&b"how are"[..], b"you?"]);

    assert_eq!(host.server.send(id, b"fine\n"), Sent::Queued);
    let line = loop {
        host.turn();
        if host.others.pop().is_some()
            && let Some(event) = client.on_ready(&mut host.reactor).pop()
        {
            break event;
        }
    };
    assert!(matches!(line, ServerEvent::Line(line) if line == b"fine"));

    host.server.close(&host.reactor, id);
    assert_eq!(host.server.clients().count(), 0);
    let end = loop {
        host.turn();
        if let Some(event) = client.on_ready(&mut host.reactor).pop() {
            break event;
        }
    };
    assert!(matches!(end, ServerEvent::Closed(GoneReason::Closed)), "{end:?}");
    assert_eq!(host.server.send(id, b"too late\n"), Sent::Gone);
}

/// `echo request | nc -U socket`: the asker has finished sending long before the answer.
#[test]
fn who_has_only_finished_asking_gets_the_answer() {
    let mut host = Host::new();
    let mut stream = host.dial();
    stream.write_all(b"status\nhalf a li").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let id = host.next_client();
    host.until(|events| !events.is_empty());
    assert_eq!(host.lines_of(id), [b"status"]);
    assert_eq!(host.server.send(id, b"answer\n"), Sent::Queued);
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert_eq!(line, "answer\n");
    drop(stream);
    assert!(matches!(host.goodbye(id), GoneReason::Closed));
}

#[test]
fn a_line_too_long_costs_its_sender_the_connection_and_nobody_else() {
    let mut host = Host::new();
    let (mut loud, mut quiet) = (host.dial(), host.dial());
    let (loud_id, quiet_id) = (host.next_client(), host.next_client());
    loud.set_nonblocking(true).unwrap();
    let chunk = vec![b'x'; MAX_LINE / 4];
    while host.events.is_empty() {
        match loud.write(&chunk) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        host.turn();
    }
    assert!(matches!(host.goodbye(loud_id), GoneReason::LineTooLong));
    loud.set_nonblocking(false).unwrap();
    // The connection is over for the sender too; that unread bytes were thrown away makes it a reset.
    let end = loud.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(end, Ok(0) | Err(io::ErrorKind::ConnectionReset)), "{end:?}");

    let longest = [vec![b'y'; MAX_LINE], b"\n".to_vec()].concat();
    quiet.write_all(&longest).unwrap();
    host.until(|events| !events.is_empty());
    assert_eq!(host.lines_of(quiet_id)[0].len(), MAX_LINE);
}

/// A reader that does not read is neither waited for nor remembered without a bound; then it gets a snapshot, between lines.
#[test]
fn a_slow_reader_overflows_and_gets_a_snapshot() {
    let mut host = Host::new();
    let stream = host.dial();
    let id = host.next_client();
    let line = [vec![b'e'; 9999], b"\n".to_vec()].concat();
    let mut sent = 0;
    while host.server.send(id, &line) == Sent::Queued {
        sent += 1;
        assert!(sent * line.len() < 100 * crate::output_queue::MAX_QUEUED, "no bound");
    }
    assert_eq!(host.server.send(id, b"snapshot\n"), Sent::Queued);

    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in BufReader::new(stream).lines() {
            lines.push(line.unwrap());
            if lines.last().unwrap() == "snapshot" {
                break;
            }
        }
        lines
    });
    // The reader leaves once it has its snapshot: what waited was written as it read.
    assert!(matches!(host.goodbye(id), GoneReason::Closed));
    let lines = reader.join().unwrap();
    assert_eq!(lines.last().unwrap(), "snapshot");
    assert!(lines.len() - 1 < sent, "some were dropped");
    assert!(lines[..lines.len() - 1].iter().all(|line| line.len() == 9999), "none was torn");
}

/// One who never stops talking is heard a bounded number of lines at a time, and the others in between.
#[test]
fn a_chatty_client_cannot_starve_the_loop() {
    let mut host = Host::new();
    let (mut chatty, mut other) = (host.dial(), host.dial());
    let (chatty_id, other_id) = (host.next_client(), host.next_client());
    chatty.write_all(&b"\n".repeat(10_000)).unwrap();
    host.turn();
    assert!(!host.events.is_empty());
    other.write_all(b"me too\n").unwrap();
    host.until(|events| {
        events.iter().any(|event| matches!(event, ClientEvent::Line(_, line) if !line.is_empty()))
    });
    assert_eq!(host.lines_of(other_id), [b"me too"]);
    assert!(host.lines_of(chatty_id).len() < 1000, "{}", host.lines_of(chatty_id).len());
    host.until(|events| events.len() == 10_001);
}

#[test]
fn who_comes_when_all_places_are_taken_is_sent_away_until_one_is_free() {
    let mut host = Host::new();
    let mut streams: Vec<_> = (0..MAX_CLIENTS).map(|_| host.dial()).collect();
    host.until(|events| events.len() == MAX_CLIENTS);
    assert_eq!(host.server.clients().count(), MAX_CLIENTS);
    host.events.clear();

    let mut refused = host.dial();
    host.turn();
    let mut why = String::new();
    refused.read_to_string(&mut why).unwrap();
    assert!(why.ends_with('\n') && why.contains(&format!("{MAX_CLIENTS} clients are connected")), "{why}");
    let leaver = host.server.clients().nth(5).unwrap();
    drop(streams.remove(5));
    assert!(matches!(host.goodbye(leaver), GoneReason::Closed));

    streams.push(host.dial());
    let newcomer = host.next_client();
    assert_eq!(newcomer.slot, leaver.slot);
    assert_ne!(newcomer, leaver);
    assert_eq!(host.server.send(leaver, b"x\n"), Sent::Gone, "the place is the same, the client is not");
}

/// This process has them all; another one, which has none, comes.
#[test]
#[allow(clippy::disallowed_methods, reason = "any other program will do")]
fn who_has_all_places_gives_way_to_another_process_and_is_told() {
    let mut host = Host::new();
    let mut streams: Vec<_> = (0..MAX_CLIENTS).map(|_| host.dial()).collect();
    host.until(|events| events.len() == MAX_CLIENTS);
    let oldest = host.server.clients().next().unwrap();
    host.events.clear();

    let mut other = std::process::Command::new("socat")
        .arg("-")
        .arg(format!("UNIX-CONNECT:{}", host.directory.path("s").display()))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(matches!(host.goodbye(oldest), GoneReason::GaveWay));
    host.until(|events| events.iter().any(|it| matches!(it, ClientEvent::Connected(..))));
    assert!(matches!(&host.events[..], [ClientEvent::Connected(id, peer)]
        if peer.pid == Some(other.id()) && id.slot == oldest.slot));
    let mut why = String::new();
    streams[0].read_to_string(&mut why).unwrap();
    assert!(why.ends_with('\n') && why.contains("gives way to another"), "{why}");
    assert_eq!(host.server.clients().count(), MAX_CLIENTS);
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
}

/// One that closes its reading side only would otherwise hold its place and silently lose all it is sent.
#[test]
fn a_client_that_stops_listening_is_gone() {
    let mut host = Host::new();
    let stream = host.dial();
    let id = host.next_client();
    stream.shutdown(Shutdown::Read).unwrap();
    // What the shutdown itself woke up is over; that sending fails must wake the loop anew.
    host.settle();
    assert_eq!(host.server.send(id, b"anybody there?\n"), Sent::Gone);
    assert!(
        matches!(host.goodbye(id), GoneReason::Failed(error) if error.kind() == io::ErrorKind::BrokenPipe)
    );
}
