use std::time::Duration;

use config::Config;
use ipc::events::Event;
use model::{Cause, Evidence, InstanceName};

use super::*;

fn config(global: &str) -> Config {
    let text = format!(
        "global_defs {{\n router_id R1\n notification_email {{ ops@example.com }}\n smtp_server ::1\n{global}\n}}\n\
         vrrp_instance a {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n 10.0.0.1/24\n }}\n smtp_alert\n}}\n\
         vrrp_instance b {{\n interface eth0\n virtual_router_id 2\n virtual_ipaddress {{\n 10.0.0.2/24\n }}\n}}\n"
    );
    config::parse("test.conf", text).config.expect("valid")
}

fn is(name: &str, to: Told) -> Occasion {
    Occasion::Instance(Event {
        sequence: 1,
        instance: InstanceName::new(name).unwrap(),
        from: Told::Init,
        to,
        priority: model::Priority(100),
        cause: Cause { code: "started".into(), text: "started".into() },
        evidence: Evidence::default(),
        at: "2026-01-01T00:00:00.000Z".into(),
        monotonic: 1,
    })
}

fn begin(config: &Config, state_dir: &Path, seen: impl Iterator<Item = (Subject, Told)>) -> Post {
    Post::new(config, (Token(1), state_dir), seen, Instant::ZERO)
}

fn post(global: &str) -> Post {
    begin(&config(global), Path::new("/nonexistent"), std::iter::empty())
}

fn waiting(post: &Post) -> u64 {
    post.view().unwrap().waiting
}

#[test]
fn each_state_is_mailed_once_to_who_asked() {
    let (mut post, now) = (post(""), Instant::ZERO);
    for state in [Told::Init, Told::Backup, Told::Backup, Told::Master, Told::Init, Told::Master, Told::Stop]
    {
        post.tell(&is("a", state), now);
        post.tell(&is("b", state), now);
    }
    assert_eq!(waiting(&post), 2, "BACKUP and MASTER of a");
    post.tell(&is("a", Told::Master), now);
    post.tell(&is("a", Told::Fault), now);
    assert_eq!(waiting(&post), 4, "STOP lies between them");
}

#[test]
fn what_was_told_before_is_not_news() {
    let seen = [(is("a", Told::Master).subject(), Told::Master)];
    let mut post = begin(&config(""), Path::new("/nonexistent"), seen.into_iter());
    post.tell(&is("a", Told::Master), Instant::ZERO);
    assert_eq!(waiting(&post), 0);
}

#[test]
fn faults_are_left_out_where_nobody_wants_them() {
    let mut post = post("no_email_faults");
    post.tell(&is("a", Told::Fault), Instant::ZERO);
    assert_eq!(waiting(&post), 0);
    post.tell(&is("a", Told::Backup), Instant::ZERO);
    assert_eq!(waiting(&post), 1);
}

#[test]
fn a_reload_keeps_what_waits_as_long_as_there_is_a_server() {
    let (mut post, now, none) = (post(""), Instant::ZERO, HashMap::new());
    post.tell(&is("a", Told::Backup), now);
    post.reconfigure(&config("smtp_connect_timeout 1"), &none, |_| true, now);
    post.tell(&is("a", Told::Backup), now);
    assert_eq!(waiting(&post), 1, "and what was told stays told");
    let mut without = config("");
    without.global.mail = None;
    post.reconfigure(&without, &none, |_| true, now);
    assert_eq!(post.view(), None);
    post.tell(&is("a", Told::Master), now);
    post.reconfigure(&config(""), &none, |_| true, now);
    assert_eq!((waiting(&post), post.view().unwrap().lost), (0, 1));
}

#[test]
fn troubles_are_told_until_a_letter_is_taken() {
    let (mut post, now) = (post(""), Instant::ZERO);
    let mut attempt = |fate, words: &str, now| {
        post.tell(&is("a", Told::Backup), now);
        post.tell(&is("a", Told::Master), now);
        post.queue.hurry(now);
        post.queue.poll(now);
        post.close(fate, words.to_owned(), now);
        post.view().unwrap()
    };
    let view = attempt(Fate::Failed, "no answer", now);
    assert_eq!((view.waiting, view.trouble.as_deref()), (2, Some("no answer")));
    assert_eq!(view.last.unwrap().subject, "[R1] VRRP Instance a - Entering BACKUP state");
    let view = attempt(Fate::Refused, "550", now);
    assert_eq!((view.refused, view.trouble.as_deref()), (1, Some("550")));
    let view = attempt(Fate::Sent, "sent", now);
    assert_eq!((view.sent, view.trouble), (1, None));
}

#[test]
fn nobody_waits_long_for_the_last_letters() {
    let (mut post, now) = (post(""), Instant::ZERO);
    assert!(post.may_leave(now), "nothing waits");
    post.leave_at = None;
    post.tell(&is("a", Told::Backup), now);
    assert!(!post.may_leave(now));
    assert!(post.may_leave(now + FAREWELL));
    post.leave_at = None;
    post.tell(&is("a", Told::Master), now);
    post.trouble = Some("no answer".into());
    assert!(post.may_leave(now), "not for a server that failed last");
}

#[test]
fn an_end_says_what_became_of_the_letter() {
    let ended = |end, output: &str| {
        let (took, user) = (Duration::ZERO, "nobody".to_owned());
        judged(&Finished { end, output: output.to_owned(), took, user, leftover: None })
    };
    let code = |code| End::Exited(Exit::Code(code));
    assert_eq!(ended(code(0), "sent\n"), (Fate::Sent, "sent".into()));
    assert_eq!(ended(code(69), "550 no\n"), (Fate::Refused, "550 no".into()));
    assert_eq!(ended(code(0), ""), (Fate::Failed, "the process that hands it in succeeded".into()));
    assert_eq!(ended(End::TimedOut, "").0, Fate::Failed);
    for (signal, output) in [(6, "memory allocation of 9 bytes failed\n"), (24, "greet\n")] {
        assert_eq!(ended(End::Exited(Exit::Signal(signal)), output).1, "the server answers without end");
    }
    assert_eq!(
        ended(End::Exited(Exit::Signal(9)), "").1,
        "the process that hands it in was killed by signal 9"
    );
}

#[test]
fn a_hosts_name_becomes_a_domain() {
    for (host, expected) in
        [("fw1", "fw1"), ("fw_1.example.org", "fw-1.example.org"), ("", "localhost"), ("_.é", "localhost")]
    {
        assert_eq!(domain(host), expected, "{host}");
    }
    let mail = config("").global.mail.unwrap();
    let envelope = envelope(&mail, "fw1");
    assert_eq!((envelope.hello.as_str(), envelope.sender.as_str()), ("fw1", "handover@fw1"));
}
