//! notifierd and mail servers as they shouldn't be: the test plays vrrp-core on one side and the server on the other.
//!
//! A server as it should be is in the workspace's own tests (`tests/tests/mail.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may say why it failed")]

#[path = "../../checkerd/tests/harness/mod.rs"]
mod harness;
#[path = "core/mod.rs"]
mod vrrp_core;

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use harness::{Client, Daemon, Scratch};
use ipc::events::Told;
use ipc::hooks::{MailView, Message};
use sys::process::{Exit, Signal};
use vrrp_core::{Core, instance};

/// What a server says: first of all, and then after each line that it hears.
type Answers = &'static [&'static str];
const WELL: Answers = &["220 me", "250 me", "250 ok", "250 ok", "250 ok", "354 go on", "250 mine", "221 bye"];

/// A line as long as it may be (RFC 5321 4.5.3.1.5), and more are to come.
const LENGTHY: &[u8] = {
    const LINE: [u8; 512] = {
        let mut line = [b' '; 512];
        (line[0], line[1], line[2], line[3]) = (b'2', b'2', b'0', b'-');
        (line[510], line[511]) = (b'\r', b'\n');
        line
    };
    &LINE
};

#[derive(Clone, Copy)]
enum Manner {
    /// These, and then nothing any more.
    Answers(Answers),
    /// This, for ever.
    Endless(&'static [u8]),
    /// This, a byte at a time, for ever.
    Drips(&'static [u8]),
    /// Nothing, and nobody is there any more.
    HangsUp,
}

/// A server, and everything that it has heard.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Behaves as the number of the connection says, and the last for ever.
    fn new(manners: &'static [Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let server = Self { port, heard: Arc::clone(&heard) };
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (stream, heard) = (stream.unwrap(), Arc::clone(&heard));
                let manner = manners.get(number).or(manners.last()).copied().unwrap();
                thread::spawn(move || serve(stream, manner, &heard));
            }
        });
        server
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Whoever isn't listened to any more has nothing more to say.
fn serve(mut stream: TcpStream, manner: Manner, heard: &Mutex<Vec<String>>) {
    match manner {
        Manner::HangsUp => {}
        Manner::Endless(text) => while stream.write_all(text).is_ok() {},
        Manner::Drips(text) => {
            // The pause between two bytes: whoever talks to us waits for the end of our line.
            stream.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
            for byte in text.iter().cycle() {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                let _ = stream.read(&mut [0; 64]);
            }
        }
        Manner::Answers(answers) => {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            for (number, answer) in answers.iter().enumerate() {
                if number > 0 {
                    let after_data = answers.get(number - 1).is_some_and(|before| before.starts_with("354"));
                    let is_last = |line: &String| {
                        if after_data && line.starts_with("Message-ID: ") {
                            heard.lock().unwrap().push(line.clone());
                        }
                        !after_data || line == "."
                    };
                    let Some(line) = lines.find(is_last) else { return };
                    heard.lock().unwrap().push(line);
                }
                if write!(stream, "{answer}\r\n").is_err() {
                    return;
                }
            }
            // Silence, as long as somebody hopes for more.
            lines.for_each(drop);
        }
    }
}

/// Patience with a server that is to come to its answer however slow this machine is, in seconds.
const LONG: u64 = 20;

fn config((server, timeout): (u16, u64), hook: &str) -> String {
    let global = format!(
        "global_defs {{\n router_id R1\n notification_email {{ one@example.com two@example.com }}\n\
         smtp_server 127.0.0.1 {server}\n smtp_connect_timeout {timeout}\n smtp_alert\n}}\n"
    );
    global + &instance("a", 1, hook)
}

