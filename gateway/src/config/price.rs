//! What tokens cost, in whole billionths of a currency's unit: sums over millions of requests must not drift.
//!
//! Knows no vendor. Invariant: arithmetic is in integers; a price that was written with more than nine decimals, or turned
//! into another currency, is rounded when it is read, never later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Billionths of a unit in a unit.
const NANO: f64 = 1e9;
/// Tokens that a price is for.
const TOKENS: u128 = 1_000_000;
/// Milliseconds of the minute that a price of sound is for.
const MINUTE_MS: u128 = 60_000;
/// Highest price: beyond it somebody meant something else.
pub const PRICE_MAX: f64 = 1e6;

/// Prices per million tokens, and of what is not counted in tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// Of the prompt's tokens.
    pub input: f64,
    /// Of the reply's tokens.
    pub output: f64,
    /// Of prompt tokens that the provider had in its cache; default as `input`.
    pub cached: Option<f64>,
    /// Of prompt tokens that the provider wrote to its cache; default as `input`.
    pub cache_write: Option<f64>,
    /// Of tokens of reasoning; default as `output`.
    pub reasoning: Option<f64>,
    /// Of an image that is made, where it is not paid for in tokens.
    pub image: Option<f64>,
    /// Of a minute of sound that is read or made.
    pub audio_minute: Option<f64>,
    /// Of each request that is answered, beside all else.
    pub request: Option<f64>,
    /// Three letters, as in ISO 4217.
    pub currency: String,
}

/// The same, ready to reckon with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    input: u64,
    output: u64,
    cached: u64,
    cache_write: u64,
    reasoning: u64,
    image: u64,
    audio_minute: u64,
    request: u64,
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
            ("cache_write", self.cache_write),
            ("reasoning", self.reasoning),
            ("image", self.image),
            ("audio_minute", self.audio_minute),
            ("request", self.request),
        ]
        .into_iter()
        .filter_map(|(name, number)| Some((name, number?)))
    }

    /// What is wrong with it: a field, and a sentence.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, String)> {
        let numbers = self
            .numbers()
            .filter(|(_, number)| !(0.0..=PRICE_MAX).contains(number))
            .map(|(field, _)| (field, format!("a price is 0 to {PRICE_MAX}")));
        let currency = (!is_currency(&self.currency)).then(|| {
            let message = "a currency is three capital letters, as in ISO 4217";
            ("currency", message.to_owned())
        });
        numbers.chain(currency)
    }

    /// Ready to reckon with: `rate` units of `currency` are paid for one of what the list is in.
    #[must_use]
    pub fn build(&self, rate: f64, currency: &str) -> Price {
        let nano = |units: f64| nano(units * rate);
        Price {
            input: nano(self.input),
            output: nano(self.output),
            cached: nano(self.cached.unwrap_or(self.input)),
            cache_write: nano(self.cache_write.unwrap_or(self.input)),
            reasoning: nano(self.reasoning.unwrap_or(self.output)),
            image: nano(self.image.unwrap_or(0.0)),
            audio_minute: nano(self.audio_minute.unwrap_or(0.0)),
            request: nano(self.request.unwrap_or(0.0)),
            currency: currency.into(),
        }
    }
}

/// Whether this is a code of ISO 4217's form.
#[must_use]
pub fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
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

/// An amount of billionths in decimal digits, exactly, without the zeros at its end.
#[must_use]
pub fn decimal(nano: u128) -> String {
    let (whole, part) = (nano / 1_000_000_000, nano % 1_000_000_000);
    let part = format!("{part:09}");
    match part.trim_end_matches('0') {
        "" => whole.to_string(),
        part => format!("{whole}.{part}"),
    }
}

impl Price {
    /// The most that so many tokens can cost, in billionths of the currency's unit.
    #[must_use]
    pub fn at_most(&self, prompt: u64, completion: u64) -> u64 {
        let input = u128::from(self.input.max(self.cached).max(self.cache_write));
        let output = u128::from(self.output.max(self.reasoning));
        let sum = u128::from(prompt)
            .saturating_mul(input)
            .saturating_add(u128::from(completion).saturating_mul(output));
        u64::try_from(sum.div_ceil(TOKENS)).unwrap_or(u64::MAX)
    }

