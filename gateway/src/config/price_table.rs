//! The table of prices, from a file beside the config.
//!
//! Adds its rows to the config, so that nobody later has to know where a price came from. Invariant: the file is bounded, and
//! counted among the files whose change is a change of the config; what is wrong in it is told with its own line and column.

use super::decode::decode;
use super::load::{CONFIG_BYTES_MAX, Loaded, read_bounded, said};
use super::node::{Node, parse};
use super::problem::{Problem, Severity, Step, show_path};
use super::schema::{PriceRow, PriceTable};
use super::time::parse_moment_ms;

/// Longest name of a model, and of where a price was found, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// Reads the file that `prices.file` names.
pub(super) fn fetch_prices(loaded: &mut Loaded) -> Vec<Problem> {
    let Some(name) = &loaded.config.prices.file else {
        return Vec::new();
    };
    let at: [Step; 2] = ["prices".into(), "file".into()];
    let path = loaded.dir.join(name);
    let text = match read_bounded(&path, CONFIG_BYTES_MAX) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()),
        Err(error) => Err(format!("cannot be read: {}", said(&error))),
    };
    let read = match text {
        Ok(text) => rows(&path.display().to_string(), &text),
        Err(why) => {
            let message = format!("`{}` {why}", loaded.doc.shown(&at));
            Err(vec![loaded.doc.problem(Severity::Error, &at, message)])
        }
    };
    loaded.files.push(path);
    match read {
        Ok(rows) => {
            loaded.config.prices.rows = rows;
            Vec::new()
        }
        Err(problems) => problems,
    }
}

fn rows(file: &str, text: &str) -> Result<Vec<PriceRow>, Vec<Problem>> {
    // A table is data that is passed around: nothing in it may come from this process's environment.
    let root = parse(file, text, &|_| None)?;
    let PriceTable { prices } = decode(file, &root)?;
    let mut problems = Vec::new();
    for (index, row) in prices.iter().enumerate() {
        let at = |field: &'static str| -> Vec<Step> {
            vec!["prices".into(), index.into(), field.into()]
        };
        let mut wrong = |steps: &[Step], message: String| {
            problems.push(problem(file, &root, steps, message));
        };
        for (field, message) in row.price.faults() {
            let mut steps = at("price");
            steps.push(field.into());
            wrong(&steps, message);
        }
        if row.vendors.is_empty() {
            wrong(&at("vendors"), "at least one vendor".into());
        }
        for (field, text) in [("model", &row.model), ("source", &row.source)] {
            if !(1..=TEXT_BYTES_MAX).contains(&text.len()) {
                wrong(&at(field), format!("1 to {TEXT_BYTES_MAX} characters"));
            }
        }
        if row.date.len() != 10 || parse_moment_ms(&row.date).is_none() {
            wrong(&at("date"), "a day such as 2026-08-21".into());
        }
        let same = |other: &PriceRow| {
            other.model == row.model && other.vendors.iter().any(|v| row.vendors.contains(v))
        };
        if prices.iter().take(index).any(same) {
            wrong(
                &at("model"),
                "this model of this vendor has a price already".into(),
            );
        }
    }
    if problems.is_empty() {
        Ok(prices)
    } else {
        Err(problems)
    }
}

fn problem(file: &str, root: &Node, steps: &[Step], message: String) -> Problem {
    Problem {
        severity: Severity::Error,
        file: file.to_owned(),
        place: root.nearest(steps).place,
        path: show_path(steps),
        message,
        suggestion: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::Prices;

    #[test]
    fn the_nearest_row_counts() {
        let row = |vendor: &str, model: &str, input: u32| {
            format!(
                "  - {{ vendors: [{vendor}, other], model: \"{model}\", price: {{ input: {input}, output: 1, currency: CNY }}, date: 2026-01-01, source: x }}\n"
            )
        };
        let text = [
            "prices:\n".to_owned(),
            row("v", "m*", 1),
            row("v", "m-big*", 2),
            row("v", "m-big", 3),
        ]
        .concat();
        let prices = Prices {
            rows: rows("p.yaml", &text).unwrap(),
            ..Prices::default()
        };
        for (vendor, model, input) in [
            ("v", "m-small", Some(1.0)),
            ("v", "m-big-2026", Some(2.0)),
            ("other", "m-big", Some(3.0)),
            ("v", "n", None),
            ("w", "m-big", None),
        ] {
            let found = prices.find(vendor, model).map(|price| price.input);
            assert_eq!(found, input, "{vendor} {model}");
        }
    }

    /// What is shipped can be taken in, and is about vendors that there are.
    #[test]
    fn the_shipped_table_can_be_used() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prices.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = rows("prices.yaml", &text).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert!(rows.len() > 50, "{}", rows.len());
        for row in &rows {
            assert!(row.source.starts_with("https://") && row.sample, "{row:?}");
            for vendor in &row.vendors {
                assert!(adapters::vendor(vendor).is_some(), "{vendor}");
            }
        }
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let text = "prices:\n\
            - { vendors: [v], model: m, price: { input: -1, output: 1, currency: yuan }, date: 2026-1-1, source: x }\n\
            - { vendors: [v], model: m, price: { input: 1, output: 1, currency: CNY }, date: 2026-01-01, source: \"\" }\n";
        let told: Vec<String> = rows("p.yaml", text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        for want in [
            "p.yaml:2:45: prices[0].price.input: a price is 0 to 1000000",
            "prices[0].price.currency",
            "prices[0].date",
            "prices[1].source",
            "prices[1].model: this model of this vendor has a price already",
        ] {
            assert!(
                told.iter().any(|line| line.contains(want)),
                "{want} in {told:#?}"
            );
        }
        let unknown = rows("p.yaml", "prices: []\nextra: 1\n").unwrap_err();
        assert!(unknown[0].to_string().contains("p.yaml:2:1"), "{unknown:?}");
    }
}
