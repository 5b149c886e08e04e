//! An instance, explained to a person.

use std::fmt::Write as _;

use serde_json::Value;

use super::picture::{Follows, Picture, Place, Priority, Runs};
use super::settings::{Origin, Setting};

/// Everything, in the order in which it is asked: settings, times, priorities, addresses, hooks.
pub(crate) fn render(picture: &Picture) -> String {
    let mut out = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(out, "{} ({}), {}", picture.instance, at(&picture.place), picture.family);
    if let Some(group) = &picture.group {
        let members = group.members.join(", ");
        let _ =
            writeln!(out, "Moves together with {members}: sync group {} ({})", group.name, at(&group.place));
    }
    section(&mut out, "Settings", picture.settings.iter().map(setting).collect());
    let also = picture.also_given.iter().map(|it| vec![it.word.to_owned(), at(&it.place)]);
    section(&mut out, "Also given", also.collect());
    section(&mut out, "Times", times(picture));
    section(&mut out, "Follows", picture.follows.iter().map(follows).collect());
    let mut priorities: Vec<Vec<String>> = picture.priorities.iter().map(priority).collect();
    if picture.more_priorities > 0 {
        priorities.push(vec![format!("and {} more combinations", picture.more_priorities)]);
    }
    section(&mut out, "Priority", priorities);
    let addresses = picture.addresses.iter();
    let addresses =
        addresses.map(|it| vec![it.address.clone(), format!("on {}", it.interface), at(&it.place)]);
    section(&mut out, "Addresses", addresses.collect());
    section(&mut out, "Hooks", picture.hooks.iter().map(hook).collect());
    out
}

/// A heading and a table; nothing if there is nothing in it.
fn section(out: &mut String, heading: &str, rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| row.len() > column + 1).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let _ = writeln!(out, "\n{heading}");
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(out, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn at(place: &Place) -> String {
    format!("{}:{}", place.file, place.line)
}

fn setting(setting: &Setting) -> Vec<String> {
    let value = match &setting.value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.as_f64().map_or_else(|| other.to_string(), |number| number.to_string()),
    };
    let value = if setting.unit.is_empty() { value } else { format!("{value} {}", setting.unit) };
    let origin = match &setting.origin {
        Origin::Instance { file, line } => format!("{file}:{line}"),
        Origin::Global { given_as, file, line } => format!("{file}:{line} ({given_as})"),
        Origin::Default => "default".to_owned(),
        Origin::Implied { by } => format!("because of {by}"),
    };
    vec![setting.word.to_owned(), value, origin]
}

fn times(picture: &Picture) -> Vec<Vec<String>> {
    let timers = &picture.timers;
    let seconds = |time: f64| format!("{time:.3} s");
    let row = |name: &str, time: f64, what: String| vec![name.to_owned(), seconds(time), what];
    let (advert, skew) = (seconds(timers.advert_s), seconds(timers.skew_s));
    vec![
        row("advert", timers.advert_s, "from one advert of the master to the next".to_owned()),
        row("skew", timers.skew_s, "the higher the priority, the shorter".to_owned()),
        row(
            "down",
            timers.down_s,
            format!("{} x {advert} + {skew}: so long without an advert, and it takes over", timers.missed),
        ),
    ]
}

fn follows(it: &Follows) -> Vec<String> {
    let (passing, failing) = it.adds;
    let effect = match (it.weight, it.reverse) {
        (0, false) => "no weight: FAULT while it fails".to_owned(),
        (0, true) => "no weight, in reverse: FAULT while it passes".to_owned(),
        _ if passing != 0 => format!("{passing:+} while it passes"),
        _ => format!("{failing:+} while it fails"),
    };
    let only = it.only_while.map(|role| format!(", counts while {role} only")).unwrap_or_default();
    let noticed =
        it.noticed_after_s.map(|(down, up)| format!("; down after {down} s at most, up after {up} s"));
    vec![
        format!("{} {}", it.kind, it.name),
        format!("{effect}{only}{}", noticed.unwrap_or_default()),
        at(&it.place),
    ]
}

fn priority(it: &Priority) -> Vec<String> {
    let failing = match it.failing.as_slice() {
        [] => "nothing fails".to_owned(),
        [one] => format!("{one} fails"),
        several => format!("{} fail", several.join(", ")),
    };
    let result = it.sum.clone().unwrap_or_else(|| "FAULT: it leaves the election".to_owned());
    vec![failing, result]
}

fn hook(it: &Runs) -> Vec<String> {
    let of = if it.of == "group" { " of the group" } else { "" };
    vec![format!("{}{of}", it.when), it.command.join(" "), format!("as {}", it.user), at(&it.place)]
}
