//! The engine's face for SRT.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::engine::{Done, Engine};
use super::event::WireId;
use super::queue::lock;
use super::srt_hub::SrtHub;
use super::OrderError;
use crate::srt::library::{is_passphrase, library};
use crate::srt::selector::MAX_STREAM_ID;
use crate::srt::socket::Options;

const NO_LIBRARY: &str = "no libsrt on this system: install libsrt1.5-gnutls or libsrt1.5-openssl";

fn check(passphrase: &str) -> Done<()> {
    if passphrase.is_empty() || is_passphrase(passphrase) {
        return Ok(());
    }
    Err(OrderError::new("an SRT passphrase has 10 to 79 characters"))
}

impl Engine {
    fn srt(&self) -> Done<Arc<SrtHub>> {
        if library().is_none() {
            return Err(OrderError::new(NO_LIBRARY));
        }
        let mut hub = lock(&self.srt);
        match &*hub {
            Some(hub) => Ok(hub.clone()),
            None => {
                let made = SrtHub::start(self.workers.clone(), self.media, self.events.clone())?;
                *hub = Some(made.clone());
                Ok(made)
            }
        }
    }

    pub fn srt_listen(
        &self,
        at: SocketAddr,
        latency_ms: i32,
        passphrases: Vec<(String, String)>,
        backlog: i32,
    ) -> Done<(WireId, u16)> {
        passphrases.iter().try_for_each(|(_, phrase)| check(phrase))?;
        let hub = self.srt()?;
        let mut registry = lock(&self.registry);
        let id = self.new_id(&mut registry, 0)?;
        drop(registry);
        let options = Options { latency_ms, ..Options::default() };
        let port = hub.listen(id, at, &options, passphrases, backlog)?;
        Ok((id, port))
    }

    pub fn srt_passphrases(&self, listener: WireId, passphrases: Vec<(String, String)>) -> Done<()> {
        passphrases.iter().try_for_each(|(_, phrase)| check(phrase))?;
        self.srt()?.passphrases(listener, passphrases);
        Ok(())
    }

    pub fn srt_latencies(&self, listener: WireId, latencies: HashMap<IpAddr, i32>) -> Done<()> {
        self.srt()?.latencies(listener, latencies);
        Ok(())
    }

    pub fn srt_connect(&self, to: SocketAddr, from: Option<SocketAddr>, options: &Options) -> Done<WireId> {
        check(&options.passphrase)?;
        if options.stream_id.len() > MAX_STREAM_ID {
            return Err(OrderError::new("an SRT stream id has at most 512 bytes"));
        }
        let line = self.srt()?.connect(to, from, options)?;
        self.open_wire(Box::new(line))
    }

    /// True when the wire was a listener.
    pub(super) fn close_srt_listener(&self, wire: WireId) -> bool {
        let hub = lock(&self.srt).clone();
        hub.is_some_and(|hub| hub.close_listener(wire))
    }
}
