//! Voices and rooms without sockets: mix-minus by tones, one encode for all who hear the same, pauses, skipped ticks.

use std::net::SocketAddr;
use std::sync::Arc;

use codecs::audio::codec::{Encoder, EncoderConfig};
use codecs::audio::format::Format;
use codecs::audio::g711;
use codecs::audio::tone::{tone_db, Sine};
use codecs::relay::event::{VoiceId, VoiceState};
use codecs::rtp::header::{RtpHeader, RtpView};
use codecs::time::Micros;
use codecs::voice::inlet::{Accept, Inlet, Taken};
use codecs::voice::member::Levels;
use codecs::voice::outlet::{Leaving, Outlet, OutletConfig, Start};
use codecs::voice::{Bridge, Far, Member, Route, Settings, Sink, Tell, Transmit};

const TALK: Route = Route { talk: true, listen: true, gain_db: 0.0 };
const LISTEN: Route = Route { talk: false, listen: true, gain_db: 0.0 };

#[derive(Default)]
struct Wire {
    packets: Vec<(VoiceId, Vec<u8>, u64)>,
    told: Vec<Tell>,
}

impl Sink for Wire {
    fn rtp(&mut self, voice: VoiceId, leaving: Leaving<'_>) {
        let packet = [leaving.header, leaving.payload].concat();
        self.packets.push((voice, packet, leaving.index));
    }

    fn record(&mut self, _voice: VoiceId, _header: &[u8], _body: &[u8]) {}

    fn tell(&mut self, tell: Tell) {
        self.told.push(tell);
    }
}

impl Wire {
    fn of(&self, voice: VoiceId) -> Vec<RtpView<'_>> {
        let mine = self.packets.iter().filter(|(v, _, _)| *v == voice);
        mine.map(|(_, p, _)| RtpView::parse(p).expect("our own packet")).collect()
    }

    /// What a G.711 voice was sent, from packet `from` on.
    fn pcm(&self, voice: VoiceId, from: usize) -> Vec<i16> {
        let mut out = Vec::new();
        for view in self.of(voice).iter().skip(from) {
            g711::decode_alaw(view.payload(), &mut out);
        }
        out
    }
}

struct Phone {
    id: VoiceId,
    sine: Sine,
    encoder: Encoder,
    header: RtpHeader,
}

struct Stage {
    bridge: Bridge,
    wire: Wire,
    phones: Vec<Phone>,
    now: Micros,
}

fn outlet(format: Format, ssrc: u32, ptime_ms: u32) -> Far {
    let config = OutletConfig {
        format,
        pt: 8,
        event: Some((101, 8000)),
        comfort_noise_pt: None,
        ssrc,
        ptime_ms,
        mid_ext: 0,
        mid: String::new(),
    };
    Far::Rtp(Box::new(Outlet::new(config, Start { index: 100, ts: 5 })))
}

impl Stage {
    fn new() -> Self {
        let mut bridge = Bridge::default();
        bridge.open_room(1, "test".into());
        Self { bridge, wire: Wire::default(), phones: Vec::new(), now: Micros(1_000_000) }
    }

    fn phone(&mut self, hz: f64, name: &str, ptime_ms: u32, route: Route) -> VoiceId {
        let id = (self.phones.len() as u64 + 1) << 8 | 1;
        let format = Format::new(name, if name == "opus" { 48_000 } else { 8_000 }, 0).expect("one of ours");
        let member = Member::new(
            id,
            outlet(format, id as u32, ptime_ms),
            Inlet::new(vec![(8, Accept::Audio(format))]),
            Arc::new(Levels::default()),
        );
        self.bridge.add(member);
        self.bridge.route(1, id, route);
        self.phones.push(Phone {
            id,
            sine: Sine::new(hz, format.rate_hz(), -10.0),
            encoder: Encoder::new(format, EncoderConfig::default()).expect("memory"),
            header: RtpHeader { marker: false, pt: 8, seq: 65_530, ts: 0xffff_ff00, ssrc: id as u32 },
        });
        id
    }

