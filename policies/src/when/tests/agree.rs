//! Our evaluation against the `cel` crate's own interpreter, on conditions of whatever form.
//!
//! Leaves out what ours reads otherwise by design: grades, and hits of a type that was not found.

use super::*;

/// Conditions of whatever form, well typed, over what the `cel` crate's interpreter can be given too.
fn conditions() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (-3_i64..1200).prop_map(|n| n.to_string()),
        Just("request.bytes".to_owned()),
        Just("request.messages".to_owned()),
        Just("size(model)".to_owned()),
        Just("size(hits)".to_owned()),
        Just("size([1, 2, 3].filter(n, n > 1))".to_owned()),
    ]
    .prop_recursive(2, 8, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%"]);
        (inner.clone(), operator, inner).prop_map(|(a, op, b)| format!("({a} {op} {b})"))
    })
    .boxed();
    let text = prop::sample::select(vec![
        "model",
        "key.team",
        "'assistant'",
        "'a'",
        "'玉'",
        "''",
        "key.id",
    ]);
    let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let find = prop::sample::select(vec!["contains", "startsWith", "endsWith"]);
    let whole = prop::sample::select(vec![
        "true",
        "false",
        "request.stream",
        "request.tools",
        "'CN_MOBILE' in hits",
        "'VIN' in hits",
        "key.team in ['interns', 'ops']",
        "request.bytes in [1, 1000]",
        "hits.exists(t, t.startsWith('CN_'))",
        "hits.all(t, size(t) > 9)",
        "hits.exists_one(t, t.endsWith('E'))",
        "['a', model].map(m, size(m)).exists(n, n == 9)",
        "[0, 1, 2].exists(n, 4 / n == 2)",
        "[0, 1, 2].all(n, 4 / n == 2)",
    ]);
    let leaf = prop_oneof![
        whole.prop_map(str::to_owned),
        (number.clone(), compare.clone(), number).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text.clone(), compare, text.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text.clone(), find, text).prop_map(|(a, find, b)| format!("{a}.{find}({b})")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(({a}) == ({b}))")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

/// What the `cel` crate's own interpreter says on the facts of [`judge`].
fn interpreted(source: &str) -> Option<bool> {
    use std::collections::HashMap;

    let mut context = cel::Context::default();
    let request: HashMap<&str, cel::Value> = [
        ("bytes", 1000_i64.into()),
        ("messages", 3_i64.into()),
        ("stream", true.into()),
        ("tools", false.into()),
    ]
    .into();
    let key: HashMap<&str, cel::Value> = [("id", "k-7".into()), ("team", "interns".into())].into();
    let hits: HashMap<&str, i64> =
        [("CN_MOBILE", 2), ("CN_ID_CARD", 1), ("PROJECT_NAME", 4)].into();
    context.add_variable_from_value("request", request);
    context.add_variable_from_value("key", key);
    context.add_variable_from_value("hits", hits);
    context.add_variable_from_value("model", "assistant");
    match cel::Program::compile(source).unwrap().execute(&context) {
        Ok(cel::Value::Bool(value)) => Some(value),
        Ok(other) => panic!("{source}: {other:?}"),
        Err(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_holds_is_what_cel_says(source in conditions()) {
        // A text that is too long or too costly is refused; that is another test's matter.
        if compile(&source).is_ok() {
            prop_assert_eq!(judge(&source, None).ok(), interpreted(&source), "{}", source);
        }
    }
}
