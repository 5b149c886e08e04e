//! Mail about states: `notification_email`, `smtp_server`, `smtp_alert` and their siblings.
//!
//! The words are in keepalived.conf(5), what an address may look like in RFC 5321 4.1.2 and 4.5.3.1. Less is allowed here:
//! no quoted local parts, no address literals, nothing beyond ASCII. keepalived hands on whatever stands there.

use std::net::IpAddr;
use std::time::Duration;

use crate::arguments;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::lexer::Word;
use crate::model::{Instance, MAX_RECIPIENTS, Mail, MailServer, SyncGroup};
use crate::section::Section;
use crate::source::Span;

const LIST: &str = "notification_email";
const SENDER: &str = "notification_email_from";
const SERVER: &str = "smtp_server";
const HELLO: &str = "smtp_helo_name";
const TIMEOUT: &str = "smtp_connect_timeout";
const ALERT: &str = "smtp_alert";
const ALERT_VRRP: &str = "smtp_alert_vrrp";
const NO_FAULTS: &str = "no_email_faults";

/// RFC 5321 4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// RFC 5321 4.5.3.1.3, less the two angle brackets.
const MAX_ADDRESS: usize = 254;
/// RFC 1035 2.3.4.
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;
/// What a local part is made of beside letters, digits and points (RFC 5322 3.2.3, `atext`).
const ATOM: &str = "!#$%&'*+-/=?^_`{|}~";
/// RFC 5321 4.5.4.2.
const PORT: u16 = 25;

/// Whether who says nothing of it is mailed.
pub(super) fn default_alert(global: &Section<'_>) -> bool {
    global.flag(ALERT_VRRP).or_else(|| global.flag(ALERT)).unwrap_or(false)
}

/// Whether the states of an instance or a group are mailed.
pub(super) fn alert(section: &Section<'_>, default: bool) -> bool {
    section.flag(ALERT).unwrap_or(default)
}

/// What `global_defs` says of mail.
pub(super) fn mail(global: &Section<'_>, complaints: &mut Complaints) -> Option<Mail> {
    let recipients = recipients(global, complaints);
    let server = server(global, complaints);
    let sender = global.text(SENDER).and_then(|word| address(&word, complaints));
    let hello = global.text(HELLO).and_then(|word| host(&word, HELLO, complaints));
    let timeout = timeout(global, complaints);
    let faults = global.given(NO_FAULTS).is_none();
    Some(Mail { recipients: recipients?, sender, server: server?, hello, timeout, faults })
}

/// `None` where none is given, or after a complaint.
fn recipients(global: &Section<'_>, complaints: &mut Complaints) -> Option<Vec<String>> {
    let given = global.given(LIST)?;
    let mut known: Vec<(String, Span)> = Vec::new();
    let words = global.names(LIST, complaints);
    if words.is_empty() {
        let message = "there is no address in this list, so no mail is sent";
        let help = format!("write the addresses into it, or remove `{LIST}`");
        complaints.push(Diagnostic::warning("empty-list", given, message).help(help));
        return None;
    }
    if let Some(beyond) = words.get(MAX_RECIPIENTS) {
        let message = format!("mail goes to {MAX_RECIPIENTS} addresses at most");
        let help = "write the address of a mailing list";
        complaints.push(Diagnostic::error("too-many", beyond.span, message).help(help));
        return None;
    }
    for word in words {
        let Some(address) = address(word, complaints) else { continue };
        match known.iter().find(|(other, _)| *other == address) {
            Some((_, first)) => {
                let message = format!("{} is in this list twice", quote(word.text));
                complaints.push(
                    Diagnostic::warning("given-twice", word.span, message)
                        .related(*first, "given here first")
                        .help("remove one of them"),
                );
            }
            None => known.push((address, word.span)),
        }
    }
    Some(known.into_iter().map(|(address, _)| address).collect())
}

fn address(word: &Word<'_>, complaints: &mut Complaints) -> Option<String> {
    let why = match word.text.rsplit_once('@') {
        None => "it has no `@`",
        Some((local, _)) if !is_local(local) => "what stands before the `@` can't be a mailbox",
        Some((_, domain)) if !is_domain(domain) => "what stands after the `@` can't be a domain",
        Some(_) if word.text.len() > MAX_ADDRESS => "it is too long",
        Some(_) => return Some(word.text.to_owned()),
    };
    let help = if word.text.contains(['<', '>', ' ']) {
        "write the address alone, without a name and without brackets".to_owned()
    } else if is_local(word.text) {
        format!("write it with its domain: {}@localhost is the mailbox on the server itself", word.text)
    } else {
        "write it like ops@example.com".to_owned()
    };
    let message = format!("{} is no mail address: {why}", quote(word.text));
    let keepalived = "hands it to the server as it is, which may refuse the whole mail";
    complaints.push(Diagnostic::error("bad-mail", word.span, message).keepalived(keepalived).help(help));
    None
}

