//! Every mistake that has a diagnostic, and the diagnostic it gets. The traps are those of keepalived: what it
//! accepts, drops or changes silently (pain F1).

mod support;

use std::time::Duration;

use handover_config as config;
use handover_config::{MAX_DIAGNOSTICS, MAX_FILE, Severity};
use model::{Credential, Secret};

use support::{check_all, instance, said, with, with_v6};

#[test]
fn nothing_is_said_of_what_is_right() {
    check_all(&[("", &[]), ("track_script {\n known\n}", &[]), ("state BACKUP\n nopreempt", &[])], with);
}

/// The pair of the walk-through: nothing to say, and the check changes the priority rather than failing.
#[test]
fn the_haproxy_pair_is_right_as_it_is() {
    let text = include_str!("golden/haproxy-pair.conf");
    assert_eq!(said(text), [""; 0]);
    let node = instance(text);
    assert_eq!((node.priority.0, node.checks[0].weight.value, node.wants_master), (100, 20, true));
    let other = text.replace("state MASTER", "state BACKUP").replace("priority 100", "priority 90");
    assert_eq!((said(&other).len(), instance(&other).priority.0), (0, 90));
}

#[test]
fn words() {
    check_all(
        &[
            ("prioirty 3", &["error unknown-word"]),
            ("<<<<<<< HEAD", &["error unknown-word"]),
            ("rise 3", &["error misplaced-word"]),
            ("vrrp_strict", &["error misplaced-word"]),
            ("use_vmac_addr", &["warning not-supported"]),
            // Trap 28: an instance that signs nothing would be another router than the one that was asked for.
            ("auth_hmac {\n secret x\n}", &["error not-supported"]),
            // Trap 12: an unknown or unsupported block ends at its own brace.
            (
                "track_process {\n sshd weight 3\n}\n priority 0",
                &["error unknown-check", "error out-of-range"],
            ),
            ("unkown_block {\n prioirty 3\n}\n priority 0", &["error unknown-word", "error out-of-range"]),
            ("lvs_sync_daemon_interface eth0", &["warning not-ours"]),
            ("include other.conf", &["error no-include"]),
            (
                "native_ipv6 } vrrp_instance w { include other.conf",
                &[
                    "error mixed-families",
                    "error missing-word",
                    "error missing-word",
                    "error missing-word",
                    "error no-include",
                ],
            ),
            ("$A=3", &[]),
            ("@node priority 0", &[]),
            ("@^node priority 0", &["error out-of-range"]),
            ("priority", &["error missing-value"]),
            ("priority 3 {\n}", &["error stray-block"]),
            ("track_script", &["error missing-block"]),
            ("priority 3\n priority 4", &["warning given-twice"]),
            ("notify \"/a\"\n notify \"/b\"", &["warning given-twice"]),
            ("priority 3 version 3", &["error extra-words"]),
            // Trap 10: arguments to flags.
            ("nopreempt off", &["error extra-words"]),
        ],
        with,
    );
}

#[test]
fn values() {
    check_all(
        &[
            ("priority 0", &["error out-of-range"]),
            ("priority 256", &["error out-of-range"]),
            ("priority ten", &["error bad-value"]),
            ("priority 10x", &["error bad-value"]),
            ("priority 255", &["note owner"]),
            ("state MASTER", &["warning implied-owner"]),
            ("state MASTER\n priority 100", &[]),
            ("state master", &["error bad-value"]),
            ("version 4", &["error bad-value"]),
            ("version 2", &[]),
            ("advert_int 0", &["error out-of-range"]),
            ("advert_int 256", &["error out-of-range"]),
            ("advert_int 0.5", &["warning rounded"]),
            ("advert_int 0.5\n version 3", &[]),
            ("advert_int 0.505\n version 3", &["warning rounded"]),
            ("advert_int 41\n version 3", &["error out-of-range"]),
            ("preempt_delay 1001", &["error out-of-range"]),
            ("virtual_router_id 6", &["warning given-twice"]),
            ("interface a/b", &["warning given-twice", "error bad-value"]),
        ],
        with,
    );
    assert_eq!(said(&with("").replace("_id 5", "_id 0")), ["error out-of-range"]);
    assert_eq!(said(&with("").replace("_id 5", "_id 256")), ["error out-of-range"]);
    assert_eq!(said(&with("").replace("interface eth0", "interface lo")), ["error loopback"]);
    assert_eq!(said(&with("").replace("interface eth0", "")), ["error missing-word"]);
    assert_eq!(said(&with("").replace("virtual_router_id 5", "")), ["error missing-word"]);
    assert_eq!(said(&with("").replace("10.0.0.1", "")), ["error empty-list"]);
    assert_eq!(said("vrrp_instance v {\n}\n"), ["error missing-word"; 3]);
    assert_eq!(said("vrrp_instance {\n}\n"), ["error missing-value"]);
    assert_eq!(said(&with("").replace("instance v", "instance v w")), ["error extra-words"]);
}

