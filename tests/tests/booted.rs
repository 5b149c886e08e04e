//! Machines that boot systemd, with the package installed: what an administrator does to them, and what must not happen.
//!
//! E3, L1: restarts, crashes and upgrades on a master move nothing.

use handover_tests::capabilities;
use handover_tests::machine::{Machine, UNITS, eventually, is_possible};
use handover_tests::mail_server::{self, MailServer};
use handover_tests::node::start_lab;
use handover_tests::package::{self, Package};
use lab::{Lab, Proc};

const VIP: &str = "192.168.1.100";
/// Starts a service that isn't closed off from what started it.
const SERVES: &str = "/usr/local/bin/serves";
/// Remembers starts, and ends at its leisure: until then notifierd is stopping.
const ENDS: &str = "/usr/local/bin/ends";

fn config(priority: u8) -> String {
    format!(
        "global_defs {{
  notification_email {{ ops@example.com }}
  smtp_server mail.example.org {port}
  smtp_alert
  startup_script \"{ENDS} up\"
  shutdown_script \"{ENDS} down\"
}}
vrrp_script chk {{ script \"/bin/true\" \n interval 1 }}
vrrp_instance api_vip {{
  interface eth0
  virtual_router_id 5
  priority {priority}
  virtual_ipaddress {{ {VIP}/24 }}
  track_script {{ chk }}
  notify_master {SERVES}
}}
",
        port = mail_server::PORT
    )
}

/// Installs the package, and configures and enables everything.
fn install(machine: &Machine, package: &Package, priority: u8) {
    machine.write("/etc/hosts", &format!("{} mail.example.org\n", mail_server::ADDRESS), 0o644);
    let _ = machine.must(&format!("dpkg -i {}", Machine::path_of(package)));
    machine.write("/etc/handover/handover.conf", &config(priority), 0o640);
    machine.write(
        SERVES,
        "#!/bin/sh\n(while echo I serve; do sleep 0.2; done) &\necho $! >> /tmp/served\n",
        0o755,
    );
    machine.write(ENDS, "#!/bin/sh\n[ $1 = up ] || sleep 2\necho $1 >> /tmp/ends\n", 0o755);
    let _ =
        machine.must("chgrp _handover /etc/handover/handover.conf && systemctl enable --now handover.target");
}

/// Two machines; the first is MASTER and the second has heard it.
fn pair(lab: &Lab, package: &Package) -> (Machine, Machine) {
    let a = Machine::boot(lab, "a", &["192.168.1.11/24"]);
    let b = Machine::boot(lab, "b", &["192.168.1.12/24"]);
    a.wait_until_up(lab);
    b.wait_until_up(lab);
    install(&a, package, 150);
    eventually(lab, &[&a], "a is MASTER", || a.state() == "MASTER" && a.holds(VIP));
    install(&b, package, 100);
    let heard = || b.state() == "BACKUP" && b.at("/instances/0/master/address") == "192.168.1.11";
    eventually(lab, &[&a, &b], "b is BACKUP and has heard a", heard);
    (a, b)
}

fn nothing_moved(lab: &Lab, (a, b): (&Machine, &Machine), removed: &Proc, after: &str) {
    eventually(lab, &[a, b], &format!("after {after} a is MASTER with everything connected"), || {
        a.state() == "MASTER" && a.holds(VIP) && a.at("/processes/ipmgr/running") == "true" && all_run(a)
    });
    let gone = removed.lines().iter().any(|line| line.text.contains("Deleted") && line.text.contains(VIP));
    assert!(!gone, "after {after} a lost the address\n{}", a.story());
    let entered = b.sh("journalctl -b -u vrrp-core --no-pager | grep -c 'Entering MASTER'");
    assert_eq!(entered.trim(), "0", "after {after} b took over\n{}{}", a.story(), b.story());
    assert_eq!(
        a.sh("wc -l < /tmp/served").trim(),
        "1",
        "after {after} the hook was run again\n{}",
        a.story()
    );
    // It would be over with its next line.
    let serves = a.sh("sleep 0.5; test -d /proc/$(cat /tmp/served) && echo yes");
    assert_eq!(serves.trim(), "yes", "after {after} what the hook had started was ended\n{}", a.story());
}

fn all_run(machine: &Machine) -> bool {
    UNITS.iter().all(|unit| machine.unit(unit, "ActiveState") == "active")
}