    /// The most that a call can cost beside its tokens, as far as that is known before: its fee, and so many images or a
    /// minute of sound, whose length nothing tells.
    #[must_use]
    pub fn beside_tokens(&self, images: u64) -> u64 {
        let made = self.image.saturating_mul(images).max(self.audio_minute);
        self.request.saturating_add(made)
    }

    /// What a call cost, in billionths of the currency's unit; `answered` if it got a reply, for which some ask beside the
    /// tokens.
    #[must_use]
    pub fn of(&self, used: journal::Tokens, answered: bool) -> u64 {
        let cached = used.cached.min(used.prompt);
        let cache_write = used.cache_write.min(used.prompt - cached);
        let reasoning = used.reasoning.min(used.completion);
        let of_tokens: u128 = [
            (used.prompt - cached - cache_write, self.input),
            (cached, self.cached),
            (cache_write, self.cache_write),
            (used.completion - reasoning, self.output),
            (reasoning, self.reasoning),
        ]
        .into_iter()
        .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
        .fold(0, u128::saturating_add);
        let of_sound = u128::from(used.audio_ms) * u128::from(self.audio_minute);
        let request = if answered { self.request } else { 0 };
        let sum = rounded(of_tokens, TOKENS)
            .saturating_add(rounded(of_sound, MINUTE_MS))
            .saturating_add(u128::from(used.images) * u128::from(self.image))
            .saturating_add(request.into());
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    /// Its parts by their names in the config, in billionths; what is not asked for is left out.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("input", self.input),
            ("output", self.output),
            ("cached", self.cached),
            ("cache_write", self.cache_write),
            ("reasoning", self.reasoning),
            ("image", self.image),
            ("audio_minute", self.audio_minute),
            ("request", self.request),
        ]
        .into_iter()
        .filter(|(_, nano)| *nano > 0)
    }
}

/// The nearest whole number of parts.
fn rounded(sum: u128, parts: u128) -> u128 {
    sum.saturating_add(parts / 2) / parts
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
            cache_write: Some(3.0),
            reasoning: None,
            image: Some(0.2),
            audio_minute: Some(0.06),
            request: Some(0.001),
            currency: "CNY".into(),
        };
        let price = list.build(1.0, "CNY");
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
            assert_eq!(price.of(used, false), nano, "{used:?}");
        }
        let media = Tokens {
            prompt: 10,
            cached: 4,
            cache_write: 5,
            images: 2,
            audio_ms: 1_500,
            ..Tokens::default()
        };
        let of_tokens = 2_400 + 4 * 600 + 5 * 3_000;
        let of_media = 2 * 200_000_000 + 1_500_000;
        assert_eq!(price.of(media, false), of_tokens + of_media);
        assert_eq!(price.of(media, true), of_tokens + of_media + 1_000_000);
        assert_eq!(price.at_most(1_000, 10), 1_000 * 3_000 + 10 * 9_600);
        // A fee, and two images or a minute of sound, whichever is dearer.
        assert_eq!(price.beside_tokens(2), 1_000_000 + 400_000_000);
        // In another currency.
        let abroad = list.build(7.1, "USD");
        assert_eq!(abroad.of(tokens(1_000_000, 0, 0, 0), false), 17_040_000_000);
        assert_eq!(price.at_most(u64::MAX, 1), u64::MAX);
        let tenth = PriceList { input: 0.1, ..list }.build(1.0, "CNY");
        assert_eq!(
            (0..10)
                .map(|_| tenth.of(tokens(7, 0, 0, 0), false))
                .sum::<u64>(),
            7_000
        );
    }

    #[test]
    fn amounts_are_written_exactly() {
        for (nano, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (2_400_000_000, "2.4"),
            (10_000_000_000, "10"),
            (u128::from(u64::MAX), "18446744073.709551615"),
        ] {
            assert_eq!(decimal(nano), text);
        }
    }
}
