//! A real Redis for a test: its own server on a free port, ended with it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A `redis-server`; without one installed the test fails and says what to install.
pub struct Redis {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Redis {
    /// Starts one.
    pub fn start() -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let dir = tempfile::tempdir().unwrap();
        let redis = Self {
            child: spawn(port, dir.path()),
            port,
            dir,
        };
        redis.await_up();
        redis
    }

    /// Its address, as a config has it.
    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, with what it had written down.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, self.dir.path());
        self.await_up();
    }

    /// Takes away all that it holds.
    pub fn flush(&self) {
        assert_eq!(self.ask("FLUSHALL"), ["+OK"]);
    }

    /// The names of its keys that fit a pattern.
    pub fn keys(&self, pattern: &str) -> Vec<String> {
        let answer = self.ask(&format!("KEYS {pattern}"));
        let names = answer
            .into_iter()
            .filter(|line| !line.starts_with(['*', '$']));
        names.collect()
    }

    /// The lines of its answer to a command.
    fn ask(&self, command: &str) -> Vec<String> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket
            .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
        // That of QUIT.
        assert_eq!(lines.pop().as_deref(), Some("+OK"));
        lines
    }

    fn await_up(&self) {
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not listen");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, dir: &std::path::Path) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args([
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ])
        .arg("--dir")
        .arg(dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server must be installed (Debian: apt-get install redis-server)")
}
