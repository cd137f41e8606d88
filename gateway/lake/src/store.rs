//! Where the table lives: a directory or an object store, opened by URL and options.
//!
//! Object stores speak HTTP through a function that the caller passes in, so this crate opens no socket and brings no second
//! TLS. Signatures and errors are the `object_store` crate's.
//!
//! Must never know what the objects hold, or show an option's value.
//! Invariants: an object is seen whole or not at all; every call is bounded in tries and time.

use std::fmt;
use std::future::Future;
use std::path::{Path as FilePath, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig,
};

/// Tries of one call beyond the first; the caller tries again later, for as long as it takes.
const RETRIES_MAX: usize = 3;
/// Time of one call with its retries.
const CALL_TIME: Duration = Duration::from_secs(90);
/// Pause between two tries, at most.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Largest object that is read back: manifests.
const READ_BYTES_MAX: u64 = 64 << 20;

/// Why a call got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No connection.
    Connect,
    /// It took too long.
    Timeout,
    /// The connection broke.
    Broken,
    /// The answer makes no sense, or is too large.
    Malformed,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "cannot connect",
            Self::Timeout => "timed out",
            Self::Broken => "the connection broke",
            Self::Malformed => "the answer is malformed",
        })
    }
}

impl std::error::Error for CallError {}

/// A call under way.
pub type Answer =
    Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, CallError>> + Send + 'static>>;
/// Makes an HTTP call, whole body to whole body.
pub type Call = Arc<dyn Fn(http::Request<Bytes>) -> Answer + Send + Sync>;

/// Why something could not be stored or read. Its text holds no credential.
#[derive(Debug)]
pub struct StoreError(String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// A place for objects.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// What kind of place a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory of this machine.
    Directory,
    /// S3, or what speaks like it.
    S3,
    /// Alibaba's, over its S3 interface.
    Oss,
    /// Google's.
    Gcs,
    /// Microsoft's.
    Azure,
}

/// What a URL says: the kind of place, and what follows the scheme.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn place(url: &str) -> Result<(Place, &str), &'static str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Ok((Place::Directory, url));
    };
    let place = match scheme {
        "file" => Place::Directory,
        "s3" | "s3a" => Place::S3,
        "oss" => Place::Oss,
        "gs" => Place::Gcs,
        "az" | "abfs" | "abfss" => Place::Azure,
        _ => return Err("not s3://, oss://, gs://, az://, file:// or the path of a directory"),
    };
    if rest.is_empty() || (place != Place::Directory && rest.starts_with('/')) {
        return Err("names no bucket or directory");
    }
    Ok((place, rest))
}

/// Whether a place takes an option of this name. Options of the HTTP client have no effect here: the caller's is used.
#[must_use]
pub fn takes(place: Place, option: &str) -> bool {
    match place {
        Place::Directory => false,
        Place::S3 | Place::Oss => AmazonS3ConfigKey::from_str(option)
            .is_ok_and(|key| !matches!(key, AmazonS3ConfigKey::Client(_))),
        Place::Gcs => GoogleConfigKey::from_str(option)
            .is_ok_and(|key| !matches!(key, GoogleConfigKey::Client(_))),
        Place::Azure => AzureConfigKey::from_str(option)
            .is_ok_and(|key| !matches!(key, AzureConfigKey::Client(_))),
    }
}

