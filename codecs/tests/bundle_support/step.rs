//! One step of a world's time: what the links bring, timers that are due, what goes out.

use codecs::time::Micros;

use super::world::World;

impl World {
    /// Let the world run until `until` (microseconds), or until something of it is due before.
    pub(super) fn step(&mut self, until: u64) {
        let (kit_stalls, center_stalls) = (self.kit_stalls, self.center_stalls);
        let links = || self.kits.iter().flat_map(|kit| kit.wires.values());
        let up = links().filter_map(|wire| wire.up.next_arrival());
        let down = links().filter_map(|wire| wire.down.next_arrival());
        let kits = self.kits.iter().filter_map(|kit| kit.session.next_timer()).map(|at| at.0);
        let guests = self.guests.values().filter_map(|guest| guest.session.next_timer());
        let guests = guests.map(|at| at.0.saturating_add_signed(-self.ahead));
        let at_kits = down.chain(kits).min().map(|at| at.max(kit_stalls));
        let at_center = up.chain(guests).min().map(|at| at.max(center_stalls));
        let next = at_kits.into_iter().chain(at_center).min().unwrap_or(until);
        self.now = next.clamp(self.now, until);
        // As an engine: first all that is there is read, then timers that are due, then what is to go.
        self.gathers = true;
        let mut center_heard = false;
        for number in 0..self.kits.len() {
            let (heard, reached) = self.arrive(number);
            center_heard |= reached;
            let kit = &mut self.kits[number];
            let due = self.now >= kit_stalls && kit.session.next_timer().is_some_and(|at| at.0 <= self.now);
            if due {
                kit.session.handle_timer(Micros(self.now));
            }
            if due || heard {
                self.flush_kit(number);
            }
        }
        self.gathers = false;
        let now = self.theirs();
        if self.now < center_stalls {
            return;
        }
        for index in self.guests.keys().copied().collect::<Vec<_>>() {
            let Some(guest) = self.guests.get_mut(&index) else { continue };
            let due = guest.session.next_timer().is_some_and(|at| at <= now);
            if due {
                guest.session.handle_timer(now);
            }
            if due || center_heard {
                self.flush_guest(index);
            }
        }
    }

    /// What the links of a kit bring to either end by now: whether something came to the kit, and to the center.
    fn arrive(&mut self, number: usize) -> (bool, bool) {
        let (mut kit, mut center) = (false, false);
        for path in self.kits[number].wires.keys().copied().collect::<Vec<_>>() {
            while let Some(wire) = self.kits[number].wires.get_mut(&path).filter(|_| self.now >= self.center_stalls) {
                let from = wire.address;
                let Some(datagram) = wire.up.arrived(self.now) else { break };
                self.reach_center(from, datagram);
                center = true;
            }
            while let Some(wire) = self.kits[number].wires.get_mut(&path).filter(|_| self.now >= self.kit_stalls) {
                let Some(mut datagram) = wire.down.arrived(self.now) else { break };
                self.kits[number].session.receive(Some(path), None, &mut datagram, Micros(self.now));
                kit = true;
            }
        }
        (kit, center)
    }
}
