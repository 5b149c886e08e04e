//! `systemd_unit` on a machine that boots systemd: checkerd, as nobody, sees a unit start, fail and stop, and the bus go and
//! come back.

use handover_tests::machine::{Machine, eventually, is_possible};
use handover_tests::node::start_lab;

/// Runs checkerd as its page shows it (docs/checkerd.md), by a user without any right.
const START: &str = "install -m 755 /opt/programs/checkerd /usr/local/sbin/checkerd
systemd-run --quiet --unit=checks -p User=nobody -p RuntimeDirectory=checks \
    /usr/local/sbin/checkerd -f /etc/checks.conf --runtime-dir /run/checks";

const WEB: &str = "[Service]\nExecStart=/bin/sh -c 'test ! -e /run/broken && exec sleep infinity'\n";

fn check(name: &str, unit: &str) -> String {
    format!("vrrp_script {name} {{\n  systemd_unit {unit}\n  interval 0.3\n}}\n")
}

#[test]
fn a_unit_is_what_systemd_says_of_it() {
    if !is_possible() {
        return;
    }
    let lab = start_lab();
    let machine = Machine::boot(&lab, "a", &["192.168.1.11/24"]);
    machine.wait_until_up(&lab);
    machine.write("/etc/systemd/system/web.service", WEB, 0o644);
    let config = check("web", "web") + &check("bus", "dbus.socket") + &check("none", "no-such@1.timer");
    machine.write("/etc/checks.conf", &config, 0o644);
    let _ = machine.must(START);
    // The rest of the line of the table.
    let shows = |name: &str, verdict: &str, outcome: &str| {
        let table = machine.sh("checkerd watch --once --runtime-dir /run/checks");
        let line = table.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default();
        line.split_whitespace().nth(1) == Some(verdict) && line.contains(outcome)
    };
    eventually(&lab, &[&machine], "it doesn't run yet", || {
        shows("web", "down", "web.service is inactive (dead)")
            && shows("bus", "up", "passed")
            && shows("none", "down", "there is no unit no-such@1.timer")
    });
    let _ = machine.must("systemctl start web");
    eventually(&lab, &[&machine], "it runs", || shows("web", "up", "passed"));
    let _ = machine.must("touch /run/broken; systemctl kill -s KILL web");
    eventually(&lab, &[&machine], "it was killed", || shows("web", "down", "web.service has failed: signal"));
    let _ = machine.sh("systemctl restart web");
    eventually(&lab, &[&machine], "it ends with a status", || {
        shows("web", "down", "web.service has failed: exit-code")
    });
    let once = machine.output("checkerd run web -f /etc/checks.conf");
    assert!(!once.success() && once.stdout.contains("web.service has failed: exit-code"), "{}", once.stdout);

    let _ = machine.must("rm /run/broken; systemctl restart web; systemctl stop dbus.socket dbus.service");
    eventually(&lab, &[&machine], "nobody can be asked, and the check says so", || {
        shows("web", "unrunnable", "ask systemd on the system bus")
    });
    let _ = machine.must("systemctl start dbus.socket dbus.service");
    eventually(&lab, &[&machine], "the bus is back, and so is the unit", || shows("web", "up", "passed"));
}