/// Opens a place. `base` is where relative directories begin.
///
/// # Errors
/// What is missing or wrong among the options.
pub fn open(
    url: &str,
    options: &[(String, String)],
    base: &FilePath,
    call: Call,
) -> Result<Store, StoreError> {
    let (place, rest) = place(url).map_err(|why| StoreError(why.into()))?;
    if place == Place::Directory {
        return directory(&base.join(rest));
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let connector = Connector(call);
    let inner: Arc<dyn ObjectStore> = match place {
        Place::Directory | Place::S3 | Place::Oss => {
            let mut builder = AmazonS3Builder::new().with_bucket_name(bucket);
            if place == Place::Oss {
                builder = builder.with_virtual_hosted_style_request(true);
            }
            let mut endpoint = None;
            for (name, value) in options {
                let key = AmazonS3ConfigKey::from_str(name).map_err(|_| unknown(name))?;
                if key == AmazonS3ConfigKey::Endpoint {
                    endpoint = Some(value);
                }
                builder = builder.with_config(key, value);
            }
            if place == Place::Oss {
                let endpoint = endpoint.ok_or_else(|| StoreError("needs `endpoint`".into()))?;
                builder = builder.with_endpoint(with_bucket(endpoint, bucket));
            }
            let builder = builder.with_retry(retries()).with_http_connector(connector);
            Arc::new(builder.build().map_err(failed)?)
        }
        Place::Gcs => {
            let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket);
            for (name, value) in options {
                let key = GoogleConfigKey::from_str(name).map_err(|_| unknown(name))?;
                builder = builder.with_config(key, value);
            }
            let builder = builder.with_retry(retries()).with_http_connector(connector);
            Arc::new(builder.build().map_err(failed)?)
        }
        Place::Azure => {
            let mut builder = MicrosoftAzureBuilder::new().with_container_name(bucket);
            for (name, value) in options {
                let key = AzureConfigKey::from_str(name).map_err(|_| unknown(name))?;
                builder = builder.with_config(key, value);
            }
            let builder = builder.with_retry(retries()).with_http_connector(connector);
            Arc::new(builder.build().map_err(failed)?)
        }
    };
    let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(failed)?;
    Ok(Store { inner, prefix })
}

/// An endpoint whose host begins with the bucket, as addressing by host name wants it.
fn with_bucket(endpoint: &str, bucket: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if !host.starts_with(&format!("{bucket}.")) => {
            format!("{scheme}://{bucket}.{host}")
        }
        _ => endpoint.to_owned(),
    }
}

/// A directory of this machine; made if it is not there.
///
/// # Errors
/// If it cannot be made.
pub fn directory(dir: &FilePath) -> Result<Store, StoreError> {
    std::fs::create_dir_all(dir).map_err(|error| StoreError(error.kind().to_string()))?;
    let dir: PathBuf = dir
        .canonicalize()
        .map_err(|error| StoreError(error.kind().to_string()))?;
    let inner = LocalFileSystem::new_with_prefix(dir).map_err(failed)?;
    Ok(Store {
        inner: Arc::new(inner.with_fsync(true)),
        prefix: Path::default(),
    })
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            max_backoff: PAUSE_MAX,
            ..BackoffConfig::default()
        },
        max_retries: RETRIES_MAX,
        retry_timeout: CALL_TIME,
    }
}

fn unknown(option: &str) -> StoreError {
    StoreError(format!("there is no option `{option}`"))
}

fn failed(error: impl std::error::Error) -> StoreError {
    // The crate's errors name the object and what the server said, never a credential; a server's page may be long.
    let mut text = error.to_string();
    text.truncate(text.floor_char_boundary(400));
    StoreError(text.replace(char::is_control, " "))
}

impl Store {
    /// Stores an object in place of what was there.
    ///
    /// # Errors
    /// If it may not be there.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let payload = PutPayload::from_bytes(bytes);
        let put = self.inner.put(&self.at(name)?, payload).await;
        put.map(|_| ()).map_err(failed)
    }

    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is larger than a manifest may be.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let found = match self.inner.get(&self.at(name)?).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if found.meta.size > READ_BYTES_MAX {
            return Err(StoreError(format!("`{name}` is too large")));
        }
        found.bytes().await.map(Some).map_err(failed)
    }

    fn at(&self, name: &str) -> Result<Path, StoreError> {
        let whole = format!("{}/{name}", self.prefix);
        Path::parse(whole.trim_start_matches('/')).map_err(failed)
    }
}

/// The crate's HTTP through ours.
struct Connector(Call);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(Arc::clone(&self.0))))
    }
}

