//! One body that is inspected in parts, each with findings of its own: they are put together, so that it is kept whole.
//!
//! Invariant: more findings than a body may have leave it unread, and so not kept where it had to be redacted.

use std::sync::Arc;

use bytes::Bytes;
use policies::findings::{FINDINGS_MAX, Findings};
use policies::policy::Policy;
use wire::facts::Contents;

use super::{Looked, request};
use crate::config::schema::Payload;
use crate::pipeline::settle::Exchange;

/// What was found in the parts of one body, where it is to be redacted.
pub(in crate::pipeline) struct Gathering {
    payload: Payload,
    findings: Findings,
    contents: Contents,
    too_many: bool,
}

impl Gathering {
    pub(in crate::pipeline) fn new(exchange: &Exchange) -> Self {
        Self {
            payload: exchange.snapshot.audit.payload,
            findings: Findings::default(),
            contents: Contents::default(),
            too_many: false,
        }
    }

    pub(in crate::pipeline) fn add(&mut self, findings: Findings, contents: &Contents) {
        if self.payload != Payload::Redacted || self.too_many {
            return;
        }
        self.findings.media = self.findings.media.saturating_add(findings.media);
        if findings.media > 0 {
            self.contents.media.extend_from_slice(&contents.media);
            self.contents.texts.extend_from_slice(&contents.texts);
        }
        self.too_many = self.findings.list.len() + findings.list.len() > FINDINGS_MAX;
        for found in findings.list {
            self.findings.push(found);
        }
    }

    pub(in crate::pipeline) async fn keep(
        self,
        exchange: &mut Exchange,
        body: &Bytes,
        policy: &Arc<Policy>,
    ) {
        let looked = if self.too_many {
            Looked::Unread
        } else {
            Looked::Through {
                policy: Some(policy),
                findings: &self.findings,
                contents: &self.contents,
            }
        };
        request(exchange, self.payload, body, looked).await;
    }
}
