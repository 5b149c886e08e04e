//! Command lines, split as keepalived splits them (found by running 2.2.7; no shell takes part).
//!
//! The words of such a line are split at blanks, with single or double quotes and escapes, neighbouring
//! pieces joined. The first of them is the command, and is split again by the same rules; the others are a
//! user and a group. So `notify "/x 'a b' c" root` runs `/x` with two arguments as root.

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::CharIndices;

use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::lexer::Word;
use crate::model::{Command, UserSpec};
use crate::source::Span;

/// Programs that understand what a shell understands.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "busybox"];

/// The longest command that advice repeats, in bytes.
const MAX_SHOWN: usize = 200;

/// A word of a command line.
struct Piece {
    text: String,
    /// The same, with an `x` for each character that was quoted or escaped.
    skeleton: String,
    /// Where it begins and ends in what was split, in bytes.
    range: (usize, usize),
    /// It begins with a quote.
    quoted: bool,
}

/// Why a command line can't be split.
enum Flaw {
    /// This quote is never closed.
    Unclosed(char),
    /// An escape that gives NUL or no character of ASCII.
    Escape,
}

/// The command alone, as of `script`.
pub(crate) fn command(keyword: &str, tail: &Word<'_>, complaints: &mut Complaints) -> Option<Command> {
    let pieces = pieces(tail, complaints)?;
    let (first, rest) = pieces.split_first()?;
    if let Some((extra, more)) = rest.split_first() {
        let is_whole = first.quoted && first.text.contains(' ');
        complaints.push(if is_whole {
            after_the_command(tail, extra, more)
        } else {
            unquoted(keyword, tail, extra)
        });
        return None;
    }
    resolve(first, piece_span(tail, first), complaints)
}

/// The command and whom it runs as, as of `notify`.
pub(crate) fn hook(
    keyword: &str,
    tail: &Word<'_>,
    complaints: &mut Complaints,
) -> Option<(Command, Option<UserSpec>)> {
    let pieces = pieces(tail, complaints)?;
    let (first, rest) = pieces.split_first()?;
    let user = match rest {
        [] => None,
        [user] => Some(UserSpec { user: user.text.clone(), group: None }),
        [user, group] => Some(UserSpec { user: user.text.clone(), group: Some(group.text.clone()) }),
        [_, _, extra, ..] => {
            complaints.push(unquoted(keyword, tail, extra));
            return None;
        }
    };
    if let (Some(word), false) = (rest.first(), first.quoted) {
        if !is_user_name(&word.text) {
            let diagnostic = unquoted(keyword, tail, word);
            let keepalived = "takes this as the user to run as, and drops the hook";
            complaints.push(diagnostic.keepalived(keepalived));
            return None;
        }
        complaints.push(argument_as_user(keyword, tail, word));
    }
    Some((resolve(first, piece_span(tail, first), complaints)?, user))
}

fn piece_span(tail: &Word<'_>, piece: &Piece) -> Span {
    let start = tail.span.range().start;
    Span::new(tail.span.file(), start + piece.range.0..start + piece.range.1)
}

fn unquoted(keyword: &str, tail: &Word<'_>, extra: &Piece) -> Diagnostic {
    let message =
        format!("a command with arguments has to be one quoted word, so {} is lost", quote(&extra.text));
    Diagnostic::error("unquoted-command", piece_span(tail, extra), message)
        .keepalived("silently drops this")
        .help(quoted_form(keyword, tail))
}

/// Something behind a command that is in its quotes already, as if this were a hook's.
fn after_the_command(tail: &Word<'_>, extra: &Piece, more: &[Piece]) -> Diagnostic {
    let message = format!("nothing follows the command on its line, so {} is lost", quote(&extra.text));
    let help = match (extra.text.as_str(), more) {
        ("user", [user, ..]) if is_user_name(&user.text) => {
            format!("write `user {}` on a line of its own", user.text)
        }
        ("user", _) => "write `user NAME` on a line of its own".to_owned(),
        _ => "an argument of the command stands within its quotes; whom it runs as is `user NAME` on a line of its own".to_owned(),
    };
    Diagnostic::error("unquoted-command", piece_span(tail, extra), message)
        .keepalived("silently drops this")
        .help(help)
}

/// How the whole command would be one word, if that is short and plain enough to be shown.
fn quoted_form(keyword: &str, tail: &Word<'_>) -> String {
    let line = tail.text.trim();
    if line.len() > MAX_SHOWN || line.contains(['\'', '\\']) {
        return "put double quotes around the whole command, and single quotes within".to_owned();
    }
    format!("write: {keyword} \"{}\"", line.replace('"', "'"))
}

