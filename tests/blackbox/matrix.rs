//! `yumen matrix`: the docs have the same table, and every vendor of it has a simulator and is tested.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use tests::config::{BARE, TRANSLATED, VENDORS};
use tests::gateway::executable;
use tests::*;

fn matrix(arguments: &[&str]) -> String {
    let mut ran = Command::new(executable());
    let ran = ran.arg("matrix").args(arguments).output().unwrap();
    assert!(ran.status.success());
    String::from_utf8(ran.stdout).unwrap()
}

/// `YUMEN_BLESS=1` writes the docs anew.
#[test]
fn the_docs_have_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/matrix.md");
    let printed = matrix(&[]);
    if std::env::var_os("YUMEN_BLESS").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), printed);
}

#[test]
fn every_vendor_of_the_product_is_tested() {
    let told: Value = serde_json::from_str(&matrix(&["--json"])).unwrap();
    let told = told["vendors"].as_array().unwrap();
    let name = |vendor: &Value| vendor["name"].as_str().unwrap().to_owned();
    let product: BTreeSet<String> = told.iter().map(name).collect();
    let tested = VENDORS.iter().map(|(name, _)| (*name).to_owned());
    assert_eq!(product, tested.collect(), "a row in tests/src/config.rs");
    let surfaces: BTreeSet<&str> = sim::Sim::surfaces().collect();
    for vendor in told {
        let name = name(vendor);
        let surface = if name == "openai-compatible" {
            "openai"
        } else {
            &name
        };
        assert!(surfaces.contains(surface), "{name} has no simulator");
        let translated = vendor["from"]["openai-chat"] == "translated";
        let named = TRANSLATED.contains(&&*name) || BARE.contains(&&*name);
        assert_eq!(translated, named, "{name}");
        assert_eq!(vendor["features"]["text"], true, "{name}");
        assert!(vendor["lossy"].is_array(), "{name}");
    }
}
