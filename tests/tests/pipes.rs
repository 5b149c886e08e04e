//! `notify_fifo` and `notify_fifo_script`: the same file for keepalived and for us, and what each writes.

use handover_tests::keepalived::{self, Keepalived};
use handover_tests::node::{HOOK, LIMIT, Node, RUNTIME_DIR, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::Host;

const READER: &str = "/usr/local/bin/reader";
/// Where [`READER`] puts what it has read.
const LINES: &str = "/tmp/lines";
const ALONE: &str = "INSTANCE \"alone\"";
/// Everybody of [`config`].
const WHO: [&str; 4] = [ALONE, "INSTANCE \"a\"", "INSTANCE \"b\"", "GROUP \"pair\""];
const PIPE: &str = "/tmp/transitions";

/// An instance of its own and two in a group; routers with another `first` are none of its peers.
fn config(first: u8) -> String {
    let instance = |name: &str, vrid: u8| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n priority 120\n virtual_ipaddress {{\n 192.168.1.{vrid}/24\n }}\n}}\n"
        )
    };
    let global = format!(
        "global_defs {{\n script_user root\n notify_fifo {PIPE}\n notify_fifo_script \"{READER} {LINES}\"\n}}\n"
    );
    let group = "vrrp_sync_group pair {\n group {\n a\n b\n }\n}\n";
    global + group + &instance("alone", first) + &instance("a", first + 1) + &instance("b", first + 2)
}

/// Reads a line at a time, as a person would write it: words apart, the pipe's path last.
fn install_reader(host: &Host) {
    let reader = "#!/bin/sh\nwhile read -r line; do echo \"$line\" >> \"$1\"; done < \"$2\"\n";
    host.write_file(READER, reader, 0o755).expect("write the reader");
}

