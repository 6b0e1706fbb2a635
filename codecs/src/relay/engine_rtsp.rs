//! The engine's face for RTSP.

use std::sync::mpsc::sync_channel;

use super::engine::{Done, Engine};
use super::event::*;
use super::order::*;
use super::{sys, OrderError};

impl Engine {
    pub fn open_rtsp_in(&self, order: OpenRtsp) -> Done<LegId> {
        if let Some(fd) = &order.fd {
            sys::check_socket(fd, libc::SOCK_STREAM)?;
        }
        for track in &order.tracks {
            for fd in [&track.rtp, &track.rtcp].into_iter().flatten() {
                sys::check_socket(fd, libc::SOCK_DGRAM)?;
            }
        }
        let id = self.id_beside(order.stream)?;
        self.post(id, Command::OpenRtspIn { id, order: Box::new(order) });
        Ok(id)
    }

    /// One message on the connection of a leg or a subscription.
    pub fn send_text(&self, handle: u64, data: Vec<u8>) {
        self.post(handle, Command::SendText { handle, data });
    }

    pub fn subscribe_rtsp(&self, order: SubscribeRtsp) -> Done<SubId> {
        if let Some(fd) = &order.fd {
            sys::check_socket(fd, libc::SOCK_STREAM)?;
        }
        for track in &order.tracks {
            for fd in [&track.rtp, &track.rtcp].into_iter().flatten() {
                let v6 = sys::check_socket(fd, libc::SOCK_DGRAM)?;
                if track.to.is_some_and(|(to, _)| to.is_ipv6() && !v6) {
                    return Err(OrderError::new("an IPv4 socket can not send to an IPv6 address"));
                }
            }
        }
        let id = self.id_beside(order.order.stream)?;
        self.post(id, Command::SubscribeRtsp { id, order: Box::new(order) });
        Ok(id)
    }

    pub fn hold_rtsp(&self, subscription: SubId, held: bool) {
        self.post(subscription, Command::HoldRtsp { subscription, held });
    }

    pub fn rtp_info(&self, subscription: SubId) -> Done<RtpInfo> {
        let (answer, got) = sync_channel(1);
        self.post(subscription, Command::RtpInfo { subscription, answer });
        self.wait(&got)?.ok_or(OrderError::new("no such subscription"))
    }
}