#[test]
fn intervals_are_rounded_as_keepalived_rounds_them() {
    let interval = |lines| instance(&with(lines)).advert_interval;
    assert_eq!(interval("advert_int 0.5"), Duration::from_secs(1));
    // ka#1615: 0.4 once became 0, and a flood of packets.
    assert_eq!(interval("advert_int 0.4"), Duration::from_secs(1));
    assert_eq!(interval("advert_int 2.5"), Duration::from_secs(3));
    assert_eq!(interval("advert_int 0.5\n version 3"), Duration::from_millis(500));
}

#[test]
fn preemption() {
    check_all(
        &[
            ("state MASTER\n priority 100\n nopreempt", &["warning nopreempt-ignored"]),
            ("priority 255\n nopreempt", &["note owner", "warning nopreempt-ignored"]),
            ("state MASTER\n priority 100\n preempt_delay 5", &["warning delay-ignored"]),
            ("nopreempt\n preempt_delay 5", &["warning delay-ignored"]),
            ("nopreempt\n preempt", &["warning given-twice"]),
            ("preempt_delay 5", &[]),
        ],
        with,
    );
    assert!(instance(&with("state MASTER\n priority 100\n nopreempt")).preempt);
    assert!(!instance(&with("state BACKUP\n nopreempt")).preempt);
    assert!(!instance(&with("preempt\n nopreempt")).preempt);
    assert!(instance(&with("nopreempt\n preempt")).preempt);
}

/// Trap 8.
#[test]
fn master_without_a_priority_is_the_owner() {
    let implied = instance(&with("state MASTER"));
    assert_eq!((implied.priority.0, implied.wants_master), (255, true));
    let backup = instance(&with("state BACKUP\n priority 255"));
    assert_eq!((backup.priority.0, backup.wants_master), (255, false));
    assert!(instance(&with("priority 255")).wants_master);
    assert!(!instance(&with("")).wants_master);
}

#[test]
fn authentication() {
    check_all(
        &[
            ("authentication {\n auth_type PASS\n auth_pass 12345678\n}", &[]),
            ("authentication {\n auth_type PASS\n auth_pass 123456789\n}", &["warning long-password"]),
            ("authentication {\n auth_type PASS\n}", &["error missing-word"]),
            ("authentication {\n auth_pass x\n}", &["warning auth-ignored"]),
            ("authentication {\n auth_type AH\n}", &["error missing-word"]),
            ("version 3\n authentication {\n auth_type AH\n auth_pass x\n}", &["warning auth-ignored"]),
            ("authentication {\n auth_type PASS\n auth_pass x\n}\n version 3", &["warning auth-ignored"]),
            // Trap 12: what is not in double quotes is cut.
            ("authentication {\n auth_type PASS\n auth_pass a\\#b\n}", &["error escaped-comment"]),
            ("authentication {\n auth_type PASS\n auth_pass a!b\n}", &["warning comment-in-word"]),
        ],
        with,
    );
    let credential = |kind: &str| {
        instance(&with(&format!("authentication {{\n auth_type {kind}\n auth_pass 123456789\n}}"))).credential
    };
    let secret = Secret(*b"12345678");
    assert_eq!(credential("PASS"), Some(Credential::Password(secret)));
    assert_eq!(credential("AH"), Some(Credential::AhKey(secret)));
}

