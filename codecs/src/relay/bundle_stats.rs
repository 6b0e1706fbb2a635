//! Figures of bundles and doors, named as gateway/codecs.pyi says.

use super::bundle_door::DoorHeld;
use super::bundle_held::Held;
use super::bundle_hub::BundleFigures;
use super::order::Figure;
use crate::time::Micros;

fn int(value: u64) -> Figure {
    Figure::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn rounded(value: f32, digits: i32) -> Figure {
    let scale = 10f64.powi(digits);
    Figure::Float((f64::from(value) * scale).round() / scale)
}

pub fn of_bundle(held: &Held, now: Micros) -> BundleFigures {
    let f = held.session.figures(now);
    let state = if held.session.is_up() { "up" } else { "connecting" };
    let text = |t: &str| Figure::Text(t.to_owned());
    let mut all: BundleFigures = vec![
        ("state".into(), text(state)),
        ("peer".into(), text(&held.name)),
        ("usable_bps".into(), int(f.usable_bps)),
        ("wanted_bps".into(), int(f.wanted_bps)),
        ("refused_packets".into(), int(f.refused_packets)),
        ("units_given_up".into(), int(f.flows.iter().filter(|f| f.outgoing).map(|f| f.dropped).sum())),
        ("streams".into(), int(held.streams.len() as u64)),
    ];
    for p in &f.paths {
        let mut put = |name: &str, value| all.push((format!("path.{}.{name}", p.name), value));
        put("number", int(p.id.into()));
        put("state", text(p.state));
        put("code", text(p.code));
        put("rtt_ms", rounded(p.rtt_ms, 1));
        put("loss", rounded(p.loss, 4));
        put("queue_ms", rounded(p.queue_ms, 1));
        put("usable_bps", int(p.usable_bps));
        put("cost", int(p.cost.into()));
        put("mtu", int(p.mtu.into()));
        put("bytes_out", int(p.bytes_out));
        put("bytes_in", int(p.bytes_in));
        put("packets_out", int(p.packets_out));
        put("packets_in", int(p.packets_in));
        put("packets_lost", int(p.packets_lost));
        let host = held.paths.get(&p.id).map(|own| own.to).or(held.heard);
        put("host", Figure::Text(host.map(|a| a.to_string()).unwrap_or_default()));
    }
    for flow in &f.flows {
        let way = if flow.outgoing { "out" } else { "in" };
        let mut put = |name: &str, value| all.push((format!("{way}.{}.{name}", flow.id), value));
        if flow.outgoing {
            let Some(own) = held.flows_out.get(&flow.id) else { continue };
            put("class", text(own.options.class.name()));
            put("mode", text(own.options.mode.name()));
            put("units", int(own.units));
            put("bytes", int(own.bytes));
            put("sent", int(flow.sent));
            put("sent_bytes", int(flow.sent_bytes));
            put("units_given_up", int(flow.dropped.max(own.not_taken)));
            put("left_out", int(own.left_out()));
            put("unreadable", int(own.unreadable));
            put("pieces_resent", int(flow.pieces_resent));
            put("parity_bytes", int(flow.parity_bytes));
            put("copy_bytes", int(flow.copy_bytes));
            put("joined", int(own.of.is_some().into()));
        } else {
            let Some(own) = held.flows_in.get(&flow.id) else { continue };
            put("class", text(own.options.class.name()));
            put("mode", text(own.options.mode.name()));
            put("units", int(flow.units));
            put("units_late", int(flow.units_late));
            put("units_lost", int(flow.units_lost));
            put("pieces_recovered", int(flow.pieces_recovered));
            put("duplicates", int(flow.duplicates));
            put("held_bytes", int(flow.held_bytes));
            put("bytes", int(own.bytes));
            put("dropped", int(own.dropped));
            put("unreadable", int(own.unreadable));
            put("joined", int(own.is_joined().into()));
        }
    }
    all
}

pub fn of_door(door: &DoorHeld) -> BundleFigures {
    vec![
        ("sessions".into(), int(door.sessions.len() as u64)),
        ("streams".into(), int(door.streams.len() as u64)),
        ("refused".into(), int(door.refused)),
        ("stray".into(), int(door.stray)),
        ("unsent".into(), int(door.udp.unsent)),
    ]
}
