//! The manual pages and completions that are installed are those of the programs as they are; `UPDATE_MAN=1` writes them.

#![allow(
    clippy::disallowed_methods,
    reason = "a test asks the tools of the machine, and they are to be as a person has them"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use handover_tests::package::is_installed;
use handover_tests::{completions, helptext, manual};

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("packaging")
}

fn holds(path: &str, text: &str) {
    let file = packaging().join(path);
    if std::env::var_os("UPDATE_MAN").is_some() {
        fs::write(&file, text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "packaging/{path} is not what --help says; UPDATE_MAN=1 writes it anew");
}

#[test]
fn every_program_has_a_manual_page_that_is_true() {
    for program in manual::PROGRAMS {
        let part = packaging().join(format!("man/parts/{program}.8"));
        let description =
            fs::read_to_string(&part).unwrap_or_else(|error| panic!("{}: {error}", part.display()));
        holds(&format!("man/{program}.8"), &manual::page(program, &description));
        if is_installed("man") {
            let page = packaging().join(format!("man/{program}.8"));
            let output = Command::new("man")
                .args(["--warnings", "-l", "-Tutf8"])
                .arg(page)
                .env("MANWIDTH", "100")
                .output();
            let output = output.expect("man");
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && complaints.is_empty(), "{program}.8: {complaints}");
        }
    }
}

#[test]
fn every_option_can_be_completed() {
    holds("completions/handover.bash", &completions::bash());
    holds("completions/handover.zsh", &completions::zsh());
    for program in ["handover", "checkerd"] {
        holds(&format!("completions/{program}.fish"), &completions::fish(program));
    }
    let own = helptext::of(&["handover"]);
    assert!(own.commands.len() > 8, "the commands were found: {:?}", own.commands);
    for shell in ["bash", "zsh", "fish"] {
        let file = packaging().join(format!("completions/handover.{shell}"));
        let text = fs::read_to_string(&file).expect("the completions");
        for (name, help) in manual::commands("handover") {
            assert!(text.contains(&name), "{shell}: {name}");
            for option in &help.options {
                let word = option.long().trim_start_matches('-');
                assert!(text.contains(word), "{shell}: {name} --{word}");
            }
        }
        if is_installed(shell) {
            let output = Command::new(shell).arg("-n").arg(&file).output().expect("the shell");
            assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// As a person would see it: bash is asked what may follow.
#[test]
fn bash_completes_options_commands_and_files() {
    let script = packaging().join("completions/handover.bash");
    let complete = |line: &str| {
        let ask = r#"source "$0"; read -ra COMP_WORDS <<<"$1"; [[ $1 == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _handover; printf '%s\n' "${COMPREPLY[@]}""#;
        let output = Command::new("bash")
            .args(["-c", ask])
            .arg(&script)
            .arg(line)
            .current_dir("/")
            .output()
            .expect("bash");
        String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("handover stat"), ["status"]);
    assert_eq!(complete("handover drain --fo"), ["--force"]);
    assert_eq!(complete("handover check -f et"), ["etc"]);
    assert!(complete("handover simulate --").contains(&"--every-single-failure".to_owned()));
    assert_eq!(complete("handover drain --every"), [""; 1]);
}
