//! A config to try policies with: nothing is sent, so secrets, certificates and unset variables are not asked for.
//!
//! Everything else is loaded, checked and built as for traffic. Never used to serve.

use std::path::Path;
use std::time::SystemTime;

use policies::limit::Books;

use super::build::{Ground, build};
use super::env::Lookup;
use super::load::{Loaded, read_text, unfetched};
use super::node::{Node, parse};
use super::price_table::fetch_prices;
use super::problem::Problem;
use super::schema::{ClientTls, Config};
use super::snapshot::Snapshot;
use super::vendors::VendorBook;
use super::words::fetch_words;

/// What a config is built with.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Vendors.
    pub book: &'a dyn VendorBook,
    /// The time.
    pub now: SystemTime,
}

/// A config that policies can be tried with.
#[derive(Debug)]
pub struct Bench {
    /// As written.
    pub config: Config,
    /// As traffic would use it.
    pub snapshot: Snapshot,
    /// Its limits, of which nothing is used.
    pub books: Books,
}

impl std::fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Around")
    }
}

impl Bench {
    /// Reads the config at `path`. A variable that is not set counts as empty.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn load(path: &Path, env: Lookup<'_>, around: Around<'_>) -> Result<Self, Vec<Problem>> {
        let file = path.display().to_string();
        let text = read_text(path)?;
        let lookup = |name: &str| Some(env(name).unwrap_or_default());
        let root = parse(&file, &text, &lookup)?;
        let dir = path.parent().unwrap_or_else(|| Path::new(""));
        Self::build(unfetched(&file, &text, root, dir)?, around)
    }

    /// Takes the config that stands at `root` in the file `file` with the text `text`.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn of(
        file: &str,
        text: &str,
        root: Node,
        dir: &Path,
        around: Around<'_>,
    ) -> Result<Self, Vec<Problem>> {
        Self::build(unfetched(file, text, root, dir)?, around)
    }

    fn build(mut loaded: Loaded, around: Around<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = fetch_words(&mut loaded);
        problems.extend(fetch_prices(&mut loaded));
        if !problems.is_empty() {
            return Err(problems);
        }
        loaded.config.tls = None;
        for provider in loaded.config.providers.values_mut() {
            provider.tls = ClientTls::default();
        }
        let books = Books::default();
        let ground = Ground {
            book: around.book,
            books: &books,
            before: None,
            now: around.now,
            found: None,
        };
        let built = build(&loaded, &ground)?;
        Ok(Self {
            config: loaded.config,
            snapshot: built.snapshot,
            books,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Book, lines};
    use super::*;

    #[test]
    fn neither_secrets_nor_certificates_nor_variables_are_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("y.yaml");
        let text = "providers: { p: { vendor: acme, api_key: \"file:none\", tls: { ca: none.pem } } }\n\
                    models: { m: { targets: [ { provider: p, model: x } ] } }\n\
                    admin: { token: \"${NOT_SET}\" }\n\
                    tls: { cert: none.pem, key: none.pem }\n\
                    policies: { rules: [ { name: a, find: [VIN], remedy: \"${REMEDY:-refuse}\" } ] }\n";
        std::fs::write(&path, text).unwrap();
        let around = || Around {
            book: &Book,
            now: SystemTime::UNIX_EPOCH,
        };
        let bench =
            Bench::load(&path, &|_| None, around()).unwrap_or_else(|p| panic!("{}", lines(&p)));
        assert_eq!(bench.snapshot.policy.unwrap().rules.len(), 1);
        std::fs::write(&path, text.replace("VIN", "VINN")).unwrap();
        let problems = Bench::load(&path, &|_| None, around()).unwrap_err();
        assert!(lines(&problems).contains("did you mean `VIN`?"));
    }
}