/// Every run of `startup_script` and `shutdown_script` so far.
fn ends(machine: &Machine) -> String {
    machine.sh("cat /tmp/ends").replace('\n', " ")
}

#[test]
fn restarts_crashes_and_an_upgrade_on_the_master_move_nothing() {
    if !is_possible() {
        return;
    }
    let (Some(first), Some(second)) = (package::build("1.0.0"), package::build("1.0.1")) else { return };
    let lab = start_lab();
    let mails = mail_server::is_installed().then(|| MailServer::new(&lab));
    let listening = mails.as_ref().map(MailServer::start);
    let (a, b) = pair(&lab, &first);
    let both = (&a, &b);
    let removed = a.watch_addresses(&lab);
    each_has_its_rights(&a);
    the_history_is_for_members(&a);
    if let Some(mails) = &mails {
        states_are_mailed(&lab, &a, mails);
    }
    drop(listening);
    for unit in UNITS {
        let _ = a.must(&format!("systemctl restart {unit}"));
        nothing_moved(&lab, both, &removed, &format!("systemctl restart {unit}"));
    }
    let together = [
        "handover.target",
        "ipmgr vrrp-core",
        "vrrp-core ipmgr",
        "checkerd ipmgr notifierd vrrp-core",
        "ipmgr vrrp-core checkerd notifierd",
    ];
    for units in together {
        let (before, restart) = (a.main_pids(), format!("systemctl restart {units}"));
        let _ = a.must(&restart);
        eventually(&lab, &[&a], "both were restarted", || {
            a.main_pids().iter().zip(&before).take(2).all(|(now, before)| now != before && now != "0")
        });
        nothing_moved(&lab, both, &removed, &restart);
    }
    for unit in UNITS {
        let before = a.unit(unit, "MainPID");
        let _ = a.must(&format!("kill -KILL {before}"));
        eventually(&lab, &[&a], &format!("{unit} was started again"), || {
            let now = a.unit(unit, "MainPID");
            now != before && now != "0"
        });
        nothing_moved(&lab, both, &removed, &format!("kill -9 of {unit}"));
    }
    let before = a.main_pids();
    let upgrade = format!("dpkg -i {} 2>&1", Machine::path_of(&second));
    let _ = a.must("sed -i.good 's/virtual_router_id 5/virtual_router_id five/' /etc/handover/handover.conf");
    let told = a.must(&upgrade);
    assert!(told.contains("what runs is the version of before"), "{told}");
    assert_eq!(a.main_pids(), before, "restarted with a file that isn't valid\n{told}");
    nothing_moved(&lab, both, &removed, "an upgrade while the file is not valid");
    let _ = a.must("mv /etc/handover/handover.conf.good /etc/handover/handover.conf");
    let _ = a.must(&upgrade);
    eventually(&lab, &[&a], "all were restarted by the upgrade", || {
        a.main_pids().iter().zip(&before).all(|(now, before)| now != before && now != "0")
    });
    nothing_moved(&lab, both, &removed, "an upgrade");
    let _ = a.must("handover reload && systemctl reload vrrp-core");
    nothing_moved(&lab, both, &removed, "a reload");
    assert_eq!(ends(&a), "up ", "none of that was a start\n{}", a.story());
    // And what is to move moves: a stop, a start, and the power.
    let _ = a.must("systemctl stop handover.target");
    eventually(&lab, &[&a, &b], "b takes over from who said goodbye", || {
        b.state() == "MASTER" && b.holds(VIP) && !a.holds(VIP)
    });
    eventually(&lab, &[&a], "everything has stopped", || {
        UNITS.iter().all(|unit| a.unit(unit, "ActiveState") == "inactive")
    });
    assert_eq!(ends(&a), "up down ", "{}", a.story());
    let _ = a.must("systemctl start handover.target");
    eventually(&lab, &[&a, &b], "a is back", || a.state() == "MASTER" && a.holds(VIP) && !b.holds(VIP));
    assert_eq!(ends(&a), "up down up ", "{}", a.story());
    a.host().link_down("eth0").expect("pull the cable");
    a.host().kill_all().expect("pull the plug");
    eventually(&lab, &[&b], "b takes over from the dead", || b.state() == "MASTER" && b.holds(VIP));
    an_uninstall_leaves_nothing(&lab, &b);
}

