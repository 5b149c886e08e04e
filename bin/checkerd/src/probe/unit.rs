//! `systemd_unit`: what systemd says of a unit, asked over the system bus. org.freedesktop.systemd1(5); the D-Bus
//! specification, "Authentication Protocol".
//!
//! What it must never do: wait, keep what somebody else on the bus sends, or start a bus that isn't there. Each run has a
//! connection of its own, so that a bus that comes back is found without any ado. No library: what speaks D-Bus well is
//! made for an event loop of its own, and costs thirty crates.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use checks::Outcome;
use socket2::{Domain, SockAddr, Socket, Type};

use super::dbus::{self, Argument, Callee, Garbage, Heard, MAX_MESSAGE};
use super::net::{Progress, is_in_vain};
use super::no_resources;

/// Where the system's bus listens.
pub(super) const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// How much is read at once, in bytes.
const READ_SIZE: usize = 4096;
/// The longest answer to our credentials, in bytes.
const MAX_GREETING: usize = 512;
/// So much of what isn't for us is read over, in bytes.
const MAX_IDLE: usize = 4 * MAX_MESSAGE;
/// Numbers of our calls.
const HELLO: u32 = 1;
const LIST: u32 = 2;
const RESULT: u32 = 3;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const BUS: Callee<'static> = Callee {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "Hello",
};
const UNITS: Callee<'static> = Callee {
    destination: SYSTEMD,
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "ListUnitsByNames",
};

/// A question that was asked.
#[derive(Debug)]
pub(super) struct Attempt {
    socket: Socket,
    talk: Talk,
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Attempt {
    /// Asks on the bus at that path.
    pub(super) fn ask(bus: &Path, unit: &str) -> Result<Self, Outcome> {
        let failed = |error: &io::Error| no_bus(&format!("{}: {error}", bus.display()));
        let address = SockAddr::unix(bus).map_err(|error| failed(&error))?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None);
        let socket = socket.map_err(|error| no_resources(&error))?;
        socket.connect(&address).map_err(|error| failed(&error))?;
        Ok(Self { socket, talk: Talk::new(unit, rustix::process::geteuid().as_raw()) })
    }

    /// Goes as far as it gets without waiting.
    pub(super) fn proceed(&mut self) -> Progress {
        loop {
            while !self.talk.unsent.is_empty() {
                match self.socket.write(&self.talk.unsent) {
                    Ok(length) => drop(self.talk.unsent.drain(..length)),
                    Err(error) if is_in_vain(&error) => return Progress::Waits,
                    Err(error) => return Progress::Over(no_bus(&error.to_string())),
                }
            }
            let mut buffer = [0; READ_SIZE];
            let length = match self.socket.read(&mut buffer) {
                Ok(0) => return Progress::Over(no_bus("it has closed the connection")),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_in_vain(&error) => return Progress::Waits,
                Err(error) => return Progress::Over(no_bus(&error.to_string())),
            };
            match self.talk.hear(buffer.get(..length).unwrap_or_default()) {
                Ok(None) => {}
                Ok(Some(outcome)) => return Progress::Over(outcome),
                Err(Garbage) => return Progress::Over(no_bus("what it says is no D-Bus")),
            }
        }
    }
}

fn no_bus(why: &str) -> Outcome {
    Outcome::CannotRun(format!("ask systemd on the system bus: {why}"))
}

/// What is said, without a socket.
#[derive(Debug)]
struct Talk {
    unit: String,
    /// Once we are known messages are exchanged.
    is_known: bool,
    unsent: Vec<u8>,
    unread: Vec<u8>,
    /// How many bytes were read that were for somebody else.
    idle: usize,
}

impl Talk {
    fn new(unit: &str, user: u32) -> Self {
        // Credentials are what the kernel says of the socket; the number, in hexadecimal text, only has to agree.
        let user: String = user.to_string().bytes().map(|digit| format!("{digit:x}")).collect();
        let unsent = format!("\0AUTH EXTERNAL {user}\r\n").into_bytes();
        Self { unit: unit.to_owned(), is_known: false, unsent, unread: Vec::new(), idle: 0 }
    }

