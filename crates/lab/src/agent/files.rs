//! A host's own files, over those of the machine, which stay as they are.
//!
//! `/run`, `/tmp` and `/dev/shm` are empty and the host's own from the start. Where a file is to be written elsewhere,
//! the directory is covered: a new one in memory takes its place, full of links to what was there. Must never write
//! through such a link, nor where no cover is; the machine's mounts are read-only here besides. Read mount_namespaces(7).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

/// Where a host finds the directory that the agent's program is in.
pub const PROGRAMS: &str = "/run/lab/programs";
/// Where what was covered can still be seen, by number.
const ORIGINALS: &str = "/run/lab/original";
/// What a host has for itself from the start, if the machine has it.
const FRESH: [&str; 3] = ["/run", "/tmp", "/dev/shm"];
/// The kernel's settings of the host's own network namespace: written as they are.
const NETWORK_SETTINGS: &str = "/proc/sys/net/";
/// How large each of these directories may grow, in megabytes of memory.
const MAX_MEGABYTES: u32 = 256;
/// How many directories may be covered.
const MAX_COVERS: usize = 64;

/// The covers of one host.
#[derive(Debug)]
pub(super) struct Files {
    /// The device numbers of what we mounted: a directory on one of them is ours to write.
    ours: BTreeSet<u64>,
    covers: usize,
}

impl Files {
    /// Furnishes the mount namespace of the calling process, which must be a new one.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn furnish(program: &Path) -> Result<Self, String> {
        let mut files = Self { ours: BTreeSet::new(), covers: 0 };
        let directory = program.parent().unwrap_or(Path::new("/"));
        // It may well be below /tmp, so it has to be held before that is covered.
        let held =
            fs::File::open(directory).map_err(|error| format!("open {}: {error}", directory.display()))?;
        for path in FRESH.map(Path::new) {
            if path.is_dir() {
                files.mount_fresh(path)?;
            }
        }
        make_directories(Path::new(PROGRAMS))?;
        let held = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
        sys::namespace::bind(&held, Path::new(PROGRAMS))
            .map_err(|error| format!("bind {PROGRAMS}: {error}"))?;
        Ok(files)
    }

    /// Writes a file, which may replace what the machine has there, for this host alone.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn write(&mut self, path: &str, contents: &[u8], mode: u32) -> Result<(), String> {
        let failed = |error: io::Error| format!("write {path}: {error}");
        if path.starts_with(NETWORK_SETTINGS) && is_plain(Path::new(path)) {
            return fs::write(path, contents).map_err(failed);
        }
        let place = self.place(Path::new(path))?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&place).map_err(failed)?;
        file.write_all(contents).map_err(failed)?;
        // Again, since the umask took its part.
        file.set_permissions(Permissions::from_mode(mode)).map_err(failed)
    }

    /// Copies one of the programs beside the agent's to a path.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn install(&mut self, program: &OsStr, path: &str) -> Result<(), String> {
        let program = Path::new(PROGRAMS).join(program);
        let place = self.place(Path::new(path))?;
        let failed = |error: io::Error| format!("copy {} to {path}: {error}", program.display());
        fs::copy(&program, &place).map_err(failed)?;
        fs::set_permissions(&place, Permissions::from_mode(0o755)).map_err(failed)
    }

    /// Where to write what is to appear at `path`: nothing is there now, and its directory is ours.
    fn place(&mut self, path: &Path) -> Result<PathBuf, String> {
        if !is_plain(path) {
            return Err(format!("{}: a path in the lab is absolute and has no '..'", path.display()));
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(format!("{}: not the path of a file", path.display()));
        };
        let existing = parent.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new("/"));
        let real =
            fs::canonicalize(existing).map_err(|error| format!("find {}: {error}", existing.display()))?;
        if !self.is_ours(&real)? {
            self.cover(&real)?;
        }
        let rest = parent.strip_prefix(existing).unwrap_or(Path::new(""));
        let directory = real.join(rest);
        make_directories(&directory)?;
        let place = directory.join(name);
        match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("replace {}: {error}", path.display()))
            }
            Ok(()) | Err(_) => Ok(place),
        }
    }

    /// Puts a directory of our own over `directory`, with links to all that was in it.
    fn cover(&mut self, directory: &Path) -> Result<(), String> {
        if directory == Path::new("/") {
            return Err("the root directory itself can't get new entries in the lab".to_owned());
        }
        if self.covers >= MAX_COVERS {
            return Err(format!("more than {MAX_COVERS} directories with files of the lab's"));
        }
        let original = Path::new(ORIGINALS).join(self.covers.to_string());
        self.covers += 1;
        make_directories(&original)?;
        let failed = |error: io::Error| format!("cover {}: {error}", directory.display());
        sys::namespace::bind(directory, &original).map_err(failed)?;
        self.mount_fresh(directory)?;
        for entry in fs::read_dir(&original).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            symlink(original.join(&name), directory.join(&name)).map_err(failed)?;
        }
        Ok(())
    }

    fn mount_fresh(&mut self, path: &Path) -> Result<(), String> {
        let failed = |error: io::Error| format!("mount a directory over {}: {error}", path.display());
        sys::namespace::mount_tmpfs(path, MAX_MEGABYTES).map_err(failed)?;
        self.ours.insert(fs::metadata(path).map_err(failed)?.dev());
        Ok(())
    }

    fn is_ours(&self, directory: &Path) -> Result<bool, String> {
        let facts =
            fs::metadata(directory).map_err(|error| format!("find {}: {error}", directory.display()))?;
        Ok(self.ours.contains(&facts.dev()))
    }
}

fn make_directories(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("make {}: {error}", path.display()))
}

/// Absolute, and nothing in it that leads up again.
fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}
