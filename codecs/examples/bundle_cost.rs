//! Bench: what a link bundle costs beside SRTP, for the same pictures in the same run.
//!
//! `bundle_cost [MBPS] [SECONDS] [ROUNDS]`: pictures at MBPS go into a stream of one engine by a frame port, over loopback to
//! another engine, and out of a stream there by a frame port; once by SRTP (AES-256-GCM: `subscribe_rtp` to a session's leg),
//! once by a bundle with one path. Rounds take turns. Counted is the time on the processor of the engines' own threads, not
//! of those that write and read pictures. Ends with one line of JSON; `cpu_ratio_to_srtp` is the median of the rounds.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use codecs::relay::engine::Engine;
use codecs::relay::engine_bundle::keys;
use codecs::relay::event::{BundleKind, Event};
use codecs::relay::latch::LatchMode;
use codecs::relay::order::{ArmRtp, Extensions, RtpMap, Subscribe};
use codecs::relay::order_bundle::{Dial, FlowOrder, PathOrder};
use codecs::rtp::srtp::{Profile, SrtpKey};

const FPS: u64 = 30;
const KEY_EVERY: u64 = 60;
const HEADER: usize = 40;

/// Both ends of a frame port.
fn port() -> (OwnedFd, OwnedFd) {
    let mut fds = [0; 2];
    // SAFETY: room for two; both are owned from here on.
    unsafe {
        assert_eq!(libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, fds.as_mut_ptr()), 0);
        (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
    }
}

/// A record of docs/frame-port.md.
fn record(kind: u8, flags: u16, pts: i64, data: &[u8], offset: usize, total: usize) -> Vec<u8> {
    let mut out = vec![0xf6, 1, kind, 0];
    out.extend(flags.to_be_bytes());
    out.extend(1u16.to_be_bytes());
    out.extend(pts.to_be_bytes());
    out.extend(pts.to_be_bytes());
    out.extend(i64::MIN.to_be_bytes());
    out.extend((total as u32).to_be_bytes());
    out.extend((offset as u32).to_be_bytes());
    out.extend(data);
    out
}

fn write(fd: &OwnedFd, data: &[u8]) -> bool {
    // SAFETY: data is readable over the call.
    unsafe { libc::send(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), libc::MSG_NOSIGNAL) == data.len() as isize }
}

const SPS: &[u8] =
    &[0x67, 0x42, 0xc0, 0x1f, 0xda, 1, 0x40, 0x16, 0xe8, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0c, 0x83, 0xc6, 0x0c, 0xa8];
const PPS: &[u8] = &[0x68, 0xce, 0x0f, 0xc8];

/// Pictures at a rate, until told to stop.
fn feed(fd: OwnedFd, bps: u64, stop: Arc<AtomicBool>) {
    let mut track = Vec::new();
    for word in [90_000u32, 1280, 720, 0, 0x42_c01f] {
        track.extend(word.to_be_bytes());
    }
    track.extend([0, 0, 0, 2]);
    for set in [SPS, PPS] {
        track.extend((set.len() as u16).to_be_bytes());
        track.extend(set);
    }
    write(&fd, &record(0, 12, 0, &track, 0, track.len()));
    // A key picture is five times as large as another.
    let usual = (bps / 8 * KEY_EVERY / FPS / (KEY_EVERY + 4)) as usize;
    let (begin, mut n) = (Instant::now(), 0u64);
    while !stop.load(Ordering::Relaxed) {
        let key = n % KEY_EVERY == 0;
        let mut whole = Vec::new();
        // The slice begins with macroblock 0: a picture of its own.
        let mut slice = if key { vec![0x65, 0xb8] } else { vec![0x41, 0x9a] };
        slice.extend((0..if key { 5 * usual } else { usual }).map(|i| (i as u64 * 31 + n) as u8 | 1));
        for nalu in if key { vec![SPS, PPS, &slice] } else { vec![&slice[..]] } {
            whole.extend((nalu.len() as u32).to_be_bytes());
            whole.extend(nalu);
        }
        for (i, part) in whole.chunks(60_000).enumerate() {
            let at = i * 60_000;
            let edge = if at == 0 { 4 } else { 0 } | if at + part.len() == whole.len() { 8 } else { 0 };
            write(&fd, &record(1, edge | u16::from(key), n as i64 * 3000, part, at, whole.len()));
        }
        n += 1;
        let due = begin + Duration::from_micros(n * 1_000_000 / FPS);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Count pictures and bytes until the port closes.
fn drain(fd: OwnedFd, pictures: Arc<AtomicU64>, bytes: Arc<AtomicU64>) {
    let mut buffer = vec![0u8; 70_000];
    loop {
        // SAFETY: buffer is writable for its length.
        let n = unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        if n <= 0 {
            return;
        }
        bytes.fetch_add((n as usize - HEADER) as u64, Ordering::Relaxed);
        pictures.fetch_add(u64::from(buffer[2] == 1 && buffer[5] & 8 != 0), Ordering::Relaxed);
    }
}

/// Nanoseconds on the processor of the engines' threads, by their name.
fn cpu() -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").expect("procfs").flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let name = read("comm").trim().to_owned();
        if name.starts_with("fg-") {
            let ns = read("schedstat").split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            *all.entry(name).or_insert(0) += ns;
        }
    }
    all
}

