//! Who is drained, remembered across restarts: a node that was taken out stays out until somebody brings it back.
//!
//! One small JSON file in the state directory, replaced as a whole. It is written only on an operator's command,
//! never while adverts depend on it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use model::InstanceName;
use sys::own_file::Durability;

/// The file's name in the state directory.
const FILE: &str = "drained.json";
/// Where everything was run by root before, it may be root's.
const ROOT: u32 = 0;
/// More than any configuration has instances, with the longest names.
const MAX_SIZE: u64 = 4 << 20;

/// Instances that are drained, each with who did it and when.
#[derive(Debug)]
pub(crate) struct Drains {
    path: PathBuf,
    texts: BTreeMap<InstanceName, String>,
}

impl Drains {
    /// What was remembered. A file of ours that can't be understood is an error and not the same as none: whoever was drained
    /// may not come back by a mistake. What a sibling, or a hook of its user, has put in its place is told and ignored: it may keep
    /// nobody from starting, nor drain anybody.
    ///
    /// # Errors
    /// The kernel's words, or where the file isn't as we write it.
    pub(crate) fn load(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(FILE);
        let texts = match sys::own_file::open_of_anybody(&path) {
            Ok((file, ROOT)) => read(file)?,
            Ok((file, user)) if user == sys::user::effective_uid() => read(file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Ok((_, user)) => ignored(&path, &format!("it belongs to the user with number {user}")),
            // Ours would be a regular file, and readable for us.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::PermissionDenied) =>
            {
                ignored(&path, &error)
            }
            Err(error) => return Err(error),
        };
        Ok(Self { path, texts })
    }

    /// Where it is remembered, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Everybody who is drained.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&InstanceName, &str)> {
        self.texts.iter().map(|(name, text)| (name, text.as_str()))
    }

    /// Remembers that these are drained (with a text) or not (without).
    ///
    /// # Errors
    /// It can't be written: then nothing has changed.
    pub(crate) fn set(&mut self, names: &[InstanceName], text: Option<&str>) -> io::Result<()> {
        let mut texts = self.texts.clone();
        for name in names {
            match text {
                Some(text) => texts.insert(name.clone(), text.to_owned()),
                None => texts.remove(name),
            };
        }
        // Who was not drained is brought back, too, to end a penalty: no full disk may prevent that.
        if texts != self.texts {
            self.write(&texts)?;
            self.texts = texts;
        }
        Ok(())
    }

    /// Whoever is drained goes on so under another name.
    ///
    /// # Errors
    /// It can't be written: then nothing has changed.
    pub(crate) fn rename(&mut self, renames: &HashMap<InstanceName, InstanceName>) -> io::Result<()> {
        if self.texts.keys().all(|name| !renames.contains_key(name)) {
            return Ok(());
        }
        let renamed = |name: &InstanceName| renames.get(name).unwrap_or(name).clone();
        let texts = self.texts.iter().map(|(name, text)| (renamed(name), text.clone())).collect();
        self.write(&texts)?;
        self.texts = texts;
        Ok(())
    }

    /// To disk, then in place of the old one: a power cut leaves the one or the other.
    fn write(&self, texts: &BTreeMap<InstanceName, String>) -> io::Result<()> {
        let bytes = ipc::json::line(texts).map_err(|error| io::Error::other(error.to_string()))?;
        sys::own_file::replace(&self.path, &bytes, Durability::Disk).map(drop)
    }
}

fn read(file: File) -> io::Result<BTreeMap<InstanceName, String>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut bytes = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_SIZE {
        return Err(invalid("it is too large to be ours".to_owned()));
    }
    ipc::json::parse(&bytes).map_err(|error| invalid(error.to_string()))
}

fn ignored(path: &Path, why: &dyn Display) -> BTreeMap<InstanceName, String> {
    log::warn!("{}: {why}; what it says of who is drained is ignored: remove it", path.display());
    BTreeMap::new()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("handover-drains-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn what_is_drained_is_remembered_until_it_is_undrained() {
        let directory = directory("remembered");
        let name = InstanceName::new("api_vip").unwrap();
        let mut drains = Drains::load(&directory).unwrap();
        assert_eq!(drains.iter().count(), 0);
        drains.set(std::slice::from_ref(&name), Some("by root")).unwrap();
        let again = Drains::load(&directory).unwrap();
        assert_eq!(again.iter().collect::<Vec<_>>(), [(&name, "by root")]);
        drains.set(&[name], None).unwrap();
        assert_eq!(Drains::load(&directory).unwrap().iter().count(), 0);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_is_not_ours_is_not_taken_for_none() {
        let directory = directory("broken");
        fs::write(directory.join(FILE), "{\"api_vip\":").unwrap();
        assert_eq!(Drains::load(&directory).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::remove_dir_all(directory).unwrap();
    }

    /// By a sibling that was taken over. A FIFO would be waited for.
    #[test]
    fn what_somebody_put_in_its_place_is_ignored() {
        let directory = directory("planted");
        let path = directory.join(FILE);
        let nobody = || Drains::load(&directory).unwrap().iter().count() == 0;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert!(nobody());
        fs::remove_file(&path).unwrap();
        fs::write(directory.join("elsewhere"), r#"{"api_vip":"by them"}"#).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(nobody());
        fs::remove_file(&path).unwrap();
        fs::write(&path, r#"{"api_vip":"by us"}"#).unwrap();
        assert!(!nobody());
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(65534), None).is_ok() {
            assert!(nobody());
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_cannot_be_written_has_not_happened() {
        let mut drains = Drains::load(Path::new("/nonexistent")).unwrap();
        let name = InstanceName::new("api_vip").unwrap();
        assert!(drains.set(std::slice::from_ref(&name), Some("by root")).is_err());
        assert_eq!(drains.iter().count(), 0);
        drains.set(&[name], None).expect("nothing has to be written");
    }
}
