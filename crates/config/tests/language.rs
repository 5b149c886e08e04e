//! What lines become before they are read: definitions, conditionals, sequences and includes.
//!
//! What is expected here was found by running keepalived 2.2.7 with the same text, unless a test says otherwise.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use handover_config as config;
use handover_config::{ConfigId, Instance, Loaded};
use model::{Credential, Secret};
use rustix::fs::{FileType, Mode};

use support::{check_all, instance, said, with};

/// The first instance, as the host `vm` understands it.
fn on_vm(text: &str) -> Instance {
    let Loaded { config, report, .. } = config::parse_as("t.conf", text, &ConfigId::new("vm"));
    assert!(config.is_some(), "{}", report.render(false));
    config.unwrap().instances.remove(0)
}

fn addresses(lines: &str) -> Vec<String> {
    let instance = on_vm(&with(&format!("virtual_ipaddress {{\n{lines}\n}}")));
    instance.addresses.iter().skip(1).map(|it| it.address.to_string()).collect()
}

fn priority(text: &str) -> u8 {
    on_vm(text).priority.0
}

#[test]
fn definitions_stand_for_their_values() {
    for (lines, expected) in [
        ("$P=33\n priority $P", 33),
        ("  $P=  33  \n priority ${P}", 33),
        ("$P=1\n$Q=${P}0\n$P=2\n priority $Q", 20),
        // A value may use what is defined later, as long as that is before its own use.
        ("$Q=$LATE\n$LATE=77\n priority $Q", 77),
        ("$WORD=priority\n $WORD 5", 5),
        ("$LINE=priority 44\n $LINE", 44),
        ("$A=4\n priority ${A}${A}", 44),
        ("$EMPTY=\n priority 1${EMPTY}2", 12),
        ("$P=12 # a comment\n priority $P", 12),
        ("$A=priority 3\n$A\n$A=priority 3", 3),
    ] {
        assert_eq!(priority(&with(lines)), expected, "{lines}");
    }
}

#[test]
fn a_definition_may_have_several_lines() {
    let text =
        "$VIPS= \\\n 10.0.0.7 \\\n # skipped \\\n 10.0.0.8 # this too\n$BODY=priority 8 \\\n  advert_int 4\n";
    let instance = on_vm(&format!("{text}{}", with("$BODY\nvirtual_ipaddress {\n $VIPS\n}")));
    assert_eq!((instance.priority.0, instance.advert_interval.as_secs()), (8, 4));
    let addresses: Vec<_> = instance.addresses.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(addresses, ["10.0.0.1", "10.0.0.7", "10.0.0.8"]);
    // An empty line ends it.
    assert_eq!(priority(&format!("$P= \\\n priority 9 \\\n\n{}", with("$P"))), 9);
}

#[test]
fn words_and_commands_are_filled_in() {
    let instance = on_vm(&with(
        "$IF=eth0\n$N=7\n$MID= ab cd\n notify \"/bin/x $HOME ${_INSTANCE} $IF) $IF ${MID} '${N}'\"\n \
         authentication {\n auth_type PASS\n auth_pass \"K${_HASH}${N}\"\n}",
    ));
    let command = instance.hooks.any.unwrap().command;
    assert_eq!(command.arguments, ["$HOME", "vm", "eth0)", "eth0", "ab", "cd", "7"]);
    assert_eq!(instance.credential, Some(Credential::Password(Secret::of(b"K#7"))));
}

#[test]
fn names_that_stand_for_nothing_are_told() {
    check_all(
        &[
            ("priority $NONE", &["error undefined-name", "error bad-value"]),
            ("interface ${NONE}", &["warning given-twice", "error undefined-name"]),
            ("priority $LATE\n$LATE=3", &["error undefined-name", "error bad-value"]),
            // A shell may know it.
            ("notify \"/bin/sh -c 'echo $HOME ${NONE}'\"", &[]),
            ("$N=3\n notify \"/x 'a$N'\"", &["warning glued-name"]),
            ("$B = 3", &["error bad-definition"]),
            ("$B=${B}\n notify \"/x $B y\"", &["error definition-loop"]),
            ("$A=${B}\n$B=${A}\n notify \"/x $A y\"", &["error definition-loop"]),
            ("authentication {\n auth_type PASS\n auth_pass K${_HASH}x\n}", &["error escaped-comment"]),
            ("notify \"/x ${_RANDOM 5 3}\"", &["error bad-definition"]),
            ("notify \"/x ${_ENV HANDOVER_NO_SUCH}\"", &["error undefined-name"]),
        ],
        with,
    );
    let text = with("$PRIO=3\n priority $PRI0");
    assert!(config::parse("t", text).report.render(false).contains("did you mean `PRIO`?"));
}

