//! What follows a word, read by what the table says it takes.

use std::net::IpAddr;
use std::time::Duration;

use model::LinkName;

use crate::command;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{Argument, Directive};
use crate::lexer::Word;
use crate::model::{Command, UserSpec, Weight};
use crate::suggest::nearest;
use crate::tree::Statement;

const MICROS: u64 = 1_000_000;
/// Digits after the point that a TIMER may have.
const MAX_DECIMALS: usize = 6;

/// What a statement says.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// That it is there.
    Nothing,
    Bool(bool),
    Number(i64),
    Seconds(Duration),
    Weight(Weight),
    Choice(&'static str),
    Address(IpAddr),
    Link(LinkName),
    User(UserSpec),
    Command(Command),
    Hook(Command, Option<UserSpec>),
    Text(Word<'a>),
    Words(Vec<Word<'a>>),
}

/// The value, or `None` after a complaint.
pub(crate) fn read<'a>(
    row: &Directive,
    statement: &Statement<'a>,
    complaints: &mut Complaints,
) -> Option<Value<'a>> {
    let words = match row.argument {
        Argument::Nothing | Argument::Free => {
            refuse_more(row, statement, 0, complaints);
            return Some(Value::Nothing);
        }
        Argument::Bool if statement.arguments.is_empty() => return Some(Value::Bool(true)),
        Argument::Flag(_) | Argument::OptionalHook if statement.arguments.is_empty() => {
            return Some(Value::Nothing);
        }
        Argument::Words(what) if what.starts_with('[') && statement.arguments.is_empty() => {
            return Some(Value::Words(Vec::new()));
        }
        Argument::Command | Argument::Hook | Argument::OptionalHook | Argument::Words(_) => usize::MAX,
        Argument::Weight(_) | Argument::User => 2,
        Argument::Number(..) | Argument::Seconds(..) | Argument::OneOf(_) => 1,
        Argument::Bool | Argument::Flag(_) | Argument::Address | Argument::Link | Argument::Text(_) => 1,
    };
    let Some(first) = statement.arguments.first() else {
        complaints.push(missing(row, statement));
        return None;
    };
    refuse_more(row, statement, words, complaints);
    let second = statement.arguments.get(1);
    let value = match row.argument {
        Argument::Command => {
            return command::command(row.name, &statement.tail, complaints).map(Value::Command);
        }
        Argument::Hook | Argument::OptionalHook => {
            let hook = command::hook(row.name, &statement.tail, complaints);
            return hook.map(|(command, user)| Value::Hook(command, user));
        }
        Argument::Bool => boolean(first.text).map(Value::Bool),
        Argument::Flag(words) => {
            words.iter().find(|word| **word == first.text).map(|word| Value::Choice(word))
        }
        Argument::Number(min, max) => number(first.text, min, max).map(Value::Number),
        Argument::Seconds(min, max) => seconds(first.text, min, max).map(Value::Seconds),
        Argument::Weight(limit) => weight(first.text, second, limit).map(Value::Weight),
        Argument::OneOf(choices) => {
            choices.iter().find(|choice| **choice == first.text).map(|choice| Value::Choice(choice))
        }
        Argument::Address => first.text.parse().ok().map(Value::Address),
        Argument::Link => LinkName::new(first.text).ok().map(Value::Link),
        Argument::User => user(first, second).map(Value::User),
        Argument::Text(_) => Some(Value::Text(*first)),
        Argument::Words(_) => Some(Value::Words(statement.arguments.clone())),
        Argument::Nothing | Argument::Free => None,
    };
    if value.is_none() {
        let second = second.filter(|_| is_fit_alone(row.argument, first));
        complaints.push(unfit(row, second.unwrap_or(first)));
    }
    value
}

/// Whether the first of two words would do, so that the second one is to blame.
fn is_fit_alone(argument: Argument, first: &Word<'_>) -> bool {
    match argument {
        Argument::Weight(limit) => weight(first.text, None, limit).is_some(),
        Argument::User => user(first, None).is_some(),
        _ => false,
    }
}

/// keepalived's words for yes and no, in lower case as there.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// A decimal number, the whole word of it, within these bounds.
pub(crate) fn number(text: &str, min: i64, max: i64) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

/// Seconds with at most six decimals, within these bounds in microseconds.
pub(crate) fn seconds(text: &str, min: u64, max: u64) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0
        || fraction.len() > MAX_DECIMALS
        || !digits(whole)
        || !digits(fraction)
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<MAX_DECIMALS$}").parse().ok()?;
    let micros = whole.checked_mul(MICROS)?.checked_add(fraction)?;
    (min..=max).contains(&micros).then(|| Duration::from_micros(micros))
}

fn weight(text: &str, reverse: Option<&Word<'_>>, limit: i16) -> Option<Weight> {
    let value = number(text, i64::from(-limit), i64::from(limit))?;
    let reverse = match reverse.map(|word| word.text) {
        None => false,
        Some("reverse") => true,
        Some(_) => return None,
    };
    Some(Weight { value: i16::try_from(value).ok()?, reverse })
}

/// keepalived's newest takes `:GROUP` for supplementary groups as well, which nothing here does.
fn user(user: &Word<'_>, group: Option<&Word<'_>>) -> Option<UserSpec> {
    let is_name = |word: &&Word<'_>| !word.text.is_empty() && !word.text.contains(':');
    let name = |word: &Word<'_>| word.text.to_owned();
    if group.is_some_and(|group| !is_name(&group)) {
        return None;
    }
    Some(user).filter(is_name).map(|user| UserSpec { user: name(user), group: group.map(name) })
}