/// Atoms with points between them (RFC 5322 3.2.3, `dot-atom`).
fn is_local(text: &str) -> bool {
    let is_atom =
        |atom: &str| !atom.is_empty() && atom.chars().all(|c| c.is_ascii_alphanumeric() || ATOM.contains(c));
    text.len() <= MAX_LOCAL && text.split('.').all(is_atom)
}

/// Names of hosts with points between them (RFC 1123 2.1).
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_DOMAIN && text.split('.').all(is_label)
}

/// A host by name or address.
fn host(word: &Word<'_>, of: &'static str, complaints: &mut Complaints) -> Option<String> {
    if word.text.parse::<IpAddr>().is_ok() || is_domain(word.text) {
        return Some(word.text.to_owned());
    }
    let message = format!("{} is neither an address nor the name of a host", quote(word.text));
    let help = format!("write it like `{of} mail.example.com`");
    complaints.push(Diagnostic::error("bad-mail", word.span, message).help(help));
    None
}

fn server(global: &Section<'_>, complaints: &mut Complaints) -> Option<MailServer> {
    let [name, port @ ..] = global.texts(SERVER) else { return None };
    if let [_, extra, ..] = port {
        let message = format!("{} follows the port, where nothing may follow", quote(extra.text));
        let help = format!("write `{SERVER} HOST [PORT]`");
        complaints.push(Diagnostic::error("extra-words", extra.span, message).help(help));
        return None;
    }
    let port = match port.first() {
        None => PORT,
        Some(word) => {
            let number = arguments::number(word.text, 1, i64::from(u16::MAX));
            number.and_then(|number| u16::try_from(number).ok()).or_else(|| {
                let message = format!("{} is no port: it takes a number from 1 to 65535", quote(word.text));
                let help = format!("the usual one is {PORT}; most servers take mail of programs there");
                complaints.push(Diagnostic::error("bad-value", word.span, message).help(help));
                None
            })?
        }
    };
    Some(MailServer { host: host(name, SERVER, complaints)?, port, span: name.span })
}

fn timeout(global: &Section<'_>, complaints: &mut Complaints) -> Duration {
    let seconds = global.number(TIMEOUT).and_then(|number| u64::try_from(number).ok());
    if let (Some(0), Some(span)) = (seconds, global.given(TIMEOUT)) {
        let message = format!("`{TIMEOUT} 0` means 1: no server answers at once");
        complaints.push(Diagnostic::warning("rounded", span, message).help("write 1, or better 30"));
    }
    Duration::from_secs(seconds.unwrap_or_default().max(1))
}

