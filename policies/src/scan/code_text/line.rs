//! One line: is it code, and of what weight.
//!
//! Looks at the first word, at the last character and at the marks between; never at other lines. Invariant: linear in
//! the line.

use super::statement::states;
use super::words::{DECLARES, OWNERS, STATES};

/// Bytes of a line that are looked at.
const LINE_MAX: usize = 400;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Comment,
    /// A comment that says whose code it is.
    Owner,
    /// A function, class, module begins.
    Declaration,
    /// Something from elsewhere is made known.
    Import,
    Statement,
    /// An assignment or a call, which formulas and settings have too.
    Weak,
    /// Nothing but brackets.
    Bracket,
    /// JSON, YAML, properties.
    Data,
    /// Logs and traces.
    Log,
    Fence,
    /// A few Latin words, as commands are.
    Plain,
    Prose,
}

pub(super) fn kind(line: &str) -> Kind {
    let mut line = line.trim();
    // No language begins a line with a Chinese character; prose does.
    if line.bytes().next().is_some_and(|b| b >= 0x80) {
        return Kind::Prose;
    }
    if line.len() > LINE_MAX {
        let mut at = LINE_MAX;
        while !line.is_char_boundary(at) {
            at -= 1;
        }
        line = line
            .get(..at)
            .unwrap_or("")
            .trim_end_matches([';', '{', '}', ',', ')', '(', ':']);
    }
    if line.is_empty() {
        return Kind::Blank;
    }
    if line.starts_with("```") || line.starts_with("~~~") {
        return Kind::Fence;
    }
    if let Some(kind) = comment(line) {
        return kind;
    }
    if log(line) {
        return Kind::Log;
    }
    if line.chars().all(|c| "{}[]();,".contains(c)) {
        return Kind::Bracket;
    }
    if data(line) {
        return Kind::Data;
    }
    let code = without_tail(line);
    if markup(code) || declares(code) {
        let (word, _) = first_word(code);
        let foreign = ["import", "from", "use", "using", "require", "include"].contains(&word);
        return if foreign {
            Kind::Import
        } else {
            Kind::Declaration
        };
    }
    if states(code) {
        return Kind::Statement;
    }
    if weak(code) {
        return Kind::Weak;
    }
    command(line, code)
}

/// A command of a shell, or prose.
fn command(line: &str, code: &str) -> Kind {
    let (word, rest) = first_word(code);
    let shell = rest.contains(" -")
        || rest.contains('$')
        || rest.contains('/') && rest.contains(' ')
        || word.contains('_');
    let shouted = rest.is_empty()
        && word.len() > 2
        && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if line.is_ascii()
        && !line.ends_with(['.', '?', '!'])
        && (shouted
            || shell
                && word.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
                && line.split_whitespace().count() <= 10)
    {
        return Kind::Weak;
    }
    let plain = line.is_ascii()
        && line.split_whitespace().count() <= 7
        && !line.ends_with(['.', '?', '!', ':'])
        && line.bytes().next().is_some_and(|b| !b.is_ascii_uppercase());
    if plain { Kind::Plain } else { Kind::Prose }
}

/// Without a comment behind the code.
fn without_tail(line: &str) -> &str {
    for mark in [
        " // ", "; //", "{ //", ") //", " # ", ": #", " -- ", " /*", ";//", " #",
    ] {
        if let Some(at) = line.find(mark) {
            let keep = at + mark.len() - mark.trim_start_matches([';', '{', ')', ':']).len();
            let code = line.get(..keep).unwrap_or(line).trim_end();
            if !code.is_empty() {
                return code;
            }
        }
    }
    line
}

fn comment(line: &str) -> Option<Kind> {
    const PREPROCESSOR: &[&str] = &[
        "#define", "#if", "#endif", "#else", "#pragma", "#import", "#undef", "#region", "#[", "#![",
    ];
    if line.starts_with("#!/")
        || line.starts_with("<?php")
        || PREPROCESSOR.iter().any(|p| line.starts_with(p))
    {
        return Some(Kind::Declaration);
    }
    const OPEN: &[&str] = &[
        "//", "/*", "*/", "# ", "#", "-- ", "--", "\"\"\"", "'''", "<!--", "* ", "%", ";;", "REM ",
        "rem ", "' ",
    ];
    let star =
        line == "*" || line.starts_with("* ") || line.starts_with("*/") || line.starts_with(" *");
    if !star && !OPEN.iter().any(|p| line.starts_with(p)) {
        return None;
    }
    if line.starts_with("--") && line.contains("KEY-----") {
        return Some(Kind::Prose);
    }
    let lower = line.to_lowercase();
    Some(if OWNERS.iter().any(|o| lower.contains(o)) {
        Kind::Owner
    } else {
        Kind::Comment
    })
}

