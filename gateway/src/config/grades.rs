//! The order of grades, and names of the config that replies bear as headers.
//!
//! Compares no grades with clearances: that is the law's.

use http::HeaderValue;
use wire::Grade;

/// The names of grades, from the least to the most sensitive.
#[derive(Clone, Debug)]
pub struct Grades(Box<[Named]>);

/// A name of the config, and the same as a header's value: made when the config loads, not for each reply.
#[derive(Clone, Debug)]
pub struct Named {
    name: Box<str>,
    header: Option<HeaderValue>,
}

impl Named {
    /// This name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            header: HeaderValue::from_str(name).ok(),
            name: name.into(),
        }
    }

    /// The name as a header's value; `None` if it cannot be one.
    #[must_use]
    pub fn header(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }
}

impl Grades {
    /// These names, 1 to 16 of them.
    #[must_use]
    pub fn new<S: AsRef<str>>(names: &[S]) -> Self {
        Self(names.iter().map(|name| Named::new(name.as_ref())).collect())
    }

    /// The grade called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Grade> {
        let at = self.0.iter().position(|known| *known.name == *name)?;
        u8::try_from(at).ok().map(Grade)
    }

    /// What `grade` is called; a grade that is not of this list has the highest one's name, the careful choice.
    #[must_use]
    pub fn name(&self, grade: Grade) -> &str {
        self.of(grade).map_or("", |named| &named.name)
    }

    /// The same as a header's value.
    #[must_use]
    pub fn header(&self, grade: Grade) -> Option<&HeaderValue> {
        self.of(grade).and_then(Named::header)
    }

    fn of(&self, grade: Grade) -> Option<&Named> {
        self.0.get(usize::from(grade.0)).or_else(|| self.0.last())
    }

    /// The highest grade.
    #[must_use]
    pub fn highest(&self) -> Grade {
        Grade(u8::try_from(self.0.len().saturating_sub(1)).unwrap_or(u8::MAX))
    }

    /// All names, the least sensitive first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|named| &*named.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_have_an_order_and_names() {
        let grades = Grades::new(&["public", "internal", "restricted"]);
        assert_eq!(grades.find("internal"), Some(Grade(1)));
        assert_eq!(grades.find("secret"), None);
        assert_eq!(grades.name(Grade(2)), "restricted");
        assert_eq!(grades.name(Grade(9)), "restricted");
        assert_eq!(grades.highest(), Grade(2));
        assert_eq!(grades.names().count(), 3);
    }
}
