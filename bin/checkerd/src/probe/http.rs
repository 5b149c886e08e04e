//! An HTTP request and what is made of the answer, as bytes. RFC 9112, sections 3 and 4.
//!
//! The request is one of HTTP/1.0, so that no server answers in chunks and every one closes at the end.

use checks::Outcome;
use config::HttpGet;

/// How much of an answer is looked at, in bytes: headers, and the beginning of the body.
pub(super) const MAX_ANSWER: usize = 64 * 1024;
/// How much of an answer that isn't HTTP is shown, in characters.
const MAX_SHOWN: usize = 40;

/// What an answer comes to so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It isn't known yet.
    More,
    /// It is known.
    Over(Outcome),
}

/// What is sent.
pub(super) fn request(get: &HttpGet) -> Vec<u8> {
    let HttpGet { host, path, .. } = get;
    let version = env!("CARGO_PKG_VERSION");
    format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: handover-checkerd/{version}\r\nAccept: */*\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

/// Looks at what has come; `over` when no more will.
pub(super) fn judge(get: &HttpGet, answer: &[u8], over: bool) -> Judgement {
    let over = over || answer.len() >= MAX_ANSWER;
    let failed = |why: String| Judgement::Over(Outcome::Failed(why));
    let Some(line) = first_line(answer) else {
        return match over {
            false => Judgement::More,
            true if answer.is_empty() => failed("closed without an answer".to_owned()),
            true => failed(format!("not an HTTP answer: {:?}", shown(answer))),
        };
    };
    let Some(status) = status(line) else { return failed(format!("not an HTTP answer: {:?}", shown(line))) };
    let wanted = get.status.map_or_else(|| (200..300).contains(&status), |wanted| wanted == status);
    if !wanted {
        let wanted = get.status.map_or_else(|| "200 to 299".to_owned(), |status| status.to_string());
        return failed(format!("status {status}, not {wanted}"));
    }
    let Some(text) = get.body.as_deref() else { return Judgement::Over(Outcome::Passed) };
    let body = body(answer).unwrap_or_default();
    if body.windows(text.len().max(1)).any(|part| part == text.as_bytes()) {
        return Judgement::Over(Outcome::Passed);
    }
    if over {
        failed(format!("status {status}, but {text:?} is not in the first {} bytes", body.len()))
    } else {
        Judgement::More
    }
}

fn first_line(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    answer.get(..end)
}

/// `HTTP/1.1 200 OK`
fn status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let code = rest.trim_end().split(' ').next()?;
    let is_http = version.starts_with("HTTP/1.") && code.len() == 3;
    if is_http { code.parse().ok() } else { None }
}

/// What follows the empty line.
fn body(answer: &[u8]) -> Option<&[u8]> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|part| part == END)?;
    answer.get(end + END.len()..)
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use config::Target;
    use proptest::prelude::*;

    use super::*;

    fn get(status: Option<u16>, body: Option<&str>) -> HttpGet {
        let target = Target { address: ([127, 0, 0, 1], 80).into(), source: None, link: None };
        HttpGet {
            target,
            tls: None,
            host: "h".into(),
            path: "/".into(),
            status,
            body: body.map(str::to_owned),
        }
    }

    fn said(get: &HttpGet, answer: &str, over: bool) -> String {
        match judge(get, answer.as_bytes(), over) {
            Judgement::More => "more".to_owned(),
            Judgement::Over(outcome) => outcome.to_string(),
        }
    }

    #[test]
    fn the_status_decides_as_soon_as_it_is_there() {
        let any = get(None, None);
        assert_eq!(said(&any, "HTTP/1.1 20", false), "more");
        assert_eq!(said(&any, "HTTP/1.1 204 No Content\r\n", false), "passed");
        assert_eq!(said(&any, "HTTP/1.1 204\r\n", false), "passed");
        assert_eq!(said(&any, "HTTP/1.0 301 Moved\r\n", false), "status 301, not 200 to 299");
        assert_eq!(said(&get(Some(301), None), "HTTP/1.0 301 Moved\r\n", false), "passed");
        assert_eq!(said(&get(Some(200), None), "HTTP/1.0 204 x\r\n", false), "status 204, not 200");
    }

    #[test]
    fn a_text_is_looked_for_in_the_body_alone() {
        let ready = get(None, Some("ready"));
        assert_eq!(said(&ready, "HTTP/1.1 200 OK\r\nX: ready\r\n", false), "more");
        assert_eq!(said(&ready, "HTTP/1.1 200 OK\r\nX: ready\r\n\r\nrea", false), "more");
        assert_eq!(said(&ready, "HTTP/1.1 200 OK\r\n\r\nnot ready yet", false), "passed");
        let missing = said(&ready, "HTTP/1.1 200 OK\r\nX: ready\r\n\r\nno", true);
        assert_eq!(missing, "status 200, but \"ready\" is not in the first 2 bytes");
    }

    #[test]
    fn what_is_not_http_is_shown() {
        let any = get(None, None);
        assert_eq!(said(&any, "", true), "closed without an answer");
        assert_eq!(
            said(&any, "SSH-2.0-OpenSSH_9\r\n", false),
            "not an HTTP answer: \"SSH-2.0-OpenSSH_9\\r\""
        );
        assert_eq!(
            said(&any, &"x".repeat(MAX_ANSWER), false),
            format!("not an HTTP answer: {:?}", "x".repeat(MAX_SHOWN))
        );
    }

    proptest! {
        /// Whatever comes, it comes to something, and more than the bound is never wanted.
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300), over: bool) {
            let judgement = judge(&get(None, Some("x")), &bytes, over);
            prop_assert!(!over || judgement != Judgement::More);
        }
    }
}