#[test]
fn addresses_and_peers() {
    check_all(
        &[
            ("virtual_ipaddress {\n 10.0.0.2/24 dev eth1\n}", &[]),
            ("virtual_ipaddress {\n 10.0.0.2/33\n}", &["error bad-prefix"]),
            ("virtual_ipaddress {\n 10.0.0.2/x\n}", &["error bad-prefix"]),
            ("virtual_ipaddress {\n 10.0.0\n}", &["error bad-address"]),
            ("virtual_ipaddress {\n 224.0.0.18\n}", &["error bad-address"]),
            ("virtual_ipaddress {\n 10.0.0.2 10.0.0.3\n}", &["error extra-words"]),
            ("virtual_ipaddress {\n 10.0.0.2 dve eth1\n}", &["error unknown-word"]),
            ("virtual_ipaddress {\n 10.0.0.2 dev\n}", &["error missing-value"]),
            ("virtual_ipaddress {\n 10.0.0.2 scope global -nodad autojoin\n}", &["warning not-supported"; 2]),
            ("virtual_ipaddress {\n 10.0.0.1/24\n}", &["warning given-twice"]),
            ("virtual_ipaddress {\n 2001:db8::1\n}", &["error mixed-families"]),
            ("native_ipv6", &["error mixed-families"]),
            ("unicast_peer {\n 10.0.0.9\n}", &["note no-source"]),
            ("unicast_src_ip 10.0.0.8", &["warning no-peers"]),
            ("unicast_src_ip 10.0.0.8\n unicast_peer {\n}", &["warning no-peers"]),
            ("unicast_src_ip 10.0.0.8\n unicast_peer {\n 10.0.0.9/24\n}", &["warning prefix-ignored"]),
            ("unicast_src_ip 10.0.0.8\n unicast_peer {\n 10.0.0.8\n 10.0.0.9\n}", &["warning own-peer"]),
            ("unicast_src_ip 10.0.0.8\n unicast_peer {\n 10.0.0.9 min_ttl 255 max_ttl 255\n}", &[]),
            ("unicast_src_ip 10.0.0.8\n unicast_peer {\n 2001:db8::9\n}", &["error mixed-families"]),
            ("unicast_src_ip 2001:db8::8\n unicast_peer {\n 10.0.0.9\n}", &["error mixed-families"]),
            ("unicast_src_ip 0.0.0.0\n unicast_peer {\n 10.0.0.9\n}", &["error bad-address"]),
        ],
        with,
    );
    check_all(&[("", &[]), ("version 2", &["error version-family"]), ("version 3", &[])], with_v6);
}

#[test]
fn an_advert_carries_255_addresses() {
    let list = |count| (2..count + 2).map(|n| format!("10.0.{}.{}\n", n / 256, n % 256)).collect::<String>();
    let text = |count| with(&format!("virtual_ipaddress {{\n{}}}", list(count)));
    assert_eq!(said(&text(254)), [""; 0]);
    assert_eq!(said(&text(255)), ["warning too-many"]);
}

/// Trap 1: keepalived drops a tracker that it doesn't know, and runs on without it.
#[test]
fn trackers() {
    check_all(
        &[
            ("track_script {\n knwon\n}", &["error unknown-check"]),
            ("track_script {\n known weight 254\n}", &["error out-of-range"]),
            ("track_script {\n known weight\n}", &["error missing-value"]),
            ("track_script {\n known wieght 3\n}", &["error unknown-word"]),
            ("track_script {\n known\n known weight 3\n}", &["warning given-twice"]),
            ("track_script {\n known weight 3\n}\n priority 255", &["warning owner-weight", "note owner"]),
            (
                "track_script {\n late\n}\n}\nvrrp_script late {\n script \"/bin/true\"",
                &["note forward-reference"],
            ),
        ],
        with,
    );
    let text = with("track_script {\n knwon\n}");
    assert!(config::parse("t", text).report.render(false).contains("did you mean `known`?"));
}

