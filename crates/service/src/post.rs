//! Whether clients still find us: somebody may have taken away our socket's file, and nothing tells its listener.
//!
//! A daemon that is looked for in vain is as good as dead to the others, though it runs. It ends, so that the next one makes a new
//! socket. It must never end where a successor couldn't make one: a directory that is gone is told, and no more.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Instant;

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The socket's file.
#[derive(Debug)]
pub(crate) struct Post {
    path: PathBuf,
    look_at: Instant,
    /// It was, and the loop knows.
    lost: bool,
    /// The log says that the directory is gone.
    told: bool,
}

impl Post {
    pub(crate) fn new(path: &Path, now: Instant) -> Self {
        Self { path: path.to_owned(), look_at: now + LOOK_EVERY, lost: false, told: false }
    }

    /// Whether the file is found to be gone, once; and it is told.
    pub(crate) fn is_lost(&mut self, now: Instant) -> bool {
        if self.lost || now < self.look_at {
            return false;
        }
        self.look_at = now + LOOK_EVERY;
        if !matches!(fs::symlink_metadata(&self.path), Err(error) if error.kind() == ErrorKind::NotFound) {
            return false;
        }
        let path = self.path.display();
        self.lost = self.path.parent().is_some_and(is_in_place);
        if self.lost {
            log::error!("somebody removed {path}, where we are spoken to: starting again, to make another");
        } else if !std::mem::replace(&mut self.told, true) {
            log::error!(
                "somebody removed the directory of {path}, where we are spoken to: everything goes on, but nobody new can \
                 reach us until we are started again (under systemd: systemd-tmpfiles --create, then systemctl restart \
                 handover.target)"
            );
        }
        self.lost
    }

    /// The deadline of a loop that would sleep until `deadline`.
    pub(crate) fn no_later(&self, deadline: Option<Instant>) -> Option<Instant> {
        let look = (!self.lost).then_some(self.look_at);
        deadline.into_iter().chain(look).min()
    }
}

/// A directory that was removed can still be seen by whoever has it mounted, but takes no file any more.
fn is_in_place(directory: &Path) -> bool {
    match fs::metadata(directory) {
        Ok(about) => about.nlink() > 0,
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(1_000_000_000);

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("handover-post-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_file_that_is_gone_is_noticed_once() {
        let directory = directory("file");
        let path = directory.join("a.sock");
        fs::write(&path, "").unwrap();
        let mut post = Post::new(&path, NOW);
        let later = NOW + LOOK_EVERY;
        assert_eq!(post.no_later(None), Some(later));
        assert!(!post.is_lost(later));
        fs::remove_file(&path).unwrap();
        assert!(!post.is_lost(later), "it isn't time to look");
        assert!(post.is_lost(later + LOOK_EVERY));
        assert!(!post.is_lost(later + LOOK_EVERY * 2));
        assert_eq!(post.no_later(None), None);
        fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn nobody_ends_for_a_directory_in_which_the_next_one_could_not_begin() {
        let directory = directory("none");
        let mut post = Post::new(&directory.join("a.sock"), NOW);
        fs::remove_dir(&directory).unwrap();
        assert!(!post.is_lost(NOW + LOOK_EVERY));
        fs::create_dir(&directory).unwrap();
        assert!(post.is_lost(NOW + LOOK_EVERY * 2));
        fs::remove_dir(&directory).unwrap();
    }
}