struct Run {
    cpu_ms: BTreeMap<String, f64>,
    total_ms: f64,
    pictures: u64,
    mbps: f64,
}

/// Let `connect` join two streams, and measure.
fn measure(bps: u64, seconds: u64, connect: impl FnOnce(&Engine, u64, &Engine, u64)) -> Run {
    let (near, far) = (Engine::start(1, 4096).expect("engine"), Engine::start(1, 4096).expect("engine"));
    let from = near.open_stream("from".into(), 8_000_000, None, None).expect("stream");
    let to = far.open_stream("to".into(), 8_000_000, None, None).expect("stream");
    let (writer, ours) = port();
    near.open_frames_in(from, ours, 3000, None).expect("port");
    let (reader, ours) = port();
    far.open_frames_out(to, ours, false).expect("port");
    connect(&near, from, &far, to);
    let stop = Arc::new(AtomicBool::new(false));
    let (pictures, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let feeder = std::thread::spawn({
        let stop = stop.clone();
        move || feed(writer, bps, stop)
    });
    let counter = std::thread::spawn({
        let (pictures, bytes) = (pictures.clone(), bytes.clone());
        move || drain(reader, pictures, bytes)
    });
    std::thread::sleep(Duration::from_millis(1500));
    let (before, at) = (cpu(), (pictures.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed)));
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, s) = (cpu(), begin.elapsed().as_secs_f64());
    let (pictures, bytes) = (pictures.load(Ordering::Relaxed) - at.0, bytes.load(Ordering::Relaxed) - at.1);
    stop.store(true, Ordering::Relaxed);
    feeder.join().expect("feeder");
    near.close();
    far.close();
    counter.join().expect("counter");
    let cpu_ms: BTreeMap<String, f64> =
        after.iter().map(|(name, ns)| (name.clone(), (ns - before.get(name).unwrap_or(&0)) as f64 / 1e6)).collect();
    Run { total_ms: cpu_ms.values().sum(), cpu_ms, pictures, mbps: bytes as f64 * 8.0 / 1e6 / s }
}

fn h264() -> Vec<RtpMap> {
    vec![RtpMap {
        pt: 96,
        codec: "h264".into(),
        clock_hz: 90_000,
        rtx_pt: 0,
        fmtp: "packetization-mode=1".into(),
        channels: 1,
    }]
}

fn udp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a port of loopback")
}

