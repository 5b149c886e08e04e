//! Packages of the programs under test, as `make deb` and `make rpm` make them of optimised ones.

#![allow(
    clippy::disallowed_methods,
    reason = "a test asks the tools of the machine, and they are to be as a person has them"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::program;

/// A package file; it vanishes with this.
#[derive(Debug)]
pub struct Package {
    directory: PathBuf,
    path: PathBuf,
}

impl Package {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Builds the Debian package under that version; `None` where there is no dpkg.
///
/// # Panics
/// It can't be built, or in CI there is no dpkg.
#[must_use]
pub fn build(version: &str) -> Option<Package> {
    is_installed("dpkg-deb").then(|| build_by("deb", version))
}

/// The same as an RPM; `None` where there is no rpmbuild.
///
/// # Panics
/// As [`build`].
#[must_use]
pub fn build_rpm(version: &str) -> Option<Package> {
    is_installed("rpmbuild").then(|| build_by("rpm", version))
}

fn build_by(kind: &str, version: &str) -> Package {
    let programs = program("handover").parent().expect("a directory").to_owned();
    let directory = programs.join(format!("package-{kind}-{version}-{}", std::process::id()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut script = Command::new(root.join("packaging").join(kind).join("build"));
    // Nobody will download it, so it is hardly compressed.
    let said = run(script
        .arg(&programs)
        .arg(&directory)
        .arg(version)
        .env("COMPRESSION_LEVEL", "0")
        .env("PAYLOAD", "w1.gzdio"));
    Package { directory, path: said.trim().into() }
}

/// What a command printed.
///
/// # Panics
/// It isn't there, or fails.
#[must_use]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether a tool of the machine is there. Without it a test has less to show, and says so; but not in CI.
///
/// # Panics
/// In CI, when it isn't there.
#[must_use]
pub fn is_installed(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", tool]).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("SKIPPED in part: {tool} is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI installs {tool}");
    }
    found
}
