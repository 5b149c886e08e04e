//! Talking to a daemon's JSON Lines socket from outside of any loop: blocking, with a time limit.
//!
//! For the operator's command, and for the thread of a daemon that coordinates a reload; never for a loop.

use std::io::{BufRead, BufReader, ErrorKind, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::Value;

/// How long a daemon may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// From one question to the next: a status of thousands of instances is some work for vrrp-core, which has adverts to send.
const REST: Duration = Duration::from_millis(50);

/// A connection on which lines are read one at a time.
#[derive(Debug)]
pub struct Client {
    program: String,
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Connects to `program`'s socket in `runtime_dir`.
    ///
    /// # Errors
    /// A sentence that says what to look at: not running, no permission, or something else.
    pub fn connect(runtime_dir: &Path, program: &str) -> Result<Self, String> {
        Self::open(runtime_dir, program).map_err(|(_, sentence)| sentence)
    }

    /// The same; `None` if that program isn't running.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_if_running(runtime_dir: &Path, program: &str) -> Result<Option<Self>, String> {
        match Self::open(runtime_dir, program) {
            Ok(client) => Ok(Some(client)),
            Err((ErrorKind::NotFound | ErrorKind::ConnectionRefused, _)) => Ok(None),
            Err((_, sentence)) => Err(sentence),
        }
    }

    fn open(runtime_dir: &Path, program: &str) -> Result<Self, (ErrorKind, String)> {
        let path = runtime_dir.join(format!("{program}.sock"));
        let stream =
            UnixStream::connect(&path).map_err(|error| (error.kind(), explain(program, &path, &error)))?;
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .and_then(|()| stream.set_write_timeout(Some(ANSWER_TIMEOUT)))
            .map_err(|error| (error.kind(), format!("{program}: {error}")))?;
        Ok(Self { program: program.to_owned(), reader: BufReader::new(stream) })
    }

    /// Sends a request that is one word.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn request(&mut self, request: &str) -> Result<(), String> {
        self.send(&serde_json::json!({ "request": request }))
    }

    /// Sends one request.
    ///
    /// # Errors
    /// What the daemon said before it closed the connection; else what the kernel says.
    pub fn send(&mut self, request: &Value) -> Result<(), String> {
        let sent = self.reader.get_mut().write_all(format!("{request}\n").as_bytes());
        sent.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => self.line().err().unwrap_or_else(|| told(error)),
            _ => told(error),
        })
    }

    /// The next line; `None` when the daemon has closed the connection.
    ///
    /// # Errors
    /// No answer in time, a line that isn't JSON, or one that says what is wrong: then that.
    pub fn line(&mut self) -> Result<Option<Value>, String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => {
                let message: Value =
                    serde_json::from_str(&line).map_err(|error| format!("not JSON: {error}"))?;
                match (message.get("type").and_then(Value::as_str), message.get("error")) {
                    (Some("error"), Some(Value::String(why))) => Err(why.clone()),
                    _ => Ok(Some(message)),
                }
            }
            Err(error) => Err(told(error)),
        }
    }

    /// The next message of that type; others are left out.
    ///
    /// # Errors
    /// As [`Self::line`], and that the daemon has closed the connection.
    pub fn wait_for(&mut self, kind: &str) -> Result<Value, String> {
        while let Some(message) = self.line()? {
            if message.get("type").and_then(Value::as_str) == Some(kind) {
                return Ok(message);
            }
        }
        Err(format!("{} closed the connection without an answer", self.program))
    }

    /// Asks for the status and gives the answer's object.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn status(&mut self) -> Result<Value, String> {
        self.request("status")?;
        self.wait_for("status")
    }

    /// Waits for a moment, for who asks again and again, or until there is something to read.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn rest(&self) -> Result<(), String> {
        let timeout = Timespec::try_from(REST).map_err(|error| format!("{REST:?}: {error}"))?;
        match poll(&mut [PollFd::new(self.reader.get_ref(), PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(told(error.into())),
        }
    }

    /// Waits until there is something to read, or nobody reads what is to come of it: then true. A pipe tells when its reader
    /// has gone; a file or a terminal has none that could.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn waits_in_vain(&self, out: impl AsFd) -> Result<bool, String> {
        while self.reader.buffer().is_empty() {
            // That the other end is gone is told whether it is asked for or not.
            let mut fds =
                [PollFd::new(self.reader.get_ref(), PollFlags::IN), PollFd::new(&out, PollFlags::empty())];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(told(error.into())),
            }
            let [feed, out] = fds.map(|fd| fd.revents());
            if out.intersects(PollFlags::HUP | PollFlags::ERR) {
                return Ok(true);
            }
            if !feed.is_empty() {
                break;
            }
        }
        Ok(false)
    }

    /// Waits for lines as long as it takes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait_for_ever(&mut self) -> Result<(), String> {
        self.reader.get_ref().set_read_timeout(None).map_err(told)
    }

    /// Waits so long for each line.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait_at_most(&mut self, limit: Duration) -> Result<(), String> {
        self.reader.get_ref().set_read_timeout(Some(limit)).map_err(told)
    }
}

fn told(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
        ErrorKind::ConnectionReset => {
            "it has ended before it answered, or was ended since it hung; its log says which".to_owned()
        }
        _ => error.to_string(),
    }
}

fn explain(program: &str, path: &Path, error: &std::io::Error) -> String {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => format!("{program} is not running (no {path})"),
        ErrorKind::ConnectionRefused => {
            format!("{program} is not running (nobody listens on {path})")
        }
        ErrorKind::PermissionDenied => {
            format!("{path}: permission denied (be root, or a member of the socket's group)")
        }
        _ => format!("{path}: {error}"),
    }
}

/// Asks `program` for its status and gives the answer's object.
///
/// # Errors
/// As for [`Client`], or that the daemon went away without an answer.
pub fn status_of(runtime_dir: &Path, program: &str) -> Result<Value, String> {
    Client::connect(runtime_dir, program)?.status()
}