fn mail(client: &mut Client) -> MailView {
    client.send(r#"{"request":"status"}"#).unwrap();
    client.find(|message| match message {
        Message::Status(status) => status.mail,
        Message::Hello(_) | Message::Reload(_) | Message::Error { .. } => None,
    })
}

/// A notifierd that has just heard that `a` is MASTER, and has told that to a hook.
struct Play {
    scratch: Scratch,
    daemon: Daemon,
    core: Core,
}

impl Play {
    fn begin(name: &str, server: (u16, u64)) -> Self {
        let scratch = Scratch::new(name);
        let hook = format!("#!/bin/sh\necho \"$*\" >> {}\n", scratch.path("told").display());
        let hook = scratch.write("hook", &hook, 0o755);
        let listener = Core::listen(&scratch);
        let text = config(server, &format!("notify {}", hook.display()));
        let daemon = Daemon::start(env!("CARGO_BIN_EXE_notifierd"), &scratch, &text);
        let mut core = Core::accept(&listener, &[("a", Told::Init)]);
        core.event("a", Told::Init, Told::Master);
        Self { scratch, daemon, core }
    }

    fn until_hooks(&self, count: usize) {
        self.daemon.until("hooks", || (self.scratch.read("told").lines().count() == count).then_some(()));
    }

    fn until_mail(&self, wanted: impl Fn(&MailView) -> bool) -> MailView {
        let mut client = self.daemon.connect();
        self.daemon.until("mail as wanted", || Some(mail(&mut client)).filter(&wanted))
    }
}

/// Each bad server in turn, with what status says of it; the first letter is tried again.
#[test]
fn a_bad_server_is_told_once_and_delays_nothing() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let troubles: [(&str, u64, Option<&'static [Manner]>, &str); 9] = [
        ("silent", 1, Some(&[Manner::Answers(&[])]), "no answer within 1 s"),
        ("deaf", 3, Some(&[Manner::Answers(&["220 me", "250 me"])]), "MAIL FROM handover@"),
        ("absent", LONG, None, ": Connection refused"),
        ("gone", LONG, Some(&[Manner::HangsUp]), "not an answer of SMTP: incomplete response"),
        ("garbage", LONG, Some(&[Manner::Answers(&["hello, who is there?"])]), "not an answer of SMTP"),
        ("endless", LONG, Some(&[Manner::Endless(&[b'2'; 1 << 16])]), "the server answers without end"),
        ("lengthy", LONG, Some(&[Manner::Endless(LENGTHY)]), "too large"),
        (
            "slow",
            1,
            Some(&[Manner::Drips(b"220-welcome\r\n")]),
            "no end in sight; the last step: greet 127.0.0.1 port",
        ),
        ("busy", LONG, Some(&[Manner::Answers(&["421 later"])]), "transient error (421): later"),
    ];
    for (name, timeout, manners, expected) in troubles {
        let server = manners.map(Server::new);
        let mut play =
            Play::begin(&format!("mail-{name}"), (server.as_ref().map_or(gone, |it| it.port), timeout));
        play.until_hooks(1);
        let view = play.until_mail(|view| view.trouble.is_some());
        let trouble = view.trouble.unwrap_or_default();
        assert!(trouble.contains(expected), "{name}: {trouble}");
        assert_eq!((view.waiting, view.sent, view.refused, view.lost), (1, 0, 0, 0), "{name}");
        play.core.event("a", Told::Master, Told::Backup);
        play.until_hooks(2);
        play.until_mail(|view| view.waiting == 2);
        drop(play.core);
        play.daemon.signal(Signal::TERM);
        let (exit, log) = play.daemon.ended();
        assert_eq!(exit, Exit::Code(0), "{name}: {log}");
        let told = log.lines().filter(|line| line.contains(expected)).count();
        assert_eq!(told, 1, "{name}: {log}");
        assert!(log.contains("mail: 2 letters wait for the next notifierd"), "{name}: {log}");
    }
}

#[test]
fn a_letter_that_is_refused_for_good_is_not_tried_again() {
    const REFUSED: Manner = Manner::Answers(&["220 me", "250 me", "250 ok", "550 who?", "550 who?"]);
    const IN_PART: Manner = Manner::Answers(&[
        "220 me",
        "250-me\r\n250 8BITMIME",
        "250 ok",
        "250 ok",
        "550 5.1.1 who?",
        "354 go on",
        "250 mine",
        "221 bye",
    ]);
    let server = Server::new(&[REFUSED, IN_PART, Manner::Answers(WELL)]);
    let mut play = Play::begin("mail-refused", (server.port, LONG));
    let view = play.until_mail(|view| view.refused == 1);
    assert_eq!((view.waiting, view.sent), (0, 0));
    assert_eq!(view.trouble.as_deref(), Some("RCPT TO two@example.com: permanent error (550): who?"));
    play.core.event("a", Told::Master, Told::Backup);
    let view = play.until_mail(|view| view.sent == 1);
    let expected = "sent, but not to all: RCPT TO two@example.com: permanent error (550): 5.1.1 who?";
    assert_eq!(view.trouble.as_deref(), Some(expected));
    play.core.event("a", Told::Backup, Told::Fault);
    let view = play.until_mail(|view| view.sent == 2);
    assert_eq!((view.trouble, view.refused, view.waiting), (None, 1, 0));
    let last = view.last.unwrap();
    assert_eq!(
        (last.subject.as_str(), last.outcome.as_str()),
        ("[R1] VRRP Instance a - Entering FAULT state", "sent")
    );
    let heard = server.heard();
    let recipients = heard.iter().filter(|line| line.starts_with("RCPT TO:<two@example.com>")).count();
    assert_eq!(recipients, 3, "{heard:?}");
}

#[test]
fn what_waits_is_sent_when_the_server_is_back() {
    let server = Server::new(&[Manner::HangsUp, Manner::Answers(WELL)]);
    let mut play = Play::begin("mail-back", (server.port, LONG));
    play.until_mail(|view| view.trouble.is_some());
    play.core.event("a", Told::Master, Told::Fault);
    let view = play.until_mail(|view| view.sent == 2);
    assert_eq!((view.trouble, view.waiting, view.lost), (None, 0, 0));
    assert!(play.daemon.log().contains("sent; the server is well again"), "{}", play.daemon.log());
    // What was the last state isn't mailed again, also by another notifierd.
    let Play { scratch, daemon, core } = play;
    drop(core);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Exit::Code(0));
    let listener = Core::listen(&scratch);
    let text = config((server.port, LONG), "");
    let daemon = Daemon::start(env!("CARGO_BIN_EXE_notifierd"), &scratch, &text);
    let mut core = Core::accept(&listener, &[("a", Told::Fault)]);
    core.event("a", Told::Fault, Told::Backup);
    let play = Play { scratch, daemon, core };
    play.until_mail(|view| view.sent == 1);
    let expected = "[R1] VRRP Instance a - Entering BACKUP state";
    assert_eq!(play.until_mail(|view| view.waiting == 0).last.unwrap().subject, expected);
}

