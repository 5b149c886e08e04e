//! The process that hands in one letter: `notifierd hand-in HOST PORT SECONDS HELLO SENDER RECIPIENT...`, started by notifierd
//! alone, with the letter on standard input. It may block as long as it likes, since whoever started it ends it.
//!
//! What it must never do: keep a right, or believe the server. It has no capabilities and little memory, and once the
//! server is looked up it changes no file, runs nothing and connects to nothing else: a server that answers without end only ends this
//! process. What became of the letter is its exit status, and in words its last line.
//! Read RFC 5321 3.3 (the commands) and 4.2.1 (the first digit of an answer) first.

use std::error::Error as _;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use ipc::json;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use lettre::{Address, Message};
use runner::MAX_INPUT;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::letter::{Letter, shortened};

/// The first argument by which `main` knows that it is this process.
pub(crate) const COMMAND: &str = "hand-in";
/// All that it may allocate, in bytes: many times what a letter and honest answers take.
const MAX_MEMORY: u64 = 32 << 20;
/// How long it may compute, in seconds: an honest answer takes less than a hundredth of one.
const MAX_CPU: u64 = 5;
/// How much of an answer is told, in characters.
const MAX_TOLD: usize = 300;
/// How long the server may take to say goodbye. The letter is its own by then.
const FAREWELL: Duration = Duration::from_secs(2);

/// What became of the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The server has it, for all recipients.
    Sent,
    /// The server has it, and refused some recipients.
    Partly,
    /// The server wants it neither now nor later.
    Refused,
    /// Another attempt may help.
    Failed,
}

impl Fate {
    const ALL: [Self; 4] = [Self::Sent, Self::Partly, Self::Refused, Self::Failed];

    /// As the exit status; as far as sysexits(3) has one for it.
    const fn status(self) -> u8 {
        match self {
            Self::Sent => 0,
            Self::Partly => 1,
            Self::Refused => 69,
            Self::Failed => 75,
        }
    }

    /// From the exit status. Whoever ends otherwise has failed.
    pub(crate) fn of(status: i32) -> Self {
        Self::ALL.into_iter().find(|fate| i32::from(fate.status()) == status).unwrap_or(Self::Failed)
    }
}

/// To whom, from whom, by which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// How long the server may take to be reached, and for each answer.
    pub(crate) timeout: Duration,
    pub(crate) hello: String,
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
}

impl Envelope {
    /// As command line.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let (port, seconds) = (self.port.to_string(), self.timeout.as_secs().to_string());
        let fixed =
            [COMMAND.to_owned(), self.host.clone(), port, seconds, self.hello.clone(), self.sender.clone()];
        fixed.into_iter().chain(self.recipients.iter().cloned()).collect()
    }

    /// From what follows [`COMMAND`].
    fn parse(arguments: &[String]) -> Option<Self> {
        let [host, port, seconds, hello, sender, recipients @ ..] = arguments else { return None };
        Some(Self {
            host: host.clone(),
            port: port.parse().ok()?,
            timeout: Duration::from_secs(seconds.parse().ok()?),
            hello: hello.clone(),
            sender: sender.clone(),
            recipients: recipients.to_vec(),
        })
    }
}

/// The whole life of the process.
pub(crate) fn run() -> ExitCode {
    let (fate, words) = confine()
        .and_then(|()| order())
        // Where our time is up, the last step is the one that took it.
        .map_or_else(|why| (Fate::Failed, why), |(envelope, letter)| hand_in(&envelope, &letter, say));
    say(&words);
    fate.status().into()
}

/// Who started us may be gone; then nobody wants to know.
fn say(words: &str) {
    let _ = writeln!(io::stdout(), "{}", shortened(words, MAX_TOLD));
}

/// What is refused here is refused before the first byte of the server is read.
pub(super) fn confine() -> Result<(), String> {
    sys::privilege::restrict(&[], true).map_err(|error| format!("drop capabilities: {error}"))?;
    // The last one: no dump of what a server made of us.
    let limits = [
        (Resource::Data, MAX_MEMORY, MAX_MEMORY),
        (Resource::Cpu, MAX_CPU, MAX_CPU + 1),
        (Resource::Core, 0, 0),
    ];
    for (resource, soft, hard) in limits {
        let limit = Rlimit { current: Some(soft), maximum: Some(hard) };
        setrlimit(resource, limit).map_err(|error| format!("limit memory and time: {error}"))?;
    }
    Ok(())
}

