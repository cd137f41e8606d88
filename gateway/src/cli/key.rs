//! `yumen key`: virtual keys, made here for the config, or made, listed, rotated and revoked at a running gateway.
//!
//! Stores nothing: without a gateway the hash goes into the config by hand. A key is printed once, by what made it.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use policies::access::token;
use serde_json::{Map, Value, json};

use super::remote::{AdminArgs, encoded};
use super::table;
use crate::config::check::KEY_ID_BYTES_MAX;

/// Keys asked for at once.
const PAGE: &str = "1000";
/// What a list shows of each.
const COLUMNS: [&str; 6] = ["id", "prefix", "status", "source", "team", "expires"];

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key and print it once: with --admin at a running gateway, else with the hash that goes into the config
    Create(Box<CreateArgs>),
    /// The keys of a running gateway, those of its config too
    List(ListArgs),
    /// A new secret for a key of a running gateway; the old one stays valid for a while
    Rotate(RotateArgs),
    /// End a key of a running gateway at once, its streams too
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// What the config and the audit log call the key; made up if absent
    #[arg(long)]
    id: Option<String>,
    /// Its team
    #[arg(long, requires = "admin")]
    team: Option<String>,
    /// The least grade of its requests
    #[arg(long, requires = "admin")]
    grade: Option<String>,
    /// A date (valid until it begins, UTC) or an RFC 3339 time
    #[arg(long, value_name = "WHEN", requires = "admin")]
    expires: Option<String>,
    /// A model that it may ask for; repeat it for more. All of its team's if absent
    #[arg(long = "model", value_name = "MODEL", requires = "admin")]
    models: Vec<String>,
    /// For people
    #[arg(long, requires = "admin")]
    note: Option<String>,
    /// NAME=VALUE, for people and tools; repeat it for more
    #[arg(long = "label", value_name = "NAME=VALUE", requires = "admin")]
    labels: Vec<String>,
    /// The rest of what a key may have in the config, as JSON: '{"limits":{"rpm":60},"budget":{"amount":100}}'
    #[arg(long, value_name = "JSON", requires = "admin")]
    with: Option<String>,
    /// Print {"id","key","hash"}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Of this team itself
    #[arg(long)]
    team: Option<String>,
    /// active, expired, revoked or unfit
    #[arg(long)]
    status: Option<String>,
    /// How a key begins, as far as it is known
    #[arg(long)]
    prefix: Option<String>,
    /// Print them as JSON, a line each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// The key's id
    id: String,
    #[command(flatten)]
    admin: AdminArgs,
    /// How long the old secret stays valid: 0s, 30m, 24h, up to 90d
    #[arg(long, default_value = "24h")]
    overlap: String,
    /// Print {"id","key","hash"}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The key's id
    id: String,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print the key's state as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &KeyCommand, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::Create(args) if args.admin.admin.is_some() => create_there(args, out)?,
        KeyCommand::Create(args) => create_here(args, out)?,
        KeyCommand::List(args) => list(args, out)?,
        KeyCommand::Rotate(args) => rotate(args, out)?,
        KeyCommand::Revoke(args) => revoke(args, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create_here(args: &CreateArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let key = token::create(aws_lc_rs::rand::fill).context("no randomness from the system")?;
    let hash = token::show_digest(&token::digest(key.as_bytes()));
    let id = match &args.id {
        Some(id) => {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            ensure!(
                (1..=KEY_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed),
                "an id is 1 to {KEY_ID_BYTES_MAX} letters, digits, dots, hyphens or underscores"
            );
            id.clone()
        }
        // Eight digits of the hash tell keys apart and tell nothing of the key.
        None => format!("key-{}", hash.get(7..15).unwrap_or("new")),
    };
    if args.json {
        writeln!(out, "{}", json!({ "id": id, "key": key, "hash": hash }))?;
    } else {
        shown_once(out, &key)?;
        writeln!(out, "keys:")?;
        writeln!(out, "  - {{ id: {id}, hash: \"{hash}\" }}")?;
    }
    Ok(())
}

fn create_there(args: &CreateArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let mut body = match &args.with {
        None => Map::new(),
        Some(text) => match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            _ => bail!("--with: not a JSON object"),
        },
    };
    let texts = [
        ("id", &args.id),
        ("team", &args.team),
        ("grade", &args.grade),
        ("expires", &args.expires),
        ("note", &args.note),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            body.insert(name.to_owned(), text.as_str().into());
        }
    }
    if !args.models.is_empty() {
        body.insert("models".to_owned(), json!(args.models));
    }
    if !args.labels.is_empty() {
        let pairs = args.labels.iter().map(|label| {
            let (name, value) = label.split_once('=').context("--label: not NAME=VALUE")?;
            Ok((name.to_owned(), value.into()))
        });
        let labels = pairs.collect::<anyhow::Result<Map<String, Value>>>()?;
        body.insert("labels".to_owned(), labels.into());
    }
    let made = ask(&args.admin, Method::POST, "/api/keys", &Value::Object(body))?;
    show_made(&made, args.json, out)
}

