//! The systemd units as shipped: how much they expose, by systemd's own judgement, and that they agree with the programs.

#![allow(
    clippy::disallowed_methods,
    reason = "a test asks the tools of the machine, and they are to be as a person has them"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The highest exposure level that each may have. ipmgr's explains itself in its unit: what it must have is 1.5 alone, and
/// the rest (a filter of IP addresses, above all) would make the router deaf.
const EXPOSURE: [(&str, f32); 4] =
    [("ipmgr", 1.8), ("vrrp-core", 0.7), ("checkerd", 2.5), ("notifierd", 2.5)];

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("packaging/systemd")
}

fn unit(name: &str) -> String {
    let path = units().join(format!("{name}.service"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn no_unit_exposes_more_than_it_says() {
    for (name, limit) in EXPOSURE {
        // With a slash: a path, and not the name of a unit that this machine may have.
        let file = format!("./{name}.service");
        let analyze = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", &file])
            .current_dir(units())
            .output();
        let Ok(output) = analyze else {
            eprintln!("SKIPPED: systemd-analyze is not installed");
            assert!(std::env::var_os("CI").is_none(), "CI installs systemd");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let overall = text.rsplit_once("exposure level for").and_then(|(_, rest)| rest.split(' ').nth(2));
        let level: f32 = overall.and_then(|level| level.parse().ok()).unwrap_or_else(|| panic!("{text}"));
        assert!(level <= limit, "{name} has {level}, more than {limit}:\n{text}");
        let said = format!("`systemd-analyze security` says {level}");
        assert!(unit(name).contains(&said), "{name}.service doesn't say: {said}");
    }
}

#[test]
fn every_unit_knows_the_exit_statuses_that_a_restart_will_not_mend() {
    for (name, _) in EXPOSURE {
        assert!(unit(name).contains("\nRestartPreventExitStatus=64 77 78\n"), "{name}");
        assert!(unit(name).contains("\nWatchdogSec="), "{name}");
        assert!(!unit(name).contains("network-online.target\n"), "{name} waits for no network");
    }
}

/// A drop-in that forgot one would leave hooks in half a sandbox.
#[test]
fn unconfined_takes_back_every_restriction() {
    for name in ["checkerd", "notifierd"] {
        let path = units().join(format!("drop-ins/{name}-unconfined.conf"));
        let drop_in = fs::read_to_string(&path).expect("the drop-in");
        for line in unit(name).lines() {
            let Some((key, _)) = line.split_once('=').filter(|(key, _)| !key.starts_with('#')) else {
                continue;
            };
            let restricts = ["Protect", "Private", "Restrict", "SystemCall", "NoNew", "CapabilityBounding"];
            let harmless = ["RestartPreventExitStatus", "SystemCallErrorNumber", "ProtectProc"];
            if restricts.iter().any(|start| key.starts_with(start)) && !harmless.contains(&key) {
                assert!(drop_in.contains(&format!("\n{key}=")), "{name}-unconfined.conf forgets {key}");
            }
        }
    }
}