fn lines(host: &Host) -> Vec<String> {
    host.read_file(LINES).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The lines about one of them.
fn about(host: &Host, who: &str) -> Vec<String> {
    lines(host).into_iter().filter(|line| line.contains(who)).collect()
}

#[test]
fn the_lines_are_those_of_keepalived() {
    if !keepalived::is_installed() {
        return;
    }
    let lab = start_lab();
    let theirs = Keepalived::new(&lab, "theirs", &["192.168.1.11/24"], &config(110));
    let ours = Node::new(&lab, "ours", &["192.168.1.12/24"], &config(120));
    install_reader(theirs.host());
    install_reader(ours.host());
    theirs.start();
    ours.start();
    let is_master = |host: &Host, who: &str| about(host, who).iter().any(|line| line.contains(" MASTER "));
    let all_masters = |host: &Host| WHO.iter().all(|who| is_master(host, who));
    assert!(lab.wait_for(LIMIT, || all_masters(theirs.host())), "{}", theirs.story());
    eventually(&lab, &[&ours], "all are master", || all_masters(ours.host()));
    let mode = |host: &Host| host.run(["stat", "-c", "%F %a %U %G", PIPE]).expect("stat").stdout;
    assert_eq!(mode(ours.host()), mode(theirs.host()));
    for who in WHO {
        assert_eq!(about(ours.host(), who), about(theirs.host(), who), "{}", theirs.story());
    }
    let alone = about(ours.host(), ALONE);
    assert_eq!(alone, ["INSTANCE \"alone\" BACKUP 120", "INSTANCE \"alone\" MASTER 120"]);
    ours.stop();
    let all = lines(ours.host());
    for line in ["INSTANCE \"alone\" STOP 120", "GROUP \"pair\" STOP 0"] {
        assert_eq!(all.iter().filter(|it| *it == line).count(), 1, "a reader of ours sees the end: {all:?}");
    }
    assert!(!ours.host().run(["test", "-e", PIPE]).expect("test").success(), "what was made is removed");
}

#[test]
fn a_reader_that_dies_is_started_again_and_misses_nothing() {
    let lab = start_lab();
    let node = Node::new(&lab, "ours", &["192.168.1.12/24"], &config(120));
    // One line each time, and then it fails.
    let reader = "#!/bin/sh\nread -r line < \"$2\"\nexit 3\n";
    node.host().write_file(READER, reader, 0o755).expect("write the reader");
    node.start();
    eventually(&lab, &[&node], "the status tells how it ended", || {
        node.at("/pipes/0/reader") == "starts again, after: exited with status 3"
    });
    install_reader(node.host());
    node.host().link_down("eth0").expect("unplug");
    eventually(&lab, &[&node], "the next reader gets the rest", || {
        about(node.host(), "alone").iter().any(|line| line == "INSTANCE \"alone\" FAULT 120")
    });
    assert_eq!(node.at("/pipes/0/path"), PIPE);
    node.stop();
}

/// The file with `fifo_write_vrrp_states_on_reload`, and with a text that means nothing here.
fn repeating(first: u8, text: &str) -> String {
    let global = format!("global_defs {{\n fifo_write_vrrp_states_on_reload\n{text}");
    config(first).replacen("global_defs {\n", &global, 1)
}

/// A reader that has lost its place learns all states anew. keepalived 2.2.7 tells only those of groups where they are MASTER.
#[test]
fn states_are_written_once_more_after_a_reload_as_with_keepalived() {
    if !keepalived::is_installed() {
        return;
    }
    let lab = start_lab();
    let better = |first: u8| config(first).replace("priority 120", "priority 200");
    let above = [("above-theirs", 110, "192.168.1.13/24"), ("above-ours", 120, "192.168.1.14/24")];
    let above = above.map(|(name, first, address)| Node::new(&lab, name, &[address], &better(first)));
    above.iter().for_each(Node::start);
    for node in &above {
        eventually(&lab, &[node], "MASTER", || node.state() == "MASTER");
    }
    let theirs = Keepalived::new(&lab, "theirs", &["192.168.1.11/24"], &repeating(110, ""));
    let ours = Node::new(&lab, "ours", &["192.168.1.12/24"], &repeating(120, ""));
    [theirs.host(), ours.host()].into_iter().for_each(install_reader);
    theirs.start();
    ours.start();
    let are_told = |host: &Host, who: &[&str], state: &str, times: usize| {
        let count = |who: &str| about(host, who).iter().filter(|line| line.contains(state)).count();
        who.iter().all(|who| count(who) == times)
    };
    let both = |who: &[&str], state: &str, times: usize| {
        let told = lab.wait_for(LIMIT, || are_told(theirs.host(), who, state, times));
        assert!(told, "{state} {times} times: {:?}\n{}", lines(theirs.host()), theirs.story());
        eventually(&lab, &[&ours], &format!("{state} {times} times"), || {
            are_told(ours.host(), &WHO, state, times)
        });
    };
    let reload = |text: &str| {
        theirs.reload(&repeating(110, text));
        ours.configure(&repeating(120, text));
        let reload = [&on_host("handover"), "reload", "--runtime-dir", RUNTIME_DIR];
        let reloaded = ours.host().run(reload).expect("run handover reload");
        assert!(reloaded.success(), "{}{}", reloaded.stdout, reloaded.stderr);
    };
    both(&WHO, " BACKUP ", 1);
    reload(" router_id other\n");
    both(&WHO, " BACKUP ", 2);
    for who in WHO {
        assert_eq!(about(ours.host(), who), about(theirs.host(), who), "{}", theirs.story());
    }
    above.iter().for_each(Node::stop);
    both(&WHO, " MASTER ", 1);
    reload(" router_id another\n");
    both(&["GROUP \"pair\""], " MASTER ", 2);
    assert!(are_told(ours.host(), &WHO, " BACKUP ", 2), "{:?}", lines(ours.host()));
    ours.stop();
}

/// By then notifierd has given up the right to give files away. It says so once, and what to do; states wait, and hooks run.
#[test]
fn a_pipe_that_a_reload_would_give_to_another_user_is_to_be_made_beforehand() {
    let lab = start_lab();
    let owned = |user: &str| {
        let given = config(120).replacen(&format!("{PIPE}\n"), &format!("{PIPE} {user}\n"), 1);
        given.replacen("vrrp_instance alone {\n", &format!("vrrp_instance alone {{\n notify {HOOK}\n"), 1)
    };
    let node = Node::new(&lab, "ours", &["192.168.1.12/24"], &owned("root"));
    install_reader(node.host());
    node.start();
    let all_told = |times: usize| {
        let count =
            |who: &str| about(node.host(), who).iter().filter(|line| line.contains(" MASTER ")).count();
        WHO.iter().all(|who| count(who) == times)
    };
    eventually(&lab, &[&node], "all are master", || all_told(1));
    let reload = |user: &str| {
        node.configure(&owned(user));
        let reload = [&on_host("handover"), "reload", "--runtime-dir", RUNTIME_DIR];
        let reloaded = node.host().run(reload).expect("run handover reload");
        assert!(reloaded.success(), "{}{}", reloaded.stdout, reloaded.stderr);
    };
    for (user, why) in [
        ("nobody nogroup", "give it to nobody: Operation not permitted (os error 1); make it beforehand"),
        ("nosuchuser", "no such user: nosuchuser"),
    ] {
        reload(user);
        eventually(&lab, &[&node], why, || node.at("/pipes/0/trouble").contains(why));
        assert_eq!(node.at("/pipes/0/waiting"), WHO.len().to_string(), "{}", node.story());
        assert!(!node.host().run(["test", "-e", PIPE]).expect("test").success(), "of nobody else's");
    }
    // As tmpfiles.d(5) would: it is used as it is.
    let _ = node.sh(&format!("mkfifo -m 666 {PIPE} && chown nobody {PIPE}"));
    reload("nobody nogroup");
    eventually(&lab, &[&node], "what waited is told", || all_told(2));
    let owner = node.sh(&format!("stat -c %U {PIPE}"));
    assert_eq!(owner.trim(), "nobody", "{}", node.story());
    assert_eq!(node.at("/pipes/0/trouble"), "", "{}", node.story());
    let log = node.log();
    for why in ["give it to nobody: Operation", "no such user: nosuchuser"] {
        assert_eq!(log.matches(why).count(), 1, "{log}");
    }
    node.host().link_down("eth0").expect("unplug");
    let fault = "INSTANCE alone FAULT 120".to_owned();
    eventually(&lab, &[&node], "hooks run", || node.hooks().last() == Some(&fault));
    node.stop();
    assert!(node.host().run(["test", "-p", PIPE]).expect("test").success(), "what others made stays");
}
