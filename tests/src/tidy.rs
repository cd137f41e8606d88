//! What holds for all files of the repository: headers, arrows between crates, absences, sample configs.
//!
//! Reads files only. Long files are listed, not refused: a file over the mark is a question, not an error.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines beyond which a product file is listed.
const FILE_LINES_MARK: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn files(under: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root().join(under)];
    while let Some(at) = left.pop() {
        if at.is_dir() {
            if at
                .file_name()
                .is_some_and(|name| name == "target" || name == ".git")
            {
                continue;
            }
            left.extend(fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()));
        } else if at.extension().is_some_and(|found| found == extension) {
            found.push(at);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

const CRATES: [&str; 10] = [
    "gateway/src",
    "gateway/wire/src",
    "gateway/journal/src",
    "gateway/lake/src",
    "gateway/ledger/src",
    "adapters/src",
    "policies/src",
    "tests/src",
    "tests/sim/src",
    "loadtest/src",
];
const PRODUCT: [&str; 7] = [
    "gateway/src",
    "gateway/wire/src",
    "gateway/journal/src",
    "gateway/lake/src",
    "gateway/ledger/src",
    "adapters/src",
    "policies/src",
];

#[test]
fn every_module_has_a_header() {
    let all = CRATES
        .iter()
        .chain(&["tests/blackbox"])
        .flat_map(|under| files(under, "rs"));
    let bare: Vec<String> = all
        .filter(|path| !read(path).starts_with("//!"))
        .map(|path| name(&path))
        .collect();
    assert!(bare.is_empty(), "without a //! header: {bare:#?}");
}

/// Names of the dependencies of a manifest, tests' included.
fn dependencies(manifest: &str, sections: &[&str]) -> Vec<String> {
    let text = read(&root().join(manifest));
    let mut within = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            within = sections
                .iter()
                .any(|section| line == format!("[{section}]"));
        } else if within && let Some((name, _)) = line.split_once(['=', '.']) {
            found.push(name.trim().to_owned());
        }
    }
    found
}

#[test]
fn arrows_between_crates() {
    let ours = [
        "wire", "journal", "lake", "ledger", "adapters", "policies", "gateway", "sim", "tests",
        "loadtest",
    ];
    let both = ["dependencies", "dev-dependencies"];
    let forbidden: [(&str, &[&str]); 8] = [
        (
            "gateway/journal/Cargo.toml",
            &["lake", "adapters", "policies", "gateway", "sim"],
        ),
        (
            "gateway/lake/Cargo.toml",
            &["adapters", "policies", "gateway", "sim", "hyper", "rustls"],
        ),
        (
            "gateway/wire/Cargo.toml",
            &[
                "tokio",
                "hyper",
                "hyper-util",
                "adapters",
                "policies",
                "gateway",
                "sim",
            ],
        ),
        (
            "adapters/Cargo.toml",
            &["policies", "gateway", "tokio", "hyper", "sim"],
        ),
        (
            "policies/Cargo.toml",
            &["adapters", "gateway", "tokio", "hyper", "sim"],
        ),
        ("tests/sim/Cargo.toml", &ours),
        (
            "tests/Cargo.toml",
            // Not `policies`: `pii-report` measures the detectors themselves, on a corpus of its own making.
            &["wire", "journal", "lake", "adapters", "gateway"],
        ),
        ("gateway/Cargo.toml", &["tests", "loadtest"]),
    ];
    for (manifest, names) in forbidden {
        for found in dependencies(manifest, &both) {
            assert!(
                !names.contains(&found.as_str()),
                "{manifest} depends on {found}"
            );
        }
    }
}

/// Whether a file is a module of tests only: its parent says so.
fn is_test_module(path: &Path) -> bool {
    let (Some(dir), Some(stem)) = (
        path.parent(),
        path.file_stem().and_then(|stem| stem.to_str()),
    ) else {
        return false;
    };
    let declared = format!("#[cfg(test)]\nmod {stem};");
    let own_dir_file = dir.with_extension("rs");
    ["lib.rs", "mod.rs"]
        .map(|file| dir.join(file))
        .into_iter()
        .chain([own_dir_file])
        .any(|parent| parent.exists() && read(&parent).contains(&declared))
}

