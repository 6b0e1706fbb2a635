//! From sockets to the hub and out again. Only `engine` and its `worker` have sockets, threads and a clock.

use std::borrow::Cow;
use std::fmt;

mod bundle_door;
mod bundle_flow_in;
mod bundle_flow_out;
mod bundle_frames;
mod bundle_ground;
mod bundle_held;
mod bundle_hub;
mod bundle_join;
mod bundle_orders;
mod bundle_send;
mod bundle_stats;
mod bundle_stream;
mod bundle_tell;
mod bundle_thread;
mod bundle_wires;
pub mod bytes_in;
pub mod choice;
mod commands;
mod container_out;
pub mod egress;
pub mod engine;
pub mod engine_bundle;
pub mod engine_figures;
pub mod engine_lines;
mod engine_rtsp;
mod engine_session;
mod engine_srt;
mod engine_voice;
pub mod event;
mod fanout;
pub mod feedback;
pub mod frame_out;
pub mod frame_port;
mod frame_queue;
pub mod framing;
pub mod ingest;
pub mod latch;
pub mod leg;
mod leg_frames;
mod leg_session;
mod leg_tcp;
pub mod line;
mod lines_in;
pub mod order;
pub mod order_bundle;
pub mod order_rtsp;
pub mod order_voice;
pub mod pace_in;
pub mod pacing;
pub mod path;
pub mod ports;
pub mod queue;
pub mod retransmit;
pub mod rtp_session;
pub mod rtsp_connection;
pub mod rtsp_framing;
mod rtsp_in;
pub mod rtsp_origin;
mod rtsp_out;
pub mod session;
mod socks;
mod srt_door;
mod srt_hub;
mod srt_link;
mod stats;
pub mod stun;
mod sub_reports;
mod sub_voice;
pub mod subscriber;
pub mod sys;
pub mod sys_address;
pub mod sys_receive;
pub mod sys_send;
pub mod sys_time;
mod template;
pub mod ts_udp;
pub mod ts_udp_out;
mod voice_end;
mod voice_in;
pub mod voice_line;
mod voice_open;
mod voice_stats;
mod voice_tap;
pub mod voices;
pub mod wire_rtmp;
mod wire_srt;
mod wires;
pub mod worker;
mod worker_bundles;

/// An order that can not be carried out, in words for the one who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderError(Cow<'static, str>);

impl OrderError {
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    /// A refused system call: what was being done, and the kernel's word.
    pub fn system(doing: &str) -> Self {
        Self(format!("{doing}: {}", std::io::Error::last_os_error()).into())
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OrderError {}

/// What a first RTP payload holds, as gateway/codecs.pyi spells it.
pub fn probe_name(payload: &[u8]) -> &'static str {
    crate::packet::probe::probe(payload, 96, "").name()
}
