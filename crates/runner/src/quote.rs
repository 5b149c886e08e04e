//! What a script wrote, as it may stand in a line of the log.
//!
//! It must never let a script write a line of its own, move a terminal's cursor, or fill the log: it may be somebody else's, and
//! repeat what came from the network.

/// The most characters that are quoted: the end of the line, where the reason is.
const MAX_QUOTE: usize = 200;

/// `; it said: ` and the last line of an output, without control characters; nothing if that has none else.
#[must_use]
pub fn quoted(output: &str) -> String {
    let line = output.lines().next_back().unwrap_or_default();
    let plain: Vec<char> = line.chars().filter(|c| !c.is_control()).collect();
    let end: String = plain.iter().skip(plain.len().saturating_sub(MAX_QUOTE)).collect();
    match end.trim() {
        "" => String::new(),
        said => format!("; it said: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_quoted() {
        assert_eq!(quoted("first\nhaproxy: no process found\n"), "; it said: haproxy: no process found");
        assert_eq!(quoted("first\n  \n"), "");
        assert_eq!(quoted(""), "");
    }

    #[test]
    fn nothing_in_it_reaches_a_terminal_or_fills_the_log() {
        assert_eq!(quoted("\0\0\u{1b}[2Jgone\r\n"), "; it said: [2Jgone");
        let long = "x".repeat(10_000) + "the end";
        assert!(quoted(&long).ends_with("xthe end") && quoted(&long).len() <= MAX_QUOTE + 20);
    }
}