/// What only shows when the words are compared with each other and with who is to be mailed.
pub(super) fn judge<'c>(
    global: &Section<'_>,
    instances: impl Iterator<Item = &'c Instance>,
    groups: &'c [SyncGroup],
    complaints: &mut Complaints,
) {
    let who = |given: &crate::Given, name: &str, mails: bool| mails.then(|| (given.at(ALERT), quote(name)));
    let mut mailed = instances
        .filter_map(|it| who(&it.given, it.name.as_str(), it.mails))
        .chain(groups.iter().filter_map(|it| who(&it.given, it.name.as_str(), it.mails)))
        .peekable();
    let [list, server] = [LIST, SERVER].map(|word| (word, global.given(word)));
    let missing = [list, server].into_iter().find(|(_, given)| given.is_none()).map(|(word, _)| word);
    if mailed.peek().is_none() {
        if let (None, Some(span)) = (missing, server.1) {
            let message = "no mail is sent: no instance and no sync group has `smtp_alert`";
            complaints.push(
                Diagnostic::note("no-mail", span, message)
                    .keepalived("sends none either: of instances it mails only what it is asked to")
                    .help(format!("add `{ALERT}` to `global_defs` to have all of them mailed")),
            );
        }
        return;
    }
    let Some(missing) = missing else { return };
    let default = [ALERT_VRRP, ALERT].into_iter().find_map(|word| global.given(word));
    let (own, name) = mailed.next().unwrap_or_default();
    let Some(span) = own.or(default) else { return };
    let message =
        format!("the states of {name} are to be mailed, but there is no `{missing}`: no mail is sent");
    let example =
        if missing == LIST { "notification_email { ops@example.com }" } else { "smtp_server 127.0.0.1" };
    complaints.push(
        Diagnostic::warning("mail-ignored", span, message)
            .keepalived("says nothing of it")
            .help(format!("add it to `global_defs`, for example: {example}")),
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::Config;

    const SERVER: &str = "notification_email { ops@example.com }\n smtp_server mail.example.com\n";
    const ALERT: &str = "smtp_alert\n";

    /// The errors and warnings by their codes, and the notes about mail.
    fn read(global: &str, instance: &str) -> (Option<Config>, Vec<&'static str>) {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvrrp_sync_group both {{\n group {{\n a\n b\n }}\n}}\n\
             vrrp_instance a {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n 10.0.0.1/24\n }}\n{instance}\n}}\n\
             vrrp_instance b {{\n interface eth0\n virtual_router_id 2\n virtual_ipaddress {{\n 10.0.0.2/24\n }}\n}}\n"
        );
        let loaded = crate::parse("test.conf", text);
        let codes = loaded.report.diagnostics().iter().map(|it| it.code).collect();
        (loaded.config, codes)
    }

    fn mailed(global: &str, instance: &str) -> [bool; 3] {
        let config = read(global, instance).0.expect("valid");
        [config.instances[0].mails, config.instances[1].mails, config.groups[0].mails]
    }

    #[test]
    fn everything_that_is_given_is_there() {
        let (config, told) = read(
            "notification_email {\n ops@example.com b.o+x@localhost\n }\n notification_email_from us@example.org\n\
             smtp_server 2001:db8::25 2525\n smtp_helo_name fw1.example.org\n smtp_connect_timeout 5\n no_email_faults\n smtp_alert",
            "",
        );
        let mail = config.expect("valid").global.mail.expect("mail");
        assert_eq!(mail.recipients, ["ops@example.com", "b.o+x@localhost"]);
        assert_eq!(mail.sender.as_deref(), Some("us@example.org"));
        assert_eq!((mail.server.host.as_str(), mail.server.port), ("2001:db8::25", 2525));
        assert_eq!(mail.hello.as_deref(), Some("fw1.example.org"));
        assert_eq!((mail.timeout, mail.faults), (Duration::from_secs(5), false));
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn what_is_not_given_is_as_with_keepalived() {
        let (config, told) = read(&[SERVER, ALERT].concat(), "");
        let mail = config.expect("valid").global.mail.expect("mail");
        assert_eq!((mail.server.port, mail.timeout, mail.faults), (25, Duration::from_secs(30), true));
        assert_eq!((mail.sender, mail.hello), (None, None));
        assert!(told.is_empty(), "{told:?}");
    }

    /// As measured with keepalived 2.2.7.
    #[test]
    fn the_nearest_word_says_who_is_mailed() {
        assert_eq!(mailed(SERVER, ""), [false; 3]);
        assert_eq!(mailed(SERVER, "smtp_alert"), [true, false, false]);
        assert_eq!(mailed(&[SERVER, ALERT].concat(), ""), [true; 3]);
        assert_eq!(mailed(&[SERVER, ALERT].concat(), "smtp_alert off"), [false, true, true]);
        assert_eq!(
            mailed(&[SERVER, ALERT, "smtp_alert_vrrp off"].concat(), "smtp_alert on"),
            [true, false, false]
        );
        assert_eq!(mailed(&[SERVER, "smtp_alert off\n", "smtp_alert_vrrp on"].concat(), ""), [true; 3]);
    }

    #[test]
    fn mail_that_nobody_gets_is_told() {
        assert_eq!(read(SERVER, "").1, ["no-mail"]);
        assert_eq!(read("smtp_alert", "").1, ["mail-ignored"]);
        assert_eq!(read("smtp_server 127.0.0.1", "smtp_alert").1, ["mail-ignored"]);
        assert_eq!(read("notification_email { ops@example.com }", "smtp_alert").1, ["mail-ignored"]);
        assert_eq!(
            read("notification_email {\n}\n smtp_server 127.0.0.1\n smtp_alert", "").1,
            ["empty-list"]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let list = |address: &str| {
            format!("notification_email {{\n \"{address}\"\n }}\n smtp_server ::1\n smtp_alert")
        };
        let long = format!("{}@example.com", "x".repeat(65));
        for bad in [
            "root", "", "@", "a@", "@b", "a b@c", "A <a@b>", "<a@b>", "a@b@c", "a..b@c", "a@-b", "ä@b", &long,
        ] {
            assert_eq!(read(&list(bad), "").1, ["bad-mail"], "{bad}");
        }
        assert_eq!(read(&[SERVER, ALERT, "notification_email_from nobody"].concat(), "").1, ["bad-mail"]);
        assert_eq!(read(&[SERVER, ALERT, "smtp_helo_name a_b"].concat(), "").1, ["bad-mail"]);
        for (bad, code) in [
            ("a_b", "bad-mail"),
            ("::1 0", "bad-value"),
            ("::1 smtp", "bad-value"),
            ("::1 1 2", "extra-words"),
        ] {
            let told = read(
                &format!("notification_email {{ ops@example.com }}\n smtp_server {bad}\n smtp_alert"),
                "",
            )
            .1;
            assert_eq!(told, [code], "{bad}");
        }
        let twice = "notification_email { a@b a@b }\n smtp_server ::1\n smtp_alert\n smtp_connect_timeout 0";
        assert_eq!(read(twice, "").1, ["given-twice", "rounded"]);
        let many: Vec<_> = (0..=crate::MAX_RECIPIENTS).map(|at| format!("a{at}@b")).collect();
        let many = format!("notification_email {{ {} }}\n smtp_server ::1\n smtp_alert", many.join(" "));
        assert_eq!(read(&many, "").1, ["too-many"]);
    }
}