/// Lines that machines write.
fn log(line: &str) -> bool {
    let bytes = line.as_bytes();
    let digits = |from: usize, to: usize| {
        bytes
            .get(from..to)
            .is_some_and(|b| b.iter().all(u8::is_ascii_digit))
    };
    let dated =
        |from: usize| digits(from, from + 4) && matches!(bytes.get(from + 4), Some(b'-' | b'/'));
    if dated(0) || dated(1) || digits(0, 2) && bytes.get(2) == Some(&b':') {
        return true;
    }
    const TRACE: &[&str] = &[
        "at ",
        "Caused by:",
        "Traceback",
        "Exception in",
        "File \"",
        "goroutine ",
        "stack backtrace",
        "#0 ",
        "#1 ",
        "#2 ",
    ];
    if TRACE.iter().any(|t| line.starts_with(t))
        && (!line.starts_with("at ") || line.contains('(') || line.contains(':'))
    {
        return true;
    }
    [
        " INFO ", " WARN ", " ERROR ", " DEBUG ", "[INFO]", "[ERROR]", "[WARN]", "[DEBUG]",
    ]
    .iter()
    .any(|l| line.contains(l))
        && !line.ends_with(';')
        && !line.contains("echo")
}

/// `"key": value`, `key: value`, `- item`, `a,b,c`.
fn data(line: &str) -> bool {
    if line.starts_with('"') || line.starts_with('\'') {
        let close = line.get(1..).and_then(|rest| rest.find(['"', '\'']));
        let after = close
            .and_then(|c| line.get(c + 2..))
            .unwrap_or("")
            .trim_start();
        return after.starts_with([':', ',']) || after.is_empty();
    }
    if line.starts_with("- ") || line.starts_with('|') {
        return true;
    }
    if line.starts_with('{') && line.contains("\":")
        || line.starts_with('[') && !line.ends_with(']') && line.contains(',')
    {
        return true;
    }
    let Some((key, value)) = line.split_once(':') else {
        return false;
    };
    let name = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'"'));
    name && (value.is_empty()
        && !matches!(
            key,
            "else" | "try" | "finally" | "default" | "public" | "private" | "protected"
        )
        || value.starts_with(' ')
            && !value.ends_with(['{', ';', '('])
            && !value.contains("=>")
            && !value.contains(" = "))
}

pub(super) fn first_word(line: &str) -> (&str, &str) {
    let n = line
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || b == b'_'))
        .unwrap_or(line.len());
    (line.get(..n).unwrap_or(""), line.get(n..).unwrap_or(""))
}

pub(super) fn is_word(word: &str, list: &[&str]) -> bool {
    list.contains(&word)
        || word.bytes().all(|b| !b.is_ascii_lowercase())
            && list.contains(&word.to_ascii_lowercase().as_str())
}

/// Ends as lines of code end.
pub(super) fn closed(line: &str) -> bool {
    line.ends_with([
        '{', '}', ';', '(', ')', '[', ']', ',', '=', '>', '\\', '|', '&', '+',
    ])
}

pub(super) fn han(line: &str) -> usize {
    line.chars()
        .filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c))
        .count()
}

/// A tag of a page or a component.
fn markup(line: &str) -> bool {
    const TAGS: &[&str] = &[
        "<template",
        "<script",
        "<style",
        "<html",
        "<!doctype",
        "<!DOCTYPE",
        "<head",
        "<body",
        "<project",
        "<configuration",
        "<mapper",
        "<beans",
    ];
    TAGS.iter().any(|t| line.starts_with(t))
}

fn declares(line: &str) -> bool {
    if line.starts_with('@') && line.len() < 120 && han(line) == 0 && !line.contains(". ") {
        let (name, rest) = first_word(line.get(1..).unwrap_or(""));
        return name.len() > 2
            && (rest.is_empty() || rest.starts_with('(') || rest.starts_with('.'));
    }
    let (word, rest) = first_word(line);
    let words = line.split_whitespace().count();
    let lower = word.to_ascii_lowercase();
    let name = rest
        .trim_start()
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let subroutine = matches!(
        lower.as_str(),
        "def"
            | "defp"
            | "fun"
            | "func"
            | "fn"
            | "function"
            | "sub"
            | "proc"
            | "procedure"
            | "function_block"
            | "subroutine"
    );
    if subroutine && name && han(line) == 0 && !line.ends_with('.') {
        return line.contains('(') && words <= 12
            || words <= 2 && word != "function"
            || closed(line);
    }
    if word == "class"
        && words <= 4
        && han(line) == 0
        && rest
            .trim_start()
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_uppercase())
        && !line.ends_with(['.', '?', '!'])
    {
        return true;
    }
    if word == "module" && line.ends_with(" where") || word == "section" && rest.starts_with(" .") {
        return true;
    }
    if is_word(word, DECLARES) && rest.starts_with([' ', '!'])
        || rest.starts_with(' ') && word == "export"
    {
        return fits(word, rest, line) && han_is_quoted(line);
    }
    function_head(line)
}

