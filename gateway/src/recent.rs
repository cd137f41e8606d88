//! What was seen lately, up to a number: two generations, of which the older one goes as a whole.
//!
//! Knows no clock. Invariants: no more than twice the number of a generation is kept, but for what is in use and must not
//! be forgotten; what is asked for stays.

use std::collections::HashMap;
use std::hash::Hash;

/// Things by key.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Room for `most` in each generation.
    #[must_use]
    pub(crate) fn new(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            most,
        }
    }

    /// What is kept under `key`. `in_use` says what must not be forgotten if that makes a generation too large.
    pub(crate) fn get(&mut self, key: &K, in_use: impl Fn(&V) -> bool) -> Option<&V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.put(key, value, in_use);
        }
        self.young.get(key)
    }

    /// Keeps something. Whether something else was forgotten for it.
    pub(crate) fn put(&mut self, key: K, value: V, in_use: impl Fn(&V) -> bool) -> bool {
        let full = self.young.len() >= self.most && !self.young.contains_key(&key);
        let mut forgot = false;
        if full {
            let mut old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            let before = old.len();
            old.retain(|_, value| in_use(value));
            forgot = old.len() < before;
            self.young = old;
        }
        self.old.remove(&key);
        self.young.insert(key, value);
        forgot
    }

    /// Everything, in no order.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<(K, V)>
    where
        K: Clone,
        V: Clone,
    {
        let all = self.young.iter().chain(&self.old);
        all.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Forgets what is kept under `key`.
    pub(crate) fn forget(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Keeps only what `keep` says.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        self.young.retain(|_, value| keep(value));
        self.old.retain(|_, value| keep(value));
    }

    /// How much is kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut recent = Recent::new(10);
        for n in 0..1000 {
            recent.put(n, n, |_| false);
            assert_eq!(recent.get(&0, |_| false), Some(&0));
            assert!(recent.len() <= 20);
        }
        assert_eq!(recent.get(&1, |_| false), None);
        assert_eq!(recent.get(&999, |_| false), Some(&999));
    }

    #[test]
    fn what_is_in_use_is_not_forgotten() {
        let mut recent = Recent::new(10);
        for n in 0..1000 {
            recent.put(n, n, |n| *n < 5);
        }
        for n in 0..5 {
            assert_eq!(recent.get(&n, |n| *n < 5), Some(&n));
        }
        assert!(recent.len() <= 25);
        recent.retain(|n| *n == 3);
        assert_eq!(recent.len(), 1);
    }
}