    /// Takes in what has come.
    fn hear(&mut self, bytes: &[u8]) -> Result<Option<Outcome>, Garbage> {
        self.unread.extend(bytes);
        if !self.is_known {
            let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") else {
                return if self.unread.len() < MAX_GREETING { Ok(None) } else { Err(Garbage) };
            };
            let greeting: Vec<u8> = self.unread.drain(..end + 2).collect();
            if greeting.starts_with(b"REJECTED") {
                return Ok(Some(no_bus("it doesn't let us in")));
            }
            if !greeting.starts_with(b"OK ") {
                return Err(Garbage);
            }
            self.is_known = true;
            self.unsent.extend(b"BEGIN\r\n");
            self.unsent.extend(dbus::call(HELLO, &BUS, &[]));
            self.unsent.extend(dbus::call(LIST, &UNITS, &[Argument::Texts(&self.unit)]));
        }
        while let Some(length) = dbus::extent(&self.unread)? {
            if self.unread.len() < length {
                break;
            }
            let message: Vec<u8> = self.unread.drain(..length).collect();
            if let Some(outcome) = self.understand(&message)? {
                return Ok(Some(outcome));
            }
            self.idle += length;
            if self.idle > MAX_IDLE {
                return Err(Garbage);
            }
        }
        Ok(None)
    }

    fn understand(&mut self, message: &[u8]) -> Result<Option<Outcome>, Garbage> {
        match dbus::read(message)? {
            Heard::Answer { to: LIST, body } => self.on_unit(body),
            Heard::Answer { to: RESULT, mut body } => {
                let why = if body.signature()? == "s" { body.text()? } else { "" };
                Ok(Some(Outcome::Failed(format!("{} has failed: {why}", self.unit))))
            }
            // A kind of unit that has no result.
            Heard::Refusal { to: RESULT, .. } => {
                Ok(Some(Outcome::Failed(format!("{} has failed", self.unit))))
            }
            Heard::Refusal { to: HELLO | LIST, name, why } => Ok(Some(no_bus(&format!("{name}: {why}")))),
            Heard::Answer { .. } | Heard::Refusal { .. } | Heard::Other => Ok(None),
        }
    }

    /// An array of one: name, description, whether it is loaded, state, finer state, whom it follows, path, and its job.
    fn on_unit(&mut self, mut body: dbus::Reader<'_>) -> Result<Option<Outcome>, Garbage> {
        let unit = &self.unit;
        if body.number()? == 0 {
            return Ok(Some(Outcome::Failed(format!("there is no unit {unit}"))));
        }
        body.pad(8)?;
        let (_name, _description, load, active, sub) =
            (body.text()?, body.text()?, body.text()?, body.text()?, body.text()?);
        let (_followed, path) = (body.text()?, body.text()?);
        Ok(match (active, load) {
            ("active" | "reloading" | "refreshing", _) => Some(Outcome::Passed),
            ("failed", _) => {
                let (interface, path) = (interface(unit), path.to_owned());
                let callee = Callee {
                    destination: SYSTEMD,
                    path: &path,
                    interface: "org.freedesktop.DBus.Properties",
                    member: "Get",
                };
                let arguments = [Argument::Text(&interface), Argument::Text("Result")];
                self.unsent.extend(dbus::call(RESULT, &callee, &arguments));
                None
            }
            (_, "not-found") => Some(Outcome::Failed(format!("there is no unit {unit}"))),
            (_, "loaded") => Some(Outcome::Failed(format!("{unit} is {active} ({sub})"))),
            (_, load) => Some(Outcome::Failed(format!("{unit} is {active}, and {load}"))),
        })
    }
}

