//! What holds for every text whatsoever: no panic, a report that can be drawn, linear time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use handover_config as config;
use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use support::PIECES;

const VALID: &str = include_str!("golden/everything.conf");

/// Everything that a caller does with a text; the report is drawn, since that is where spans are used.
fn survive(text: &[u8]) {
    let loaded = config::parse("t.conf", text);
    assert_eq!(loaded.config.is_some(), !loaded.report.has_errors());
    let lines = loaded.report.one_line();
    assert!(lines.iter().all(|line| !line.contains('\n')));
    let _ = (loaded.report.render(false), loaded.report.render(true));
    for span in loaded.report.diagnostics().iter().filter_map(|diagnostic| diagnostic.span) {
        assert!(loaded.report.position(span).is_some());
    }
    // The same bytes always mean the same.
    assert_eq!(config::parse("t.conf", text).config, loaded.config);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        survive(&bytes);
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,400}") {
        survive(text.as_bytes());
    }

    #[test]
    fn any_mixture_of_the_language_is_survived(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..200),
    ) {
        survive(pieces.concat().as_bytes());
    }

    #[test]
    fn a_damaged_file_is_survived(from in 0..VALID.len(), length in 0..40usize, piece in 0..PIECES.len()) {
        let bytes = VALID.as_bytes();
        let end = (from + length).min(bytes.len());
        survive(&[&bytes[..from], PIECES[piece].as_bytes(), &bytes[end..]].concat());
    }
}

fn site(instances: usize) -> String {
    let one = |n: usize| {
        let (a, b, c) = (n / 65536, n / 256 % 256, n % 256);
        format!(
            "vrrp_script s{n} {{\n script \"/bin/true {n}\"\n}}\nvrrp_instance v{n} {{\n interface eth{n}\n \
             virtual_router_id 5\n virtual_ipaddress {{\n 10.{a}.{b}.{c}/8\n}}\n track_script {{\n s{n}\n}}\n}}\n"
        )
    };
    (0..instances).map(one).collect()
}

/// The processor time of parsing this, in nanoseconds: other processes don't count.
fn cost(text: &str) -> i64 {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec * 1_000_000_000 + now.tv_nsec
    };
    let once = || {
        let before = now();
        let loaded = config::parse("t.conf", text);
        let after = now();
        assert!(!loaded.report.render(false).is_empty() || loaded.config.is_some());
        after - before
    };
    (0..3).map(|_| once()).min().unwrap()
}

/// Eight times the text may cost eight times as much, or a few times that; something quadratic costs 64 times.
fn assert_linear(what: &str, text: impl Fn(usize) -> String) {
    let (small, large) = (cost(&text(500)), cost(&text(4000)));
    assert!(large < small * 24, "{what}: {small} ns, and {large} ns for eight times as much");
}

#[test]
fn time_is_linear() {
    assert_linear("instances", site);
    assert_linear("a group of all", |count| {
        let names: String = (0..count).map(|n| format!("v{n}\n")).collect();
        let checks: String = (0..count).map(|n| format!("s{n} weight 3\n")).collect();
        let group = format!("vrrp_sync_group g {{\n group {{\n{names}}}\n track_script {{\n{checks}}}\n}}\n");
        format!("{}{group}", site(count))
    });
    assert_linear("unknown members", |count| {
        format!("{}vrrp_sync_group g {{\n group {{\n{}}}\n}}\n", site(count), "unknown\n".repeat(count))
    });
    assert_linear("unknown words", |count| "a b c {\n}\n".repeat(count));
    assert_linear("unknown checks", |count| site(count).replace("track_script {\n s", "track_script {\n x"));
    assert_linear("repeated words", |count| format!("global_defs {{\n{}}}\n", "router_id a\n".repeat(count)));
    assert_linear("open braces", |count| "a {\n".repeat(count));
    assert_linear("quotes in a line", |count| "\" ".repeat(count));
    assert_linear("definitions", |count| {
        let one = |n: usize| format!("$A{n}=x\nrouter_id ${{A{n}}} ${{NONE}} $A{n} \n");
        (0..count).map(one).collect()
    });
    assert_linear("sequences", |count| format!("a {{\n~SEQ(I, {count}) b ${{I}} c\n}}\n"));
    assert_linear("a long definition", |count| format!("$A= \\\n{}\n$A\n", "b c \\\n".repeat(count)));
    assert_linear("many names in a line", |count| format!("$A=b\na {}\n", "${A}c ".repeat(count)));
    assert_linear("names that stand for nothing", |count| "a $NONE ${NONE}\n".repeat(count));
    assert_linear("words in a line", |count| format!("a {}", "b ".repeat(count)));
}

#[test]
fn two_thousand_instances_mean_two_thousand_instances() {
    let config = config::parse("t.conf", site(2000)).config.unwrap();
    assert_eq!((config.instances.len(), config.checks.len(), config.links().len()), (2000, 2000, 2000));
}