fn argument_as_user(keyword: &str, tail: &Word<'_>, user: &Piece) -> Diagnostic {
    let message = format!("{} is the user that runs the command, not an argument of it", quote(&user.text));
    let form = quoted_form(keyword, tail);
    Diagnostic::warning("argument-as-user", piece_span(tail, user), message).help(format!(
        "if it is an argument, {form}; if it is the user, put the command alone in double quotes"
    ))
}

/// What useradd(8) lets through: lower-case letters, digits, `_`, `-`, `.`, not beginning with a digit or `-`.
fn is_user_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    text.chars().next().is_some_and(first)
        && text.chars().all(|c| first(c) || c.is_ascii_digit() || matches!(c, '-' | '.' | '$'))
}

fn pieces(tail: &Word<'_>, complaints: &mut Complaints) -> Option<Vec<Piece>> {
    // The lexer has told of an odd number of double quotes already.
    let told = tail.text.matches('"').count() % 2 == 1;
    let tell = |flaw| {
        if !told {
            complaints.push(flawed(&flaw, tail.span))
        }
    };
    split(tail.text).map_err(tell).ok()
}

fn flawed(flaw: &Flaw, span: Span) -> Diagnostic {
    match flaw {
        Flaw::Unclosed(quote) => {
            let message = format!("a {quote} in this command is never closed");
            Diagnostic::error("unclosed-quote", span, message)
                .help("quotes are taken away twice: once around the command, once around its arguments")
        }
        Flaw::Escape => Diagnostic::error("bad-escape", span, "an escape gives a byte that isn't ASCII text")
            .help("write the character itself, or keep such bytes in a script of your own"),
    }
}

/// The second splitting: program and arguments.
fn resolve(piece: &Piece, span: Span, complaints: &mut Complaints) -> Option<Command> {
    let words = split(&piece.text).map_err(|flaw| complaints.push(flawed(&flaw, span))).ok()?;
    let Some((program, arguments)) = words.split_first().filter(|(program, _)| !program.text.is_empty())
    else {
        complaints.push(Diagnostic::error("missing-value", span, "there is no command in this"));
        return None;
    };
    let program = PathBuf::from(&program.text);
    if let Some(operator) = arguments.iter().find(|word| is_for_a_shell(&word.skeleton))
        && !is_shell(&program)
    {
        let message =
            format!("no shell takes part: {} is handed to the program as it is", quote(&operator.text));
        let help = "put it into a script, or write: /bin/sh -c '...'";
        complaints.push(Diagnostic::warning("shell-syntax", span, message).help(help));
    }
    let arguments = arguments.iter().map(|word| word.text.clone()).collect();
    Some(Command { program, arguments, span })
}

fn is_shell(program: &Path) -> bool {
    program.file_name().and_then(|name| name.to_str()).is_some_and(|name| SHELLS.contains(&name))
}

/// Pipes, substitutions, lists and redirections; not `&` or `?` within a word, which URLs have.
fn is_for_a_shell(skeleton: &str) -> bool {
    let redirects = skeleton.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['<', '>']);
    redirects
        || skeleton.contains(['|', '`'])
        || skeleton.contains("$(")
        || matches!(skeleton, "&" | "&&")
        || skeleton.ends_with(';')
}

