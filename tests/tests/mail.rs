//! Mail about states: the same file for keepalived and for us, what a real mail server (aiosmtpd) gets from each, and what
//! becomes of it when that server is away.

use handover_tests::keepalived::{self, Keepalived};
use handover_tests::mail_server::{ADDRESS, MailServer, PORT, body, header, is_installed};
use handover_tests::node::{CONFIG, LIMIT, Node, eventually, start_lab};
use handover_tests::programs::on_host;

/// Of the server, by a name that only the process that sends has to look up.
const NAME: &str = "mail.example.org";

/// An instance of its own, one that is not mailed, and two in a group; routers with another `first` are none of its peers.
fn config(sender: &str, server: &str, first: u8) -> String {
    let instance = |name: &str, vrid: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n priority 120\n{more}\n virtual_ipaddress {{\n 192.168.1.{vrid}/24\n }}\n}}\n"
        )
    };
    let global = format!(
        "global_defs {{\n router_id R1\n script_user root\n notification_email {{\n ops@example.com\n two@example.com\n }}\n\
         notification_email_from {sender}\n smtp_server {server} {PORT}\n smtp_connect_timeout 5\n smtp_helo_name fw.example.org\n\
         smtp_alert\n}}\n"
    );
    let group = "vrrp_sync_group pair {\n group {\n a\n b\n }\n}\n";
    let alone = instance("alone", first, "");
    let quiet = instance("quiet", first + 1, "smtp_alert off");
    global + group + &alone + &quiet + &instance("a", first + 2, "") + &instance("b", first + 3, "")
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn the_mails_are_those_of_keepalived() {
    if !keepalived::is_installed() || !is_installed() {
        return;
    }
    const THEIRS: &str = "theirs@example.org";
    const OURS: &str = "ours@example.org";
    let lab = start_lab();
    let server = MailServer::new(&lab);
    let _running = server.start();
    let theirs = Keepalived::new(&lab, "theirs", &["192.168.1.11/24"], &config(THEIRS, ADDRESS, 110));
    // And by a name, which only the process that sends has to resolve.
    let ours = Node::new(&lab, "ours", &["192.168.1.12/24"], &config(OURS, NAME, 120));
    ours.host().write_file("/etc/hosts", &format!("{ADDRESS} {NAME}\n"), 0o644).expect("a name");
    theirs.start();
    ours.start();
    // BACKUP and MASTER of alone, a, b and the group.
    let count = |sender: &str, count: usize| server.mails(sender).len() >= count;
    assert!(lab.wait_for(LIMIT, || count(THEIRS, 8)), "{}\n{:?}", theirs.story(), server.mails(THEIRS));
    eventually(&lab, &[&ours], "all are mailed to be master", || count(OURS, 8));
    ours.host().link_down("eth0").expect("unplug");
    eventually(&lab, &[&ours], "all are at fault", || ours.at("/groups/0/state") == "FAULT");
    ours.host().link_up("eth0").expect("plug in");
    // What was said while nobody could hear it is sent later.
    eventually(&lab, &[&ours], "all are master again, and every state was mailed", || count(OURS, 20));

    let mut ours_first = server.subjects(OURS);
    let again = ours_first.split_off(8);
    assert_eq!(sorted(ours_first), sorted(server.subjects(THEIRS)[..8].to_vec()));
    let faults = again.iter().filter(|subject| subject.ends_with("Entering FAULT state")).count();
    assert_eq!((again.len(), faults), (12, 4), "FAULT, BACKUP and MASTER of four: {again:?}");

    let subject = "[R1] VRRP Instance alone - Entering MASTER state";
    let find = |sender: &str, subject: &str| {
        let mails = server.mails(sender);
        mails.into_iter().find(|mail| header(mail, "Subject") == subject).expect("such a mail")
    };
    let (theirs_one, ours_one) = (find(THEIRS, subject), find(OURS, subject));
    for part in ["hello", "to"] {
        assert_eq!(ours_one[part], theirs_one[part], "{part}");
    }
    for name in ["To", "Subject"] {
        assert_eq!(header(&ours_one, name), header(&theirs_one, name), "{name}");
    }
    assert_eq!(header(&ours_one, "From"), OURS);
    for name in ["Date", "Message-ID"] {
        assert_ne!(header(&ours_one, name), "", "{name}");
    }
    for subject in [
        subject,
        "[R1] VRRP Group pair - Entering BACKUP state",
        "[R1] VRRP Instance b - Entering BACKUP state",
    ] {
        let (theirs, ours) = (find(THEIRS, subject), find(OURS, subject));
        let (first, ours) = (body(&theirs).trim(), body(&ours));
        assert!(
            first.starts_with("=> ")
                && first.ends_with(" <=")
                && ours.starts_with(&format!("{first}\r\n\r\n")),
            "{first:?} {ours:?}"
        );
    }
    let body = body(&ours_one);
    for line in [
        "Host:     ours\r\n",
        "Instance: alone\r\n",
        "State:    MASTER, after BACKUP\r\n",
        "Cause:    ",
        "Time:     2",
    ] {
        assert!(body.contains(line), "{line:?} in {body:?}");
    }
    for sender in [THEIRS, OURS] {
        let quiet = server.subjects(sender).into_iter().filter(|subject| subject.contains("quiet"));
        assert_eq!(quiet.count(), 0, "{sender}");
    }
    assert_eq!(ours.at("/mail/trouble"), "");
    assert_eq!(ours.at("/mail/last/outcome"), "sent");
    ours.stop();
    theirs.stop();
    assert_eq!(server.mails(OURS).len(), 20, "a stop isn't mailed, as with keepalived");
}