/// As keepalived 2.2.7 shows it in its dump.
#[test]
fn a_tracker_inherits_what_it_does_not_say() {
    let weights = |own: &str, line: &str| {
        let text = with(&format!("track_script {{\n known {line}\n}}"));
        let text = text.replace("\"/bin/true\"", &format!("\"/bin/true\"\n {own}"));
        let weight = instance(&text).checks[0].weight;
        (weight.value, weight.reverse)
    };
    assert_eq!(weights("", ""), (0, false));
    assert_eq!(weights("weight -5 reverse", ""), (-5, true));
    assert_eq!(weights("weight -5 reverse", "weight 7"), (7, true));
    assert_eq!(weights("weight -5 reverse", "weight 7 noreverse"), (7, false));
    assert_eq!(weights("weight -5", "weight 7 reverse"), (7, true));
}

#[test]
fn scripts() {
    check_all(
        &[
            ("script \"/x\"", &[]),
            ("", &["error missing-word"]),
            ("script", &["error missing-value"]),
            ("script \"\"", &["error missing-value"]),
            // Trap 6: keepalived drops the arguments.
            ("script killall -0 haproxy", &["error unquoted-command"]),
            ("script \"/x 'a\"", &["error unclosed-quote"]),
            ("script \"/x a", &["error unclosed-quote"]),
            ("script \"/x \\xff\"", &["error bad-escape"]),
            ("script \"/x a | y\"", &["warning shell-syntax"]),
            ("script \"/bin/sh -c '/x a | y'\"", &[]),
            ("script \"/x\"\n interval 0", &["warning rounded"]),
            ("script \"/x\"\n interval -1", &["error out-of-range"]),
            ("script \"/x\"\n rise 0", &["error out-of-range"]),
            ("script \"/x\"\n fall 2147483648", &["error out-of-range"]),
            // Trap 9: keepalived complains and uses it.
            ("script \"/x\"\n weight 254", &["error out-of-range"]),
            ("script \"/x\"\n weight -254", &["error out-of-range"]),
            ("script \"/x\"\n weight 3 revers", &["error bad-value"]),
            ("script \"/x\"\n timeout 9\n interval 3", &[]),
            // Trap 5.
            ("script \"/x\"\n init_fail", &["note init-fail"]),
            ("script \"/x\"\n user a b c", &["error extra-words"]),
            ("script \"/x\"\n user a :b", &["error bad-value"]),
        ],
        |lines| format!("{}vrrp_script s {{\n{lines}\n}}\n", with("")),
    );
}

#[test]
fn what_follows_a_quoted_command_is_told_where_it_belongs() {
    for (line, help) in [
        ("script \"killall -0 haproxy\" user haproxy", "write `user haproxy` on a line of its own"),
        ("script \"killall -0 haproxy\" user", "write `user NAME` on a line of its own"),
        ("script \"killall -0 haproxy\" -v", "an argument of the command stands within its quotes"),
        ("script killall -0 haproxy", "write: script \"killall -0 haproxy\""),
    ] {
        let text = format!("{}vrrp_script s {{\n{line}\n}}\n", with(""));
        let report = config::parse("t.conf", &text).report.render(false);
        assert!(report.contains(&format!("help: {help}")), "{line}\n{report}");
    }
}

/// Trap 6.
#[test]
fn hooks() {
    check_all(
        &[
            ("notify /x", &[]),
            ("notify \"/x a b\" root root", &[]),
            ("notify_master /x MASTER", &["error unquoted-command"]),
            ("notify_master /x master", &["warning argument-as-user"]),
            ("notify_master \"/x\" a b c", &["error unquoted-command"]),
        ],
        with,
    );
}

#[test]
fn names_are_used_once() {
    let twice = format!("{}{}", with(""), with("").replace("eth0", "eth1").replace("10.0.0.1", "10.0.0.2"));
    assert_eq!(said(&twice), ["error duplicate-name"; 2]);
    let other = with("").replace("instance v", "instance w").replace("script known", "script other");
    assert_eq!(said(&format!("{}{other}", with(""))), ["error duplicate-vrid", "warning shared-address"]);
    // One VRID on two families is two virtual routers (V3-FSM-17).
    let six = other.replace("10.0.0.1", "fe80::1\n 2001:db8::1");
    assert_eq!(said(&format!("{}{six}", with(""))), [""; 0]);
}