/// Killed while the server hangs, the next notifierd hands in what waited, in its order; a file that isn't understood costs
/// nothing but what is in it.
#[test]
fn what_waits_survives_a_kill() {
    let server = Server::new(&[Manner::Answers(&["220 me", "250 me"]), Manner::Answers(WELL)]);
    let mut play = Play::begin("mail-kill", (server.port, LONG));
    play.daemon.until("the server hangs", || server.heard().first().cloned());
    play.core.event("a", Told::Master, Told::Backup);
    let kept = || play.scratch.read("mail.jsonl");
    play.daemon.until("both are on disk", || (kept().lines().count() == 2).then_some(()));
    let ids: Vec<String> = kept().lines().map(|line| line.split('"').nth(3).unwrap().to_owned()).collect();
    play.daemon.signal(Signal::KILL);
    let Play { scratch, daemon, core } = play;
    drop((daemon.ended(), core));

    let start = |scratch: Scratch| {
        let listener = Core::listen(&scratch);
        let daemon =
            Daemon::start(env!("CARGO_BIN_EXE_notifierd"), &scratch, &config((server.port, LONG), ""));
        let core = Core::accept(&listener, &[("a", Told::Backup)]);
        Play { scratch, daemon, core }
    };
    let play = start(scratch);
    let view = play.until_mail(|view| view.sent == 2);
    assert_eq!((view.waiting, view.lost, view.trouble), (0, 0, None));
    assert_eq!(view.last.unwrap().subject, "[R1] VRRP Instance a - Entering BACKUP state");
    let heard = server.heard();
    let sent: Vec<&String> = heard.iter().filter(|line| line.starts_with("Message-ID:")).collect();
    assert!(
        sent.len() == 2 && sent.iter().zip(&ids).all(|(line, id)| line.contains(id)),
        "{ids:?} {heard:?}"
    );
    play.daemon.until("nothing waits on disk", || (!play.scratch.path("mail.jsonl").exists()).then_some(()));

    play.daemon.signal(Signal::KILL);
    let Play { scratch, daemon, core } = play;
    drop((daemon.ended(), core));
    scratch.write("mail.jsonl", "no letter\n", 0o600);
    let mut play = start(scratch);
    play.core.event("a", Told::Backup, Told::Fault);
    play.until_mail(|view| view.sent == 1);
    assert_eq!(play.scratch.read("mail.bad"), "no letter\n");
    assert!(play.daemon.log().contains("mail.jsonl: line 1: "), "{}", play.daemon.log());
}
