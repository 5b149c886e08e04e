//! A control group for a booted machine: systemd inside insists on one of its own. Read cgroups(7) and cgroup_namespaces(7).
//!
//! Unlike namespaces, groups don't vanish with their processes: they are removed when this is dropped, and those of a test that
//! was killed by the next one.

#![allow(clippy::disallowed_methods, reason = "nobody tells when a group is empty: a test's helper polls")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const MOUNT: &str = "/sys/fs/cgroup";
/// Where systemd keeps its groups: the only hierarchy of version 2, or two of a hybrid.
const HIERARCHIES: [&str; 3] = ["", "systemd", "unified"];
const PREFIX: &str = "handover-test-";
/// Processes that were killed leave their group in their own time: attempts, a pause after each.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The group, one directory in each hierarchy.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directories: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes it, named after this process.
    ///
    /// # Panics
    /// The kernel refuses.
    pub(crate) fn new() -> Self {
        sweep();
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directories: Vec<PathBuf> = hierarchies().map(|hierarchy| hierarchy.join(&name)).collect();
        for directory in &directories {
            fs::create_dir(directory).unwrap_or_else(|error| panic!("make {}: {error}", directory.display()));
        }
        Self { directories }
    }

    /// Where a process enters it: its number is written into each of these files.
    pub(crate) fn entrances(&self) -> Vec<String> {
        self.directories.iter().map(|it| it.join("cgroup.procs").display().to_string()).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..ATTEMPTS {
            self.directories.retain(|directory| !remove(directory));
            if self.directories.is_empty() {
                return;
            }
            thread::sleep(PAUSE);
        }
        eprintln!("left behind: {:?}", self.directories);
    }
}

fn hierarchies() -> impl Iterator<Item = PathBuf> {
    let all = HIERARCHIES.iter().map(|name| Path::new(MOUNT).join(name));
    all.filter(|path| path.join("cgroup.procs").exists())
}

/// Removes a group and those in it; false while a process is in one.
fn remove(directory: &Path) -> bool {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(directory);
    !directory.exists()
}

/// What tests left behind that don't run any more.
fn sweep() {
    for entry in hierarchies().filter_map(|hierarchy| fs::read_dir(hierarchy).ok()).flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = remove(&entry.path());
        }
    }
}
