//! MP4A-LATM over RTP (RFC 6416 §6, RFC 3016 §4): one AudioMuxElement in one packet or several, the marker on its last.

use bytes::BytesMut;

use super::latm::{self, Element, Mux};
use crate::error::ParseError;

/// More than any sender gathers: some seconds of sound.
pub const MAX_ELEMENT_BYTES: usize = 64 * 1024;

/// Where StreamMuxConfig comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// SDP only (cpresent=0).
    OutOfBand,
    /// In the elements (cpresent=1).
    InBand,
    /// SDP has one and says nothing of cpresent, whose default is 1; but who writes that means 0 as often.
    Unsaid,
}

#[derive(Debug)]
pub struct Depacketizer {
    elements: latm::Depacketizer,
    way: Way,
    partial: BytesMut,
    /// The element's beginning is missing: what comes up to the next marker is of no use.
    headless: bool,
    after_loss: bool,
}

impl Default for Depacketizer {
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Depacketizer {
    /// `config` and `cpresent` as SDP told them.
    pub fn new(config: Option<Mux>, in_band: Option<bool>) -> Self {
        let way = match (config, in_band) {
            (Some(_), Some(false)) => Way::OutOfBand,
            (Some(_), None) => Way::Unsaid,
            _ => Way::InBand,
        };
        let mut elements = latm::Depacketizer::default();
        if let Some(mux) = config {
            elements.preset(mux);
        }
        Self { elements, way, partial: BytesMut::new(), headless: false, after_loss: false }
    }

    pub fn held_bytes(&self) -> usize {
        self.partial.len()
    }

    pub fn lost(&mut self) {
        self.headless = !self.partial.is_empty();
        self.partial.clear();
        self.after_loss = true;
    }

    /// The frames of the element that this packet ends. `Ok(None)`: it goes on, or no configuration came yet.
    pub fn push(&mut self, payload: &[u8], marker: bool) -> Result<Option<Element>, ParseError> {
        if self.headless || self.partial.len() + payload.len() > MAX_ELEMENT_BYTES {
            self.partial.clear();
            self.headless = !marker;
            return Ok(None);
        }
        if !marker {
            self.partial.extend_from_slice(payload);
            return Ok(None);
        }
        if self.partial.is_empty() {
            return self.element(payload);
        }
        self.partial.extend_from_slice(payload);
        let whole = self.partial.split();
        self.element(&whole)
    }

    fn element(&mut self, data: &[u8]) -> Result<Option<Element>, ParseError> {
        let after_loss = std::mem::take(&mut self.after_loss);
        if self.way == Way::Unsaid {
            // Lengths that come out to the byte are no accident.
            self.way = match self.elements.element(data, false) {
                Ok(Some((_, used))) if used == data.len() => Way::OutOfBand,
                _ => Way::InBand,
            };
        }
        let found = self.elements.element(data, self.way == Way::InBand);
        match found {
            // The end of an element whose beginning was lost reads as anything.
            _ if after_loss && !matches!(found, Ok(Some((_, used))) if used == data.len()) => Ok(None),
            Ok(found) => Ok(found.map(|(element, _)| element)),
            Err(error) => Err(error),
        }
    }
}
