//! What instances failed as master (`while master`), remembered across restarts: else the node whose service is known to be dead
//! would take the address back, for as long as a grace is, only because vrrp-core began anew.
//!
//! A small JSON file in the state directory, written beside the loop when penalties come, grow or go, and no file while there are
//! none. Its times are of one boot, so it says nothing in the next.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use ipc::json;
use model::{CheckName, InstanceName, Instant};
use serde::{Deserialize, Serialize};
use service::Keepsake;
use vrrp::PenaltyView;

/// The file's name in the state directory.
const FILE: &str = "penalties.json";
/// More than any configuration has instances that track such checks.
const MAX_SIZE: usize = 4 << 20;

/// The file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Text {
    /// Which boot the times are of (`sys::clock::machine_boot`).
    boot: String,
    instances: BTreeMap<InstanceName, Vec<Line>>,
}

/// One penalty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    check: CheckName,
    /// How long it counts after the failure has ended.
    length_ns: u64,
    /// Until when, after the boot; none while the failure lasts.
    until_ns: Option<u64>,
}

impl From<PenaltyView> for Line {
    fn from(view: PenaltyView) -> Self {
        Self {
            check: view.check,
            length_ns: u64::try_from(view.length.as_nanos()).unwrap_or(u64::MAX),
            until_ns: view.until.map(Instant::as_nanos),
        }
    }
}

impl From<&Line> for PenaltyView {
    fn from(line: &Line) -> Self {
        Self {
            check: line.check.clone(),
            length: Duration::from_nanos(line.length_ns),
            until: line.until_ns.map(Instant::from_nanos),
        }
    }
}

/// What is remembered.
#[derive(Debug)]
pub(crate) struct Penalties {
    file: Keepsake,
    /// What the file says, or will say before long; none of what is there if that isn't known.
    kept: Option<Text>,
    boot: String,
}

impl Penalties {
    /// What a vrrp-core before this one has remembered in this boot. What can't be read, or isn't ours, is told and ignored: it may
    /// keep nobody from starting.
    pub(crate) fn load(state_dir: &Path, boot: &str) -> Self {
        let path = state_dir.join(FILE);
        let kept = match read(&path) {
            Ok(kept) => Some(kept.unwrap_or_default()),
            Err(error) => {
                log::warn!("{}: {error}; what it says of failures as MASTER is ignored", path.display());
                None
            }
        };
        Self { file: Keepsake::new(path, "what was failed as MASTER"), kept, boot: boot.to_owned() }
    }

    /// Everything that is remembered of this boot, if it is known which one it is.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&InstanceName, PenaltyView)> {
        let of_this_boot = self.kept.iter().filter(|kept| kept.boot == self.boot && !kept.boot.is_empty());
        let instances = of_this_boot.flat_map(|kept| &kept.instances);
        instances.flat_map(|(name, lines)| lines.iter().map(move |line| (name, PenaltyView::from(line))))
    }

    /// These there are now, and no others.
    pub(crate) fn keep(&mut self, all: impl Iterator<Item = (InstanceName, PenaltyView)>) {
        let mut instances = BTreeMap::<InstanceName, Vec<Line>>::new();
        for (name, view) in all {
            instances.entry(name).or_default().push(view.into());
        }
        let now = match instances.is_empty() {
            true => Text::default(),
            false => Text { boot: self.boot.clone(), instances },
        };
        if self.kept.as_ref() == Some(&now) {
            return;
        }
        let text = match now.instances.is_empty() {
            true => Ok(Vec::new()),
            false => json::line(&now),
        };
        match text {
            Ok(text) => self.file.keep(text),
            Err(error) => log::error!("{}: {error}", self.file.path().display()),
        }
        self.kept = Some(now);
    }
}

fn read(path: &Path) -> io::Result<Option<Text>> {
    let bytes = sys::own_file::read(path, MAX_SIZE)?;
    let parse = |bytes: Vec<u8>| json::parse(&bytes);
    bytes
        .map(parse)
        .transpose()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("handover-penalties-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn penalty(until: Option<u64>) -> (InstanceName, PenaltyView) {
        let view = PenaltyView {
            check: CheckName::new("chk").unwrap(),
            length: Duration::from_secs(60),
            until: until.map(Instant::from_nanos),
        };
        (InstanceName::new("api_vip").unwrap(), view)
    }

    fn found(directory: &Path, boot: &str) -> Vec<(InstanceName, PenaltyView)> {
        Penalties::load(directory, boot).iter().map(|(name, view)| (name.clone(), view)).collect()
    }

    #[test]
    fn the_next_core_of_this_boot_knows_and_none_of_another() {
        let directory = directory("next");
        for until in [None, Some(5)] {
            Penalties::load(&directory, "one").keep([penalty(until)].into_iter());
            assert_eq!(found(&directory, "one"), [penalty(until)]);
            assert_eq!(found(&directory, "two"), []);
        }
        Penalties::load(&directory, "one").keep([].into_iter());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "nothing is left");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_of_no_use_goes_with_the_next_change() {
        let directory = directory("stale");
        Penalties::load(&directory, "one").keep([penalty(None)].into_iter());
        Penalties::load(&directory, "two").keep([].into_iter());
        assert!(!directory.join(FILE).exists(), "of another boot");
        for strange in ["{\"boot\":", "[]", "{\"boot\":\"one\",\"instances\":{\"\":[]}}"] {
            fs::write(directory.join(FILE), strange).unwrap();
            assert_eq!(found(&directory, "one"), []);
            Penalties::load(&directory, "one").keep([].into_iter());
            assert!(!directory.join(FILE).exists(), "{strange}");
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_ignored() {
        let directory = directory("planted");
        fs::write(directory.join("elsewhere"), "{}").unwrap();
        std::os::unix::fs::symlink("elsewhere", directory.join(FILE)).unwrap();
        assert_eq!(found(&directory, "one"), []);
        fs::remove_dir_all(directory).unwrap();
    }
}
