//! A host of the lab with a real mail server, Debian's aiosmtpd, that keeps every mail as it came.
//!
//! Tests call [`is_installed`] first.

use std::path::Path;

use lab::{Host, Lab, Proc, Spec};
use serde_json::Value;

use crate::node::LIMIT;

/// Debian's own: python3-aiosmtpd isn't for others.
const PYTHON: &str = "/usr/bin/python3";
/// Where [`SERVER`] writes each mail, one line of JSON each.
const MAILS: &str = "/tmp/mails";
/// Where it is, on the lab's switch.
pub const ADDRESS: &str = "192.168.1.25";
/// Its port, which needs no right.
pub const PORT: u16 = 2525;
/// ADDRESS and PORT are put in when it is started.
const SERVER: &str = r#"
import json, threading
from aiosmtpd.controller import Controller

class Keep:
    async def handle_DATA(self, server, session, envelope):
        mail = {"hello": session.host_name, "from": envelope.mail_from, "to": envelope.rcpt_tos,
                "text": envelope.content.decode("ascii")}
        with open("/tmp/mails", "a") as file:
            file.write(json.dumps(mail) + "\n")
        return "250 OK"

Controller(Keep(), hostname="ADDRESS", port=PORT).start()
print("ready", flush=True)
threading.Event().wait()
"#;

/// Whether this machine has the server. Without it a test has nothing to show: it says so and passes, but not in CI.
///
/// # Panics
/// In CI, when it isn't there.
#[must_use]
pub fn is_installed() -> bool {
    let is_there = Path::new("/usr/lib/python3/dist-packages/aiosmtpd").is_dir();
    if !is_there {
        println!("SKIPPED: python3-aiosmtpd is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI is set, and python3-aiosmtpd is not installed");
    }
    is_there
}

/// A host with a mail server that keeps what it gets.
#[derive(Debug)]
pub struct MailServer {
    host: Host,
}

impl MailServer {
    /// A host `mail` at [`ADDRESS`]; nothing listens yet.
    ///
    /// # Panics
    /// The lab can't do it.
    #[must_use]
    pub fn new(lab: &Lab) -> Self {
        Self { host: lab.add_host("mail", &[&format!("{ADDRESS}/24")]).expect("a host for the server") }
    }

    /// Listens as long as what is returned lives.
    ///
    /// # Panics
    /// It can't be started.
    #[must_use]
    pub fn start(&self) -> Proc {
        let text = SERVER.replace("ADDRESS", ADDRESS).replace("PORT", &PORT.to_string());
        let server = self.host.spawn(Spec::new([PYTHON, "-c", &text])).expect("start the server");
        assert!(server.wait_for_line(LIMIT, |line| line == "ready").is_some(), "{:?}", server.lines());
        server
    }

    /// Everything from that sender so far.
    #[must_use]
    pub fn mails(&self, sender: &str) -> Vec<Value> {
        let text = self.host.read_file(MAILS).unwrap_or_default();
        let mails = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        mails.filter(|mail| mail["from"] == sender).collect()
    }

    /// The subjects of those.
    #[must_use]
    pub fn subjects(&self, sender: &str) -> Vec<String> {
        self.mails(sender).iter().map(|mail| header(mail, "Subject")).collect()
    }
}

/// The text of a mail, its lines as they were sent.
fn text(mail: &Value) -> &str {
    mail["text"].as_str().unwrap_or_default()
}

/// A header's value, on one line; empty where there is none.
#[must_use]
pub fn header(mail: &Value, name: &str) -> String {
    let head = text(mail).split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
    let value = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    value.unwrap_or_default()
}

/// What follows the headers: ASCII, so that nothing had to be encoded.
#[must_use]
pub fn body(mail: &Value) -> &str {
    text(mail).split_once("\r\n\r\n").unwrap_or_default().1
}
