//! What Python is told of a bundle.

use super::bundle_ground::Ground;
use super::bundle_held::{number_of, Held};
use super::event::{BundleKind, BundleTold};
use crate::bundle::types::Event;

impl Held {
    pub(super) fn told(&self, kind: BundleKind) -> BundleTold {
        BundleTold::new(self.id, self.door, kind)
    }

    pub(super) fn tell(&self, told: BundleTold, ground: &Ground) {
        if !self.closed {
            ground.tell(told);
        }
    }

    pub(super) fn flow_closed(&self, flow: u16, out: bool, code: &'static str, ground: &Ground) {
        let name = if out { "out" } else { "in" }.to_owned();
        let told = BundleTold { code, name, number: flow.into(), ..self.told(BundleKind::FlowClosed) };
        self.tell(told, ground);
    }

    /// What is Python's to know.
    pub(super) fn state(&mut self, event: Event, ground: &mut Ground) {
        let told = match event {
            Event::Up { peer_key, hello } => {
                self.name.clone_from(&hello.gateway);
                let told = self.told(BundleKind::Up);
                let (name, address) = (hello.gateway, self.heard);
                BundleTold { key: peer_key.to_vec(), name, number: hello.boot, address, ..told }
            }
            Event::Down { code, detail } => {
                self.end_all(ground);
                self.name.clear();
                BundleTold { code, detail, ..self.told(BundleKind::Down) }
            }
            Event::Refused { code, detail } => BundleTold { code, detail, ..self.told(BundleKind::Refused) },
            Event::PathUp { path, name } => self.path_told(path, name, ""),
            Event::PathDown { path, name, code } => self.path_told(path, name, code),
            Event::Rate { usable_bps, wanted_bps } => {
                BundleTold { usable_bps, wanted_bps, ..self.told(BundleKind::Rate) }
            }
            Event::StreamOpened { stream, purpose } => {
                BundleTold { number: number_of(stream).into(), name: purpose, ..self.told(BundleKind::Stream) }
            }
            _ => return,
        };
        self.tell(told, ground);
    }

    pub(super) fn path_told(&self, path: u8, name: String, code: &'static str) -> BundleTold {
        let address = self.paths.get(&path).map(|p| p.to).or(self.heard);
        BundleTold { code, name, number: path.into(), address, ..self.told(BundleKind::Path) }
    }
}
