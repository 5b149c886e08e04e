//! What another configuration means for mail. Pure.

use std::collections::{HashMap, HashSet};

use config::{Config, Mail};
use ipc::reload::{Fate, Kind, Planned};

use crate::occasion::Subject;

/// Who is mailed.
pub(super) fn mailed(config: &Config) -> HashSet<Subject> {
    let instances =
        config.instances.iter().filter(|it| it.mails).map(|it| Subject::Instance(it.name.clone()));
    let groups = config.groups.iter().filter(|it| it.mails).map(|it| Subject::Group(it.name.clone()));
    instances.chain(groups).collect()
}

/// What becomes of mail; `None` where there is none before and after.
pub(crate) fn plan(old: &Config, new: &Config, renamed: &HashMap<Subject, Subject>) -> Option<Planned> {
    let (before, after) = (in_use(old), in_use(new));
    let fate = |fate, mail: &Mail, changed: Vec<String>| {
        Some(Planned { kind: Kind::Mail, name: place(mail), was: None, fate, changed })
    };
    match (before, after) {
        (None, None) => None,
        (None, Some(mail)) => fate(Fate::Add, mail, Vec::new()),
        (Some(mail), None) => fate(Fate::Remove, mail, Vec::new()),
        (Some(before), Some(after)) => {
            let mut changed = differences(before, after);
            if old.global.router_id != new.global.router_id {
                changed.push("router_id".to_owned());
            }
            let known: HashSet<Subject> =
                mailed(old).into_iter().map(|it| renamed.get(&it).cloned().unwrap_or(it)).collect();
            if known != mailed(new) {
                changed.push("smtp_alert".to_owned());
            }
            fate(if changed.is_empty() { Fate::Keep } else { Fate::Retune }, after, changed)
        }
    }
}

/// How states are mailed, if any are.
fn in_use(config: &Config) -> Option<&Mail> {
    config.global.mail.as_ref().filter(|_| !mailed(config).is_empty())
}

/// Where mail is handed in, for people.
pub(super) fn place(mail: &Mail) -> String {
    format!("{} port {}", mail.server.host, mail.server.port)
}

/// The words that say something else, wherever they stand.
fn differences(before: &Mail, after: &Mail) -> Vec<String> {
    // A new setting has to be named here before anything compiles.
    let Mail { recipients, sender, server, hello, timeout, faults } = after;
    let server = (&server.host, server.port);
    let words = [
        ("notification_email", before.recipients != *recipients),
        ("notification_email_from", before.sender != *sender),
        ("smtp_server", (&before.server.host, before.server.port) != server),
        ("smtp_helo_name", before.hello != *hello),
        ("smtp_connect_timeout", before.timeout != *timeout),
        ("no_email_faults", before.faults != *faults),
    ];
    words.into_iter().filter(|(_, differs)| *differs).map(|(word, _)| word.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(global: &str, name: &str, own: &str) -> Config {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvrrp_instance {name} {{\n interface eth0\n virtual_router_id 1\n \
             virtual_ipaddress {{\n 10.0.0.1/24\n }}\n{own}\n}}\n"
        );
        config::parse("test.conf", text).config.expect("valid")
    }

    const ON: &str = "notification_email {\n a@b\n }\n smtp_server ::1";

    #[test]
    fn what_is_mailed_counts_and_not_where_it_stands() {
        let told = |old: &Config, new: &Config| {
            let renamed = crate::plan::renames(old, new);
            plan(old, new, &renamed).map(|it| (it.fate, it.name, it.changed))
        };
        let line = |fate, name: &str, changed: &[&str]| {
            Some((fate, name.to_owned(), changed.iter().map(|it| (*it).to_owned()).collect()))
        };
        let (off, on) = (config(ON, "a", ""), config(ON, "a", "smtp_alert"));
        assert_eq!(told(&off, &off), None);
        assert_eq!(told(&off, &on), line(Fate::Add, "::1 port 25", &[]));
        assert_eq!(told(&on, &off), line(Fate::Remove, "::1 port 25", &[]));
        let moved = config(&format!("\n\n{ON}\n smtp_connect_timeout 30"), "b", "smtp_alert on");
        assert_eq!(told(&on, &moved), line(Fate::Keep, "::1 port 25", &[]), "moved and renamed");
        let other = config(
            "router_id x\n notification_email {\n a@b c@d\n }\n smtp_server ::1 26\n notification_email_from a@b\n \
             smtp_helo_name x\n smtp_connect_timeout 3\n no_email_faults",
            "a",
            "smtp_alert",
        );
        let words = [
            "notification_email",
            "notification_email_from",
            "smtp_server",
            "smtp_helo_name",
            "smtp_connect_timeout",
            "no_email_faults",
            "router_id",
        ];
        assert_eq!(told(&on, &other), line(Fate::Retune, "::1 port 26", &words));
        let second = "\n}\nvrrp_instance c {\n interface eth0\n virtual_router_id 2\n virtual_ipaddress {\n 10.0.0.2/24\n }\n smtp_alert";
        let both = config(ON, "a", &format!("smtp_alert{second}"));
        assert_eq!(told(&on, &both), line(Fate::Retune, "::1 port 25", &["smtp_alert"]));
    }
}
