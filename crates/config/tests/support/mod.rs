//! What the tests of diagnostics share: a configuration without a mistake, to put one into.

#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "not every file of tests needs all of it")]

use handover_config as config;
use handover_config::Loaded;

/// Pieces of the language, right and wrong, that random text is unlikely to hit upon.
pub(crate) const PIECES: [&str; 54] = [
    "vrrp_instance v",
    "vrrp_script s",
    "global_defs",
    "virtual_server",
    "vrrp_sync_group g",
    "group",
    "v w",
    "track_interface",
    "eth1 weight 3 reverse",
    "strict_mode off",
    "10.0.0.9 min_ttl 3",
    "garp_master_repeat 0",
    "{",
    "}",
    "\n",
    "\r\n",
    " ",
    "\t",
    "\"",
    "'",
    "\\",
    "#",
    "!",
    "\0",
    "é",
    "priority",
    "255",
    "-1",
    "script",
    "notify /x é",
    "virtual_ipaddress",
    "10.0.0.1/24",
    "fe80::1",
    "track_script",
    "unicast_peer",
    "authentication",
    "auth_pass",
    "$A=",
    "${_PWD}",
    "~SEQ(a, 3)",
    "~SEQx(b, 9, -2, 1) ",
    "~LST({a,b}, {x,y}, {z}) ",
    "${a}",
    "$b ",
    "\n$A=${B}${B} \\\n",
    "\n$B=priority 3",
    "${A}",
    "$B\n",
    "\n@x ",
    "\n@^x ",
    "${_RANDOM 1 3}",
    "${_HASH}",
    "\ninclude {a,b}*",
    "\u{fffd}",
];

/// `SEVERITY code` of everything said, in the order of the file; [`with`] has a check that most tests don't track, and
/// that isn't worth a word.
pub(crate) fn said(text: &str) -> Vec<String> {
    let report = config::parse("t.conf", text).report;
    let one = |d: &config::Diagnostic| format!("{} {}", d.severity.as_str(), d.code);
    report.diagnostics().iter().filter(|d| d.code != "untracked-check").map(one).collect()
}

/// An instance without a mistake but those in `lines`.
pub(crate) fn with(lines: &str) -> String {
    format!(
        "vrrp_script known {{\n script \"/bin/true\"\n}}\nvrrp_instance v {{\n interface eth0\n \
         virtual_router_id 5\n virtual_ipaddress {{\n 10.0.0.1\n}}\n{lines}\n}}\n"
    )
}

/// The same for IPv6.
pub(crate) fn with_v6(lines: &str) -> String {
    with(lines).replace("10.0.0.1", "fe80::1\n 2001:db8::1")
}

/// The first instance of a configuration that has to be valid.
pub(crate) fn instance(text: &str) -> config::Instance {
    let Loaded { config, report, .. } = config::parse("t.conf", text);
    config.unwrap_or_else(|| panic!("{}", report.render(false))).instances.remove(0)
}

/// Each of these, completed, gets exactly these diagnostics.
pub(crate) fn check_all(cases: &[(&str, &[&str])], complete: fn(&str) -> String) {
    for (lines, expected) in cases {
        let text = complete(lines);
        assert_eq!(
            said(&text),
            *expected,
            "{lines}\n{}",
            config::parse("t.conf", &text).report.render(false)
        );
    }
}