fn by_srtp(near: &Engine, from: u64, far: &Engine, to: u64) {
    let key = |fill: u8| SrtpKey::new(Profile::AeadAes256Gcm, &[fill; 32], &[fill; 12]).expect("key");
    let (out, into) = (udp(), udp());
    let (out_at, into_at): (SocketAddr, SocketAddr) =
        (out.local_addr().expect("bound"), into.local_addr().expect("bound"));
    let session = far.open_rtp_session(into.into(), None, Some(to)).expect("session");
    let keys = Some(Box::new((key(2), key(1))));
    let arm = ArmRtp { to: Some(out_at), rtcp_to: Some(out_at), mode: LatchMode::Strict, keys };
    far.arm_rtp_session(session, arm).expect("armed");
    far.open_session_in(to, session, h264(), Vec::new()).expect("leg");
    let order = Subscribe {
        stream: from,
        video: h264(),
        audio: Vec::new(),
        video_ssrc: 7,
        video_rtx_ssrc: 0,
        audio_ssrc: 8,
        cname: "bench".into(),
        extensions: Extensions::default(),
        queue_bytes: 4_000_000,
        pace: true,
    };
    near.subscribe_rtp(out.into(), into_at, Some(key(1)), order).expect("subscription");
}

/// The next event of that kind.
fn told(engine: &Engine, kind: BundleKind) -> u64 {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        for event in engine.drain(512) {
            if let Event::Bundle(told) = event {
                if told.kind == kind {
                    return told.bundle;
                }
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("no {kind:?} in 10 s");
}

fn by_bundle(near: &Engine, from: u64, far: &Engine, to: u64) {
    let ((center, peer), (kit, own)) = (keys(None).expect("keys"), keys(None).expect("keys"));
    let at = udp();
    let to_addr = at.local_addr().expect("bound");
    let door = far.bundle_listen(at.into(), center).expect("door");
    far.bundle_admit(door, vec![(own, "kit".into())]).expect("admitted");
    let dial = Dial { private: kit, peer, gateway: "kit".into(), boot: 1, suite: 1 };
    let bundle = near.bundle_dial(dial).expect("dialled");
    let path = PathOrder {
        path: 0,
        name: "lo".into(),
        stream: false,
        to: to_addr,
        cost: 0,
        mtu: 1350,
        barred: 0,
        initial: Vec::new(),
    };
    near.bundle_path(bundle, udp().into(), path).expect("path");
    let incoming = told(far, BundleKind::Up);
    told(near, BundleKind::Up);
    let (ours, theirs) = port();
    near.open_frames_out(from, ours, false).expect("port");
    near.bundle_flow(bundle, theirs, FlowOrder::read(1, "frames", "out", "video", "best", 400).expect("flow"))
        .expect("flow");
    told(far, BundleKind::Flow);
    let (ours, theirs) = port();
    far.open_frames_in(to, ours, 3000, None).expect("port");
    far.bundle_flow(incoming, theirs, FlowOrder::read(1, "frames", "in", "video", "best", 0).expect("flow"))
        .expect("flow");
}

fn median(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<f64>().expect("a number"));
    let mbps = args.next().unwrap_or(4.0);
    let seconds = args.next().unwrap_or(5.0) as u64;
    let rounds = args.next().unwrap_or(3.0) as usize;
    let (mut ratios, mut srtp_cost, mut bundle_cost) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let bps = (mbps * 1e6) as u64;
        let srtp = measure(bps, seconds, by_srtp);
        let bundle = measure(bps, seconds, by_bundle);
        for (name, run) in [("srtp", &srtp), ("bundle", &bundle)] {
            let threads: Vec<String> = run.cpu_ms.iter().map(|(n, ms)| format!("{n} {ms:.1} ms")).collect();
            println!(
                "round {round} {name}: {} pictures, {:.2} Mb/s, {:.1} ms in {seconds} s ({})",
                run.pictures,
                run.mbps,
                run.total_ms,
                threads.join(", ")
            );
            assert!(run.pictures + 10 >= FPS * seconds, "{name} lost pictures");
        }
        let cost = |run: &Run| run.total_ms / seconds as f64 / run.mbps;
        ratios.push(cost(&bundle) / cost(&srtp));
        srtp_cost.push(cost(&srtp));
        bundle_cost.push(cost(&bundle));
    }
    println!(
        "{{\"mbps\": {mbps}, \"cpu_ratio_to_srtp\": {:.3}, \"bundle_ms_per_s_and_mbps\": {:.3}, \"srtp_ms_per_s_and_mbps\": {:.3}}}",
        median(ratios),
        median(bundle_cost),
        median(srtp_cost)
    );
}