/// Whether a line that begins with such a word goes on as a declaration does.
fn fits(word: &str, rest: &str, line: &str) -> bool {
    let words = line.split_whitespace().count();
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "import" | "use" | "using" | "require" | "include" | "mod" | "package" | "namespace"
        | "library" => {
            words <= 3 && han(line) == 0 && !line.ends_with('.') && !rest.trim().is_empty()
                || line.ends_with(';')
                || line.contains(" from ") && line.contains(['\'', '"'])
                || line.contains("::")
                || line.ends_with('{')
                || line.contains(" as ") && words <= 5
                || line.contains(", ") && words <= 8 && !line.ends_with('.') && line.contains('.')
        }
        "from" => {
            line.contains(" import ") && han(line) == 0
                || word == "FROM" && words <= 4 && line.contains([':', '/'])
        }
        "create" | "alter" => {
            [
                "procedure",
                "function",
                "table",
                "view",
                "trigger",
                "package",
                "index",
                "database",
                "or replace",
            ]
            .iter()
            .any(|k| line.to_ascii_lowercase().contains(k))
                && word.bytes().all(|b| b.is_ascii_uppercase())
                || line.ends_with(['(', ';']) && words > 2
        }
        "const" | "type" | "data" | "local" | "declare" | "static" | "open" | "test" | "task"
        | "job" | "global" | "variable" | "stage" | "describe" => {
            (line.contains('=') || line.contains('(') || line.ends_with('{')) && closed(line)
        }
        _ => {
            (closed(line) || line.ends_with(':'))
                && (line.contains(['(', '{', '<', '"']) || words <= 4 || line.ends_with(';'))
        }
    }
}

/// Chinese in code stands in strings and comments.
pub(super) fn han_is_quoted(line: &str) -> bool {
    han(line) == 0 || line.contains(['"', '\'', '`', '“']) || line.is_ascii()
}

/// `int main(int argc) {`, `name(a, b) {`, `var f = function (`, `(x) => {`.
fn function_head(line: &str) -> bool {
    let Some(open) = line.find('(') else {
        return false;
    };
    let before = line.get(..open).unwrap_or("").trim_end();
    let (word, _) = first_word(before);
    if before.is_empty()
        || is_word(word, STATES)
            && matches!(
                word,
                "if" | "for"
                    | "while"
                    | "switch"
                    | "return"
                    | "else"
                    | "catch"
                    | "match"
                    | "when"
                    | "await"
                    | "case"
                    | "do"
                    | "foreach"
                    | "unless"
            )
    {
        return false;
    }
    if line.contains("=> {") || line.contains("function (") || line.contains("function(") {
        return true;
    }
    let name = before.bytes().all(|b| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'_' | b' '
                    | b'*'
                    | b'&'
                    | b':'
                    | b'<'
                    | b'>'
                    | b','
                    | b'['
                    | b']'
                    | b'~'
                    | b'@'
                    | b'.'
            )
    });
    name && line.ends_with('{') && line.contains(')') && before.split_whitespace().count() <= 6
}

fn weak(line: &str) -> bool {
    if han(line) > 0 && !han_is_quoted(line) {
        return false;
    }
    let (word, rest) = first_word(line);
    if word.is_empty() {
        return line.starts_with(['.', '&', '|', '+', '"', '\'', '[', '*', '-', '?', ':'])
            && closed(line)
            && han_is_quoted(line);
    }
    let rest = rest.trim_start();
    let chain =
        rest.starts_with(['.', '(', '[', '-', ':']) && closed(line) && !rest.starts_with("- ");
    let assigns = ["=", "+=", "-=", "*=", "|=", "?="]
        .iter()
        .any(|op| rest.starts_with(op))
        || line
            .split_once(" = ")
            .is_some_and(|(left, _)| left.split_whitespace().count() <= 3 && left.is_ascii());
    chain
        || assigns
        || line.split_whitespace().count() <= 6 && closed(line) && han(line) == 0 && line.len() > 2
}