/// Code without tests and without comments.
fn code(path: &Path) -> String {
    if is_test_module(path) {
        return String::new();
    }
    let text = read(path);
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn no_trees_where_bodies_are_read() {
    let lenses = files("adapters/src", "rs")
        .into_iter()
        .filter(|path| name(path).contains("dialects"));
    let all = lenses
        .chain(files("gateway/src/pipeline", "rs"))
        .chain(files("gateway/wire/src", "rs"));
    for path in all.filter(|path| !path.ends_with("tests.rs")) {
        let code = code(&path);
        for tree in [
            "serde_json::Value",
            "serde_json::from_slice",
            "serde_json::from_str",
        ] {
            assert!(!code.contains(tree), "{tree} in {}", name(&path));
        }
    }
}

#[test]
fn vendors_are_named_only_where_they_live() {
    let vendors = root().join("adapters/src/vendors");
    let names: Vec<String> = fs::read_dir(&vendors)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| {
            !["mod", "blame", "openai_like", "openai_compatible", "openai"].contains(&name.as_str())
        })
        .collect();
    for path in PRODUCT.iter().flat_map(|under| files(under, "rs")) {
        let place = name(&path);
        // The demo shows every vendor; that is what it is for.
        if place.starts_with("adapters/src/vendors")
            || place.ends_with("tests.rs")
            || place.contains("/tests/")
            || place.contains("demo")
            || place.ends_with("testing.rs")
            // In whose name attackers speak is a word of theirs, not of ours.
            || place.starts_with("policies/src/scan/injection")
        {
            continue;
        }
        let code = code(&path).to_lowercase();
        // A vendor whose dialect is its own gives that dialect its name.
        for vendor in names
            .iter()
            .filter(|vendor| !place.starts_with(&format!("adapters/src/dialects/{vendor}")))
        {
            let word = vendor.replace('_', "-");
            let quoted = [format!("\"{vendor}\""), format!("\"{word}\"")];
            assert!(
                !quoted.iter().any(|quoted| code.contains(quoted)),
                "{place} names the vendor {vendor}"
            );
        }
    }
}

#[test]
fn unsafe_is_forbidden_and_nothing_waits_for_later() {
    let lints = read(&root().join("Cargo.toml"));
    for lint in [
        "unsafe_code = \"forbid\"",
        "todo = \"deny\"",
        "unimplemented = \"deny\"",
        "dbg_macro = \"deny\"",
    ] {
        assert!(lints.lines().any(|line| line == lint), "{lint}");
    }
    // Where a lint is allowed, and where nobody ran clippy.
    for path in PRODUCT.iter().flat_map(|under| files(under, "rs")) {
        for word in ["todo", "unimplemented", "dbg"] {
            let call = format!("{word}!(");
            assert!(!code(&path).contains(&call), "{word} in {}", name(&path));
        }
    }
}

/// `dist` inherits what `release` leaves out for the sake of its first build.
#[test]
fn what_release_does_not_optimise_ships_optimised() {
    let manifest = read(&root().join("Cargo.toml"));
    let levels = |profile: &str| -> Vec<(String, String)> {
        let section = format!("[profile.{profile}.package]\n");
        let (_, behind) = manifest.split_once(&section).unwrap();
        let lines = behind.lines().take_while(|line| !line.starts_with('['));
        let level = |line: &str| {
            let (name, level) = line.split_once(".opt-level = ")?;
            let level = level.split_whitespace().next()?;
            Some((name.to_owned(), level.to_owned()))
        };
        lines.filter_map(level).collect()
    };
    let (release, dist) = (levels("release"), levels("dist"));
    assert!(!release.is_empty());
    for (name, level) in release {
        let ships = dist.iter().find(|(other, _)| *other == name);
        let ships = ships.map_or(&level, |(_, level)| level);
        assert!(
            matches!(&**ships, "\"s\"" | "2" | "3"),
            "{name} would ship with opt-level {ships}"
        );
    }
}

#[test]
fn every_crate_inherits_the_lints() {
    for manifest in files(".", "toml")
        .into_iter()
        .filter(|path| path.ends_with("Cargo.toml"))
    {
        let text = read(&manifest);
        if text.contains("[package]") {
            assert!(
                text.contains("[lints]\nworkspace = true"),
                "{}",
                name(&manifest)
            );
        }
    }
}

#[test]
fn long_files_are_listed() {
    for path in PRODUCT.iter().flat_map(|under| files(under, "rs")) {
        let lines = read(&path).lines().count();
        if lines > FILE_LINES_MARK {
            eprintln!("{lines:5}  {}", name(&path));
        }
    }
}

#[test]
fn sample_configs_pass_the_check() {
    let deploy = root().join("deploy");
    let samples: Vec<PathBuf> = files("deploy", "yaml")
        .into_iter()
        .filter(|path| read(path).contains("\nproviders:"))
        .collect();
    assert!(
        deploy.is_dir() && !samples.is_empty(),
        "deploy/ has no sample config"
    );
    for sample in samples {
        let mut check = Command::new(crate::gateway::executable());
        check
            .arg("check")
            .arg("-c")
            .arg(&sample)
            .current_dir(&deploy);
        // Every variable that a sample names, and gives no default, has some value.
        for part in read(&sample).split("${").skip(1) {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (variable, rest) = part.split_at(end.unwrap_or(part.len()));
            if rest.starts_with('}') {
                check.env(variable, "some-value");
            }
        }
        let done = check.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned()
            + &String::from_utf8_lossy(&done.stdout);
        assert_eq!(done.status.code(), Some(0), "{}:\n{said}", name(&sample));
    }
}