#[test]
fn conditional_lines_are_for_some_hosts() {
    let text =
        with("@vm priority 50\n @^vm priority 60\n @other priority 70\n @vm\n @vm @^other advert_int 2");
    assert_eq!((priority(&text), on_vm(&text).advert_interval.as_secs()), (50, 2));
    let other = config::parse_as("t", &text, &ConfigId::new("other"));
    let given: Vec<_> = other.report.diagnostics().iter().map(|d| d.code).collect();
    assert_eq!(given, ["untracked-check", "given-twice"]);
    assert_eq!(priority(&with("@other $P=1 \\\n 2\n @vm $P=3\n priority $P")), 3);
    assert_eq!(said(&with("@ priority 3")), ["error bad-condition"]);
    // Two hosts that understand a text differently know that they do.
    let print = |text: &str, id| config::parse_as("t", text, &ConfigId::new(id)).fingerprint;
    assert_ne!(print(&text, "vm"), print(&text, "other"));
    assert_eq!(print(&with(""), "vm"), print(&with(""), "other"));
}

#[test]
fn sequences_repeat_the_rest_of_the_line() {
    for (line, expected) in [
        ("~SEQ(I, 2) 10.0.1.${I}", "10.0.1.1 10.0.1.2"),
        ("~SEQ( I , 2 , 3 )10.0.1.$I", "10.0.1.2 10.0.1.3"),
        ("~SEQ(I, 5, 3) 10.0.1.$I", "10.0.1.5 10.0.1.4 10.0.1.3"),
        ("~SEQ(I, 5, -2, 1) 10.0.1.$I", "10.0.1.5 10.0.1.3 10.0.1.1"),
        ("~SEQ(I, 1, 2, 4) 10.0.1.$I", "10.0.1.1 10.0.1.3"),
        ("~SEQ(I, 2, 3) ~SEQ(J, 1, 2) 10.1.${I}.${J}", "10.1.2.1 10.1.2.2 10.1.3.1 10.1.3.2"),
        ("~SEQ(I, 2) ~SEQ(J, ${I}, 2) 10.8.${I}.${J}", "10.8.1.1 10.8.1.2 10.8.2.2"),
        ("~LST(A, 1, 7) 10.2.0.$A", "10.2.0.1 10.2.0.7"),
        ("~LST({A,B}, {1,2} ,{3,4}) 10.3.${A}.${B}", "10.3.1.2 10.3.3.4"),
        ("~LST({A,B}, {1}, {3,4}) 10.7.1${A}.1${B}", "10.7.11.1 10.7.13.14"),
        ("$N=2\n ~SEQ(I, ${N}) 10.9.0.$I", "10.9.0.1 10.9.0.2"),
        ("$N=9\n ~SEQ(N, 2) 10.9.0.$N", "10.9.0.1 10.9.0.2"),
        ("~SEQ(I, 2) @vm 10.0.1.$I\n ~SEQ(I, 2) @^vm 10.0.2.$I", "10.0.1.1 10.0.1.2"),
        ("@vm ~SEQ(I, 1) 10.0.1.$I", "10.0.1.1"),
    ] {
        assert_eq!(addresses(line).join(" "), expected, "{line}");
    }
    let text = with("").replace("10.0.0.1", "fe80::1\n ~SEQx(K, 9, 11) 2001:db8::$K");
    let last = instance(&text).addresses.last().map(|it| it.address.to_string());
    assert_eq!(last.as_deref(), Some("2001:db8::b"));
}

#[test]
fn sequences_that_are_none_are_told() {
    for line in [
        "~SEQ(A, a) x",
        "~SEQ(A) x",
        "~SEQ(A, 1, 0, 5) x",
        "~SEQ(A, 1, -1, 5) x",
        "~SEQ(A, 3 x",
        "~SEQ(-, 3) x",
        "~SEQ(A, 1000000000) x",
        "~SEQ(A, -9223372036854775808, 9223372036854775807) x",
        "~LST(A, x y, z) x",
        "~LST({A,B}, x) x",
        "~LST(A, {x}) x",
        "~LST({A,B}, {x,y,z}) x",
    ] {
        assert_eq!(said(&with(line)), ["error bad-sequence"], "{line}");
    }
}

#[test]
fn what_a_file_may_demand_is_bounded() {
    // Definitions that double each other, of text and of nothing.
    for value in ["xxxxxxxxxxxxxxxx", ""] {
        let mut text = format!("$A0={value}\n");
        for n in 0..60 {
            text.push_str(&format!("$A{}=${{A{n}}}${{A{n}}}\n", n + 1));
        }
        assert!(
            said(&with(&format!("{text} notify \"/x ${{A60}}\""))).contains(&"error too-much".to_owned())
        );
    }
    let nested = "~SEQ(A, 90000) ~SEQ(B, 90000) ~SEQ(C, 90000) x";
    assert!(said(&with(nested)).contains(&"error too-much".to_owned()));
}

