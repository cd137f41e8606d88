//! Which store, and how it is reached: a server, a server that sentinels name, or a cluster.
//!
//! Must never know limits. Invariant: neither an error nor `Debug` shows a password.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, Pipeline, RedisFuture, Value};

/// Most servers that an address may name.
const SERVERS_MAX: usize = 64;

/// A store of limits, not yet connected.
#[derive(Clone)]
pub struct Store {
    kind: Kind,
    /// Begins all names of keys; inside braces, so that a cluster keeps them in one slot.
    pub(crate) prefix: Box<str>,
    /// The longest that a request waits for an answer.
    pub(crate) timeout: Duration,
}

#[derive(Clone)]
enum Kind {
    Server(Box<Client>),
    Sentinel(Box<Sentinel>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
struct Sentinel {
    servers: Vec<ConnectionAddr>,
    name: String,
    db: i64,
    username: Option<String>,
    password: Option<String>,
}

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(pub String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl Store {
    /// Reads an address: `redis://`, `rediss://` (TLS), `redis+cluster://`, `rediss+cluster://`,
    /// `redis+sentinel://[user:password@]host:port[,host:port…]/master[/db]`. Several hosts are separated by commas.
    ///
    /// # Errors
    /// What is wrong with it, without a password.
    pub fn parse(address: &str, prefix: &str, timeout: Duration) -> Result<Self, Problem> {
        let problem = |what: &str| Problem(what.to_owned());
        let (scheme, rest) = address
            .split_once("://")
            .ok_or_else(|| problem("an address begins with `redis://` or alike"))?;
        let kind = match scheme {
            "redis" | "rediss" => Kind::Server(Box::new(
                Client::open(address).map_err(|_| problem("this is no address of a server"))?,
            )),
            "redis+cluster" | "rediss+cluster" => {
                let plain = scheme.strip_suffix("+cluster").unwrap_or(scheme);
                Kind::Cluster(Box::new(cluster(plain, rest, timeout)?))
            }
            "redis+sentinel" => Kind::Sentinel(Box::new(sentinel(rest)?)),
            _ => return Err(problem("the scheme is not known")),
        };
        Ok(Self {
            kind,
            prefix: format!("{{{prefix}}}").into(),
            timeout,
        })
    }

    /// Connects.
    pub(crate) async fn connect(&self, patience: Duration) -> redis::RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(self.timeout));
        match &self.kind {
            Kind::Server(client) => client
                .get_multiplexed_async_connection_with_config(&config)
                .await
                .map(Connection::One),
            Kind::Sentinel(sentinel) => sentinel
                .client()?
                .get_async_connection_with_config(&config)
                .await
                .map(Connection::One),
            Kind::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Server(_) => "Store(server)",
            Kind::Sentinel(_) => "Store(sentinel)",
            Kind::Cluster(_) => "Store(cluster)",
        })
    }
}

/// `user:password@a:1,b:2/rest` → credentials, servers, rest.
type Parts<'a> = (Option<&'a str>, Vec<&'a str>, &'a str);

fn parts(rest: &str) -> Result<Parts<'_>, Problem> {
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, rest)) => (Some(login), rest),
        None => (None, rest),
    };
    let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
    let servers: Vec<&str> = servers
        .split(',')
        .filter(|server| !server.is_empty())
        .collect();
    if servers.is_empty() || servers.len() > SERVERS_MAX {
        return Err(Problem(format!(
            "1 to {SERVERS_MAX} servers, separated by commas"
        )));
    }
    Ok((login, servers, path))
}

fn cluster(scheme: &str, rest: &str, timeout: Duration) -> Result<ClusterClient, Problem> {
    let (login, servers, _) = parts(rest)?;
    let login = login.map_or_else(String::new, |login| format!("{login}@"));
    let nodes = servers
        .iter()
        .map(|server| format!("{scheme}://{login}{server}"));
    ClusterClientBuilder::new(nodes.collect::<Vec<_>>())
        .response_timeout(timeout)
        // One more try, for a slot that has moved.
        .retries(1)
        .build()
        .map_err(|_| Problem("these are no addresses of a cluster".to_owned()))
}

fn sentinel(rest: &str) -> Result<Sentinel, Problem> {
    let (login, servers, path) = parts(rest)?;
    let (name, db) = path.split_once('/').unwrap_or((path, "0"));
    if name.is_empty() {
        return Err(Problem(
            "the name of the master is missing: `…/mymaster`".to_owned(),
        ));
    }
    let db = db
        .parse()
        .map_err(|_| Problem("the database is no number".to_owned()))?;
    let servers = servers
        .into_iter()
        .map(|server| {
            let (host, port) = server.rsplit_once(':').unwrap_or((server, "26379"));
            port.parse()
                .map(|port| ConnectionAddr::Tcp(host.to_owned(), port))
                .map_err(|_| Problem("a port is no number".to_owned()))
        })
        .collect::<Result<_, _>>()?;
    let (username, password) = match login.map(|login| login.split_once(':').unwrap_or((login, "")))
    {
        Some((user, password)) => (
            Some(user.to_owned()).filter(|user| !user.is_empty()),
            Some(password.to_owned()).filter(|password| !password.is_empty()),
        ),
        None => (None, None),
    };
    Ok(Sentinel {
        servers,
        name: name.to_owned(),
        db,
        username,
        password,
    })
}

impl Sentinel {
    fn client(&self) -> redis::RedisResult<SentinelClient> {
        let mut builder = SentinelClientBuilder::new(
            self.servers.iter().cloned(),
            self.name.clone(),
            SentinelServerType::Master,
        )?
        .set_client_to_redis_db(self.db);
        if let Some(username) = &self.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_redis_password(password);
        }
        builder.build()
    }
}

/// A connection; cloning it shares it, and what is sent over its clones at once travels together.
#[derive(Clone)]
pub(crate) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
