//! A site's own notifier in notifierd's place: both programs of examples/site-notifier, beside a real vrrp-core and a real
//! ipmgr and nothing else, across restarts of either side; and the systemd drop-in of docs/events.md.

#![allow(clippy::disallowed_methods, reason = "a program that ends by itself needs no supervision")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use handover_tests::node::{Node, RUNTIME_DIR, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Lab, Proc, Spec};

/// Whoever waits for `startup_script` to be over waits longer than any test.
const CONFIG: &str = "
global_defs { script_user root \n startup_script \"/usr/bin/touch /tmp/startup\" \n startup_script_timeout 1000 }
vrrp_sync_group pair { group { lan wan } }
vrrp_instance lan {
  version 3 \n interface eth0 \n virtual_router_id 5 \n priority 150 \n advert_int 0.5
  virtual_ipaddress { 192.168.1.100/32 }
}
vrrp_instance wan {
  version 3 \n interface eth0 \n virtual_router_id 6 \n priority 150 \n advert_int 0.5
  virtual_ipaddress { 192.168.1.101/32 }
}
";
const HOOK: &str = "/usr/local/bin/hook";
/// Says what it was told, and whether another one of the same object is at it.
const HOOK_TEXT: &str = r#"#!/bin/sh
exec 8>"/tmp/lock-$1-$2"
flock -n 8 || echo "two at once for $1 $2" >>/tmp/hooks
sleep 0.05
echo "$* $(jq -r '[.to, .sequence] | join(" ")') $HANDOVER_STATE $HANDOVER_SEQUENCE" >>/tmp/hooks
"#;

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/site-notifier").join(file)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A host with vrrp-core, ipmgr and the site's own notifier.
struct Site {
    lab: Lab,
    node: Node,
    program: String,
}

impl Site {
    fn new(program: &str) -> Self {
        let lab = start_lab();
        let node = Node::new(&lab, "a", &["192.168.1.11/24"], CONFIG);
        let host = node.host();
        let path = format!("/usr/local/bin/{program}");
        host.write_file(&path, &text(&example(program)), 0o755).expect("the notifier");
        host.write_file(HOOK, HOOK_TEXT, 0o755).expect("the hook");
        let _ = node.sh(&format!("mkdir -p {RUNTIME_DIR} /run/state /run/site"));
        Self { lab, node, program: path }
    }

    fn daemon(&self, name: &str) -> Proc {
        let program = on_host(name);
        let spec = Spec::new([&program, "--runtime-dir", RUNTIME_DIR, "--state-dir", "/run/state"]);
        self.node.host().spawn(spec).expect("a daemon")
    }

    /// As the leader of a group, so that it can be ended with its children, as systemd does.
    fn notifier(&self) -> Proc {
        let start = "echo $$ >/tmp/notifier; exec \"$@\"";
        let spec = Spec::new(["setsid", "sh", "-c", start, "-", &self.program, HOOK]);
        let spec = spec.variable("STATE_DIRECTORY", "/run/site").variable("HANDOVER_ALONE", "yes");
        self.node.host().spawn(spec).expect("the notifier")
    }

    fn kill_notifier(&self) {
        let _ = self.node.sh("kill -KILL -- -$(cat /tmp/notifier)");
    }

    fn handover(&self, arguments: &[&str]) {
        let program = on_host("handover");
        let arguments = [&[program.as_str()], arguments, &["--runtime-dir", RUNTIME_DIR]].concat();
        let output = self.node.host().run(arguments).expect("run handover");
        assert!(output.success(), "{}", output.stderr);
    }

    /// The states that an object's hook was run for, in order.
    fn told(&self, object: &str) -> Vec<String> {
        let log = self.node.host().read_file("/tmp/hooks").unwrap_or_default();
        let lines = log.lines().filter_map(|line| line.strip_prefix(object)?.strip_prefix(' '));
        lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    fn wait(&self, what: &str, condition: impl FnMut() -> bool) {
        eventually(&self.lab, &[&self.node], what, condition);
    }

    fn all_end_with(&self, what: &str, states: &[&str]) {
        for object in OBJECTS {
            self.wait(&format!("{object}: {what}"), || self.told(object).ends_with(&owned(states)));
        }
    }
}

const OBJECTS: [&str; 3] = ["INSTANCE lan", "INSTANCE wan", "GROUP pair"];

fn owned(states: &[&str]) -> Vec<String> {
    states.iter().map(|state| (*state).to_owned()).collect()
}

/// Order, resumption and restarts, for one of the two programs.
fn works(program: &str) {
    let site = Site::new(program);
    for tool in ["python3", "socat", "jq", "flock", "timeout"] {
        if site.node.sh(&format!("command -v {tool}")).is_empty() {
            eprintln!("SKIPPED: {tool} is not installed");
            assert!(std::env::var_os("CI").is_none(), "CI installs {tool}");
            return;
        }
    }
    let (_ipmgr, mut core) = (site.daemon("ipmgr"), site.daemon("vrrp-core"));
    // Elections begin when it is there, and not when `startup_script` might have ended.
    site.wait("somebody is waited for", || site.node.at("/instances/0/cause/code") == "startup-script");
    let mut notifier = site.notifier();
    site.all_end_with("from the beginning", &["BACKUP", "MASTER"]);
    assert_eq!(site.node.sh("ls /tmp/startup 2>/dev/null"), "", "startup_script isn't its to run");

    // vrrp-core dies and is back: whatever that leads to, nobody is told twice.
    site.node.kill("vrrp-core");
    assert!(core.wait(handover_tests::node::LIMIT).is_some());
    core = site.daemon("vrrp-core");
    site.wait("it is MASTER again", || {
        site.node.state() == "MASTER" && site.node.at("/instances/1/state") == "MASTER"
    });
    site.handover(&["drain", "lan", "--force"]);
    site.all_end_with("the notifier has found the new vrrp-core", &["MASTER", "FAULT"]);
    site.handover(&["undrain", "lan"]);
    site.all_end_with("back again", &["MASTER"]);

    // The notifier dies; when it is back it gets exactly what it missed, in order.
    site.kill_notifier();
    assert!(notifier.wait(handover_tests::node::LIMIT).is_some());
    site.handover(&["drain", "lan", "--force"]);
    site.wait("it is FAULT", || site.node.state() == "FAULT");
    site.handover(&["undrain", "lan"]);
    site.wait("it is MASTER", || {
        site.node.state() == "MASTER" && site.node.at("/groups/0/state") == "MASTER"
    });
    notifier = site.notifier();
    site.all_end_with("what was missed", &["MASTER", "FAULT", "BACKUP", "MASTER"]);

    // A stop is told before the notifier ends.
    core.kill(lab::Signal::TERM).expect("signal");
    assert!(core.wait(handover_tests::node::LIMIT).is_some());
    let _ = site.node.sh("kill -TERM $(cat /tmp/notifier)");
    assert!(notifier.wait(handover_tests::node::LIMIT).is_some());
    site.all_end_with("the end", &["MASTER", "STOP"]);

    for object in OBJECTS {
        let told = site.told(object);
        assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{object} was told twice: {told:?}");
    }
    let log = site.node.host().read_file("/tmp/hooks").expect("hooks ran");
    assert!(!log.contains("two at once"), "{log}");
    for line in log.lines() {
        // KIND NAME STATE PRIORITY, then what standard input says, then what the environment says.
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words.len() == 8 && words[2] == words[4] && words[4..6] == words[6..8], "{line}");
        assert_eq!(words[3], if words[0] == "GROUP" { "0" } else { "150" }, "{line}");
    }
}

#[test]
fn the_python_notifier_stands_in_for_notifierd() {
    works("notifier.py");
}

#[test]
fn the_shell_notifier_stands_in_for_notifierd() {
    works("notifier.sh");
}

#[test]
fn the_drop_in_of_the_page_is_the_one_that_systemd_accepts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace");
    let drop_in = text(&example("site-notifier.conf"));
    assert!(text(&root.join("docs/events.md")).contains(&drop_in), "docs/events.md shows another drop-in");

    let image = std::env::temp_dir().join(format!("handover-drop-in-{}", std::process::id()));
    let units = image.join("etc/systemd/system");
    fs::create_dir_all(units.join("notifierd.service.d")).expect("a directory");
    for entry in fs::read_dir(root.join("packaging/systemd")).expect("our units") {
        let path = entry.expect("a unit").path();
        if path.is_file() {
            fs::copy(&path, units.join(path.file_name().expect("a name"))).expect("copy a unit");
        }
    }
    // What every unit needs, and the programs that ours name.
    for unit in ["sysinit.target", "basic.target", "shutdown.target"] {
        fs::write(units.join(unit), "[Unit]\nDescription=there\n").expect("a unit");
    }
    for program in ["usr/sbin/handover", "usr/sbin/vrrp-core", "usr/local/lib/handover/notifier.py"] {
        let path = image.join(program);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, "#!/bin/sh\n").expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    fs::write(units.join("notifierd.service.d/site-notifier.conf"), &drop_in).expect("the drop-in");
    let verified = Command::new("systemd-analyze")
        .arg(format!("--root={}", image.display()))
        .args(["--man=no", "verify", "notifierd.service"])
        .output();
    let _ = fs::remove_dir_all(&image);
    match verified {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
        Err(error) => {
            eprintln!("SKIPPED: systemd-analyze can't be run: {error}");
            assert!(std::env::var_os("CI").is_none(), "CI has systemd-analyze");
        }
    }
}