/// What follows a brace is a line of its own.
#[test]
fn braces_begin_lines() {
    let text = "vrrp_instance v { @other priority 5\n@vm interface eth0\n virtual_router_id 9\n \
                virtual_ipaddress { ~SEQ(I,2) 10.0.2.$I\n } @vm priority 6\n $N=7\n \
                notify \"/x ${N} }{\" } vrrp_script s${N}x { script \"/x\" }\n";
    let instance = on_vm(text);
    assert_eq!((instance.priority.0, instance.addresses.len()), (6, 2));
    assert_eq!(
        instance.hooks.any.map(|hook| hook.command.arguments),
        Some(vec!["7".to_owned(), "}{".to_owned()])
    );
    let checks = config::parse_as("t", text, &ConfigId::new("vm")).config.unwrap().checks;
    assert_eq!(checks[0].name.as_str(), "s7x");
}

/// A directory of files, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("handover-config-{}-{name}", std::process::id()));
        let folder = Self(path);
        fs::create_dir_all(&folder.0).unwrap();
        for (name, text) in files {
            fs::create_dir_all(folder.path(name).parent().unwrap()).unwrap();
            fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `SEVERITY code` of everything that is said of `main.conf`, and its meaning.
    fn load(&self) -> (Vec<String>, Loaded) {
        let loaded = config::load(&self.path("main.conf"));
        let told = loaded.report.diagnostics().iter().filter(|d| d.code != "untracked-check");
        let said = told.map(|d| format!("{} {}", d.severity.as_str(), d.code));
        (said.collect(), loaded)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn includes_are_relative_to_their_file() {
    let main = with("include sub/{priority,more}\n virtual_ipaddress {\n include sub/vips\n}");
    let folder = Folder::new(
        "relative",
        &[
            ("main.conf", &format!("include defs/*.conf\n{main}")),
            ("defs/2.conf", "$P=${Q}3\n"),
            ("defs/1.conf", "$Q=3"),
            ("defs/.hidden.conf", "nonsense\n"),
            ("sub/priority", "priority $P"),
            ("sub/more", "include deeper/one"),
            ("sub/deeper/one", "notify \"/x ${_PWD}\"\n"),
            ("sub/vips", "10.0.0.7\r\n10.0.0.8"),
        ],
    );
    let (said, loaded) = folder.load();
    assert_eq!(said, [""; 0]);
    let instance = loaded.config.unwrap().instances.remove(0);
    assert_eq!((instance.priority.0, instance.addresses.len()), (33, 3));
    let directory = instance.hooks.any.unwrap().command.arguments.remove(0);
    assert!(directory.ends_with("sub/deeper"), "{directory}");
    assert_eq!(loaded.report.files().count(), 7);
    let (name, at) = loaded.report.position(instance.addresses[2].span).unwrap();
    assert!(name.ends_with("sub/vips") && (at.line, at.column) == (2, 1), "{name}:{at:?}");
}

#[test]
fn every_file_counts_in_the_fingerprint() {
    let folder = Folder::new("print", &[("main.conf", &with("include p")), ("p", "priority 3\n")]);
    let before = folder.load().1.fingerprint;
    assert_eq!(folder.load().1.fingerprint, before);
    fs::write(folder.path("p"), "priority 4\n").unwrap();
    assert_ne!(folder.load().1.fingerprint, before);
}

#[test]
fn files_that_are_missing() {
    let said = |line: &str| {
        let folder = Folder::new("missing", &[("main.conf", &format!("{line}\n{}", with(""))), ("here", "")]);
        folder.load().0.join(", ")
    };
    assert_eq!(said("include nothing.conf"), "warning nothing-included");
    assert_eq!(said("include nothing/*.conf"), "note nothing-included");
    assert_eq!(said("include {here,nothing}"), "warning nothing-included");
    assert_eq!(said("includer nothing.conf"), "warning nothing-included");
    assert_eq!(said("includem nothing.conf"), "error nothing-included");
    assert_eq!(said("includem {here,nothing}"), "warning nothing-included");
    assert_eq!(said("includew nothing/*.conf"), "error nothing-included");
    assert_eq!(said("includew nothing.conf"), "warning nothing-included");
    assert_eq!(said("includeb {here,nothing}"), "error nothing-included");
    assert_eq!(said("includea {here,nothing}"), "error nothing-included");
    assert_eq!(said("includea here"), "");
    assert_eq!(said("include \"here\""), "warning quoted-include");
    assert_eq!(said("include"), "error missing-value");
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::new("unreadable", &[("main.conf", ""), ("executable", "nonsense\n")]);
    let said = |line: &str| {
        fs::write(folder.path("main.conf"), format!("{line}\n{}", with(""))).unwrap();
        folder.load().0.join(", ")
    };
    fs::set_permissions(folder.path("executable"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(said("include executable"), "warning executable");
    let (kind, mode) = (FileType::Fifo, Mode::from_raw_mode(0o600));
    rustix::fs::mknodat(rustix::fs::CWD, folder.path("pipe"), kind, mode, 0).unwrap();
    assert_eq!(said("include pipe"), "error unreadable");
    assert_eq!(said("include /dev/zero"), "error unreadable");
    assert_eq!(said(&format!("include {}", folder.0.display())), "error unreadable");
    std::os::unix::fs::symlink("nowhere", folder.path("dangling")).unwrap();
    assert_eq!(said("include dangling"), "error unreadable");
    // The first file likewise.
    for path in [folder.path("pipe"), "/dev/zero".into(), folder.0.clone()] {
        let codes: Vec<_> = config::load(&path).report.diagnostics().iter().map(|d| d.code).collect();
        assert_eq!(codes, ["unreadable"], "{}", path.display());
    }
}

#[test]
fn includes_have_a_bottom() {
    let folder = Folder::new(
        "loop",
        &[("main.conf", "include a\n"), ("a", "include ./b\n"), ("b", "include main.conf\n")],
    );
    let (said, loaded) = folder.load();
    assert_eq!(said, ["error include-loop"]);
    assert_eq!(loaded.report.diagnostics()[0].related.len(), 2);
    let deep = |levels: usize| {
        let mut files = vec![("main.conf".to_owned(), "include f1\n".to_owned())];
        files.extend((1..levels).map(|n| (format!("f{n}"), format!("include f{}\n", n + 1))));
        files.push((format!("f{levels}"), with("")));
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Folder::new(&format!("deep{levels}"), &files).load().0
    };
    assert_eq!(deep(64), [""; 0]);
    assert_eq!(deep(65)[0], "error too-deep");
    // Doubling at every level: too many files, told once.
    let mut files = vec![("main.conf".to_owned(), "include f1\ninclude f1\n".to_owned())];
    files.extend((1..40).map(|n| (format!("f{n}"), format!("include f{0}\ninclude f{0}\n", n + 1))));
    files.push(("f40".to_owned(), String::new()));
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (said, _) = Folder::new("doubling", &files).load();
    assert_eq!(said, ["error too-large"]);
}

/// A program that is not done with a file must not be misread.
#[test]
fn a_file_that_never_rests_is_refused() {
    let folder =
        Folder::new("changing", &[("main.conf", &format!("{}{}", with(""), "# long\n".repeat(100_000)))]);
    let path = folder.path("main.conf");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    let is_refused = || config::load(&path).report.diagnostics().iter().any(|d| d.code == "changed");
    let refused = std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write as _;
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            while !stop.load(order) {
                file.write_all(b"#\n").unwrap();
                std::thread::yield_now();
            }
        });
        let refused = (0..10_000).any(|_| is_refused());
        stop.store(true, order);
        refused
    });
    assert!(refused, "no change was seen");
    assert!(!is_refused());
}

