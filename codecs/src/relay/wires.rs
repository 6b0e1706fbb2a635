//! Wires: connections that speak before it is known what they carry. Bound to a stream they become a leg or a
//! subscription and live on its thread; nobody binds one for ten seconds: it is closed.

use std::panic::{catch_unwind, AssertUnwindSafe};

use super::container_out::LineOutOrder;
use super::event::*;
use super::leg::Source;
use super::line::{Brought, Held, Line, LineOrder, Outward, Over};
use super::lines_in::LineInOrder;
use super::order::{Answer, Command, Figures};
use super::worker::{Alarm, Worker};
use super::OrderError;
use crate::time::Micros;

/// How long a wire may go unbound.
const UNBOUND_US: u64 = 10_000_000;

pub struct Wire {
    held: Held,
    /// Since when it could have been bound.
    since: Micros,
}

/// How a wire shall be bound.
#[derive(Debug, Clone, Copy)]
pub enum Binding {
    In { leg: LegId, stall_ms: u64, program: u16 },
    Out { subscription: SubId, outward: Outward, queue_bytes: usize },
}

/// Orders that concern lines.
pub enum LineCommand {
    OpenIn(LineInOrder),
    OpenOut(LineOutOrder),
    OpenWire {
        id: WireId,
        line: Box<dyn Line>,
    },
    Bind {
        wire: WireId,
        stream: StreamId,
        binding: Binding,
        answer: Answer<Result<(), OrderError>>,
    },
    Order {
        handle: u64,
        order: LineOrder,
    },
    /// There may be work on the line of this wire, leg or subscription.
    Ready(u64),
    CloseWire(WireId),
    Figures {
        handle: u64,
        answer: Answer<Option<Figures>>,
    },
}

impl Worker {
    pub fn obey_line(&mut self, command: LineCommand) {
        match command {
            LineCommand::OpenIn(order) => self.open_line_in(order),
            LineCommand::OpenOut(order) => self.open_line_out(order),
            LineCommand::OpenWire { id, line } => self.open_wire(id, line),
            LineCommand::Bind { wire, stream, binding, answer } => {
                let _ = answer.try_send(self.bind_wire(wire, stream, binding));
            }
            LineCommand::Order { handle, order } => self.line_order(handle, order),
            LineCommand::Ready(handle) => self.line_ready(handle),
            LineCommand::CloseWire(id) => drop(self.take_wire(id)),
            LineCommand::Figures { handle, answer } => {
                let _ = answer.try_send(self.line(handle).map(|line| line.figures()));
            }
        }
    }

    fn open_wire(&mut self, id: WireId, line: Box<dyn Line>) {
        let held = self.hold(line, id, true);
        self.wires.insert(id, Wire { held, since: self.now });
        self.alarm(Micros(self.now.0 + UNBOUND_US), Alarm::Wire(id));
        self.line_ready(id);
    }

    fn take_wire(&mut self, id: WireId) -> Option<Box<dyn Line>> {
        let wire = self.wires.remove(&id)?;
        Some(self.let_go(wire.held))
    }

    /// The line behind a wire, leg or subscription.
    fn line(&mut self, handle: u64) -> Option<&mut Box<dyn Line>> {
        if let Some(wire) = self.wires.get_mut(&handle) {
            return Some(&mut wire.held.line);
        }
        if let Some(leg) = self.legs.get_mut(&handle) {
            let Source::Line(l) = &mut leg.source else { return None };
            return Some(&mut l.held.line);
        }
        let live = self.streams.get_mut(self.subs.get(&handle)?)?;
        live.line_subscribers.iter_mut().find(|s| s.id == handle).map(|s| &mut s.held.line)
    }

    fn line_order(&mut self, handle: u64, order: LineOrder) {
        if let Some(line) = self.line(handle) {
            line.order(order);
            self.line_ready(handle);
        }
    }

    /// Work on it in the next round: other sockets have their turn first.
    pub(super) fn work_again(&mut self, handle: u64) {
        self.commands.push(Command::Line(LineCommand::Ready(handle)));
    }

    pub fn line_ready(&mut self, handle: u64) {
        if self.wires.contains_key(&handle) {
            self.wire_ready(handle);
        } else if let Some(stream) = self.legs.get(&handle).map(|l| l.stream) {
            self.guard(stream, |w| w.leg_line(handle));
        } else {
            self.guard_sub(handle, |w| w.sub_line(handle));
        }
    }

    fn wire_ready(&mut self, id: WireId) {
        let Some(mut wire) = self.wires.remove(&id) else { return };
        let mut brought = Brought::default();
        let now = self.now;
        let worked = catch_unwind(AssertUnwindSafe(|| wire.held.line.work(now, &mut self.scratch, &mut brought)));
        let result = worked.unwrap_or_else(|_| Err(Over::new("internal", "")));
        for mut told in brought.told.drain(..) {
            if matches!(told.state, WireState::Connected | WireState::Incoming) {
                wire.since = now;
            }
            told.wire = id;
            self.events.push(Event::Wire(told));
        }
        match result {
            Ok(()) => {
                wire.held.watch(&self.epoll, true);
                self.wires.insert(id, wire);
                if brought.more {
                    self.work_again(id);
                }
            }
            Err(over) => {
                drop(self.let_go(wire.held));
                self.tell_wire_closed(id, over);
            }
        }
    }

    fn tell_wire_closed(&mut self, id: WireId, over: Over) {
        let Over { code, detail } = over;
        self.events.push(Event::Wire(WireTold { code, detail, ..WireTold::new(id, WireState::Closed) }));
    }

    pub(super) fn wire_timer(&mut self, id: WireId) {
        let Some(wire) = self.wires.get(&id) else { return };
        let at = Micros(wire.since.0 + UNBOUND_US);
        if at > self.now {
            return self.alarm(at, Alarm::Wire(id));
        }
        drop(self.take_wire(id));
        self.tell_wire_closed(id, Over::new("wire-unbound", ""));
    }

    fn bind_wire(&mut self, id: WireId, stream: StreamId, binding: Binding) -> Result<(), OrderError> {
        let wire = self.wires.get_mut(&id).ok_or(OrderError::new("the connection has ended"))?;
        let command = match binding {
            Binding::In { leg, stall_ms, program } => {
                wire.held.line.bind_in(program)?;
                let Some(line) = self.take_wire(id) else { return Ok(()) };
                LineCommand::OpenIn(LineInOrder { id: leg, stream, line, stall_ms, paced: false, wire: true })
            }
            Binding::Out { subscription, outward, queue_bytes } => {
                let writer = wire.held.line.bind_out(outward)?;
                let Some(line) = self.take_wire(id) else { return Ok(()) };
                LineCommand::OpenOut(LineOutOrder { id: subscription, stream, line, writer, queue_bytes, wire: true })
            }
        };
        let home = (stream & 0xff) as usize;
        match self.all.get(home).filter(|_| home != self.index) {
            Some(other) => other.push(Command::Line(command)),
            None => self.obey_line(command),
        }
        Ok(())
    }
}