    /// Those whose place is in `who` speak for so many ticks.
    fn run(&mut self, ticks: usize, who: &[usize]) {
        let from: SocketAddr = ([10, 0, 0, 1], 4000).into();
        for _ in 0..ticks {
            for at in who {
                let phone = &mut self.phones[*at];
                let format = phone.encoder.format();
                let pcm = phone.sine.take(codecs::audio::frame_samples(format.rate_hz()));
                let mut payload = Vec::new();
                phone.encoder.encode(&pcm, &mut payload);
                let packet = phone.header.packet(&payload);
                phone.header.seq = phone.header.seq.wrapping_add(1);
                phone.header.ts = phone.header.ts.wrapping_add(format.frame_ticks());
                let member = self.bridge.get_mut(phone.id).expect("open");
                let view = RtpView::parse(&packet).expect("ours");
                assert_eq!(member.inlet.packet(&view, self.now), Taken::Audio);
                member.arrived(&mut self.wire, Some(from), self.now);
            }
            self.now = Micros(self.now.0 + 20_000);
            self.bridge.tick(&mut self.wire, self.now);
        }
    }
}

#[test]
fn each_hears_exactly_the_others() {
    let mut stage = Stage::new();
    let hz = [400.0, 700.0, 1000.0, 1300.0, 1900.0];
    let ids: Vec<VoiceId> = hz.iter().map(|hz| stage.phone(*hz, "pcma", 20, TALK)).collect();
    stage.run(100, &[0, 1, 2, 3, 4]);
    for (at, id) in ids.iter().enumerate() {
        let heard = stage.wire.pcm(*id, 60);
        for (other, hz) in hz.iter().enumerate() {
            let db = tone_db(&heard, *hz, 8000);
            assert_eq!(db > -20.0, other != at, "{id} hears {hz} at {db}");
        }
    }
    let mut states: Vec<_> = stage.wire.told.iter().map(|t| t.state).collect();
    states.sort_unstable_by_key(|s| s.name());
    assert_eq!(states.iter().filter(|s| **s == VoiceState::Media).count(), 5);
    assert_eq!(states.iter().filter(|s| **s == VoiceState::Talking).count(), 5);
}

#[test]
fn all_listeners_of_one_talker_share_one_mix() {
    let mut stage = Stage::new();
    stage.phone(700.0, "pcma", 20, TALK);
    let listeners: Vec<VoiceId> = (0..20).map(|_| stage.phone(0.0, "pcma", 20, LISTEN)).collect();
    stage.run(50, &[0]);
    // The talker, who hears nobody, and the twenty.
    assert_eq!(stage.bridge.shares(), 2);
    let first = stage.wire.pcm(listeners[0], 20);
    assert!(tone_db(&first, 700.0, 8000) > -20.0);
    for id in &listeners {
        assert_eq!(stage.wire.pcm(*id, 20), first);
    }
    // Another level is another mix; a changed route another plan, in force with the next tick.
    stage.bridge.set(listeners[0], Settings { gain_out_db: -6.0, ..Settings::default() });
    stage.run(1, &[0]);
    assert_eq!(stage.bridge.shares(), 3);
    stage.bridge.route(1, listeners[1], TALK);
    stage.run(1, &[0]);
    assert_eq!(stage.bridge.shares(), 4);
}

#[test]
fn on_hold_nobody_mixes_for_it() {
    let mut stage = Stage::new();
    let (talker, held) = (stage.phone(700.0, "pcma", 20, TALK), stage.phone(0.0, "pcma", 20, LISTEN));
    stage.bridge.set(held, Settings { transmit: Transmit::Never, ..Settings::default() });
    stage.run(20, &[0]);
    assert_eq!(stage.bridge.shares(), 1);
    assert!(stage.wire.of(held).is_empty() && stage.wire.of(talker).len() == 20);
}