#[test]
fn a_server_that_is_away_gets_everything_when_it_is_back() {
    if !is_installed() {
        return;
    }
    const OURS: &str = "ours@example.org";
    let lab = start_lab();
    let server = MailServer::new(&lab);
    let node = Node::new(&lab, "ours", &["192.168.1.12/24"], &config(OURS, ADDRESS, 120));
    node.start();
    eventually(&lab, &[&node], "all are master, and status tells that nobody was told", || {
        node.at("/groups/0/state") == "MASTER"
            && node.at("/mail/waiting") == "8"
            && !node.at("/mail/trouble").is_empty()
    });
    let trouble = node.at("/mail/trouble");
    assert_eq!(trouble, "greet 192.168.1.25 port 2525: Connection refused (os error 111)");
    let test = || {
        node.host().run([on_host("notifierd"), "mail".into(), "-f".into(), CONFIG.into()]).expect("run it")
    };
    let (failed, _running) = (test(), server.start());
    assert!(failed.exit == lab::Exit::Code(1) && failed.stdout.contains(&trouble), "{failed:?}");
    eventually(&lab, &[&node], "all is delivered", || node.at("/mail/sent") == "8");
    assert_eq!((node.at("/mail/waiting"), node.at("/mail/trouble")), ("0".to_owned(), String::new()));
    let succeeded = test();
    let said = "192.168.1.25 port 2525, as fw.example.org, from ours@example.org, to ops@example.com, two@example.com\nsent, ";
    assert!(succeeded.success() && succeeded.stdout.starts_with(said), "{succeeded:?}");
    let mut subjects = server.subjects(OURS);
    assert_eq!(subjects.pop().as_deref(), Some("[R1] Test of mail about states"));
    let of = |name: &str| -> Vec<&str> {
        subjects.iter().filter(|it| it.contains(name)).filter_map(|it| it.split(" - ").nth(1)).collect()
    };
    for name in ["Instance alone", "Instance a ", "Instance b ", "Group pair"] {
        assert_eq!(of(name), ["Entering BACKUP state", "Entering MASTER state"], "{name} in {subjects:?}");
    }
    // What was told is not told again by the next notifierd.
    node.kill("notifierd");
    eventually(&lab, &[&node], "another notifierd", || node.at("/mail/sent") == "0");
    node.host().link_down("eth0").expect("unplug");
    eventually(&lab, &[&node], "all are at fault", || node.at("/mail/waiting") == "4");
    node.host().link_up("eth0").expect("plug in");
    eventually(&lab, &[&node], "news is told", || server.mails(OURS).len() >= 13);
    let news = server.subjects(OURS)[9..13].to_vec();
    assert!(news.iter().all(|subject| subject.ends_with("Entering FAULT state")), "{news:?}");
    node.stop();
}
