//! Lines of a configuration as they may be shown: diagnostics end up in logs, tickets and CI, and a password must not.
//!
//! It looks for the word and not for what was parsed: a line is shown exactly because something is wrong with it. Whatever
//! it hides keeps its length, so that carets stay where they belong.

use std::borrow::Cow;

/// What stands before a secret; mistyped at its end as well.
pub(super) const SECRET_FOLLOWS: &str = "auth_pas";
const HIDDEN: &str = "*";

/// The same text with everything hidden that stands behind the word for a password on its line, spaces and braces aside.
pub(super) fn veil(text: &str) -> Cow<'_, str> {
    if !text.contains(SECRET_FOLLOWS) {
        return text.into();
    }
    text.split_inclusive('\n').map(veil_line).collect::<String>().into()
}

fn veil_line(line: &str) -> Cow<'_, str> {
    let word = line.find(SECRET_FOLLOWS).map(|start| start + SECRET_FOLLOWS.len());
    let behind = word.and_then(|end| Some(end + line.get(end..)?.find(char::is_whitespace)?));
    let Some((before, secret)) = behind.and_then(|at| line.split_at_checked(at)) else { return line.into() };
    let mut shown = before.to_owned();
    for character in secret.chars() {
        if character.is_whitespace() || matches!(character, '{' | '}') {
            shown.push(character);
        } else {
            shown += &HIDDEN.repeat(character.len_utf8());
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_and_keeps_its_length() {
        let text = "authentication {\n  auth_type PASS\n  auth_pass s3cr\u{e9}t\n}\n";
        let shown = veil(text);
        assert_eq!(shown, "authentication {\n  auth_type PASS\n  auth_pass *******\n}\n");
        assert_eq!(shown.len(), text.len());
    }

    #[test]
    fn so_are_all_words_behind_it_and_braces_stay() {
        assert_eq!(veil("authentication { auth_pass \"a b\" }"), "authentication { auth_pass ** ** }");
    }

    #[test]
    fn a_mistyped_word_hides_it_too() {
        assert_eq!(veil("auth_passwd secret"), "auth_passwd ******");
    }

    #[test]
    fn other_lines_are_not_copied() {
        assert!(matches!(veil("  priority 100\n"), Cow::Borrowed(_)));
    }
}