fn order() -> Result<(Envelope, Letter), String> {
    let arguments: Option<Vec<String>> =
        std::env::args_os().skip(2).map(|it| it.into_string().ok()).collect();
    let envelope = arguments.as_deref().and_then(Envelope::parse);
    let envelope = envelope.ok_or("this command is for notifierd itself: it knows server and recipients")?;
    let mut line = Vec::new();
    let most = u64::try_from(MAX_INPUT).unwrap_or(u64::MAX);
    io::stdin().take(most).read_to_end(&mut line).map_err(|error| format!("read the letter: {error}"))?;
    let letter = json::parse(&line).map_err(|error| format!("read the letter: {error}"))?;
    Ok((envelope, letter))
}

/// The attempt, with each `step` told before it is taken, and what came of it in words.
pub(super) fn hand_in(envelope: &Envelope, letter: &Letter, step: impl FnMut(&str)) -> (Fate, String) {
    match written(envelope, letter) {
        Ok((sender, recipients, message)) => converse(envelope, (&sender, &recipients, &message), step),
        // The configuration was checked: this is for a server of names that calls the host something strange.
        Err(why) => (Fate::Refused, why),
    }
}

/// The addresses, and the mail as it is sent.
fn written(envelope: &Envelope, letter: &Letter) -> Result<(Address, Vec<Address>, Vec<u8>), String> {
    let address = |text: &String| {
        text.parse::<Address>().map_err(|error| format!("{text} is no address to send mail with: {error}"))
    };
    let sender = address(&envelope.sender)?;
    let recipients: Vec<Address> = envelope.recipients.iter().map(address).collect::<Result<_, _>>()?;
    let mut message = Message::builder()
        .message_id(Some(format!("<{}@{}>", letter.id, sender.domain())))
        .date(UNIX_EPOCH + Duration::from_secs(letter.date))
        .from(Mailbox::new(None, sender.clone()))
        .subject(&*letter.subject)
        .header(ContentType::TEXT_PLAIN)
        // So that nobody's holiday is answered to us (RFC 3834 5).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    for recipient in &recipients {
        message = message.to(Mailbox::new(None, recipient.clone()));
    }
    let message = message.body(letter.body.clone()).map_err(|error| format!("write the mail: {error}"))?;
    Ok((sender, recipients, message.formatted()))
}

/// Everything that is said to the server, and what came of it; each step is told before it is taken.
fn converse(
    envelope: &Envelope,
    (sender, recipients, message): (&Address, &[Address], &[u8]),
    mut step: impl FnMut(&str),
) -> (Fate, String) {
    let mut connection = match connect(envelope, &mut step) {
        Ok(connection) => connection,
        // Whatever it says now it says of itself, not of this letter.
        Err(why) => return (Fate::Failed, why),
    };
    let mut refusals = Vec::new();
    let mut take = |name: &str, act: &mut dyn FnMut() -> Result<Response, Error>| {
        step(name);
        act().map(drop).map_err(|error| {
            let is_answer = error.status().is_some();
            (fate(&error), format!("{name}: {}", words(&error, envelope.timeout)), is_answer)
        })
    };
    let mail = || Mail::new(Some(sender.clone()), Vec::new());
    if let Err((fate, why, _)) = take(&format!("MAIL FROM {sender}"), &mut || connection.command(mail())) {
        return (fate, why);
    }
    for recipient in recipients {
        let rcpt = || Rcpt::new(recipient.clone(), Vec::new());
        match take(&format!("RCPT TO {recipient}"), &mut || connection.command(rcpt())) {
            Ok(()) => {}
            Err((fate, why, true)) => refusals.push((fate, why)),
            // There is nobody to talk to any more.
            Err((_, why, false)) => return (Fate::Failed, why),
        }
    }
    if refusals.len() == recipients.len() {
        let is_final = refusals.iter().all(|(fate, _)| *fate == Fate::Refused);
        return (if is_final { Fate::Refused } else { Fate::Failed }, last_words(&refusals));
    }
    let handed_in = take("DATA", &mut || connection.command(Data))
        .and_then(|()| take("the mail itself", &mut || connection.message(message)));
    if let Err((fate, why, _)) = handed_in {
        return (fate, why);
    }
    if connection.set_timeout(Some(FAREWELL)).is_ok() {
        let _ = connection.quit();
    }
    match refusals.as_slice() {
        [] => (Fate::Sent, "sent".to_owned()),
        [..] => (Fate::Partly, format!("sent, but not to all: {}", last_words(&refusals))),
    }
}