#[test]
fn braces() {
    assert_eq!(said(&format!("{}}}\n", with(""))), ["error stray-brace"]);
    assert_eq!(said(with("").trim_end().trim_end_matches('}')), ["error unclosed-brace"]);
    assert_eq!(said(&format!("{{\n}}\n{}", with(""))), ["error stray-brace"]);
    // A list that isn't closed is told at the block that follows it.
    let text = with("").replace("10.0.0.1\n}", "10.0.0.1");
    assert!(said(&format!("{text}{text}")).contains(&"error unclosed-brace".to_owned()));
}

#[test]
fn files_that_are_none() {
    let code = |bytes: &[u8]| {
        let report = config::parse("t.conf", bytes).report;
        report.diagnostics().iter().map(|d| d.code).collect::<Vec<_>>()
    };
    assert_eq!(code(b""), ["empty"]);
    assert_eq!(code(b"\n# nothing\n"), ["empty"]);
    assert_eq!(code(b"global_defs {\n}\n# \xff\n"), ["no-instance"]);
    assert_eq!(code(b"global_defs {\n router_id \xff # \xff\n}\n"), ["not-utf8"]);
    assert_eq!(code(b"\0\0\0"), ["nul"]);
    assert_eq!(code(&vec![b'\n'; MAX_FILE + 1]), ["too-large"]);
    assert_eq!(code(b"global_defs {\n}\n"), ["no-instance"]);
    let directory = config::load(std::env::temp_dir().as_path()).report;
    assert!(directory.one_line()[0].contains("is a directory"), "{:?}", directory.one_line());
    let absent = config::load("/nonexistent/handover.conf".as_ref()).report;
    assert!(absent.one_line()[0].contains("No such file"), "{:?}", absent.one_line());
}

#[test]
fn a_line_for_the_log_says_where() {
    let lines = config::parse("/etc/x.conf", with("prioirty 3")).report.one_line();
    let expected =
        "/etc/x.conf:10:1: error[unknown-word]: unknown word `prioirty` (did you mean `priority`?)";
    assert_eq!(lines, [expected]);
}

#[test]
fn a_report_is_bounded_and_counts_the_rest() {
    let report = config::parse("t.conf", "x\n".repeat(MAX_DIAGNOSTICS + 7)).report;
    assert_eq!(report.diagnostics().len(), MAX_DIAGNOSTICS);
    assert_eq!(report.errors(), MAX_DIAGNOSTICS + 7);
    assert_eq!(report.one_line().last().unwrap(), "t.conf: 7 more like these");
    assert!(report.diagnostics().iter().all(|d| d.severity == Severity::Error));
}

#[test]
fn the_fingerprint_is_of_the_bytes() {
    let fingerprint = |text: &str| config::parse("any name", text).fingerprint;
    assert_eq!(fingerprint(&with("")), fingerprint(&with("")));
    assert_ne!(fingerprint(&with("")), fingerprint(&with("# a comment")));
}

/// What editors and pipelines read: the fields keep their names and their meaning.
#[test]
fn a_program_gets_an_object_for_each() {
    let text = "global_defs {\n router_id é ünd\n}\nglobal_defs {\n router_id b\n}\n";
    let report = config::parse("t \"1\".conf", text).report;
    let expected = [
        r#"{"severity":"error","id":"extra-words","message":"`router_id` takes one value; `ünd` is one too many","file":"t \"1\".conf","line":2,"column":14,"end_line":2,"end_column":17,"keepalived":"silently ignores this","help":"one statement a line; a value with blanks goes into double quotes"}"#,
        r#"{"severity":"warning","id":"given-twice","message":"`router_id` is given twice; the last one counts","file":"t \"1\".conf","line":5,"column":2,"end_line":5,"end_column":11,"related":[{"file":"t \"1\".conf","line":2,"column":2,"end_line":2,"end_column":11,"message":"given here first"}],"help":"remove one of them"}"#,
    ];
    let lines = report.json_lines();
    assert_eq!(lines, expected);
    let many = config::parse("t", "x\n".repeat(MAX_DIAGNOSTICS + 7)).report.json_lines();
    let last = r#"{"severity":"note","id":"more","message":"7 more like these","file":"t"}"#;
    assert_eq!(many.last().unwrap(), last);
}

