//! Where checkpoints go: files, URLs, object stores, witnesses. Each place has a task that brings it the newest checkpoint.
//!
//! A place that cannot be reached is tried again, with the checkpoint that is newest then: checkpoints in between are not owed,
//! since each covers those before it. A witness that knows another history than this one is an alarm.
//!
//! Must never hold up the tree. Invariants: one exchange at a time for each place; a cosignature is kept only if it is that of
//! the configured key over our checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use ::lake::store::Store;
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use journal::tree::checkpoint::Signed;
use journal::tree::note::{Signature, Verifier};
use journal::tree::{TreeDir, proof, tiles::TileReader};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;

use super::post::Post;
use super::{Message, Newest};
use crate::audit::lake::open_store;
use crate::config::schema;
use crate::tasks;
use crate::telemetry::tree::{PlaceMeters, TreeMeters};

/// Pauses after failures: doubled from the first to the last.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// Cosignatures of one answer that are looked at.
const COSIGNATURES_MAX: usize = 16;

/// The tasks, and how far each has come.
pub struct Away(Vec<watch::Receiver<u64>>);

/// A place, and how a checkpoint is brought to it.
enum Place {
    File(PathBuf),
    Url(Post),
    Objects(Store),
    Witness(Box<Witness>),
}

struct Witness {
    post: Post,
    key: Verifier,
    tree: TreeDir,
    /// Size of the checkpoint that it knows.
    known: u64,
    messages: SyncSender<Message>,
    meters: TreeMeters,
}

impl Away {
    /// Starts a task for each place. Inside a runtime.
    ///
    /// # Errors
    /// A place that cannot be made out of the config.
    pub(super) fn start(
        dir: &Path,
        settings: &schema::Checkpoint,
        newest: &Newest,
        messages: &SyncSender<Message>,
        meters: &TreeMeters,
    ) -> anyhow::Result<Self> {
        let mut places = Vec::new();
        for (index, anchor) in settings.anchors.iter().enumerate() {
            let place = match (&anchor.file, &anchor.url, &anchor.object) {
                (Some(file), ..) => Place::File(file.into()),
                (_, Some(url), _) => Place::Url(Post::new(url, "", anchor.token.as_ref())?),
                (.., Some(object)) => Place::Objects(open_store(object, &anchor.options)?),
                (None, None, None) => continue,
            };
            places.push((format!("anchor {index}"), place));
        }
        for (index, witness) in settings.witnesses.iter().enumerate() {
            let witness = Witness {
                post: Post::new(&witness.url, "/add-checkpoint", None)?,
                key: Verifier::parse(&witness.key).context("a witness's key")?,
                tree: TreeDir::of(dir),
                known: 0,
                messages: messages.clone(),
                meters: meters.clone(),
            };
            let place = Place::Witness(Box::new(witness));
            places.push((format!("witness {index}"), place));
        }
        let mut reached = Vec::new();
        for (name, place) in places {
            let (tell, told) = watch::channel(0);
            reached.push(told);
            let meters = meters.place(&name);
            tasks::detach(carry(name, place, newest.clone(), tell, meters));
        }
        Ok(Self(reached))
    }

    /// Resolves when every place has a checkpoint of this size.
    pub(super) async fn reached(&self, size: u64) {
        for place in &self.0 {
            let _ = place.clone().wait_for(|reached| *reached >= size).await;
        }
    }
}

/// Brings the newest checkpoint to a place, again and again.
async fn carry(
    name: String,
    mut place: Place,
    mut newest: Newest,
    reached: watch::Sender<u64>,
    meters: PlaceMeters,
) {
    let [first, longest] = PAUSES;
    let mut pause = first;
    loop {
        let Some(signed) = newest.borrow_and_update().clone() else {
            if newest.changed().await.is_err() {
                return;
            }
            continue;
        };
        let size = signed.checkpoint.size;
        if size > *reached.borrow() {
            meters.behind(*reached.borrow());
            match place.bring(&signed).await {
                Ok(()) => {
                    pause = first;
                    meters.reached(size);
                    reached.send_replace(size);
                }
                Err(error) => {
                    meters.failed();
                    tracing::warn!(place = name, error = %format!("{error:#}"), "checkpoint not delivered");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                    continue;
                }
            }
        }
        if newest.changed().await.is_err() {
            return;
        }
    }
}