/// Looks the server up, connects, and hears its greeting.
fn connect(envelope: &Envelope, mut step: impl FnMut(&str)) -> Result<SmtpConnection, String> {
    let Envelope { host, port, timeout, hello, .. } = envelope;
    let lookup = format!("look up {host}");
    step(&lookup);
    let found = (host.as_str(), *port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|error| format!("{lookup}: {error}"))?.collect();
    // Not before: looking up a name may take files and sockets that nobody here knows of.
    sys::landlock::restrict_client(*port).map_err(|error| format!("give up files and sockets: {error}"))?;
    let greeting = format!("greet {host} port {port}");
    step(&greeting);
    let hello = hello.parse().map_or_else(
        |_| ClientId::Domain(hello.clone()),
        |address| match address {
            IpAddr::V4(address) => ClientId::Ipv4(address),
            IpAddr::V6(address) => ClientId::Ipv6(address),
        },
    );
    SmtpConnection::connect(found.as_slice(), Some(*timeout), &hello, None, None)
        .map_err(|error| format!("{greeting}: {}", words(&error, *timeout)))
}

fn last_words(refusals: &[(Fate, String)]) -> String {
    refusals.last().map(|(_, words)| words.clone()).unwrap_or_default()
}

fn fate(error: &Error) -> Fate {
    if error.is_permanent() { Fate::Refused } else { Fate::Failed }
}

/// For people: the library's own words are for programmers, those aside that quote the server.
fn words(error: &Error, timeout: Duration) -> String {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>()
            && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        {
            return format!("no answer within {} s", timeout.as_secs());
        }
        source = cause.source();
    }
    match (error.source(), error.status()) {
        (Some(cause), None) if error.is_response() => format!("not an answer of SMTP: {cause}"),
        (Some(cause), None) => cause.to_string(),
        (_, Some(_)) | (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            host: "::1".into(),
            port: 25,
            timeout: Duration::from_secs(30),
            hello: "fw1".into(),
            sender: "handover@fw1".into(),
            recipients: vec!["ops@example.com".into(), "two@example.com".into()],
        }
    }

    #[test]
    fn an_envelope_survives_the_command_line() {
        let arguments = envelope().arguments();
        assert_eq!(arguments[0], COMMAND);
        assert_eq!(Envelope::parse(&arguments[1..]), Some(envelope()));
        assert_eq!(Envelope::parse(&arguments[1..4]), None);
        assert_eq!(Envelope::parse(&["a", "b", "c", "d", "e", "f"].map(str::to_owned)), None);
    }

    #[test]
    fn a_fate_survives_the_exit_status() {
        for fate in Fate::ALL {
            assert_eq!(Fate::of(fate.status().into()), fate);
        }
        assert_eq!(Fate::of(101), Fate::Failed);
    }

    #[test]
    fn a_mail_is_what_mail_programs_read() {
        let letter = Letter {
            id: "1.2.3".into(),
            date: 1_767_225_600,
            subject: "[R1] VRRP Instance büro - Entering MASTER state".into(),
            body: "=> VRRP Instance is now owning VRRP VIPs <=\n.\nbüro\n".into(),
        };
        let (sender, recipients, mail) = written(&envelope(), &letter).unwrap();
        assert_eq!((sender.to_string().as_str(), recipients.len()), ("handover@fw1", 2));
        let mail = String::from_utf8(mail).unwrap();
        assert!(mail.is_ascii(), "{mail}");
        for line in [
            "Message-ID: <1.2.3@fw1>",
            "Date: Thu, 01 Jan 2026 00:00:00 +0000",
            "From: handover@fw1",
            "To: ops@example.com, two@example.com",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
            "=> VRRP Instance is now owning VRRP VIPs <=",
        ] {
            let quoted = line.replace("=>", "=3D>").replace("<=", "<=3D");
            assert!(mail.lines().any(|it| it == line || it == quoted), "{line} in {mail}");
        }
        let strange = Envelope { sender: "handover@fw_1".into(), ..envelope() };
        let (fate, why) =
            hand_in(&Envelope { recipients: vec!["nobody".into()], ..strange }, &letter, |_| ());
        assert_eq!(fate, Fate::Refused, "{why}");
    }
}
