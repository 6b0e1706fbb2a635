//! Rooms and routes: who hears whom. Pure tables, made anew only when somebody comes, goes or may more or less.

use std::collections::HashMap;

use super::{Route, MAX_ROOMS};
use crate::relay::event::{RoomId, VoiceId};

pub struct Room {
    pub name: String,
    members: Vec<(VoiceId, Route)>,
}

/// Somebody who is heard, and how loud.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    pub voice: VoiceId,
    pub gain_db: f32,
}

#[derive(Default)]
pub struct Plan {
    rooms: HashMap<RoomId, Room>,
}

impl Plan {
    pub fn open(&mut self, room: RoomId, name: String) {
        self.rooms.insert(room, Room { name, members: Vec::new() });
    }

    pub fn close(&mut self, room: RoomId) -> bool {
        self.rooms.remove(&room).is_some()
    }

    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    pub fn rooms_of(&self, voice: VoiceId) -> usize {
        self.rooms.values().filter(|r| r.members.iter().any(|(v, _)| *v == voice)).count()
    }

    /// Make a member, or change what it may. False: no such room, or the voice is in too many.
    pub fn route(&mut self, room: RoomId, voice: VoiceId, route: Route) -> bool {
        let rooms_of = self.rooms_of(voice);
        let Some(room) = self.rooms.get_mut(&room) else { return false };
        if let Some((_, old)) = room.members.iter_mut().find(|(v, _)| *v == voice) {
            *old = route;
            return true;
        }
        if rooms_of >= MAX_ROOMS {
            return false;
        }
        room.members.push((voice, route));
        true
    }

    pub fn leave(&mut self, room: RoomId, voice: VoiceId) -> bool {
        let Some(room) = self.rooms.get_mut(&room) else { return false };
        let before = room.members.len();
        room.members.retain(|(v, _)| *v != voice);
        room.members.len() != before
    }

    pub fn forget(&mut self, voice: VoiceId) {
        for room in self.rooms.values_mut() {
            room.members.retain(|(v, _)| *v != voice);
        }
    }

    /// Whom `voice` hears: the talking others of its rooms, each once however many rooms they share (the louder way),
    /// in the order of their handles.
    pub fn heard_by(&self, voice: VoiceId) -> Vec<Heard> {
        let mut out: Vec<Heard> = Vec::new();
        for room in self.rooms.values() {
            if !room.members.iter().any(|(v, r)| *v == voice && r.listen) {
                continue;
            }
            for (other, route) in room.members.iter().filter(|(v, r)| *v != voice && r.talk) {
                match out.iter_mut().find(|h| h.voice == *other) {
                    Some(heard) => heard.gain_db = heard.gain_db.max(route.gain_db),
                    None => out.push(Heard { voice: *other, gain_db: route.gain_db }),
                }
            }
        }
        out.sort_unstable_by_key(|h| h.voice);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALKS: Route = Route { talk: true, listen: true, gain_db: 0.0 };
    const LISTENS: Route = Route { talk: false, listen: true, gain_db: 0.0 };

    fn who(plan: &Plan, voice: VoiceId) -> Vec<VoiceId> {
        plan.heard_by(voice).iter().map(|h| h.voice).collect()
    }

    #[test]
    fn nobody_hears_itself() {
        let mut plan = Plan::default();
        plan.open(1, "r".into());
        for voice in [10, 11, 12] {
            assert!(plan.route(1, voice, TALKS));
        }
        assert_eq!(who(&plan, 11), [10, 12]);
        plan.route(1, 10, LISTENS);
        assert_eq!(who(&plan, 11), [12]);
        assert_eq!(who(&plan, 10), [11, 12]);
        assert!(plan.leave(1, 12) && !plan.leave(1, 12));
        assert!(who(&plan, 11).is_empty());
    }

    #[test]
    fn rooms_are_apart_unless_somebody_is_in_both() {
        let mut plan = Plan::default();
        plan.open(1, "a".into());
        plan.open(2, "b".into());
        for (room, voice) in [(1, 10), (1, 11), (2, 11), (2, 12), (1, 13), (2, 13)] {
            plan.route(room, voice, TALKS);
        }
        assert_eq!(who(&plan, 10), [11, 13]);
        assert_eq!(who(&plan, 12), [11, 13]);
        // 13 hears 11 once, though they share two rooms.
        assert_eq!(who(&plan, 13), [10, 11, 12]);
        assert!(plan.close(2));
        assert!(who(&plan, 12).is_empty());
    }

    #[test]
    fn at_most_eight_rooms() {
        let mut plan = Plan::default();
        for room in 0..9 {
            plan.open(room, String::new());
            assert_eq!(plan.route(room, 5, TALKS), room < 8);
        }
        assert!(plan.route(3, 5, LISTENS));
        assert!(!plan.route(99, 5, TALKS));
        plan.forget(5);
        assert_eq!(plan.rooms_of(5), 0);
    }
}
