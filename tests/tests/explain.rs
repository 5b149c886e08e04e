//! `handover explain`: settings with where each comes from, times, priorities and hooks; and the pages of lints.
//!
//! `golden/explain/NAME.conf` in, `NAME.txt` out: every instance as text, then as JSON. `UPDATE_GOLDEN=1` writes them anew.

#![allow(clippy::disallowed_methods, reason = "a program that ends by itself needs no supervision")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use handover_tests::programs::program;
use serde_json::Value;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/explain")
}

fn explain(arguments: &[&str]) -> Output {
    let mut command = Command::new(program("handover"));
    command.arg("explain").args(arguments).current_dir(golden()).env_clear();
    command.output().expect("handover runs")
}

fn told(arguments: &[&str]) -> String {
    let output = explain(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_setting_says_where_it_comes_from() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for (file, instances) in [("inherited", &["web"][..]), ("group", &["web", "web6"][..])] {
        let conf = format!("{file}.conf");
        let actual: String = instances.iter().map(|name| told(&[name, "-f", &conf]) + "\n").collect();
        let expected = golden().join(file).with_extension("txt");
        if update {
            fs::write(&expected, actual).expect("written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            different.push(format!("{file} now gives:\n{actual}"));
        }
    }
    assert!(different.is_empty(), "{}\nUPDATE_GOLDEN=1 accepts this", different.join("\n"));
}

/// Pain B1: base, each contribution, clamp, result; and FAULT where it is one.
#[test]
fn programs_get_the_same() {
    let said: Value = serde_json::from_str(&told(&["web", "-f", "inherited.conf", "--json"])).expect("JSON");
    let setting = |word: &str| {
        let settings = said["settings"].as_array().expect("a list");
        settings.iter().find(|it| it["word"] == word).cloned().unwrap_or_else(|| panic!("no {word}: {said}"))
    };
    assert_eq!(setting("interface")["word"], "interface");
    assert_eq!(setting("interface")["from"], "global");
    assert_eq!(
        (setting("garp_master_delay")["from"].clone(), setting("garp_master_delay")["line"].clone()),
        ("instance".into(), 33.into())
    );
    assert_eq!(setting("priority")["from"], "default");
    assert_eq!(said["timers"]["advert_s"], 0.25);
    let priorities = said["priorities"].as_array().expect("a list");
    let of = |failing: &[&str]| {
        let found = priorities.iter().find(|it| it["failing"] == serde_json::json!(failing));
        found.unwrap_or_else(|| panic!("no {failing:?} in {said}"))["priority"].clone()
    };
    // `weight 7 reverse` takes 7 while the check passes.
    assert_eq!(of(&[]), 93);
    assert_eq!(of(&["chk_db"]), 100);
    assert_eq!(of(&["chk_db", "eth9"]), 95);
    assert_eq!(of(&["chk_web"]), Value::Null);
}

#[test]
fn a_lint_is_explained_by_its_page() {
    let page = told(&["weight-never-moves"]);
    for part in ["# weight-never-moves", "weight -2", "**Cure.**"] {
        assert!(page.contains(part), "{page}");
    }
    let document = fs::read_to_string(golden().join("../../../docs/lints.md")).expect("docs/lints.md");
    for line in told(&[]).lines() {
        let id = line.split(' ').next().expect("an ID");
        assert!(document.contains(&format!("## {id}\n")), "{id} isn't in docs/lints.md");
        assert!(told(&[id]).starts_with(&format!("# {id}\n")));
    }
}

#[test]
fn who_is_not_there_is_told_who_is() {
    let output = explain(&["wbe", "-f", "group.conf"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("\"wbe\"") && said.contains("web, web6"), "{said}");
    let output = explain(&["web", "-f", "no-such.conf"]);
    assert_eq!(output.status.code(), Some(1));
}