fn rotate(args: &RotateArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let path = format!("/api/keys/{}/rotate", encoded(&args.id));
    let body = json!({ "overlap": args.overlap });
    let made = ask(&args.admin, Method::POST, &path, &body)?;
    show_made(&made, args.json, out)?;
    if !args.json && made.get("previous").is_some() {
        writeln!(out, "      the old one is valid for {} more", args.overlap)?;
    }
    Ok(())
}

fn revoke(args: &RevokeArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let path = format!("/api/keys/{}", encoded(&args.id));
    let gone = ask(&args.admin, Method::DELETE, &path, &Value::Null)?;
    if args.json {
        writeln!(out, "{gone}")?;
    } else {
        writeln!(out, "{} is revoked", args.id)?;
    }
    Ok(())
}

fn list(args: &ListArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let filters = [
        ("team", &args.team),
        ("status", &args.status),
        ("prefix", &args.prefix),
    ];
    let mut cursor = String::new();
    let mut rows = Vec::new();
    loop {
        let given = filters.iter();
        let mut pairs: Vec<(&str, &str)> = given
            .filter_map(|(name, value)| Some((*name, value.as_deref()?)))
            .collect();
        pairs.extend([("limit", PAGE), ("cursor", &cursor)]);
        let page = args.admin.get("/api/keys", &pairs)?;
        let page = page.context("this gateway has no keys to list: it is of another version")?;
        let page: Value = serde_json::from_slice(&page).context("the answer is not JSON")?;
        let keys = page.get("keys").and_then(Value::as_array);
        for key in keys.into_iter().flatten() {
            if args.json {
                writeln!(out, "{key}")?;
                continue;
            }
            let says = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or("-");
            rows.push(COLUMNS.map(|name| says(name).to_owned()).to_vec());
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    if !rows.is_empty() {
        let head = COLUMNS.map(str::to_uppercase).to_vec();
        table::write(out, head, rows, |_| false)?;
    }
    Ok(())
}

fn ask(admin: &AdminArgs, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
    let body = match body {
        Value::Null => Bytes::new(),
        body => body.to_string().into(),
    };
    let answer = admin.call(method, path, body)?;
    let answer = answer.context("there is no such key")?;
    serde_json::from_slice(&answer).context("the answer is not JSON")
}

fn show_made(made: &Value, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let says = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default();
    let (id, key) = (says("id"), says("key"));
    if json {
        let hash = token::show_digest(&token::digest(key.as_bytes()));
        let mut told = json!({ "id": id });
        if !key.is_empty() {
            told = json!({ "id": id, "key": key, "hash": hash });
        }
        writeln!(out, "{told}")?;
    } else {
        writeln!(out, "id:   {}", table::inert(id))?;
        if key.is_empty() {
            writeln!(
                out,
                "      it has no secret: its certificate is its credential"
            )?;
        } else {
            shown_once(out, key)?;
        }
    }
    Ok(())
}

fn shown_once(out: &mut impl Write, key: &str) -> std::io::Result<()> {
    writeln!(out, "key:  {key}")?;
    writeln!(
        out,
        "      it is shown this once; hand it to the application"
    )
}
