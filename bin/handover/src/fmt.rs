//! `handover fmt`: the normal form of a configuration file, shown, checked or written in its place.
//!
//! What that is, is crate `config`'s. Here a file is replaced as a whole or not at all, and never one that somebody else
//! has just written: see rename(2).

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use argh::FromArgs;
use config::Formatted;
use service::{Exit, Failure};

/// Print the normal form of a configuration file: one statement a line, indented by its braces.
///
/// No word, quote or comment is lost or changed. Definitions, sequences, includes, @NAME lines, commands and all with a $ stay as they are written, but for their
/// indentation. What is included isn't formatted. Whether the words mean anything is for 'handover check'.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "fmt",
    help_triggers("-h", "--help"),
    example = "handover fmt keepalived.conf",
    example = "handover fmt --check keepalived.conf",
    example = "handover fmt --write keepalived.conf",
    note = "Exit status: 0 fine, 1 not in normal form with --check, or not a text that can be formatted, 64 wrong usage."
)]
pub(crate) struct FmtArguments {
    /// the configuration file (default: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)
    #[argh(option, short = 'f', arg_name = "FILE")]
    config: Option<PathBuf>,

    /// print nothing; status 1 if the file isn't in normal form
    #[argh(switch)]
    check: bool,

    /// replace the file, if it isn't in normal form; mode and owner stay, and a symbolic link is followed
    #[argh(switch)]
    write: bool,

    /// the same as -f, without the option
    #[argh(positional, arg_name = "file")]
    file: Option<PathBuf>,

    /// accepted by all programs; not needed here
    #[argh(option, arg_name = "DIR")]
    #[allow(dead_code, reason = "all five programs share these two options")]
    runtime_dir: Option<PathBuf>,
}

/// Formats the file.
///
/// # Errors
/// [`Exit::Failed`] (status 1) when it can't be formatted or replaced, or with `--check` isn't in normal form.
pub(crate) fn run(arguments: FmtArguments) -> Result<(), Failure> {
    if arguments.check && arguments.write {
        return Err(Failure::new(Exit::Usage, "--check changes nothing, --write does: which of them?"));
    }
    if arguments.config.is_some() && arguments.file.is_some() {
        return Err(Failure::new(Exit::Usage, "one file at a time: with -f or without"));
    }
    let path = service::config_path(arguments.config.or(arguments.file));
    let Formatted { original, text, report } = config::format(&path);
    crate::complain(&report.render(crate::check::color()));
    let Some(text) = text else {
        let message = format!("{} can't be formatted, and is left as it is", path.display());
        return Err(Failure::new(Exit::Failed, message));
    };
    if arguments.check && text != original {
        let message =
            format!("{} is not in normal form; 'handover fmt --write {0}' makes it so", path.display());
        return Err(Failure::new(Exit::Failed, message));
    }
    if arguments.write && text != original {
        return replace(&path, &original, &text)
            .map_err(|error| Failure::new(Exit::Failed, format!("replace {}: {error}", path.display())));
    }
    if !arguments.check && !arguments.write {
        crate::say_bytes(&text);
    }
    Ok(())
}

/// Puts the text in the place of the file, with its mode and owner: a power cut leaves the one or the other.
fn replace(path: &Path, original: &[u8], text: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.handover-fmt-{}", std::process::id()));
    let done = write_beside(&path, &new, text).and_then(|()| {
        if fs::read(&path)? != original {
            return Err(io::Error::other("somebody else has just changed it; try again"));
        }
        fs::rename(&new, &path)
    });
    if done.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
        let _ = fs::remove_file(&new);
    }
    done
}

fn write_beside(path: &Path, new: &Path, text: &[u8]) -> io::Result<()> {
    let like = fs::metadata(path)?;
    // For nobody's eyes until it has the owner that may see its passwords.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text)?;
    let mine = file.metadata()?;
    if (mine.uid(), mine.gid()) != (like.uid(), like.gid()) {
        std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
    file.sync_all()
}
