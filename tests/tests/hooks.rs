//! Hooks and lines of named pipes besides the plain states: the same file for keepalived and for us, and what each runs
//! and writes. What it promises is in docs/hooks.md.

use std::collections::BTreeSet;

use handover_tests::keepalived::{self, Keepalived};
use handover_tests::node::{HOOK, LIMIT, Node, RUNTIME_DIR, eventually, hook_log, install_hook, start_lab};
use handover_tests::programs::on_host;
use lab::{Host, Lab};

const READER: &str = "/usr/local/bin/reader";
const LINES: &str = "/tmp/lines";
const WEIGHT: &str = "/tmp/weight";

/// Two instances, one of which a reload will remove; routers with another `first` are none of its peers.
fn config(first: u8, priority: u8, has_second: bool) -> String {
    let instance = |name: &str, vrid: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n priority {priority}\n virtual_ipaddress {{\n 192.168.1.{vrid}/24\n }}\n notify \"{HOOK} any\"\n{more}}}\n"
        )
    };
    let global = format!(
        "global_defs {{\n script_user root\n notify_fifo /tmp/transitions\n notify_fifo_script \"{READER} {LINES}\"\n vrrp_notify_priority_changes on\n}}\ntrack_file weight {{\n file {WEIGHT}\n weight 1\n}}\n"
    );
    let stays =
        format!(" notify_master_rx_lower_pri \"{HOOK} 'a lower one'\" root\n track_file {{\n weight\n }}\n");
    let goes = format!(" notify_stop \"{HOOK} stopped\"\n notify_deleted \"{HOOK} deleted\"\n");
    let second = if has_second { instance("goes", first + 1, &goes) } else { String::new() };
    global + &instance("stays", first, &stays) + &second
}

/// A router of lower priority that hears no adverts: master beside the others for as long as it runs.
fn deaf(lab: &Lab) -> Node {
    let instance = |name: &str, vrid: u8| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n priority 50\n virtual_ipaddress {{\n 192.168.1.{vrid}/24\n }}\n}}\n"
        )
    };
    let node = Node::new(lab, "deaf", &["192.168.1.13/24"], &(instance("a", 110) + &instance("b", 120)));
    let rules = "table ip deaf { chain in { type filter hook input priority 0; ip protocol 112 drop; }; }";
    let deafened = node.host().run(["nft", rules]).expect("nft");
    assert!(deafened.success(), "{}", deafened.stderr);
    node
}

fn prepare(host: &Host) {
    install_hook(host);
    let reader = "#!/bin/sh\nwhile read -r line; do echo \"$line\" >> \"$1\"; done < \"$2\"\n";
    host.write_file(READER, reader, 0o755).expect("write the reader");
    host.write_file(WEIGHT, "0\n", 0o644).expect("write the weight");
}

/// Each line that was written, once: how often a lower master is told differs, and keepalived's hooks have no order.
fn lines(host: &Host) -> BTreeSet<String> {
    host.read_file(LINES).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn hooks(host: &Host) -> BTreeSet<String> {
    hook_log(host).into_iter().collect()
}

#[test]
fn a_lower_master_a_removal_and_a_priority_are_told_as_keepalived_tells_them() {
    if !keepalived::is_installed() {
        return;
    }
    let lab = start_lab();
    let theirs = Keepalived::new(&lab, "theirs", &["192.168.1.11/24"], &config(110, 100, true));
    let ours = Node::new(&lab, "ours", &["192.168.1.12/24"], &config(120, 100, true));
    let deaf = deaf(&lab);
    [theirs.host(), ours.host()].into_iter().for_each(prepare);
    let both = |what: &str, is_so: &dyn Fn(&Host) -> bool| {
        let story =
            || format!("{what}: {:?} {:?}\n{}", hooks(theirs.host()), lines(theirs.host()), theirs.story());
        assert!(lab.wait_for(LIMIT, || is_so(theirs.host())), "{}", story());
        eventually(&lab, &[&ours, &deaf], what, || is_so(ours.host()));
    };
    theirs.start();
    ours.start();
    both("masters", &|host| {
        let lines = lines(host);
        ["stays", "goes"].iter().all(|name| lines.contains(&format!("INSTANCE \"{name}\" MASTER 100")))
    });
    deaf.start();
    both("a lower master", &|host| {
        hooks(host).contains("a lower one")
            && lines(host).contains("INSTANCE \"stays\" MASTER_RX_LOWER_PRI 100")
    });
    deaf.stop();

    theirs.reload(&config(110, 100, false));
    ours.configure(&config(120, 100, false));
    let reload = [&on_host("handover"), "reload", "--runtime-dir", RUNTIME_DIR];
    let reloaded = ours.host().run(reload).expect("run handover reload");
    assert!(reloaded.success(), "{}{}", reloaded.stdout, reloaded.stderr);
    both("a removal", &|host| {
        let told = ["deleted", "any INSTANCE goes DELETED 100"].iter().all(|it| hooks(host).contains(*it));
        told && lines(host).contains("INSTANCE \"goes\" DELETED 100")
    });
    for host in [theirs.host(), ours.host()] {
        host.write_file(WEIGHT, "7\n", 0o644).expect("write the weight");
    }
    both("another priority", &|host| lines(host).contains("INSTANCE \"stays\" MASTER_PRIORITY 107"));
    assert_eq!(hooks(ours.host()), hooks(theirs.host()), "{}", theirs.story());
    let of_first =
        |host: &Host| lines(host).into_iter().filter(|line| line.contains("stays")).collect::<Vec<_>>();
    assert_eq!(of_first(ours.host()), of_first(theirs.host()), "{}", theirs.story());
    assert!(!hook_log(ours.host()).contains(&"stopped".to_owned()), "`notify_deleted` takes the place of it");
    // The state's own hook comes first, and a lower master isn't told to the general one.
    let log = hook_log(ours.host());
    let at = |line: &str| log.iter().position(|it| it == line);
    assert!(at("deleted") < at("any INSTANCE goes DELETED 100"), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("LOWER")), "{log:?}");
    ours.stop();
}
