//! `handover fmt`: what it prints, its exit status, and a file that is replaced as a whole or not at all.

#![allow(clippy::disallowed_methods, reason = "a program that ends by itself needs no supervision")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use handover_tests::programs::program;

const UGLY: &[u8] = b"a{ b   c # caf\xe9\n\n\n}";
const NORMAL: &[u8] = b"a {  # caf\xe9\n  b c\n}\n";

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("handover-fmt-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn fmt(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("handover"));
        command.arg("fmt").args(arguments).current_dir(&self.0).env_clear();
        command.output().expect("handover runs")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a directory");
        let names = entries.map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"));
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}

#[test]
fn it_prints_unless_it_is_asked_to_check_or_to_write() {
    let directory = Directory::new("prints");
    let file = directory.0.join("x.conf");
    fs::write(&file, UGLY).expect("written");
    let output = directory.fmt(&["x.conf"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), NORMAL));
    let output = directory.fmt(&["--check", "-f", "x.conf"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("x.conf is not in normal form"), "{output:?}");
    assert_eq!(read(&file), UGLY, "nothing was written yet");
    assert_eq!(directory.fmt(&["--check", "--write", "x.conf"]).status.code(), Some(64));
    let output = directory.fmt(&["--write", "x.conf"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b""[..]), "{output:?}");
    assert_eq!(read(&file), NORMAL);
    assert_eq!(directory.fmt(&["--check", "x.conf"]).status.code(), Some(0));
}

#[test]
fn a_link_its_mode_and_its_owner_stay() {
    let directory = Directory::new("link");
    let file = directory.0.join("x.conf");
    fs::write(&file, UGLY).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
    // Only root may give files away; for others their own ids have to do.
    let (user, group) = if fs::metadata(&file).expect("a file").uid() == 0 {
        (Some(65534), Some(65533))
    } else {
        (None, None)
    };
    chown(&file, user, group).expect("an owner");
    let before = fs::metadata(&file).expect("a file");
    symlink("x.conf", directory.0.join("link.conf")).expect("a link");
    assert_eq!(directory.fmt(&["--write", "link.conf"]).status.code(), Some(0));
    let after = fs::metadata(&file).expect("a file");
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_eq!(read(&file), NORMAL);
    assert!(directory.0.join("link.conf").is_symlink());
    assert_eq!(directory.names(), ["link.conf", "x.conf"], "nothing is left over");
}

#[test]
fn what_has_no_shape_is_left_alone() {
    let directory = Directory::new("shape");
    let file = directory.0.join("x.conf");
    fs::write(&file, "a {\n  b\n").expect("written");
    for arguments in [&["x.conf"][..], &["--check", "x.conf"], &["--write", "x.conf"]] {
        let output = directory.fmt(arguments);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("error[unclosed-brace]") && said.contains("left as it is"), "{said}");
    }
    assert_eq!(read(&file), b"a {\n  b\n");
    assert_eq!(directory.fmt(&["missing.conf"]).status.code(), Some(1));
}