/// The interface that has the properties of a unit's kind: `web.service` is an `org.freedesktop.systemd1.Service`.
fn interface(unit: &str) -> String {
    let kind = unit.rsplit('.').next().unwrap_or_default();
    let (first, rest) = kind.split_at_checked(1).unwrap_or_default();
    format!("{SYSTEMD}.{}{rest}", first.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dbus::tests::{message, texts};
    use super::*;

    const RETURN: u8 = 2;
    const ERROR: u8 = 3;
    const ERROR_NAME: u8 = 4;

    fn list(load: &str, active: &str) -> Vec<u8> {
        let unit = texts(&["web.service", "The web", load, active, "dead", "", "/unit/web"]);
        let mut body = u32::try_from(unit.len()).unwrap().to_le_bytes().to_vec();
        body.extend([0; 4]);
        body.extend(unit);
        message(RETURN, LIST, &[], &body)
    }

    /// What comes of it when the bus lets us in and says that, in pieces of so many bytes.
    fn hears(said: &[u8], piece: usize) -> (Result<Option<Outcome>, Garbage>, Talk) {
        let mut talk = Talk::new("web.service", 1000);
        assert_eq!(talk.unsent, b"\0AUTH EXTERNAL 31303030\r\n");
        let bytes = [b"OK 1234\r\n", said].concat();
        for piece in bytes.chunks(piece) {
            match talk.hear(piece) {
                Ok(None) => {}
                other => return (other, talk),
            }
        }
        (Ok(None), talk)
    }

    fn said(bytes: &[u8]) -> String {
        let whole = hears(bytes, usize::MAX).0;
        assert_eq!(whole, hears(bytes, 1).0);
        format!("{}", whole.unwrap().unwrap())
    }

    #[test]
    fn a_unit_passes_while_it_works() {
        for (load, active, wanted) in [
            ("loaded", "active", "passed"),
            ("loaded", "reloading", "passed"),
            ("not-found", "active", "passed"),
            ("loaded", "inactive", "web.service is inactive (dead)"),
            ("loaded", "activating", "web.service is activating (dead)"),
            ("not-found", "inactive", "there is no unit web.service"),
            ("masked", "inactive", "web.service is inactive, and masked"),
        ] {
            assert_eq!(said(&list(load, active)), wanted);
        }
        assert_eq!(said(&message(RETURN, LIST, &[], &[0; 8])), "there is no unit web.service");
    }

    #[test]
    fn a_failed_unit_says_how() {
        let failed = list("loaded", "failed");
        let (nothing_yet, talk) = hears(&failed, usize::MAX);
        assert_eq!(nothing_yet, Ok(None));
        assert!(talk.unsent.windows(32).any(|part| part == b"org.freedesktop.systemd1.Service"));
        let result = [&b"\x01s\0\0"[..], &texts(&["exit-code"])].concat();
        let answer = [failed.clone(), message(RETURN, RESULT, &[], &result)].concat();
        assert_eq!(said(&answer), "web.service has failed: exit-code");
        let refusal = message(ERROR, RESULT, &[(ERROR_NAME, "a.No")], &[]);
        assert_eq!(said(&[failed, refusal].concat()), "web.service has failed");
    }

    #[test]
    fn a_bus_without_systemd_is_named() {
        let refusal = message(ERROR, LIST, &[(ERROR_NAME, "a.NoOwner")], &texts(&["nobody"]));
        assert_eq!(said(&refusal), "ask systemd on the system bus: a.NoOwner: nobody");
        let mut talk = Talk::new("web.service", 0);
        let rejected = talk.hear(b"REJECTED EXTERNAL\r\n");
        assert_eq!(rejected, Ok(Some(no_bus("it doesn't let us in"))));
        for garbage in [&b"HTTP/1.1 400 Bad Request\r\n"[..], &[b'x'; MAX_GREETING]] {
            assert_eq!(Talk::new("web.service", 0).hear(garbage), Err(Garbage));
        }
    }

    #[test]
    fn what_is_for_others_is_read_over_to_a_bound() {
        let other = message(4, 77, &[], &[0; 1000]);
        let then = |count: usize| [other.repeat(count), list("loaded", "active")].concat();
        assert_eq!(hears(&then(3), usize::MAX).0, Ok(Some(Outcome::Passed)));
        assert_eq!(hears(&then(100), usize::MAX).0, Err(Garbage));
    }

    proptest! {
        /// Whatever comes, and however right it begins, it comes to something and nothing is kept.
        #[test]
        fn any_bytes_are_heard(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..200_usize, to: u8) {
            let (_, talk) = hears(&bytes, 7);
            prop_assert!(talk.unread.len() <= MAX_MESSAGE);
            let mut broken = list("loaded", "failed");
            if let Some(byte) = broken.get_mut(at) {
                *byte = to;
            }
            let _ = hears(&broken, 7);
        }
    }
}
