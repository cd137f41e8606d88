//! Lines that do something: statements, calls, tags, instructions.
//!
//! As in [`line`](super::line): linear in the line.

use super::line::{closed, first_word, han, han_is_quoted, is_word};
use super::words::{PAGE_TAGS, STATES};

pub(super) fn states(line: &str) -> bool {
    let (word, rest) = first_word(line);
    let words = line.split_whitespace().count();
    let marks = line
        .bytes()
        .filter(|b| {
            matches!(
                b,
                b'(' | b')'
                    | b'='
                    | b'['
                    | b'.'
                    | b'<'
                    | b'>'
                    | b'"'
                    | b'\''
                    | b'$'
                    | b'{'
                    | b'_'
                    | b':'
            )
        })
        .count();
    if line.ends_with([';', '{', '}']) && !line.ends_with("&nbsp;") {
        return marks > 0 && (han(line) == 0 || han_is_quoted(line))
            || words <= 3 && han(line) == 0;
    }
    if tag(line)
        || dotted_call(line)
        || instruction(word, rest)
        || line.contains(" :: ") && han(line) == 0
        || line.starts_with("$(")
    {
        return true;
    }
    if matches!(word, "Dim" | "Set" | "Next" | "End" | "For" | "If" | "Loop") && han_is_quoted(line)
    {
        return words <= 2 && word != "For" && word != "If"
            || line.contains(" = ")
            || line.contains(" As ")
            || line.ends_with(" Then");
    }
    if line.starts_with('}') || line.starts_with(')') {
        return true;
    }
    if is_word(word, STATES) {
        return keyword(line, marks);
    }
    word.len() > 1 && rest.trim_start().starts_with(":=")
        || line.starts_with('$') && line.contains('=')
        || line.contains("<-") && line.contains('(')
        || line.contains("->") && closed(line) && han(line) == 0
}

/// A line that begins with the word of a statement; `marks`: how much punctuation of code it has.
fn keyword(line: &str, marks: usize) -> bool {
    let (word, rest) = first_word(line);
    let words = line.split_whitespace().count();
    let lower = word.to_ascii_lowercase();
    let shouted = word.len() > 1 && word.bytes().all(|b| b.is_ascii_uppercase());
    match lower.as_str() {
        "break" | "continue" | "pass" | "fi" | "done" | "esac" | "end" | "endmodule" | "then"
        | "begin" | "endcase" | "endif" | "endfunction" | "commit" | "rollback" | "ret" => {
            words <= 2 && han(line) == 0
        }
        "else" | "try" | "finally" | "ensure" | "default" => {
            words <= 2 && han(line) == 0 || line.ends_with(':')
        }
        "if" | "elif" | "for" | "while" | "with" | "except" | "match" | "case" | "elsif"
        | "unless" | "until" | "loop" | "when" | "foreach" => {
            line.ends_with(':') && han_is_quoted(line)
                || rest.trim_start().starts_with(['(', '[']) && closed(line)
                || line.ends_with(" do")
                || line.ends_with("then")
                || line.contains("[ ") && line.contains(" ]")
                || lower == "with" && line.contains(" as ") && marks > 1
                || shouted && words > 1
        }
        "return" | "yield" | "raise" | "throw" | "await" | "print" | "println" | "assert"
        | "del" | "puts" | "go" | "defer" | "guard" => {
            (words <= 2 || marks > 0) && han_is_quoted(line) && !line.ends_with('.')
        }
        "let" | "const" | "var" | "val" | "my" | "our" | "dim" | "int" | "float" | "double"
        | "char" | "string" | "auto" | "bool" | "long" => {
            marks > 0 && (line.contains('=') || closed(line)) && han_is_quoted(line)
        }
        "self" | "this" | "super" => rest.starts_with(['.', '(', '-', '[']),
        "echo" | "printf" | "export" | "source" | "cd" | "mkdir" | "exit" | "sudo" => {
            words >= 2 && han_is_quoted(line) && (marks > 0 || words <= 3)
        }
        _ => shouted && words > 1 || marks > 1 && closed(line) && han_is_quoted(line),
    }
}

/// `plt.show()`, `df = pd.read_csv("a.csv")`: a call of something's method, to the end of the line.
fn dotted_call(line: &str) -> bool {
    if !line.ends_with([')', ']']) || !han_is_quoted(line) {
        return false;
    }
    let bytes = line.as_bytes();
    let ident = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'(')
        .any(|(open, _)| {
            let before = bytes.get(..open).unwrap_or(&[]);
            let name = before.iter().rev().take_while(|b| ident(b)).count();
            let rest = before.get(..open - name).unwrap_or(&[]);
            name > 0
                && rest.last() == Some(&b'.')
                && rest
                    .iter()
                    .rev()
                    .nth(1)
                    .is_some_and(|b| ident(b) || matches!(b, b')' | b']'))
        })
}

/// `mov eax, 4`.
fn instruction(word: &str, rest: &str) -> bool {
    const NAMES: &[&str] = &[
        "mov", "movl", "movq", "push", "pop", "call", "jmp", "jne", "jz", "cmp", "add", "sub",
        "xor", "lea", "int", "ldr", "str", "bl", "bx", "lw", "sw", "addi", "li", "global",
    ];
    NAMES.contains(&word)
        && rest.starts_with(' ')
        && (rest.contains(',') || rest.contains("0x") || rest.trim().starts_with('_'))
        && rest.split_whitespace().count() <= 3
}

/// `<div class="a">`, `</ul>`.
fn tag(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('<') else {
        return false;
    };
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let n = rest
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'.')))
        .unwrap_or(0);
    let name = rest.get(..n).unwrap_or("");
    let known = PAGE_TAGS.contains(&name)
        || name.contains('-')
        || name.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
    known && n < 40 && line.ends_with('>') && !line.contains("<http")
}