fn split(text: &str) -> Result<Vec<Piece>, Flaw> {
    let mut pieces = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.peek().copied() {
        if is_blank(c) {
            chars.next();
            continue;
        }
        let quoted = matches!(c, '\'' | '"');
        let mut piece = Piece { text: String::new(), skeleton: String::new(), range: (start, 0), quoted };
        read_piece(&mut chars, &mut piece)?;
        piece.range.1 = chars.peek().map_or(text.len(), |(end, _)| *end);
        pieces.push(piece);
    }
    Ok(pieces)
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

fn read_piece(chars: &mut Peekable<CharIndices<'_>>, piece: &mut Piece) -> Result<(), Flaw> {
    let mut open = None;
    while let Some((_, c)) = chars.peek().copied() {
        if open.is_none() && is_blank(c) {
            break;
        }
        chars.next();
        match (c, open) {
            ('\\', _) => {
                piece.text.push(escape(chars)?);
                piece.skeleton.push('x');
            }
            (c, Some(quote)) if c == quote => open = None,
            ('\'' | '"', None) => open = Some(c),
            (c, quoted) => {
                piece.text.push(c);
                piece.skeleton.push(if quoted.is_some() { 'x' } else { c });
            }
        }
    }
    open.map_or(Ok(()), |quote| Err(Flaw::Unclosed(quote)))
}

/// After a backslash: `\n` and its kin, `\xHH`, `\OOO`, `\cX`, or the character itself.
fn escape(chars: &mut Peekable<CharIndices<'_>>) -> Result<char, Flaw> {
    let Some((_, c)) = chars.next() else { return Ok('\\') };
    Ok(match c {
        'a' => '\x07',
        'b' => '\x08',
        'E' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'c' => match chars.next() {
            Some((_, c)) if c.is_ascii() => ascii(u32::from(c) & 0x1f)?,
            Some(_) | None => return Err(Flaw::Escape),
        },
        // keepalived takes every hexadecimal digit that follows; only two can make a character.
        'x' => ascii(digits(chars, 16, usize::MAX, 0))?,
        '0'..='7' => ascii(digits(chars, 8, 2, u32::from(c) - u32::from('0')))?,
        c => c,
    })
}

fn digits(chars: &mut Peekable<CharIndices<'_>>, radix: u32, most: usize, first: u32) -> u32 {
    let mut value = first;
    for _ in 0..most {
        let Some(digit) = chars.peek().and_then(|(_, c)| c.to_digit(radix)) else { break };
        chars.next();
        value = value.saturating_mul(radix).saturating_add(digit);
    }
    value
}

fn ascii(value: u32) -> Result<char, Flaw> {
    char::from_u32(value).filter(|c| c.is_ascii() && *c != '\0').ok_or(Flaw::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn words(tail: &str) -> Result<Vec<String>, usize> {
        let span = Span::new(Sources::default().add("t", "", None), 0..tail.len());
        let mut complaints = Complaints::default();
        let tail = Word { text: tail, span };
        let Some((command, user)) = hook("notify", &tail, &mut complaints) else {
            return Err(complaints.errors());
        };
        let mut words = vec![command.program.display().to_string()];
        words.extend(command.arguments);
        words.extend(user.map(|user| format!("as {}:{}", user.user, user.group.unwrap_or_default())));
        Ok(words)
    }

    /// Each of these was run by keepalived 2.2.7, which got exactly these arguments.
    #[test]
    fn commands_are_split_as_keepalived_splits_them() {
        for (tail, expected) in [
            (r#" "/x 1 'a b' c""#, vec!["1", "a b", "c"]),
            (r#" '/x 2 "a b" c'"#, vec!["2", "a b", "c"]),
            (r#" "/x 3 'a\tb' a\tb a\ b""#, vec!["3", "a\tb", "a", "b", "a", "b"]),
            (r#" "/x 6 a"'b c'd"#, vec!["6", "ab", "cd"]),
            (r#" "/x 7 x'y z'w \x41 \101 \q""#, vec!["7", "xy zw", "A", "A", "q"]),
            (r#" "/x 10 '' end""#, vec!["10", "", "end"]),
            (r#" "/x 15 {a}""#, vec!["15", "{a}"]),
            (r#" "/x 1 x\\ty y\\\\tz""#, vec!["1", "x\ty", "y\\tz"]),
            (r#" '/x 2 '"a b"' c d'"#, vec!["2", "a", "b", "c", "d"]),
            (r" /x\ 5\ x", vec!["5", "x"]),
            (r#" "/x 6 'a\'b c' end' ""#, vec!["6", "ab", "c end"]),
            (r#" "/x 8 \\'a b\\' c""#, vec!["8", "'a", "b'", "c"]),
        ] {
            let words = words(tail).unwrap();
            assert_eq!(words.iter().skip(1).collect::<Vec<_>>(), expected, "{tail}");
        }
    }

    #[test]
    fn a_user_and_a_group_may_follow() {
        assert_eq!(
            words(" \"/x a\" nobody nogroup"),
            Ok(["/x", "a", "as nobody:nogroup"].map(str::to_owned).into())
        );
    }

    #[test]
    fn lost_arguments_are_errors() {
        for tail in [" /x MASTER", " /x -v", " /x a b c", " \"/x\" a b c", " '/x a", " \"/x it's\"", " \"\""]
        {
            assert_eq!(words(tail), Err(1), "{tail}");
        }
    }

    #[test]
    fn only_a_shell_gets_shell_syntax_unwarned() {
        for (text, shell) in [
            ("2>&1", true),
            ("|", true),
            ("&&", true),
            ("a;", true),
            ("$(b)", true),
            ("</dev/null", true),
            ("http://x/?a=1&b=2", false),
            ("x<y", false),
        ] {
            assert_eq!(is_for_a_shell(text), shell, "{text}");
        }
        assert!(is_shell(Path::new("/bin/sh")) && !is_shell(Path::new("/bin/shx")));
    }
}