/// As ARCHITECTURE.md's table and the units say: from /proc of what runs.
fn each_has_its_rights(machine: &Machine) {
    let rights = [("ipmgr", 0x3000_u64), ("vrrp-core", 0), ("checkerd", 0xe0), ("notifierd", 0xe0)];
    // Root of a container may have no say over limits.
    let lockable = machine.output("ulimit -l unlimited").success();
    if !lockable {
        eprintln!("SKIPPED in part: without CAP_SYS_RESOURCE nobody can let an ordinary user lock memory");
    }
    for (unit, expected) in rights {
        let pid = machine.unit(unit, "MainPID");
        let status = machine.must(&format!("cat /proc/{pid}/status"));
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
            line.split_whitespace().nth(1).unwrap_or_default().to_owned()
        };
        for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
            let bits = u64::from_str_radix(&field(set), 16).expect("hexadecimal");
            assert_eq!(bits, expected, "{unit}: {set}");
        }
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()), "{unit}");
        let user = machine.must(&format!("ps -o user:32= -p {pid}"));
        let row = capabilities::row("its unit", unit, user.trim(), &status);
        assert!(capabilities::documents(&row), "docs/threat-model.md lacks this row, as measured:\n{row}");
        assert_eq!(field("VmLck:") != "0", lockable && unit == "vrrp-core", "{unit}: locked memory");
    }
    let network =
        |unit: &str| machine.must(&format!("readlink /proc/{}/ns/net", machine.unit(unit, "MainPID")));
    assert_ne!(network("vrrp-core"), network("ipmgr"), "vrrp-core has a network of its own");
    // Settings of virtual MACs; the host's other settings are out of reach.
    let inside = format!("nsenter -t {} -m", machine.unit("ipmgr", "MainPID"));
    let _ = machine.must(&format!("{inside} test -w /proc/sys/net/ipv4/conf/all/arp_ignore"));
    assert!(
        !machine.output(&format!("{inside} test -w /proc/sys/kernel/hostname")).success(),
        "ipmgr may set sysctls"
    );
    let policy = machine.must(&format!("chrt -p {}", machine.unit("vrrp-core", "MainPID")));
    assert!(policy.contains("SCHED_RR") && policy.contains("priority: 10"), "{policy}");
}

/// docs/history.md: what hooks say isn't for everybody.
fn the_history_is_for_members(machine: &Machine) {
    let about = machine.must("stat -c '%U %G %a' /var/lib/handover/history.jsonl");
    assert_eq!(about.trim(), "_handover-notify _handover 640");
    let member = "setpriv --reuid nobody --regid _handover --clear-groups";
    for directory in ["/run/handover", "/var/lib/handover"] {
        assert_eq!(
            machine.must(&format!("stat -c '%U %G %a' {directory}")).trim(),
            "root _handover-daemons 1775"
        );
        let taken = machine.output(&format!("{member} touch {directory}/a-place-of-somebody-else"));
        assert!(!taken.success(), "a member may write in {directory}");
    }
    let told = machine.must(&format!("{member} handover history"));
    assert!(told.contains("-> MASTER"), "{told}");
    let stranger = machine.sh("setpriv --reuid nobody --regid nogroup --clear-groups handover history 2>&1");
    assert!(stranger.contains("root and members of its group may (_handover)"), "{stranger}");
}

/// From within the unit's confinement, to a server that has to be looked up.
fn states_are_mailed(lab: &Lab, machine: &Machine, mails: &MailServer) {
    eventually(lab, &[machine], "both states of a are mailed", || machine.at("/mail/sent") == "2");
    assert_eq!((machine.at("/mail/waiting"), machine.at("/mail/trouble")), ("0".to_owned(), String::new()));
    let subjects = mails.subjects("handover@a");
    let expected =
        ["BACKUP", "MASTER"].map(|state| format!("[a] VRRP Instance api_vip - Entering {state} state"));
    assert_eq!(subjects, expected);
}

fn an_uninstall_leaves_nothing(lab: &Lab, machine: &Machine) {
    let _ = machine.must("dpkg --purge handover");
    eventually(lab, &[machine], "the address is gone", || !machine.holds(VIP));
    let left = machine.remains() + &machine.sh("getent passwd | grep handover; getent group | grep handover");
    assert_eq!(left, "", "left behind");
}

