//! `notifierd mail`: a mail that says nothing, handed in as the daemon hands in those about states, and what came of it.
//!
//! So that nobody has to pull a cable to see whether mail arrives. It must never talk to a daemon, or change what one knows.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use argh::FromArgs;
use config::{Config, Mail};
use service::{Exit, Failure};

use super::child::{self, Fate};
use super::letter::{Letter, Writer};
use super::{envelope, host_name, plan};

/// Mail a test to all recipients, as the daemon mails states, and explain what came of it. The status is 0 if the server took it
/// for all of them, else 1.
#[derive(Debug, FromArgs)]
#[argh(help_triggers("-h", "--help"))]
struct Arguments {
    /// the configuration file (default: as the daemon's)
    #[argh(option, short = 'f', arg_name = "FILE")]
    config: Option<PathBuf>,

    /// the name that @NAME lines of the configuration are for (default: the host's)
    #[argh(option, short = 'i', arg_name = "ID")]
    config_id: Option<String>,
}

/// # Errors
/// The command line, or a configuration that mails nobody.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode, Failure> {
    let arguments = match Arguments::from_args(&["notifierd", "mail"], arguments) {
        Ok(arguments) => arguments,
        Err(early) => return service::usage_exit("notifierd mail", "", &early).map(|()| ExitCode::SUCCESS),
    };
    let config = service::load(arguments.config, arguments.config_id)?;
    let Some(mail) = &config.global.mail else {
        let why = "the configuration sends no mail: it needs `notification_email` and `smtp_server`";
        return Err(Failure::new(Exit::Configuration, why));
    };
    child::confine().map_err(|why| Failure::new(Exit::Failed, why))?;
    Ok(if attempt(&config, mail) == Fate::Sent { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

fn attempt(config: &Config, mail: &Mail) -> Fate {
    let host = host_name();
    let (now, started) = (sys::clock::wall(), sys::clock::now());
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let writer = Writer {
        label: config.global.router_id.as_deref().unwrap_or(&host),
        host: &host,
        id: &format!("{}.{}.test", since_1970.as_micros(), std::process::id()),
        date: since_1970.as_secs(),
    };
    let envelope = envelope(mail, &host);
    say(&format!(
        "{}, as {}, from {}, to {}\n",
        plan::place(mail),
        envelope.hello,
        envelope.sender,
        envelope.recipients.join(", ")
    ));
    let (fate, words) =
        child::hand_in(&envelope, &Letter::test(writer, &service::stamp::rfc3339(now)), |_| ());
    say(&format!("{words}, after {:?}\n", sys::clock::now().since(started)));
    say(match fate {
        Fate::Sent => "The server took it; what it does with it is in its log.\n",
        Fate::Partly => "The server took it, but the daemon would say each time that not all get it.\n",
        Fate::Refused => "The daemon would lose a mail like this.\n",
        Fate::Failed => "The daemon would try again, ever more rarely, for 4 hours.\n",
    });
    if plan::mailed(config).is_empty() {
        say("No instance and no sync group has `smtp_alert`, so that the daemon mails nothing.\n");
    }
    fate
}

/// A closed pipe is nobody's problem.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
