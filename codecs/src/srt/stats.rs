//! Figures of a connection (srt_bistats).

/// The beginning of SRT_TRACEBSTATS, which later versions only add to.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    pub since_ms: i64,
    pub sent_total: i64,
    pub received_total: i64,
    pub send_lost_total: i32,
    pub receive_lost_total: i32,
    pub retransmitted_total: i32,
    acks: [i32; 4],
    busy_us: i64,
    pub send_dropped_total: i32,
    pub receive_dropped_total: i32,
    pub undecrypted_total: i32,
    pub sent_bytes_total: u64,
    pub received_bytes_total: u64,
    bytes: [u64; 5],
    interval_packets: [i64; 2],
    interval: [i32; 8],
    rates: [f64; 2],
    interval_busy_us: i64,
    reorder: i32,
    belated_ms: f64,
    pub belated: i64,
    interval_drops: [i32; 3],
    interval_bytes: [u64; 7],
    period_us: f64,
    windows: [i32; 3],
    pub rtt_ms: f64,
    pub bandwidth_mbps: f64,
    buffers: [i32; 2],
    ceiling_mbps: f64,
    mss: i32,
    send_buffer: [i32; 2],
    pub send_queue_ms: i32,
    pub send_latency_ms: i32,
    receive_buffer: [i32; 2],
    pub receive_queue_ms: i32,
    pub receive_latency_ms: i32,
}

const ROOM_BYTES: usize = 2048;

/// Room for all that any version writes.
#[repr(C, align(8))]
pub(super) struct Room(pub(super) [u8; ROOM_BYTES]);

impl Room {
    pub(super) fn new() -> Self {
        Self([0; ROOM_BYTES])
    }

    pub(super) fn read(&self) -> Stats {
        const { assert!(std::mem::size_of::<Stats>() <= ROOM_BYTES && std::mem::align_of::<Stats>() <= 8) };
        // SAFETY: Stats is plain numbers, smaller than the room and no more aligned.
        unsafe { self.0.as_ptr().cast::<Stats>().read() }
    }
}
