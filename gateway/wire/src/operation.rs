//! The canonical forms of what is asked for beside chat: vectors of texts, the order of documents by a query, images.
//!
//! Rich enough for every client and vendor that is spoken to, and no richer. Text is never decoded on the way, as in
//! [`canon`](crate::canon). Knows no dialect; each side reads to these types and writes from them.

use crate::canon::{Lost, Raw, Str};
use crate::facts::Usage;

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Work {
    /// A vector for each input.
    Embed(Embed),
    /// Documents in the order in which they fit a query.
    Rerank(Rerank),
    /// Images by a description.
    Image(Picture),
}

/// Texts of which vectors are wanted.
#[derive(Clone, Debug, Default)]
pub struct Embed {
    /// At least one.
    pub inputs: Vec<Input>,
    /// Numbers in a vector, where the model lets one choose.
    pub dimensions: Option<u64>,
    /// Vectors are wanted in base64: 32-bit floats, the lowest byte first.
    pub base64: bool,
    /// What the vectors are for, where the client says so.
    pub purpose: Option<Purpose>,
    /// An id of the end user.
    pub user: Option<Str>,
    /// The client asked for one vector, not for a list of one.
    pub alone: bool,
    /// What was said and cannot be held here.
    pub lost: Vec<Lost>,
}

/// One text.
#[derive(Clone, Debug)]
pub enum Input {
    /// Text.
    Text(Str),
    /// A list of token ids as it stood: nobody but the model's owner can read it.
    Tokens(Raw),
}

/// What a vector is for; models that tell these apart give other vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A question, which is held against documents.
    Query,
    /// A document.
    Document,
    /// Similarity of two texts of one kind.
    Similarity,
    /// Sorting into classes.
    Classification,
    /// Finding groups.
    Clustering,
}

/// Documents that are to be put in order.
#[derive(Clone, Debug, Default)]
pub struct Rerank {
    /// What is looked for.
    pub query: Str,
    /// At least one.
    pub documents: Vec<Str>,
    /// How many results are wanted; `None`: all.
    pub top: Option<usize>,
    /// Results shall hold their documents.
    pub echo: bool,
    /// Tokens of a document that are looked at.
    pub tokens_max: Option<u64>,
    /// How the model shall judge.
    pub instruct: Option<Str>,
    /// What was said and cannot be held here.
    pub lost: Vec<Lost>,
}

/// An image that is wanted.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// What it shows.
    pub prompt: Str,
    /// How many are wanted.
    pub count: u64,
    /// Width and height; `None`: as the model likes.
    pub size: Option<(u32, u32)>,
    /// Wanted in base64, or as an address; `None`: either.
    pub base64: Option<bool>,
    /// Wanted as events.
    pub stream: bool,
    /// Names of further hints that were given.
    pub also: Vec<&'static str>,
    /// What was said and cannot be held here.
    pub lost: Vec<Lost>,
}

/// An image that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Where it lies.
    pub url: Option<Str>,
    /// It itself.
    pub base64: Option<Str>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Done {
    /// Vectors, in the order of the inputs.
    Embedded(Vec<Vector>),
    /// Results, in any order.
    Ranked(Vec<Rank>),
    /// Images.
    Made(Vec<Made>),
}

/// A vector, as its vendor wrote it.
#[derive(Clone, Debug)]
pub enum Vector {
    /// A JSON list of numbers.
    Numbers(Raw),
    /// Base64 of 32-bit floats, the lowest byte first.
    Base64(Str),
}

/// One document's place.
#[derive(Clone, Debug)]
pub struct Rank {
    /// Which document, by its place in the request.
    pub index: usize,
    /// How well it fits: a JSON number.
    pub score: Raw,
}

/// What came of a request, or of a part of it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The result.
    pub done: Done,
    /// What it cost.
    pub usage: Option<Usage>,
}

impl Work {
    /// How many texts it has; each has its own result.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Embed(embed) => embed.inputs.len(),
            Self::Rerank(rerank) => rerank.documents.len(),
            Self::Image(_) => 1,
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was said and cannot be held.
    #[must_use]
    pub fn lost(&self) -> &[Lost] {
        match self {
            Self::Embed(embed) => &embed.lost,
            Self::Rerank(rerank) => &rerank.lost,
            Self::Image(picture) => &picture.lost,
        }
    }

