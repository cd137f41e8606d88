//! The result of tests as JUnit's XML, which build servers read.
//!
//! Knows no policy. Invariant: what comes from a file is escaped.

use super::cases::Suite;

/// A report of all files.
pub(super) fn report(suites: &[Suite]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in suites {
        let failed = suite.cases.iter().filter(|ran| !ran.ok).count();
        let (file, cases) = (escaped(&suite.file), suite.cases.len());
        out.push_str(&format!(
            "  <testsuite name=\"{file}\" tests=\"{cases}\" failures=\"{failed}\">\n"
        ));
        for ran in &suite.cases {
            let name = escaped(&ran.name);
            out.push_str(&format!(
                "    <testcase classname=\"{file}\" name=\"{name}\""
            ));
            if ran.ok {
                out.push_str("/>\n");
                continue;
            }
            let why = escaped(&ran.failures.join("\n"));
            out.push_str(&format!(
                ">\n      <failure message=\"{} of what is expected does not hold\">{why}</failure>\n    </testcase>\n",
                ran.failures.len()
            ));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            // XML has no way to write the others.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
