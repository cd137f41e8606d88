//! A stream where a whole reply was asked for: all of it decoded, written as one by whoever has it.
//!
//! Bounded by who reads: nothing here waits or looks at the length.

use adapters::Decoder;
use adapters::frames::Frames;
use adapters::vendor::Vendor;
use wire::sse::{self, Splitter};
use wire::{Fault, Kind, canon};

use super::{Told, note, unframed};
use crate::pipeline::settle::Meter;

/// Decodes a stream to canonical events, for a client that wants one whole reply.
pub(in crate::pipeline) struct Decoding {
    frames: Option<Box<dyn Frames>>,
    splitter: Splitter,
    decoder: Box<dyn Decoder>,
    vendor: &'static dyn Vendor,
    told: Told,
}

impl Decoding {
    pub(in crate::pipeline) fn new(
        decoder: Box<dyn Decoder>,
        vendor: &'static dyn Vendor,
        limits: sse::Limits,
    ) -> Self {
        let told = Told {
            status: 200,
            now_ms: 0,
        };
        Self {
            frames: None,
            splitter: Splitter::new(limits),
            decoder,
            vendor,
            told,
        }
    }

    /// The same, of a stream that is framed so.
    pub(in crate::pipeline) fn framed(self, frames: Option<Box<dyn Frames>>) -> Self {
        Self { frames, ..self }
    }

    pub(in crate::pipeline) fn read(
        &mut self,
        data: &[u8],
        meter: &mut Meter,
        all: &mut Vec<canon::Event>,
    ) -> Result<(), Fault> {
        match &mut self.frames {
            None => self.events(data, meter, all),
            Some(frames) => {
                let (events, sound) = unframed(frames.as_mut(), data);
                self.events(&events, meter, all)?;
                sound
            }
        }
    }

    fn events(
        &mut self,
        data: &[u8],
        meter: &mut Meter,
        all: &mut Vec<canon::Event>,
    ) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(event) = self
            .splitter
            .next(data, &mut at)
            .map_err(|_| Fault::new(Kind::Malformed).reason("event_too_long"))?
        {
            let from = all.len();
            self.decoder.event(&event, all)?;
            note(
                all.get(from..).unwrap_or_default(),
                meter,
                self.vendor,
                &self.told.view(),
            )?;
        }
        Ok(())
    }

    /// Whether all was heard, so that the upstream's end need not be waited for.
    pub(in crate::pipeline) fn is_over(&self) -> bool {
        self.decoder.is_over()
    }

    pub(in crate::pipeline) fn end(
        &mut self,
        meter: &mut Meter,
        all: &mut Vec<canon::Event>,
    ) -> Result<(), Fault> {
        if let Some(frames) = &self.frames {
            frames.end()?;
        }
        let from = all.len();
        if let Some(event) = self.splitter.finish() {
            self.decoder.event(&event, all)?;
        }
        self.decoder.end(all)?;
        note(
            all.get(from..).unwrap_or_default(),
            meter,
            self.vendor,
            &self.told.view(),
        )
        .map(|_| ())
    }
}
