//! Headers as a list: of a request, from a client or to a vendor, and of what is kept of a reply.
//!
//! There are few: a walk is shorter than a table's hash, and one piece of memory less.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers in order. A value that is marked as sensitive is not printed.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// None, with room for so many.
    #[must_use]
    pub fn with_capacity(headers: usize) -> Self {
        Self(Vec::with_capacity(headers))
    }

    /// Puts one in, in place of another of its name.
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// Puts one in, unless one of its name is there.
    pub fn usual(&mut self, name: HeaderName, value: HeaderValue) {
        if !self.has(&name) {
            self.append(name, value);
        }
    }

    /// Puts one in behind the others, whatever their names.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Takes out all of this name.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|(known, _)| known != name);
    }

    /// The first of this name, which may be a text.
    #[must_use]
    pub fn get<N: ?Sized>(&self, name: &N) -> Option<&HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        let mut all = self.0.iter();
        all.find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether one of this name is there.
    #[must_use]
    pub fn has<N: ?Sized>(&self, name: &N) -> bool
    where
        HeaderName: PartialEq<N>,
    {
        self.get(name).is_some()
    }

    /// All of this name.
    pub fn get_all<'a, 'n>(
        &'a self,
        name: &'n HeaderName,
    ) -> impl Iterator<Item = &'a HeaderValue> + use<'a, 'n> {
        let all = self.0.iter().filter(move |(known, _)| known == name);
        all.map(|(_, value)| value)
    }

    /// Takes out all of them; their room stays.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, headers: usize) {
        self.0.reserve(headers);
    }

    /// For how many there is room.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Headers {
    fn from_iter<T: IntoIterator<Item = (HeaderName, HeaderValue)>>(headers: T) -> Self {
        Self(headers.into_iter().collect())
    }
}

impl From<Headers> for HeaderMap {
    fn from(headers: Headers) -> Self {
        let mut map = Self::with_capacity(headers.0.len());
        for (name, value) in headers.0 {
            map.append(name, value);
        }
        map
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        let mut headers = Self::with_capacity(map.len());
        let mut last = None;
        for (name, value) in map {
            // One of several of a name is given without it.
            last = name.or(last);
            if let Some(name) = &last {
                headers.append(name.clone(), value);
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, AUTHORIZATION};

    use super::*;

    #[test]
    fn one_of_a_name_or_several() {
        let value = HeaderValue::from_static;
        let mut headers = Headers::with_capacity(2);
        headers.insert(ACCEPT, value("a"));
        headers.insert(ACCEPT, value("b"));
        headers.append(ACCEPT, value("c"));
        headers.usual(ACCEPT, value("d"));
        assert_eq!(headers.get(&ACCEPT), Some(&value("b")));
        assert_eq!(headers.iter().count(), 2);
        let map = HeaderMap::from(headers.clone());
        assert_eq!(map.get_all(ACCEPT).iter().count(), 2);
        let back = Headers::from(map);
        assert!(back.get_all(&ACCEPT).eq([&value("b"), &value("c")]));
        headers.remove(&ACCEPT);
        assert!(!headers.has(&ACCEPT));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let mut secret = HeaderValue::from_static("Bearer sk-1");
        secret.set_sensitive(true);
        let headers = Headers::from_iter([(AUTHORIZATION, secret)]);
        assert!(!format!("{headers:?}").contains("sk-1"));
    }
}
