//! What tokens cost.
//!
//! Whole numbers only: prices are kept in picounits (10⁻¹²) of a currency for each token, costs in nanounits (10⁻⁹), rounded
//! up once for each request. Knows no budget. Invariant: a price that passed the check has no part below a picounit a token.

use wire::facts::Usage;

/// Tokens that a price in the config is for.
const PER_TOKENS: f64 = 1e6;
/// Picounits in a unit.
const PICO: f64 = 1e12;
/// Dearest price of a million tokens, in units: far above any model's.
pub const PRICE_MAX: f64 = 1e6;

/// What a model's tokens cost, in picounits of `currency` each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// ISO 4217 code.
    pub currency: Box<str>,
    /// Of the prompt.
    pub input: u64,
    /// Of the prompt, read from the vendor's cache.
    pub cached: u64,
    /// Of the prompt, written to the vendor's cache.
    pub cache_write: u64,
    /// Of the reply.
    pub output: u64,
    /// Of the reply, spent on reasoning.
    pub reasoning: u64,
}

impl Price {
    /// What this usage costs, in nanounits.
    #[must_use]
    pub fn cost_nano(&self, usage: &Usage) -> u64 {
        let usage = usage.clamped();
        let parts = [
            (usage.prompt - usage.cached - usage.cache_write, self.input),
            (usage.cached, self.cached),
            (usage.cache_write, self.cache_write),
            (usage.completion - usage.reasoning, self.output),
            (usage.reasoning, self.reasoning),
        ];
        let pico: u128 = parts
            .into_iter()
            .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
            .sum();
        u64::try_from(pico.div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// Picounits a token, of a price for a million tokens; `None` if it is none, or finer than that.
#[must_use]
pub fn pico_per_token(price: f64) -> Option<u64> {
    if !(0.0..=PRICE_MAX).contains(&price) {
        return None;
    }
    let pico = price * (PICO / PER_TOKENS);
    let whole = pico.round();
    // A decimal of up to six places is at most a few units in the last place away from its double.
    ((pico - whole).abs() < 1e-3).then_some(whole as u64)
}

/// Nanounits of an amount of money; `None` if it is none, or finer than that.
#[must_use]
pub fn nano(amount: f64) -> Option<u64> {
    const AMOUNT_MAX: f64 = 9e6;
    if !(0.0..=AMOUNT_MAX).contains(&amount) {
        return None;
    }
    Some((amount * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> Usage {
        Usage {
            prompt,
            completion,
            cached,
            cache_write: 0,
            reasoning,
        }
    }

    #[test]
    fn prices_are_exact() {
        assert_eq!(pico_per_token(2.4), Some(2_400_000));
        assert_eq!(pico_per_token(0.000_001), Some(1));
        assert_eq!(pico_per_token(0.1 + 0.2), Some(300_000));
        for bad in [-1.0, 1e-7, f64::NAN, f64::INFINITY, 2e6] {
            assert_eq!(pico_per_token(bad), None, "{bad}");
        }
        assert_eq!(nano(5000.0), Some(5_000_000_000_000));
        assert_eq!(nano(-0.1), None);
    }

    #[test]
    fn costs_are_rounded_up_once() {
        let price = Price {
            currency: "CNY".into(),
            input: 2_400_000,
            cached: 240_000,
            cache_write: 3_000_000,
            output: 9_600_000,
            reasoning: 1,
        };
        assert_eq!(price.cost_nano(&usage(1_000_000, 0, 0, 0)), 2_400_000_000);
        assert_eq!(
            price.cost_nano(&usage(10, 4, 5, 1)),
            6 * 2400 + 4 * 240 + 4 * 9600 + 1
        );
        assert_eq!(price.cost_nano(&usage(0, 0, 0, 0)), 0);
        // A vendor's claim is clamped: more cached than there was, more tokens than there are.
        assert_eq!(price.cost_nano(&usage(1, 100, 0, 0)), 240);
        assert_eq!(price.cost_nano(&usage(u64::MAX, 0, 1, 0)), 9600);
    }
}
