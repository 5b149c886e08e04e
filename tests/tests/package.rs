//! The packages: lintian has nothing against the Debian one, what belongs to it is in it, and the RPM has the same.

#![allow(
    clippy::disallowed_methods,
    reason = "a test asks the tools of the machine, and they are to be as a person has them"
)]

use std::process::Command;

use handover_tests::package;

#[test]
fn the_debian_package_is_whole_and_lintian_finds_no_error() {
    let Some(package) = package::build("0.0.1") else { return };
    let list = package::run(Command::new("dpkg-deb").arg("--contents").arg(package.path()));
    for path in [
        "./usr/sbin/vrrp-core",
        "./usr/sbin/handover",
        "./etc/handover/handover.conf",
        "./usr/lib/systemd/system/handover.target",
        "./usr/lib/systemd/system/ipmgr.service",
        "./usr/lib/sysusers.d/handover.conf",
        "./usr/lib/tmpfiles.d/handover.conf",
        "./usr/share/man/man8/notifierd.8.gz",
        "./usr/share/man/man5/handover.conf.5.gz",
        "./usr/share/bash-completion/completions/handover",
        "./usr/share/zsh/vendor-completions/_handover",
        "./usr/share/fish/vendor_completions.d/handover.fish",
        "./usr/share/doc/handover/examples/haproxy-pair/node-a.conf",
        "./usr/share/doc/handover/examples/systemd/notifierd-unconfined.conf",
        "./usr/share/doc/handover/copyright",
    ] {
        let line = list.lines().find(|line| line.split_whitespace().nth(5) == Some(path));
        let line = line.unwrap_or_else(|| panic!("{path} is not in the package:\n{list}"));
        assert!(line.contains(" root/root "), "{line}");
    }
    let mode =
        |path: &str| list.lines().find(|line| line.ends_with(path)).unwrap_or_default()[..10].to_owned();
    assert_eq!(mode("./etc/handover/handover.conf"), "-rw-r-----", "a password may be in it");
    if !package::is_installed("lintian") {
        return;
    }
    // Programs that weren't optimised are no matter of the package's.
    let lintian =
        Command::new("lintian").args(["--fail-on", "error", "--allow-root"]).arg(package.path()).output();
    let lintian = lintian.expect("lintian");
    assert!(lintian.status.success(), "{}", String::from_utf8_lossy(&lintian.stdout));
}

#[test]
fn the_rpm_has_what_the_debian_package_has() {
    let (Some(deb), Some(rpm)) = (package::build("0.0.2"), package::build_rpm("0.0.2")) else { return };
    let deb = package::run(Command::new("dpkg-deb").arg("--contents").arg(deb.path()));
    let paths =
        deb.lines().filter(|line| !line.starts_with('d')).filter_map(|line| line.split_whitespace().nth(5));
    // Each has its own idea of where some things go, and of compression.
    let common = |path: &&str| !path.ends_with("/changelog.gz") && !path.ends_with("/copyright");
    let normal = |path: &str| {
        path.trim_start_matches('.')
            .trim_end_matches(".gz")
            .replace("/vendor-completions/", "/site-functions/")
    };
    let mut expected: Vec<String> = paths.filter(common).map(normal).collect();
    expected.sort();
    let rpm = package::run(
        Command::new("rpm").args(["-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\n]"]).arg(rpm.path()),
    );
    let licence = |path: &str| path.contains("/LICENSE-");
    let paths =
        rpm.lines().filter(|line| !line.starts_with('d')).filter_map(|line| line.split_whitespace().nth(1));
    let mut found: Vec<String> = paths.filter(|path| !licence(path)).map(normal).collect();
    found.sort();
    assert_eq!(found, expected);
    assert!(rpm.contains("-rw-r----- /etc/handover/handover.conf"), "a password may be in it");
}
