//! Whether what a script's first line names is there, before the kernel is asked to run it (execve(2), "Interpreter scripts").

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::Refusal;

/// How much of a file the kernel looks at (`BINPRM_BUF_SIZE`, linux/binfmts.h).
const LOOKED_AT: u64 = 256;

/// # Errors
/// [`Refusal::Interpreter`]. What can't be read is for others to tell.
pub(crate) fn check(program: &Path) -> Result<(), Refusal> {
    match named(program) {
        Some(interpreter) if !interpreter.exists() => {
            Err(Refusal::Interpreter(program.to_owned(), interpreter))
        }
        Some(_) | None => Ok(()),
    }
}

fn named(program: &Path) -> Option<PathBuf> {
    if !fs::metadata(program).ok()?.is_file() {
        return None;
    }
    let mut begin = Vec::new();
    File::open(program).ok()?.take(LOOKED_AT).read_to_end(&mut begin).ok()?;
    let line = begin.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let name = line.trim_ascii_start().split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    (!name.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn refused(text: &str) -> Option<String> {
        let path = std::env::temp_dir().join(format!("handover-interpreter-{}", std::process::id()));
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let outcome = check(&path).map_err(|refusal| refusal.to_string()).err();
        fs::remove_file(&path).unwrap();
        outcome.map(|text| text.split_once(": ").unwrap().1.to_owned())
    }

    #[test]
    fn what_the_first_line_names_has_to_be_there() {
        for good in [
            "#!/bin/sh\n",
            "#! /bin/sh -e\n",
            "#!/usr/bin/env nothing\n",
            "\u{7f}ELF",
            "",
            "#!\n",
            "#!/bin/sh",
        ] {
            assert_eq!(refused(good), None, "{good:?}");
        }
        let missing = "its first line names /bin/nosuch, which does not exist";
        assert_eq!(refused("#!/bin/nosuch -x\n").as_deref(), Some(missing));
        let windows = "its first line names /bin/sh with a carriage return (the lines of the file end as on Windows), \
                       which does not exist";
        assert_eq!(refused("#!/bin/sh\r\necho\r\n").as_deref(), Some(windows));
        assert_eq!(check(Path::new("/dev")).is_ok(), check(Path::new("/nowhere")).is_ok());
    }
}
