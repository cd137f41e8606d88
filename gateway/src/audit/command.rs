//! A program that wraps and unwraps data keys: the border to a KMS or an HSM.
//!
//! Protocol: the configured words, and `wrap` or `unwrap` as one more. `wrap` reads 32 bytes in base64 and a line break on
//! standard input and prints one line of printable ASCII, of at most 2048 bytes; `unwrap` reads such a line and prints the
//! 32 bytes in base64. It ends with 0. `YUMEN_ABOUT` in its environment says which key it is about: id, subject, period.
//!
//! Must never be run by a thread that serves; must never show what the program prints, which may be a key.
//! Invariants: it ends within its time, with all that it started; its answer is bounded; nothing of it is kept.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use journal::seal::{Kek, KekError, WRAPPED_BYTES_MAX};
use rustix::process::{Pid, Signal, kill_process_group};

/// Who wraps keys, as key files name it.
const ID: &str = "command";

/// Wraps keys by a program.
pub struct CommandKek {
    words: Vec<String>,
    timeout: Duration,
}

impl CommandKek {
    /// The program with its arguments, and the time it may take.
    #[must_use]
    pub fn new(words: Vec<String>, timeout: Duration) -> Self {
        Self { words, timeout }
    }

    fn ask(&self, what: &str, about: &str, line: &str) -> Result<String, KekError> {
        let (program, words) = self.words.split_first().ok_or(KekError::Unavailable)?;
        let mut child = Command::new(program)
            .args(words)
            .arg(what)
            .env("YUMEN_ABOUT", about)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own, so that what it started ends with it.
            .process_group(0)
            .spawn()
            .map_err(|_| KekError::Unavailable)?;
        let answer = self.talk(&mut child, line);
        if answer.is_none() {
            end(&mut child);
        }
        let ended = child.wait();
        answer
            .filter(|_| ended.is_ok_and(|status| status.success()))
            .ok_or(KekError::Unavailable)
    }

    /// Says a line and waits for one; `None`: it did not come, or not as agreed.
    fn talk(&self, child: &mut Child, line: &str) -> Option<String> {
        let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
        let text = format!("{line}\n");
        let (told, answer) = sync_channel(1);
        // The program may read and print in any order, or never: another thread waits for it.
        thread::Builder::new()
            .name("kms".to_owned())
            .spawn(move || {
                // One that does not read may still answer.
                let _ = stdin.write_all(text.as_bytes());
                drop(stdin);
                let mut out = Vec::new();
                let most = WRAPPED_BYTES_MAX as u64 + 2;
                let read = stdout.take(most).read_to_end(&mut out);
                let _ = told.send(read.ok().map(|_| out));
            })
            .ok()?;
        let out = match answer.recv_timeout(self.timeout) {
            Ok(out) => out?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        let text = String::from_utf8(out).ok()?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let printable = line.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        (printable && (1..=WRAPPED_BYTES_MAX).contains(&line.len())).then(|| line.to_owned())
    }
}

/// Ends the program and what it started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // One that has ended already is what is wanted.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
}

impl Kek for CommandKek {
    fn id(&self) -> &str {
        ID
    }

    fn wrap(&self, key: &[u8; 32], about: &str) -> Result<String, KekError> {
        self.ask("wrap", about, &STANDARD.encode(key))
    }

    fn unwrap(&self, wrapped: &str, about: &str) -> Result<[u8; 32], KekError> {
        let text = self.ask("unwrap", about, wrapped)?;
        let bytes = STANDARD.decode(text).map_err(|_| KekError::Refused)?;
        bytes.as_slice().try_into().map_err(|_| KekError::Refused)
    }
}

impl fmt::Debug for CommandKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommandKek")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str, timeout: Duration) -> CommandKek {
        let words = ["sh", "-c", script, "kms"].map(str::to_owned);
        CommandKek::new(words.to_vec(), timeout)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_program_wraps_and_unwraps() {
        // Reverses the text: a wrapping that shows that both ways are asked.
        let kek = shell("read line; echo \"$line\" | rev", LONG);
        let wrapped = kek.wrap(&[7; 32], "about").unwrap();
        assert!(wrapped.starts_with('='));
        assert_eq!(kek.unwrap(&wrapped, "about").unwrap(), [7; 32]);
        let told = shell("read line; echo \"$1:$YUMEN_ABOUT\"", LONG);
        assert_eq!(told.wrap(&[7; 32], "a|b").unwrap(), "wrap:a|b");
    }

    #[test]
    fn what_is_not_as_agreed_is_no_answer() {
        for script in [
            "exit 1",
            "echo wrapped; exit 1",
            "true",
            "printf 'two\\nlines\\n'",
            "printf 'esc\\033[31m\\n'",
            "head -c 5000 /dev/zero | tr '\\0' a",
            "exec /no/such/program",
        ] {
            let got = shell(script, LONG).wrap(&[7; 32], "");
            assert_eq!(got, Err(KekError::Unavailable), "{script}");
        }
        let short = shell("echo c2hvcnQ=", LONG);
        assert_eq!(short.unwrap("x", ""), Err(KekError::Refused));
        let none = CommandKek::new(vec!["/no/such/program".into()], LONG);
        assert_eq!(none.wrap(&[7; 32], ""), Err(KekError::Unavailable));
    }

    #[test]
    fn one_that_hangs_is_ended_with_all_that_it_started() {
        let began = Instant::now();
        let kek = shell("sleep 600 & sleep 600", Duration::from_millis(200));
        assert_eq!(kek.wrap(&[7; 32], ""), Err(KekError::Unavailable));
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
