//! Settings of the kernel that are to be put back, in a file: an ipmgr that is killed, or makes room for another, can't do it itself.
//!
//! The next one would take what it finds for the administrator's, and leave it for ever. What it must never do: claim a
//! setting that we haven't made. The file is written before the kernel is told, names what was otherwise before, and is of this boot
//! alone. Read `daemon/secondaries.rs` next.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use model::LinkName;
use serde::{Deserialize, Serialize};

/// The file's name in the runtime directory.
const FILE: &str = "ipmgr.promoted";
/// More than any host has interfaces, in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// The interfaces whose `promote_secondaries` was off before we switched it on.
#[derive(Debug)]
pub(crate) struct Debt {
    path: PathBuf,
    links: BTreeSet<LinkName>,
}

#[derive(Serialize, Deserialize)]
struct Page {
    /// [`sys::clock::machine_boot`].
    boot: String,
    links: BTreeSet<LinkName>,
}

impl Debt {
    /// What an ipmgr before us owes. A file that isn't ours, or can't be understood, is told, and counts as none.
    pub(crate) fn take_over(runtime_dir: &Path) -> Self {
        let path = runtime_dir.join(FILE);
        let links = match read(&path) {
            Ok(links) => links,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => {
                log::warn!("{}: {error}; the promote_secondaries of before stays", path.display());
                BTreeSet::new()
            }
        };
        Self { path, links }
    }

    /// Those whose setting is ours to put back.
    pub(crate) fn links(&self) -> impl Iterator<Item = &LinkName> {
        self.links.iter()
    }

    /// It is about to be switched on.
    pub(crate) fn owe(&mut self, link: &LinkName) {
        if self.links.insert(link.clone()) {
            self.write();
        }
    }

    /// It is as it was before, or the interface is gone.
    pub(crate) fn settle(&mut self, link: &LinkName) {
        if self.links.remove(link) {
            self.write();
        }
    }

    fn write(&self) {
        let written = if self.links.is_empty() { sys::own_file::remove(&self.path) } else { self.replace() };
        if let Err(error) = written {
            log::warn!("{}: {error}; after a crash promote_secondaries stays on", self.path.display());
        }
    }

    fn replace(&self) -> io::Result<()> {
        let page = Page { boot: sys::clock::machine_boot()?, links: self.links.clone() };
        let bytes = ipc::json::line(&page).map_err(|error| io::Error::other(error.to_string()))?;
        sys::own_file::create(&self.path)?.write_all(&bytes)
    }
}

fn read(path: &Path) -> io::Result<BTreeSet<LinkName>> {
    let mut bytes = Vec::new();
    sys::own_file::open(path)?.take(MAX_SIZE).read_to_end(&mut bytes)?;
    let page: Page = ipc::json::parse(&bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    Ok(if page.boot == sys::clock::machine_boot()? { page.links } else { BTreeSet::new() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_owed_is_known_to_the_next_one_until_it_is_settled() {
        let directory = std::env::temp_dir().join(format!("handover-debt-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let [one, other] = ["eth0", "eth1"].map(|name| LinkName::new(name).unwrap());
        let mut debt = Debt::take_over(&directory);
        debt.owe(&one);
        debt.owe(&other);
        let mut next = Debt::take_over(&directory);
        assert_eq!(next.links().count(), 2);
        next.settle(&one);
        assert_eq!(Debt::take_over(&directory).links().collect::<Vec<_>>(), [&other]);
        next.settle(&other);
        assert!(!directory.join(FILE).exists(), "nothing is left behind");

        let of_another_boot = r#"{"boot":"another","links":["eth0"]}"#;
        for text in [of_another_boot, "", "garbage"] {
            fs::write(directory.join(FILE), text).unwrap();
            assert_eq!(Debt::take_over(&directory).links().count(), 0, "{text}");
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
