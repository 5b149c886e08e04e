//! How much memory processes need: their proportional set size (proc_pid_smaps_rollup(5)), in which a page that several
//! processes have counts once in all.

use std::fs;
use std::path::Path;

use super::say;
use crate::Outcome;

/// Says `KILOBYTES`, of all processes with one of these names.
pub(super) fn tell(names: &[&str]) -> Outcome<()> {
    let entries = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let ours = paths.filter(|path| {
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        names.contains(&name.trim_end())
    });
    say(ours.filter_map(|path| pss(&path)).sum::<u64>())
}

fn pss(process: &Path) -> Option<u64> {
    let text = fs::read_to_string(process.join("smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}
