//! The engine's face for wires and containers.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::mpsc::sync_channel;

use super::bytes_in::{reader, writer, StreamLine};
use super::container_out::LineOutOrder;
use super::engine::{worker_of, Done, Engine};
use super::event::*;
use super::line::{Line, LineOrder};
use super::lines_in::LineInOrder;
use super::order::{Command, Figures};
use super::queue::lock;
use super::sys;
use super::ts_udp::TsUdpIn;
use super::ts_udp_out::{RtpOut, TsUdpOut};
use super::wires::{Binding, LineCommand};
use super::worker::Worker;
use super::OrderError;

/// What a container's bytes come from.
pub struct BytesIn {
    pub stream: StreamId,
    pub fd: OwnedFd,
    pub container: String,
    pub program: u16,
    pub initial: Vec<u8>,
    pub stall_ms: u64,
}

/// Containers that come in segments, ahead of their time.
const SEGMENTED: [&str; 2] = ["ts", "fmp4"];

impl Engine {
    pub fn open_bytes_in(&self, order: BytesIn) -> Done<LegId> {
        sys::check_stream(&order.fd)?;
        let reader = reader(&order.container, order.program)?;
        let line = StreamLine::reading(order.fd, reader, order.initial);
        let paced = SEGMENTED.contains(&order.container.as_str());
        self.open_line_in(order.stream, Box::new(line), order.stall_ms, paced)
    }

    pub fn open_ts_in(
        &self,
        stream: StreamId,
        fd: OwnedFd,
        program: u16,
        source: Option<IpAddr>,
        stall_ms: u64,
    ) -> Done<LegId> {
        sys::check_socket(&fd, libc::SOCK_DGRAM)?;
        self.open_line_in(stream, Box::new(TsUdpIn::new(fd, program, source)), stall_ms, false)
    }

    pub fn subscribe_ts_udp(
        &self,
        stream: StreamId,
        fd: OwnedFd,
        to: SocketAddr,
        (rtp, bitrate_bps): (bool, u64),
        queue_bytes: usize,
    ) -> Done<SubId> {
        let v6 = sys::check_socket(&fd, libc::SOCK_DGRAM)?;
        if to.is_ipv6() && !v6 {
            return Err(OrderError::new("an IPv4 socket can not send to an IPv6 address"));
        }
        let writer = writer("ts", 0, 0)?;
        let rtp = rtp.then(|| {
            let start = &Worker::random_start()[0];
            RtpOut { ssrc: start.ts, seq: start.seq }
        });
        let id = self.id_beside(stream)?;
        let line = Box::new(TsUdpOut::new(fd, to, v6, rtp, bitrate_bps));
        let order = LineOutOrder { id, stream, line, writer, queue_bytes, wire: false };
        self.post(id, Command::Line(LineCommand::OpenOut(order)));
        Ok(id)
    }

    pub(super) fn open_line_in(
        &self,
        stream: StreamId,
        line: Box<dyn Line>,
        stall_ms: u64,
        paced: bool,
    ) -> Done<LegId> {
        let id = self.id_beside(stream)?;
        let order = LineInOrder { id, stream, line, stall_ms, paced, wire: false };
        self.post(id, Command::Line(LineCommand::OpenIn(order)));
        Ok(id)
    }

    pub fn open_container_out(
        &self,
        stream: StreamId,
        fd: OwnedFd,
        container: &str,
        (part_ms, segment_ms): (u32, u32),
        queue_bytes: usize,
    ) -> Done<SubId> {
        sys::check_stream(&fd)?;
        let writer = writer(container, part_ms, segment_ms)?;
        let id = self.id_beside(stream)?;
        let line = Box::new(StreamLine::writing(fd));
        let order = LineOutOrder { id, stream, line, writer, queue_bytes, wire: false };
        self.post(id, Command::Line(LineCommand::OpenOut(order)));
        Ok(id)
    }

    /// A wire on the thread that has its turn.
    pub fn open_wire(&self, line: Box<dyn Line>) -> Done<WireId> {
        let mut registry = lock(&self.registry);
        let worker = registry.turn(self.media);
        let id = self.new_id(&mut registry, worker)?;
        drop(registry);
        self.post(id, Command::Line(LineCommand::OpenWire { id, line }));
        Ok(id)
    }

    pub fn bind_in(&self, wire: WireId, stream: StreamId, stall_ms: u64, program: u16) -> Done<LegId> {
        let leg = self.id_beside(stream)?;
        self.bind_wire(wire, stream, Binding::In { leg, stall_ms, program })?;
        Ok(leg)
    }

    pub fn bind_out(
        &self,
        wire: WireId,
        stream: StreamId,
        outward: super::line::Outward,
        queue_bytes: usize,
    ) -> Done<SubId> {
        let subscription = self.id_beside(stream)?;
        self.bind_wire(wire, stream, Binding::Out { subscription, outward, queue_bytes })?;
        Ok(subscription)
    }

    fn bind_wire(&self, wire: WireId, stream: StreamId, binding: Binding) -> Done<()> {
        if worker_of(wire) >= self.media {
            return Err(OrderError::new("no such wire"));
        }
        let (answer, got) = sync_channel(1);
        self.post(wire, Command::Line(LineCommand::Bind { wire, stream, binding, answer }));
        self.wait(&got)?
    }

    /// To a wire, or to what it was bound as.
    pub fn line_order(&self, handle: u64, order: LineOrder) {
        self.post(handle, Command::Line(LineCommand::Order { handle, order }));
    }

    pub fn close_wire(&self, wire: WireId) {
        if self.close_srt_listener(wire) {
            return;
        }
        self.post(wire, Command::Line(LineCommand::CloseWire(wire)));
    }

    /// Figures of the line behind a wire, leg or subscription.
    pub fn line_figures(&self, handle: u64) -> Done<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(handle, Command::Line(LineCommand::Figures { handle, answer }));
        self.wait(&got)?.ok_or(OrderError::new("no such connection"))
    }
}