/// docs/systemd.md, "One unit alone".
#[test]
fn each_unit_is_useful_alone() {
    if !is_possible() {
        return;
    }
    let Some(package) = package::build("1.0.2") else { return };
    let lab = start_lab();
    let machine = Machine::boot(&lab, "alone", &["192.168.1.13/24"]);
    machine.wait_until_up(&lab);
    let _ = machine.must(&format!("dpkg -i {}", Machine::path_of(&package)));
    // What the package brings says nothing yet, and that is said; a restart would not help.
    let said = machine.output(
        "systemctl start vrrp-core; systemctl is-failed vrrp-core; journalctl -b -u vrrp-core --no-pager",
    );
    assert!(said.stdout.contains("there is nothing in this file"), "{}", said.stdout);
    assert_eq!(machine.unit("vrrp-core", "NRestarts"), "0");
    machine.write("/etc/handover/handover.conf", &config(100), 0o640);
    let _ = machine
        .must("chgrp _handover /etc/handover/handover.conf; systemctl stop ipmgr; systemctl reset-failed");

    let _ = machine.must("systemctl start checkerd");
    eventually(&lab, &[&machine], "checkerd tells verdicts", || {
        machine.sh("checkerd watch --once").contains("up")
    });
    assert_eq!(running(&machine), ["checkerd"]);
    // Root's rights would hide what the service's user may not.
    let told = machine.must("checkerd run chk");
    assert!(told.contains(", as _handover-check"), "{told}");
    let inside = "vrrp_script inside { script \"/bin/sh -c 'test ! -w /usr/bin && grep -q NoNewPrivs:.1 /proc/self/status \
                  && grep -q CapBnd:.00000000000000e0 /proc/self/status'\" \n user root \n }\n";
    machine.write("/tmp/inside.conf", inside, 0o644);
    let told = machine.must("checkerd run inside -f /tmp/inside.conf");
    assert!(told.contains("runs it: its files, its rights"), "{told}");
    machine.write("/tmp/asks.conf", "vrrp_script asks { script \"/usr/bin/killall -0 systemd\" }\n", 0o644);
    let told = machine.sh("handover check --host /tmp/asks.conf 2>&1");
    assert!(told.contains("asks would run `killall` as _handover-check"), "{told}");
    let _ = machine.must("systemctl stop checkerd && systemctl start notifierd");
    let told = machine.sh("checkerd run inside -f /tmp/inside.conf; echo status $?");
    assert!(told.contains("status 1"), "nobody's place is taken: {told}");
    assert_eq!(running(&machine), ["notifierd"]);
    let _ = machine.must("systemctl stop notifierd && systemctl start ipmgr");
    assert_eq!(running(&machine), ["ipmgr"]);
    let _ =
        machine.must("systemctl stop ipmgr && systemctl mask --runtime ipmgr && systemctl start vrrp-core");
    eventually(&lab, &[&machine], "vrrp-core says what it lacks", || {
        machine.state() == "INIT" && machine.at("/processes/ipmgr/trouble").contains("ipmgr.sock")
    });
    assert!(machine.sh("handover status").contains("not eligible: waiting for ipmgr"));
    let _ = machine
        .must("systemctl unmask --runtime ipmgr && systemctl restart vrrp-core && systemctl start checkerd");
    eventually(&lab, &[&machine], "vrrp-core has brought ipmgr along", || {
        machine.state() == "MASTER" && machine.holds(VIP)
    });
    a_loop_that_hangs_is_started_again(&lab, &machine);
}

fn running(machine: &Machine) -> Vec<&'static str> {
    UNITS.into_iter().filter(|unit| machine.unit(unit, "ActiveState") == "active").collect()
}

/// `WatchdogSec=`, shortened for a test that has no patience.
fn a_loop_that_hangs_is_started_again(lab: &Lab, machine: &Machine) {
    machine.write("/run/systemd/system/checkerd.service.d/soon.conf", "[Service]\nWatchdogSec=2s", 0o644);
    let _ = machine.must("systemctl daemon-reload && systemctl restart checkerd");
    let before = machine.unit("checkerd", "MainPID");
    let _ = machine.must("systemctl kill -s STOP checkerd");
    eventually(lab, &[machine], "the watchdog bites", || {
        let now = machine.unit("checkerd", "MainPID");
        now != before && now != "0" && machine.unit("checkerd", "ActiveState") == "active"
    });
    assert!(machine.sh("journalctl -b --no-pager").contains("checkerd.service: Watchdog timeout"));
}