    /// The same work in parts of at most `most` texts (at least one), in order. A part of a list that is to be ranked is
    /// ranked whole: its best may not be among the best of all.
    #[must_use]
    pub fn parts(&self, most: usize) -> Vec<Self> {
        let most = most.max(1);
        if self.len() <= most {
            return vec![self.clone()];
        }
        match self {
            Self::Image(_) => vec![self.clone()],
            Self::Embed(embed) => {
                let part = |inputs: &[Input]| {
                    Self::Embed(Embed {
                        inputs: inputs.to_vec(),
                        lost: Vec::new(),
                        ..embed.clone_settings()
                    })
                };
                embed.inputs.chunks(most).map(part).collect()
            }
            Self::Rerank(rerank) => {
                let part = |documents: &[Str]| {
                    Self::Rerank(Rerank {
                        query: rerank.query.clone(),
                        documents: documents.to_vec(),
                        top: None,
                        echo: rerank.echo,
                        tokens_max: rerank.tokens_max,
                        instruct: rerank.instruct.clone(),
                        lost: Vec::new(),
                    })
                };
                rerank.documents.chunks(most).map(part).collect()
            }
        }
    }
}

impl Embed {
    /// All but the inputs.
    fn clone_settings(&self) -> Self {
        Self {
            inputs: Vec::new(),
            dimensions: self.dimensions,
            base64: self.base64,
            purpose: self.purpose,
            user: self.user.clone(),
            alone: self.alone,
            lost: Vec::new(),
        }
    }
}

impl Reply {
    /// Adds what came of the part that begins at text `at` of the whole. `false`: it is of another kind.
    #[must_use]
    pub fn join(&mut self, at: usize, part: Self) -> bool {
        match (&mut self.done, part.done) {
            (Done::Embedded(all), Done::Embedded(more)) => all.extend(more),
            (Done::Ranked(all), Done::Ranked(more)) => {
                all.extend(more.into_iter().map(|rank| Rank {
                    index: rank.index + at,
                    score: rank.score,
                }));
            }
            _ => return false,
        }
        self.usage = match (self.usage, part.usage) {
            (Some(one), Some(other)) => Some(Usage {
                prompt: one.prompt.saturating_add(other.prompt),
                completion: one.completion.saturating_add(other.completion),
                cached: one.cached.saturating_add(other.cached),
                cache_write: one.cache_write.saturating_add(other.cache_write),
                reasoning: one.reasoning.saturating_add(other.reasoning),
            }),
            // A sum of which a part is not known is not known.
            _ => None,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Str {
        Str::escaped(text)
    }

    #[test]
    fn a_long_list_goes_in_parts_and_comes_back_whole() {
        let work = Work::Rerank(Rerank {
            query: text("q"),
            documents: ["a", "b", "c"].map(text).to_vec(),
            top: Some(1),
            ..Rerank::default()
        });
        let parts = work.parts(2);
        assert_eq!(parts.iter().map(Work::len).collect::<Vec<_>>(), [2, 1]);
        assert!(
            parts
                .iter()
                .all(|part| matches!(part, Work::Rerank(rerank) if rerank.top.is_none()))
        );
        assert_eq!(work.parts(0).len(), 3);
        let rank = |index, score: &'static str| Rank {
            index,
            score: Raw::from_raw(score),
        };
        let usage = |prompt| {
            Some(Usage {
                prompt,
                ..Usage::default()
            })
        };
        let mut whole = Reply {
            done: Done::Ranked(vec![rank(1, "0.5"), rank(0, "0.1")]),
            usage: usage(2),
        };
        let rest = Reply {
            done: Done::Ranked(vec![rank(0, "0.9")]),
            usage: usage(3),
        };
        assert!(whole.join(2, rest));
        assert_eq!(whole.usage, usage(5));
        assert!(matches!(&whole.done, Done::Ranked(all) if all.last().unwrap().index == 2));
        let other = Reply {
            done: Done::Embedded(Vec::new()),
            usage: None,
        };
        assert!(!whole.join(3, other));
    }
}