impl Place {
    async fn bring(&mut self, signed: &Arc<Signed>) -> anyhow::Result<()> {
        match self {
            Self::File(path) => {
                let mut file = tokio::fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(path)
                    .await?;
                // As `tree/checkpoints`: each note is followed by an empty line.
                let text = format!("{}\n", signed.note);
                file.write_all(text.as_bytes()).await?;
                file.sync_all().await?;
                Ok(())
            }
            Self::Url(post) => match post.send(signed.note.to_string()).await?.status {
                200..=299 => Ok(()),
                status => bail!("answered {status}"),
            },
            Self::Objects(store) => {
                // In the order of their names checkpoints are in that of their sizes.
                let name = format!("{:020}", signed.checkpoint.size);
                store.put(&name, signed.note.to_string().into()).await?;
                Ok(())
            }
            Self::Witness(witness) => witness.ask(signed).await,
        }
    }
}

impl Witness {
    /// C2SP tlog-witness, `add-checkpoint`. The size that it knows is learnt from its first refusal.
    async fn ask(&mut self, signed: &Arc<Signed>) -> anyhow::Result<()> {
        /// Once to learn the size, once with the right one.
        const TRIES: usize = 2;
        let size = signed.checkpoint.size;
        for _ in 0..TRIES {
            let answer = self.post.send(self.request(signed).await?).await?;
            let text = str::from_utf8(&answer.body).unwrap_or_default();
            match answer.status {
                200 => {
                    self.keep(signed, text)?;
                    self.known = size;
                    return Ok(());
                }
                409 => {
                    let known: u64 = text.trim_end().parse().context("409 without a size")?;
                    if known > size || known == self.known {
                        return Err(self.alarm("it knows a longer or another log of this origin"));
                    }
                    self.known = known;
                }
                422 => return Err(self.alarm("it finds this log inconsistent with what it knows")),
                status => bail!("answered {status}"),
            }
        }
        bail!("it knows another size each time")
    }

    async fn request(&self, signed: &Arc<Signed>) -> anyhow::Result<String> {
        let (tree, old, new) = (self.tree.clone(), self.known, signed.checkpoint.size);
        let made = tokio::task::spawn_blocking(move || {
            proof::consistency(&mut TileReader::new(tree.path(), new), old, new)
        });
        let mut body = format!("old {old}\n");
        for hash in made.await.context("no proof")?.context("no proof")? {
            body.push_str(&STANDARD.encode(hash));
            body.push('\n');
        }
        body.push('\n');
        body.push_str(&signed.note.to_string());
        Ok(body)
    }

    fn keep(&self, signed: &Arc<Signed>, lines: &str) -> anyhow::Result<()> {
        let text = &signed.note.text;
        let mut cosigned = Signed::clone(signed);
        let before = cosigned.note.signatures.len();
        let given = lines
            .lines()
            .take(COSIGNATURES_MAX)
            .filter_map(Signature::parse);
        let ours = given.filter(|line| self.key.verifies(text, line));
        cosigned.note.signatures.extend(ours);
        if cosigned.note.signatures.len() == before {
            bail!("no cosignature of the configured key");
        }
        let message = Message::Cosigned(Box::new(cosigned), self.key.clone());
        match self.messages.try_send(message) {
            // A thread that is stuck on its disk: the witness has the checkpoint all the same.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    fn alarm(&self, what: &str) -> anyhow::Error {
        self.meters.corrupt.set(1);
        tracing::error!(witness = self.key.name(), "audit log: {what}");
        anyhow::anyhow!("{what}")
    }
}