#[test]
fn codecs_and_packet_lengths_meet_in_one_room() {
    let mut stage = Stage::new();
    let talker = stage.phone(700.0, "opus", 20, TALK);
    let (long, g722) = (stage.phone(0.0, "pcma", 60, LISTEN), stage.phone(0.0, "g722", 40, LISTEN));
    stage.run(120, &[0]);
    let packets = stage.wire.of(long);
    assert_eq!(packets.len(), 40);
    assert!(packets.iter().all(|p| p.payload().len() == 480));
    assert!(packets.windows(2).all(|w| w[1].ts.wrapping_sub(w[0].ts) == 480 && w[1].seq.wrapping_sub(w[0].seq) == 1));
    assert!(packets[0].marker && !packets[1].marker);
    assert!(tone_db(&stage.wire.pcm(long, 20), 700.0, 8000) > -20.0);
    assert!(stage.wire.of(g722).iter().all(|p| p.payload().len() == 320));
    assert_eq!(stage.wire.of(talker).len(), 120);
}

#[test]
fn skipped_ticks_are_a_jump_of_time_and_not_of_numbers() {
    let mut stage = Stage::new();
    let listener = {
        stage.phone(700.0, "pcma", 20, TALK);
        stage.phone(0.0, "pcma", 20, LISTEN)
    };
    stage.run(10, &[0]);
    stage.bridge.skip(8);
    stage.run(2, &[0]);
    let packets = stage.wire.of(listener);
    let (before, after) = (&packets[9], &packets[10]);
    assert_eq!(after.seq.wrapping_sub(before.seq), 1);
    assert_eq!(after.ts.wrapping_sub(before.ts), 9 * 160);
    assert!(after.marker);
}

#[test]
fn a_panic_in_one_voice_ends_it_alone() {
    let mut stage = Stage::new();
    let (broken, well) = (stage.phone(700.0, "pcma", 20, TALK), stage.phone(1000.0, "pcma", 20, TALK));
    stage.run(20, &[0, 1]);
    stage.bridge.get_mut(broken).expect("open").panic_next = true;
    stage.run(1, &[1]);
    assert_eq!(stage.bridge.fallen, [broken]);
    assert!(stage.wire.told.iter().any(|t| t.voice == broken && t.code == "internal"));
    assert!(stage.bridge.get(broken).is_none());
    stage.run(50, &[1]);
    assert!(tone_db(&stage.wire.pcm(well, 50), 700.0, 8000) < -60.0);
}

#[test]
fn a_talker_that_falls_silent_is_told_and_a_keyed_leg_stops() {
    let mut stage = Stage::new();
    let talker = stage.phone(700.0, "pcma", 20, TALK);
    let radio = stage.phone(0.0, "pcma", 20, LISTEN);
    stage.bridge.set(radio, Settings { transmit: Transmit::Heard, ..Settings::default() });
    stage.bridge.set(talker, Settings { vox_hang_ms: 100, ..Settings::default() });
    stage.run(10, &[]);
    assert!(stage.wire.of(radio).is_empty());
    stage.run(30, &[0]);
    assert!(stage.wire.of(radio)[0].marker);
    stage.run(60, &[]);
    let stopped: Vec<_> = stage.wire.told.iter().filter(|t| t.voice == talker).map(|t| t.state).collect();
    assert_eq!(stopped, [VoiceState::Media, VoiceState::Talking, VoiceState::Quiet, VoiceState::Stopped]);
    let count = stage.wire.of(radio).len();
    stage.run(20, &[]);
    assert_eq!(stage.wire.of(radio).len(), count);
}

/// The roll-over counter goes on over the wrap, and the index is what SRTP is sealed with.
#[test]
fn the_index_counts_over_the_wrap() {
    let mut stage = Stage::new();
    let id = stage.phone(0.0, "pcma", 20, TALK);
    if let Some(Far::Rtp(o)) = stage.bridge.get_mut(id).map(|m| &mut m.far) {
        **o = Outlet::new(o.config.clone(), Start { index: 65_530, ts: u32::MAX - 100 });
    }
    stage.run(20, &[]);
    let indexes: Vec<u64> = stage.wire.packets.iter().map(|p| p.2).collect();
    assert_eq!(indexes, (65_530..65_550).collect::<Vec<u64>>());
    assert_eq!(stage.wire.of(id)[6].seq, 0);
}
