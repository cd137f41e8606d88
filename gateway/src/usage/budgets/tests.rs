//! Of one owner's budget, only that owner's meters are made.

use std::cell::RefCell;

use policies::limit::meter::{Meters, Owner};

use super::budgets;
use crate::config::testing::{FULL, built};

/// Of one key's budget the meters of all keys used to be made.
#[test]
fn only_wanted_owners_are_looked_up() {
    let keys: String = (0..3)
        .map(|n| {
            format!(
                "  - {{ id: k{n}, hash: \"sha256:{n:064}\", budget: {{ tokens: 9, period: day }} }}\n"
            )
        })
        .collect();
    let snapshot = built(&format!("{FULL}{keys}")).unwrap().snapshot;
    let asked = RefCell::new(Vec::new());
    let wanted = |owner: &Owner| {
        asked.borrow_mut().push(owner.name().to_owned());
        owner.name() == "k1"
    };
    let found = budgets(&Meters::default(), &snapshot.keys, wanted);
    let names: Vec<&str> = found.iter().map(|meter| meter.owner.name()).collect();
    assert_eq!(names, ["k1"]);
    for key in ["k0", "k1", "k2"] {
        assert!(asked.borrow().iter().any(|name| name == key), "{key}");
    }
}