/// Others add to a report what they find in the meaning, and it stands where it belongs.
#[test]
fn a_report_takes_more() {
    let config::Loaded { config, mut report, .. } = config::parse("t", with("prioirty 3"));
    assert!(config.is_none());
    let span = report.diagnostics()[0].span.unwrap();
    report.extend([
        config::Diagnostic::warning("of-others", None, "x"),
        config::Diagnostic::note("n", span, "y"),
    ]);
    let codes: Vec<_> = report.diagnostics().iter().map(|d| d.code).collect();
    assert_eq!(codes, ["of-others", "unknown-word", "n"]);
    assert_eq!((report.errors(), report.warnings()), (1, 1));
    assert_eq!(report.files().map(|(name, _)| name).collect::<Vec<_>>(), ["t"]);
}

/// What a misspelt block holds is judged in the same round.
#[test]
fn a_misspelt_word_is_read_on() {
    check_all(
        &[
            (
                "authentcation {\n auth_type PAS\n}",
                &["error unknown-word", "error missing-word", "error bad-value"],
            ),
            ("prioirty 300", &["error unknown-word", "error out-of-range"]),
            ("prioirty 3\n priority 4", &["error unknown-word"]),
            // Not everything is one.
            ("prioirty {\n}", &["error unknown-word"]),
        ],
        with,
    );
    assert_eq!(said(&with("").replace("interface eth0", "interfce eth0")), ["error unknown-word"]);
    let text = with("priority 300").replace("vrrp_instance", "vrrp_instnace");
    assert_eq!(said(&text), ["error unknown-word", "error out-of-range"]);
}

#[test]
fn a_check_that_nobody_tracks_is_told() {
    let codes = |text: &str| {
        let report = config::parse("t.conf", text).report;
        report.diagnostics().iter().map(|d| d.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&with("")), ["untracked-check"]);
    assert_eq!(codes(&with("track_script {\n known\n}")), [""; 0]);
    let group = "vrrp_sync_group g {\n group {\n v\n}\n track_script {\n known\n}\n}\n";
    assert_eq!(codes(&format!("{}{group}", with(""))), ["one-member"]);
    // Not beside an error that may be the reason.
    assert_eq!(codes(&with("track_script {\n knwon\n}")), ["unknown-check"]);
}

#[test]
fn addresses_that_nobody_can_have() {
    check_all(
        &[
            ("virtual_ipaddress {\n 127.0.0.1\n}", &["error bad-address"]),
            ("virtual_ipaddress {\n 255.255.255.255\n}", &["error bad-address"]),
            ("virtual_ipaddress {\n 0.0.0.0\n}", &["error bad-address"]),
            ("virtual_ipaddress {\n 10.0.0.255/24\n}", &["error bad-address"]),
            ("virtual_ipaddress {\n 10.0.0.255\n}", &[]),
            ("virtual_ipaddress {\n 10.0.0.3/31\n}", &[]),
            ("virtual_ipaddress {\n 10.0.1.255/16\n}", &[]),
        ],
        with,
    );
    check_all(&[("virtual_ipaddress {\n ::1\n}", &["error bad-address"])], with_v6);
}

/// Diagnostics are pasted into tickets.
#[test]
fn no_password_is_shown() {
    let text = with(
        "version 2\nauthentication {\n auth_type PASS\n auth_pass SECRET1xx SECRET2\n auth_pas SECRET3\n}",
    );
    let report = config::parse("t.conf", &text).report;
    assert!(report.errors() > 0);
    for shown in [report.render(false), report.one_line().concat(), report.json_lines().concat()] {
        assert!(!shown.contains("SECRET"), "{shown}");
    }
}
