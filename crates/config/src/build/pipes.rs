//! `notify_fifo`, `vrrp_notify_fifo`, and the scripts that read them.
//!
//! The words are in keepalived.conf(5). With keepalived the general pipe also tells of LVS; of instances both tell the
//! same, so that one path is one pipe here as there.

use std::path::Path;

use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::model::{NotifyPipe, UserSpec};
use crate::section::Section;

/// Each pipe with its reader, the general one first: it is the one that counts when both have one path.
const WORDS: [(&str, &str); 2] =
    [("notify_fifo", "notify_fifo_script"), ("vrrp_notify_fifo", "vrrp_notify_fifo_script")];

/// The pipes that `global_defs` asks for.
pub(super) fn pipes(global: &Section<'_>, complaints: &mut Complaints) -> Vec<NotifyPipe> {
    let mut pipes: Vec<NotifyPipe> = Vec::new();
    for (word, script) in WORDS {
        let Some(pipe) = pipe(global, word, script, complaints) else { continue };
        match pipes.iter().find(|other| other.path == pipe.path) {
            Some(first) => complaints.push(
                Diagnostic::warning("given-twice", pipe.span, format!("`{}` has the same path", first.word))
                    .related(first.span, "given here")
                    .help(format!("remove `{word}`: both would tell the same")),
            ),
            None => pipes.push(pipe),
        }
    }
    pipes
}

fn pipe(
    global: &Section<'_>,
    word: &'static str,
    script: &'static str,
    complaints: &mut Complaints,
) -> Option<NotifyPipe> {
    let reader = global.hook(script);
    let [path, owner @ ..] = global.texts(word) else {
        if let (Some(span), None) = (global.given(script), global.given(word)) {
            let message = format!("`{script}` is never run, since there is no `{word}`");
            let help = format!("add `{word} PATH`, or remove the line");
            complaints.push(Diagnostic::warning("reader-ignored", span, message).help(help));
        }
        return None;
    };
    let owner = match owner {
        [] => None,
        [user] => Some(UserSpec { user: user.text.to_owned(), group: None }),
        [user, group] => Some(UserSpec { user: user.text.to_owned(), group: Some(group.text.to_owned()) }),
        [_, _, extra, ..] => {
            let message = format!("{} follows the group, where nothing may follow", quote(extra.text));
            let help = format!("write `{word} PATH [USER [GROUP]]`");
            complaints.push(Diagnostic::error("extra-words", extra.span, message).help(help));
            return None;
        }
    };
    if !Path::new(path.text).is_absolute() {
        let message = format!("{} is no absolute path", quote(path.text));
        let help = "begin it with `/`: the daemon and the reader have no directory in common";
        complaints.push(Diagnostic::error("bad-path", path.span, message).help(help));
        return None;
    }
    Some(NotifyPipe { word, path: path.text.into(), owner, reader, span: path.span })
}

#[cfg(test)]
mod tests {
    use crate::model::NotifyPipe;

    fn read(global: &str) -> (Option<Vec<NotifyPipe>>, Vec<&'static str>) {
        let loaded = crate::parse("test.conf", format!("global_defs {{\n{global}\n}}\n"));
        let codes = loaded.report.diagnostics().iter().map(|it| it.code);
        let codes = codes.filter(|code| *code != "no-instance").collect();
        (loaded.config.map(|config| config.global.pipes), codes)
    }

    #[test]
    fn a_pipe_has_an_owner_and_a_reader() {
        let (pipes, told) = read("vrrp_notify_fifo /run/a adm daemon\n vrrp_notify_fifo_script \"/r one\"");
        let pipes = pipes.expect("valid");
        let [pipe] = pipes.as_slice() else { unreachable!("one pipe: {pipes:?}") };
        assert_eq!((pipe.word, pipe.path.to_str()), ("vrrp_notify_fifo", Some("/run/a")));
        let owner = pipe.owner.as_ref().expect("an owner");
        assert_eq!((owner.user.as_str(), owner.group.as_deref()), ("adm", Some("daemon")));
        assert_eq!(pipe.reader.as_ref().expect("a reader").command.arguments, ["one"]);
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn one_path_is_one_pipe() {
        let (pipes, told) = read("vrrp_notify_fifo /run/a\n notify_fifo /run/a");
        let words: Vec<_> = pipes.expect("valid").iter().map(|pipe| pipe.word).collect();
        assert_eq!((words, told), (vec!["notify_fifo"], vec!["given-twice"]));
        let (pipes, _) = read("vrrp_notify_fifo /run/a\n notify_fifo /run/b");
        assert_eq!(pipes.expect("valid").len(), 2);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        assert_eq!(read("notify_fifo run/a"), (None, vec!["bad-path"]));
        assert_eq!(read("notify_fifo /run/a b c d"), (None, vec!["extra-words"]));
        assert_eq!(read("notify_fifo_script /r"), (Some(vec![]), vec!["reader-ignored"]));
    }
}