/// Words on the line that nobody would ever read.
pub(crate) fn refuse_more(
    row: &Directive,
    statement: &Statement<'_>,
    most: usize,
    complaints: &mut Complaints,
) {
    let Some((extra, rest)) = statement.arguments.get(most..).and_then(<[_]>::split_first) else { return };
    let span = rest.last().map_or(extra.span, |last| extra.span.to(last.span));
    // It may be the other half of a password.
    let is_secret = row.argument == Argument::Text("PASSWORD");
    let what = if is_secret { "the next word".to_owned() } else { quote(extra.text) };
    let message = match most {
        0 => format!("`{}` takes no value, so {what} says nothing", row.name),
        1 => format!("`{}` takes one value; {what} is one too many", row.name),
        _ => format!("`{}` takes {}; {what} is too much", row.name, wanted(row.argument)),
    };
    let help = if most == 0 {
        "the word alone turns it on; to turn it off, remove the line"
    } else {
        "one statement a line; a value with blanks goes into double quotes"
    };
    complaints
        .push(Diagnostic::error("extra-words", span, message).keepalived("silently ignores this").help(help));
}

fn missing(row: &Directive, statement: &Statement<'_>) -> Diagnostic {
    let message = format!("`{}` needs {}", row.name, wanted(row.argument));
    let default = if row.default.is_empty() { String::new() } else { format!("; default: {}", row.default) };
    Diagnostic::error("missing-value", statement.keyword.span, message)
        .help(format!("`{}` {}{default}", row.name, row.help))
}

/// The word is there and is not a value.
pub(crate) fn unfit(row: &Directive, word: &Word<'_>) -> Diagnostic {
    let numeric = matches!(row.argument, Argument::Number(..) | Argument::Seconds(..) | Argument::Weight(_));
    let code = if is_number(word) && numeric { "out-of-range" } else { "bad-value" };
    let message = format!(
        "{} can't be the value of `{}`: it takes {}",
        quote(word.text),
        row.name,
        wanted(row.argument)
    );
    let diagnostic = Diagnostic::error(code, word.span, message).help(advice(row, word));
    if row.name == "weight" && code == "out-of-range" {
        return diagnostic.keepalived("complains about it, and uses it all the same");
    }
    diagnostic
}

fn is_number(word: &Word<'_>) -> bool {
    word.text.parse::<f64>().is_ok()
}

fn advice(row: &Directive, word: &Word<'_>) -> String {
    if word.text.starts_with('$') {
        return "a definition stands for its value where a blank or nothing follows, or as ${NAME}"
            .to_owned();
    }
    if let Argument::OneOf(choices) = row.argument
        && let Some(choice) = nearest(word.text, choices.iter().copied())
    {
        return format!("did you mean `{choice}`?");
    }
    let default = if row.default.is_empty() { String::new() } else { format!("; default: {}", row.default) };
    format!("`{}` {}{default}", row.name, row.help)
}

fn any_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
}

/// What a word takes, for people.
pub(crate) fn wanted(argument: Argument) -> String {
    let decimal = |micros: u64| {
        let text = format!("{}.{:06}", micros / MICROS, micros % MICROS);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match argument {
        Argument::Nothing => "nothing".to_owned(),
        Argument::Bool => "`on` or `off`".to_owned(),
        Argument::Flag(words) => format!("nothing or {}", any_of(words)),
        Argument::Number(min, max) => format!("a number from {min} to {max}"),
        Argument::Seconds(min, max) => format!("seconds from {} to {}", decimal(min), decimal(max)),
        Argument::Weight(limit) => format!("a number from -{limit} to {limit}, and perhaps `reverse`"),
        Argument::OneOf(choices) => any_of(choices),
        Argument::Address => "an IPv4 or IPv6 address".to_owned(),
        Argument::Link => "the name of an interface".to_owned(),
        Argument::User => "a user and perhaps a group".to_owned(),
        Argument::Command => "a command in quotes".to_owned(),
        Argument::Hook => "a command in quotes, and perhaps a user and a group".to_owned(),
        Argument::OptionalHook => "nothing, or a command in quotes and perhaps a user and a group".to_owned(),
        Argument::Text(what) | Argument::Words(what) => what.to_owned(),
        Argument::Free => "words".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_words() {
        assert_eq!(number("007", 0, 10), Some(7));
        assert_eq!(number("-7", -7, 10), Some(-7));
        for text in ["", "-", "+7", "7x", "0x7", "11", "7.0", "99999999999999999999"] {
            assert_eq!(number(text, 0, 10), None, "{text}");
        }
    }

    #[test]
    fn seconds_have_six_decimals_at_most() {
        let micros = |text: &str| seconds(text, 1, 10_000_000).map(|duration| duration.as_micros());
        assert_eq!(micros("1"), Some(1_000_000));
        assert_eq!(micros(".25"), Some(250_000));
        assert_eq!(micros("0.000001"), Some(1));
        assert_eq!(micros("10.0"), Some(10_000_000));
        for text in ["", ".", "0", "0.0000001", "10.000001", "-1", "1e3", "1.-1", "18446744073709551615"] {
            assert_eq!(micros(text), None, "{text}");
        }
    }
}