#[test]
fn places_lead_through_definitions() {
    let text = with("$B=300\n$A=${B}\n priority $A\n ~SEQ(I, 2) prio${I} 3");
    let report = config::parse("t.conf", &text).report;
    let at = |span| {
        let (_, at) = report.position(span).unwrap();
        format!("{}:{}", at.line, at.column)
    };
    let found: Vec<_> = report
        .diagnostics()
        .iter()
        .map(|d| {
            let uses: Vec<_> =
                d.related.iter().map(|(span, label)| format!("{label} {}", at(*span))).collect();
            format!("{} {} {} {}", d.code, at(d.span.unwrap()), d.label, uses.join(", "))
        })
        .collect();
    assert_eq!(
        found,
        [
            "out-of-range 10:4  used here 11:4, used here 12:11",
            "unknown-word 13:13 read as `prio1` ",
            "unknown-word 13:13 read as `prio2` ",
        ]
    );
}

/// A password stays one wherever it stands.
#[test]
fn a_defined_password_is_not_shown() {
    for value in ["topsecret-and-long", "topsecret long"] {
        let text = with(&format!("$P={value}\n authentication {{\n auth_type PASS\n auth_pass $P\n}}"));
        let report = config::parse("t.conf", &text).report;
        let said = format!("{} {:?}", report.render(false), report.one_line());
        let place =
            report.diagnostics().iter().find(|d| d.code == "long-password" || d.code == "extra-words");
        assert!(place.is_none() || !said.contains("topsecret"), "{said}");
    }
}
