//! What tokens cost, in whole billionths of a currency's unit: sums over millions of requests must not drift.
//!
//! Knows no vendor and no exchange rate. Invariant: arithmetic is in integers; a price that was written with more than nine
//! decimals is rounded when it is read, never later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Billionths of a unit in a unit.
const NANO: f64 = 1e9;
/// Tokens that a price is for.
const TOKENS: u128 = 1_000_000;
/// Highest price of a million tokens: beyond it somebody meant something else.
pub const PRICE_MAX: f64 = 1e6;

/// Prices per million tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// Of the prompt's tokens.
    pub input: f64,
    /// Of the reply's tokens.
    pub output: f64,
    /// Of prompt tokens that the provider had in its cache; default as `input`.
    pub cached: Option<f64>,
    /// Of tokens of reasoning; default as `output`.
    pub reasoning: Option<f64>,
    /// Three letters, as in ISO 4217.
    pub currency: String,
}

/// The same, ready to reckon with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    input: u64,
    output: u64,
    cached: u64,
    reasoning: u64,
    /// Three letters.
    pub currency: Box<str>,
}

impl PriceList {
    /// The numbers that are given, by name.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, f64)> {
        [
            ("input", Some(self.input)),
            ("output", Some(self.output)),
            ("cached", self.cached),
            ("reasoning", self.reasoning),
        ]
        .into_iter()
        .filter_map(|(name, number)| Some((name, number?)))
    }

    /// Ready to reckon with.
    #[must_use]
    pub fn build(&self) -> Price {
        Price {
            input: nano(self.input),
            output: nano(self.output),
            cached: nano(self.cached.unwrap_or(self.input)),
            reasoning: nano(self.reasoning.unwrap_or(self.output)),
            currency: self.currency.as_str().into(),
        }
    }
}

/// Billionths of a unit, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within bounds; what is not is cut to what fits"
)]
#[must_use]
pub fn nano(units: f64) -> u64 {
    (units * NANO).round() as u64
}

impl Price {
    /// The most that a call of so many tokens can cost, in billionths of the currency's unit.
    #[must_use]
    pub fn at_most(&self, prompt: u64, completion: u64) -> u64 {
        let input = u128::from(self.input.max(self.cached));
        let output = u128::from(self.output.max(self.reasoning));
        let sum = u128::from(prompt)
            .saturating_mul(input)
            .saturating_add(u128::from(completion).saturating_mul(output));
        u64::try_from(sum.div_ceil(TOKENS)).unwrap_or(u64::MAX)
    }

    /// What a call cost, in billionths of the currency's unit.
    #[must_use]
    pub fn of(&self, tokens: journal::Tokens) -> u64 {
        let cached = tokens.cached.min(tokens.prompt);
        let reasoning = tokens.reasoning.min(tokens.completion);
        let sum: u128 = [
            (tokens.prompt - cached, self.input),
            (cached, self.cached),
            (tokens.completion - reasoning, self.output),
            (reasoning, self.reasoning),
        ]
        .into_iter()
        .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
        .fold(0, u128::saturating_add);
        u64::try_from((sum + TOKENS / 2) / TOKENS).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::Tokens;

    #[test]
    fn cents_add_up() {
        let list = PriceList {
            input: 2.4,
            output: 9.6,
            cached: Some(0.6),
            reasoning: None,
            currency: "CNY".into(),
        };
        let price = list.build();
        let tokens = |prompt, completion, cached, reasoning| Tokens {
            prompt,
            completion,
            cached,
            reasoning,
            ..Tokens::default()
        };
        for (used, nano) in [
            (tokens(0, 0, 0, 0), 0),
            (tokens(1, 0, 0, 0), 2_400),
            (tokens(1_000_000, 0, 0, 0), 2_400_000_000),
            (
                tokens(1_000, 100, 400, 50),
                600 * 2_400 + 400 * 600 + 100 * 9_600,
            ),
            // A vendor that counts more of a part than of the whole earns nothing by it.
            (tokens(10, 0, 99, 7), 10 * 600),
            (tokens(u64::MAX, u64::MAX, 0, 0), u64::MAX),
        ] {
            assert_eq!(price.of(used), nano, "{used:?}");
        }
        assert_eq!(price.at_most(1_000, 10), 1_000 * 2_400 + 10 * 9_600);
        assert_eq!(price.at_most(u64::MAX, 1), u64::MAX);
        let tenth = PriceList { input: 0.1, ..list }.build();
        assert_eq!(
            (0..10).map(|_| tenth.of(tokens(7, 0, 0, 0))).sum::<u64>(),
            7_000
        );
    }
}
