//! All voices and rooms of the thread, moved on by one tick at a time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::member::Member;
use super::outlet::Leaving;
use super::plan::Plan;
use super::share::{Coder, Key, Share};
use super::{rate_index, Route, Settings, Transmit};
use crate::audio::duck::Duck;
use crate::audio::gain::Scale;
use crate::relay::event::{RoomId, VoiceId, VoiceState};
use crate::time::Micros;

/// Something to tell of a voice.
#[derive(Debug, Clone, PartialEq)]
pub struct Tell {
    pub voice: VoiceId,
    pub state: VoiceState,
    pub code: &'static str,
    pub detail: String,
    pub address: Option<SocketAddr>,
}

/// Where a tick's packets and events go.
pub trait Sink {
    fn rtp(&mut self, voice: VoiceId, leaving: Leaving<'_>);
    /// A datagram or record that is no RTP: header and body.
    fn record(&mut self, voice: VoiceId, header: &[u8], body: &[u8]);
    fn tell(&mut self, tell: Tell);
}

#[derive(Default)]
pub struct Bridge {
    members: Vec<Option<Box<Member>>>,
    free: Vec<usize>,
    slots: HashMap<VoiceId, usize>,
    plan: Plan,
    shares: Vec<Share>,
    /// Somebody came, went or may more or less.
    changed: bool,
    /// Voices that a panic ended; whoever owns the sockets closes them.
    pub fallen: Vec<VoiceId>,
}

impl Bridge {
    pub fn add(&mut self, member: Member) {
        let id = member.id;
        let member = Some(Box::new(member));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.members[slot] = member;
                slot
            }
            None => {
                self.members.push(member);
                self.members.len() - 1
            }
        };
        self.slots.insert(id, slot);
        self.changed = true;
    }

    pub fn remove(&mut self, id: VoiceId) -> Option<Box<Member>> {
        self.plan.forget(id);
        self.changed = true;
        let slot = self.slots.remove(&id)?;
        self.free.push(slot);
        self.members[slot].take()
    }

    pub fn get(&self, id: VoiceId) -> Option<&Member> {
        self.members[*self.slots.get(&id)?].as_deref()
    }

    pub fn get_mut(&mut self, id: VoiceId) -> Option<&mut Member> {
        self.members[*self.slots.get(&id)?].as_deref_mut()
    }

    pub fn ids(&self) -> Vec<VoiceId> {
        self.slots.keys().copied().collect()
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.slots.len(), self.plan.rooms())
    }

    // ── orders ──

    pub fn open_room(&mut self, room: RoomId, name: String) {
        self.plan.open(room, name);
    }

    pub fn close_room(&mut self, room: RoomId) {
        self.changed |= self.plan.close(room);
    }

    pub fn route(&mut self, room: RoomId, voice: VoiceId, route: Route) {
        if self.slots.contains_key(&voice) {
            self.changed |= self.plan.route(room, voice, route);
        }
    }

    pub fn leave(&mut self, room: RoomId, voice: VoiceId) {
        self.changed |= self.plan.leave(room, voice);
    }

    pub fn set(&mut self, voice: VoiceId, settings: Settings) {
        if let Some(member) = self.get_mut(voice) {
            member.set(settings);
            self.changed = true;
        }
    }

    pub fn guard_echo(&mut self, microphone: VoiceId, loudspeaker: Option<VoiceId>, duck_db: f32, hang_ms: u32) {
        if let Some(member) = self.get_mut(microphone) {
            let make = |loudspeaker| super::member::Guard { loudspeaker, duck: Duck::new(duck_db, hang_ms) };
            member.guard = loudspeaker.map(make);
        }
    }

    pub fn cue(&mut self, voice: VoiceId, samples: Vec<i16>, rate_hz: u32, over: bool) {
        if let Some(member) = self.get_mut(voice) {
            let out = member.out_rate_hz();
            member.cues.push(samples, rate_hz, over, out);
        }
    }

    /// The loss that a peer reports, for the encoder that serves it.
    pub fn set_loss(&mut self, voice: VoiceId, percent: u8) {
        let Some(member) = self.get_mut(voice) else { return };
        member.set_loss(percent);
        if let Some(share) = member.share.and_then(|s| self.shares.get_mut(s)) {
            share.set_loss(percent);
        }
    }

    /// Shares that are encoded: of how many mixes a tick consists.
    pub fn shares(&self) -> usize {
        self.shares.len()
    }

    // ── the tick ──

    /// Who hears the same shares it. Encoders go on with those who had them.
    fn replan(&mut self) {
        self.changed = false;
        let mut old: Vec<Share> = std::mem::take(&mut self.shares);
        for member in self.members.iter_mut().flatten() {
            member.needs = [false; 3];
        }
        for slot in 0..self.members.len() {
            let Some(member) = self.members[slot].as_deref_mut() else { continue };
            let before = member.share.take();
            if matches!(member.far, super::Far::None) || member.settings.transmit == Transmit::Never {
                continue;
            }
            let (format, frames) = member.out_format();
            let key = Key {
                heard: self.plan.heard_by(member.id),
                rate_hz: member.out_rate_hz(),
                format,
                frames,
                gain_db: member.settings.gain_out_db,
                fill_noise: member.fills_noise(),
            };
            let at = match self.shares.iter().position(|s| s.key == key) {
                Some(at) => at,
                None => {
                    let heard: Vec<(usize, Scale)> = key
                        .heard
                        .iter()
                        .filter_map(|h| Some((*self.slots.get(&h.voice)?, Scale::from_db(h.gain_db))))
                        .collect();
                    let mut share = Share::new(key, heard);
                    let coder: Option<Coder> = before.and_then(|b| old.get_mut(b)).and_then(Share::take_coder);
                    if let Some(coder) = coder {
                        share.give_coder(coder);
                    }
                    self.shares.push(share);
                    self.shares.len() - 1
                }
            };
            self.shares[at].members += 1;
            if let Some(member) = self.members[slot].as_deref_mut() {
                member.share = Some(at);
            }
        }
        for share in &self.shares {
            let rate = rate_index(share.key.rate_hz);
            for slot in share.heard() {
                if let Some(member) = self.members[slot].as_deref_mut() {
                    member.needs[rate] = true;
                }
            }
        }
    }

    /// Twenty milliseconds.
    pub fn tick(&mut self, sink: &mut dyn Sink, now: Micros) {
        if self.changed {
            self.replan();
        }
        for slot in 0..self.members.len() {
            let Some(guard) = self.members[slot].as_ref().map(|m| m.guard.as_ref().map(|g| g.loudspeaker)) else {
                continue;
            };
            let loudspeaker = guard.and_then(|id| self.get(id)).is_some_and(|m| m.hears_speech);
            self.guarded(slot, sink, |member, sink, _| member.speak(sink, loudspeaker, now));
        }
        for share in &mut self.shares {
            let members = &self.members;
            share.mix(|slot| members.get(slot).and_then(|m| m.as_deref()));
        }
        for slot in 0..self.members.len() {
            self.guarded(slot, sink, |member, sink, shares| {
                let share = member.share.and_then(|s| shares.get_mut(s));
                member.hear(sink, share);
            });
        }
    }

    /// Ticks that were left out: time goes on for what is sent.
    pub fn skip(&mut self, ticks: u64) {
        for member in self.members.iter_mut().flatten() {
            member.skip(ticks);
        }
    }

    /// A bug in one voice's work ends that voice.
    fn guarded(
        &mut self,
        slot: usize,
        sink: &mut dyn Sink,
        work: impl FnOnce(&mut Member, &mut dyn Sink, &mut [Share]),
    ) {
        let Some(mut member) = self.members[slot].take() else { return };
        let shares = &mut self.shares;
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut member, sink, shares)));
        if done.is_ok() {
            self.members[slot] = Some(member);
            return;
        }
        self.fall(member.id, member.address, sink);
    }

    /// The voice is gone by a bug, whether it is still held or not.
    pub fn fall(&mut self, id: VoiceId, address: Option<SocketAddr>, sink: &mut dyn Sink) {
        self.plan.forget(id);
        if let Some(slot) = self.slots.remove(&id) {
            self.members[slot] = None;
            self.free.push(slot);
        }
        self.changed = true;
        self.fallen.push(id);
        sink.tell(Tell { voice: id, state: VoiceState::Closed, code: "internal", detail: String::new(), address });
    }
}