struct Service(Call);

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl HttpService for Service {
    // Written out as `async_trait` would: one function is not worth a macro.
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let answer = (self.0)(http::Request::from_parts(parts, body)).await;
            let (parts, body) = answer.map_err(told)?.into_parts();
            Ok(HttpResponse::from_parts(parts, body.into()))
        })
    }
}

fn told(error: CallError) -> HttpError {
    let kind = match error {
        CallError::Connect => HttpErrorKind::Connect,
        CallError::Timeout => HttpErrorKind::Timeout,
        CallError::Broken => HttpErrorKind::Interrupted,
        CallError::Malformed => HttpErrorKind::Decode,
    };
    HttpError::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn urls_name_places() {
        assert_eq!(place("s3://bucket/a"), Ok((Place::S3, "bucket/a")));
        assert_eq!(place("./lake"), Ok((Place::Directory, "./lake")));
        assert_eq!(
            place("file:///var/lake"),
            Ok((Place::Directory, "/var/lake"))
        );
        assert!(place("ftp://host/a").is_err() && place("s3:///a").is_err());
        assert!(takes(Place::S3, "endpoint") && takes(Place::Azure, "account_name"));
        assert!(!takes(Place::S3, "proxy_url") && !takes(Place::Directory, "endpoint"));
    }

    /// What is asked of a store that answers nothing but yes.
    fn asked(url: &str, options: &[(&str, &str)]) -> Result<Vec<String>, StoreError> {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let calls = Arc::clone(&seen);
        let call: Call = Arc::new(move |request| {
            let signed = request.headers().contains_key("authorization");
            let line = format!("{} {} {signed}", request.method(), request.uri());
            calls.lock().unwrap().push(line);
            let answer = http::Response::builder().header("etag", "\"1\"");
            Box::pin(std::future::ready(Ok(answer.body(Bytes::new()).unwrap())))
        });
        let options: Vec<(String, String)> = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let store = open(url, &options, FilePath::new(""), call)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(store.put("date=2026-11-26/a.parquet", Bytes::from_static(b"x")))?;
        Ok(seen.lock().unwrap().clone())
    }

    #[test]
    fn stores_are_spoken_to_through_the_call_and_signed() {
        let keys = [
            ("access_key_id", "k"),
            ("secret_access_key", "s"),
            ("region", "r"),
        ];
        let endpoint = |url| [&keys[..], &[("endpoint", url)]].concat();
        let name = "date%3D2026-11-26/a.parquet";
        for (url, options, wanted) in [
            (
                "s3://b/p",
                endpoint("http://h:9"),
                format!("PUT http://h:9/b/p/{name} true"),
            ),
            (
                "oss://b",
                endpoint("https://oss-r.example.com"),
                format!("PUT https://b.oss-r.example.com/{name} true"),
            ),
            (
                "az://b/p",
                vec![("account_name", "a"), ("access_key", "a2V5")],
                "PUT https://a.blob.core.windows.net/b/p/date=2026-11-26/a.parquet true".to_owned(),
            ),
        ] {
            assert_eq!(asked(url, &options).unwrap(), [wanted]);
        }
        assert!(
            asked("oss://b", &keys)
                .unwrap_err()
                .to_string()
                .contains("endpoint")
        );
        assert!(asked("s3://b", &[("no_such", "x")]).is_err());
    }

    #[test]
    fn a_directory_keeps_what_was_put_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = directory(&dir.path().join("lake")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            store
                .put("_manifest/a.json", Bytes::from_static(b"1"))
                .await
                .unwrap();
            store
                .put("_manifest/a.json", Bytes::from_static(b"2"))
                .await
                .unwrap();
            assert_eq!(store.get("_manifest/a.json").await.unwrap().unwrap(), "2");
            assert_eq!(store.get("_manifest/b.json").await.unwrap(), None);
        });
        let path = dir.path().join("lake/_manifest/a.json");
        assert_eq!(std::fs::read(path).unwrap(), b"2");
    }
}
