//! Commands as people type them.

use super::*;
use crate::config::testing::{Book, FULL, env};
use policies::access::token;

fn runners() -> Runners {
    Runners {
        serve: |args| {
            assert_eq!(args.config, PathBuf::from("x.yaml"));
            Ok(ExitCode::SUCCESS)
        },
        demo: |args| {
            assert_eq!(
                (args.listen.as_str(), args.admin.as_str()),
                ("127.0.0.1:0", "127.0.0.1:9090")
            );
            Ok(ExitCode::SUCCESS)
        },
        book: Arc::new(Book),
    }
}

fn typed(line: &str) -> (ExitCode, String) {
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let mut out = Vec::new();
    let code = finish(dispatch(cli.command, &runners(), &mut out));
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn the_definition_holds() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_help_and_wrong_usage_exits_2() {
    for line in [
        "serve",
        "demo",
        "check",
        "schema",
        "policy",
        "policy test",
        "policy explain",
        "policy replay",
        "key",
        "key create",
        "key list",
        "key rotate",
        "key revoke",
        "audit",
        "audit show",
        "audit verify",
        "audit prove",
        "completions",
    ] {
        let words = std::iter::once("yumen")
            .chain(line.split(' '))
            .chain(["--help"]);
        let help = Cli::try_parse_from(words).unwrap_err();
        assert_eq!(help.exit_code(), 0, "{line}");
        assert!(help.to_string().contains("Usage: yumen"), "{line}");
    }
    for line in [
        "yumen nonsense",
        "yumen serve --nope",
        "yumen audit show",
        "yumen",
    ] {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn runners_run() {
    assert_eq!(typed("yumen serve -c x.yaml").0, ExitCode::SUCCESS);
    assert_eq!(
        typed("yumen demo --listen 127.0.0.1:0").0,
        ExitCode::SUCCESS
    );
}

#[test]
fn keys_are_made_with_their_hash() {
    let (code, out) = typed("yumen key create --json --id crm-bot");
    assert_eq!(code, ExitCode::SUCCESS);
    let made: serde_json::Value = serde_json::from_str(&out).unwrap();
    let key = made["key"].as_str().unwrap();
    assert!(token::is_ours(key));
    assert_eq!(made["id"], "crm-bot");
    assert_eq!(
        token::parse_digest(made["hash"].as_str().unwrap()),
        Some(token::digest(key.as_bytes()))
    );
    assert_ne!(typed("yumen key create").1, typed("yumen key create").1);
    assert_eq!(typed("yumen key create --id a/b").0, ExitCode::from(2));
    // A team is the gateway's: without one there is nobody to tell of it.
    let alone = Cli::try_parse_from("yumen key create --team retail".split(' '));
    assert_eq!(alone.unwrap_err().exit_code(), 2);
    // Nobody listens there.
    assert_eq!(
        typed("yumen key list --admin http://127.0.0.1:1").0,
        ExitCode::from(2)
    );
}

#[test]
fn schema_and_completions_print() {
    let schema: serde_json::Value = serde_json::from_str(&typed("yumen schema").1).unwrap();
    assert_eq!(schema["properties"]["providers"]["type"], "object");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            typed(&format!("yumen completions {shell}"))
                .1
                .contains("yumen")
        );
    }
}

fn checked(text: &str, json: bool) -> (ExitCode, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("y.yaml");
    std::fs::write(&config, text).unwrap();
    let args = CheckArgs { config, json };
    let (mut out, mut talk) = (Vec::new(), Vec::new());
    let code = check::run(&args, &env, &Book, &mut out, &mut talk).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(talk))
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let (code, out, talk) = checked(FULL, false);
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(
        out.contains("1. far    max") && talk.ends_with("ok, 0 warnings\n"),
        "{out}{talk}"
    );

    let wrong = FULL.replace("weight: 3", "wieght: 3");
    let (code, out, talk) = checked(&wrong, false);
    assert_eq!((code, out.as_str()), (ExitCode::from(2), ""));
    assert!(
        talk.contains(
            "y.yaml:13:38: models.assistant.targets[1].wieght: unknown key; did you mean `weight`?"
        ),
        "{talk}"
    );

    let (code, out, _) = checked(&wrong, true);
    assert_eq!(code, ExitCode::from(2));
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["ok"], false);
    assert_eq!(result["errors"][0]["line"], 13);
    assert_eq!(result["errors"][0]["suggestion"], "weight");

    let (_, out, talk) = checked(FULL, true);
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        result["routing"]["models"][0]["targets"][0]["vendor"],
        "acme"
    );
    assert!(!out.contains("planted") && talk.is_empty());
}

#[test]
fn a_missing_config_is_unusable() {
    let args = CheckArgs {
        config: "nowhere.yaml".into(),
        json: false,
    };
    let (mut out, mut talk) = (Vec::new(), Vec::new());
    let code = check::run(&args, &env, &Book, &mut out, &mut talk).unwrap();
    assert_eq!(code, ExitCode::from(2));
    let talk = String::from_utf8(talk).unwrap();
    assert!(
        talk.starts_with("nowhere.yaml: cannot be read: entity not found\n"),
        "{talk}"
    );
}
