//! Real servers, one to a test, on free ports, ended with it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;

/// A `redis-server`.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    dir: tempfile::TempDir,
    cluster: bool,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::begin(free_port(), false)
    }

    fn begin(port: u16, cluster: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Self {
            child: spawn(port, dir.path(), cluster),
            port,
            dir,
            cluster,
        };
        server.await_up();
        server
    }

    pub(crate) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Anew, with what it had written down.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, self.dir.path(), self.cluster);
        self.await_up();
    }

    /// `SIGSTOP` or `SIGCONT`: it holds its connections and answers nobody.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(done.success());
    }

    fn await_up(&mut self) {
        for _ in 0..1000 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "redis-server ended"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not listen");
    }

    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.address()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, dir: &std::path::Path, cluster: bool) -> Child {
    let mut command = Command::new("redis-server");
    command
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        .arg("--dir")
        .arg(dir)
        .stdout(Stdio::null());
    if cluster {
        command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
    }
    command
        .spawn()
        .expect("redis-server must be installed (Debian: apt-get install redis-server)")
}

/// A port that nobody listens on; below 50,000, since a cluster's bus listens 10,000 above.
fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = 20_000 + u16::try_from(crate::rand() % 25_000).unwrap();
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
    panic!("no free port");
}

/// Three masters, with all slots among them.
pub(crate) struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let servers: Vec<Server> = (0..3).map(|_| Server::begin(free_port(), true)).collect();
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "create"]);
        for server in &servers {
            command.arg(format!("127.0.0.1:{}", server.port));
        }
        let made = command
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .expect("redis-cli comes with redis-server");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stdout)
        );
        let cluster = Self { servers };
        let mut connection = cluster.servers[0].connection().await;
        for _ in 0..500 {
            let info: String = redis::cmd("CLUSTER")
                .arg("INFO")
                .query_async(&mut connection)
                .await
                .unwrap();
            if info.contains("cluster_state:ok") {
                return cluster;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the cluster does not come up");
    }

    pub(crate) fn address(&self) -> String {
        let hosts = self.servers.iter().map(|s| format!("127.0.0.1:{}", s.port));
        format!("redis+cluster://{}", hosts.collect::<Vec<_>>().join(","))
    }
}
