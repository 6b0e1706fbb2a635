//! What bytes from a wire hold, before anybody knows: a datagram, or the beginning of a stream.

use super::annexb;
use super::probe::{probe, Payload};
use crate::container::jt1078;
use crate::mpeg::ts_sync::PACKET_BYTES;
use crate::rtp::header::RtpView;

/// "ts", "rtp-ts", "rtp-ps", "rtp-h264", "rtp-h265", "rtp/N" with its payload type, "flv", "fmp4", "mjpeg", "jt1078" or
/// "unknown".
pub fn probe_bytes(data: &[u8]) -> String {
    let in_rtp = RtpView::parse(data).is_ok_and(|v| probe(v.payload(), v.pt, "") == Payload::Ts);
    let found = if in_rtp {
        "rtp-ts"
    } else if is_ts(data) {
        "ts"
    } else if data.starts_with(b"FLV\x01") {
        "flv"
    } else if is_mp4(data) {
        "fmp4"
    } else if data.starts_with(&jt1078::MAGIC) && data.len() > 16 {
        "jt1078"
    } else if is_mjpeg(data) {
        "mjpeg"
    } else if annexb::has_start_code(data) {
        "unknown"
    } else {
        return rtp(data);
    };
    found.into()
}

/// Sync bytes at a stride of 188, 192 (behind four bytes of time) or 204; a stream may begin anywhere in a packet.
fn is_ts(data: &[u8]) -> bool {
    let sync = |at: usize, stride: usize| {
        let mut count = 0;
        let all = (at..data.len()).step_by(stride).all(|i| {
            count += 1;
            data[i] == 0x47
        });
        all && (count >= 3 || (at == 0 && data.len() % PACKET_BYTES == 0 && count > 0))
    };
    [PACKET_BYTES, 192, 204].iter().any(|stride| (0..*stride.min(&data.len())).any(|at| sync(at, *stride)))
}

fn is_mp4(data: &[u8]) -> bool {
    data.get(4..8).is_some_and(|kind| matches!(kind, b"ftyp" | b"styp" | b"moof" | b"moov" | b"sidx"))
}

/// A boundary line and a JPEG, or a JPEG.
fn is_mjpeg(data: &[u8]) -> bool {
    const SOI: [u8; 3] = [0xff, 0xd8, 0xff];
    if data.starts_with(&SOI) {
        return true;
    }
    let head = &data[..data.len().min(1024)];
    let line = head.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or_default();
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    head[line..].starts_with(b"--") && (text.contains("image/jp") || head.windows(3).any(|w| w == SOI))
}

fn rtp(data: &[u8]) -> String {
    let Ok(view) = RtpView::parse(data) else { return "unknown".into() };
    // RTCP has its types where RTP has marker and payload type (RFC 5761 §4).
    if (64..96).contains(&view.pt) || view.payload().is_empty() {
        return "unknown".into();
    }
    match probe(view.payload(), view.pt, "") {
        Payload::Ts => "rtp-ts".into(),
        Payload::Ps => "rtp-ps".into(),
        Payload::H264 => "rtp-h264".into(),
        Payload::H265 => "rtp-h265".into(),
        _ => format!("rtp/{}", view.pt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_by_its_content() {
        let packet = [&[0x47, 1, 0, 0x10][..], &[5; 184]].concat();
        let rtp_head = |pt: u8| vec![0x80, pt, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        let cases: [(&str, Vec<u8>); 15] = [
            ("ts", packet.repeat(7)),
            ("ts", packet.clone()),
            ("ts", packet.repeat(5)[100..].to_vec()),
            ("ts", [&[0, 0, 0, 7][..], &packet].concat().repeat(4)),
            ("rtp-ts", [rtp_head(33), packet.repeat(7)].concat()),
            ("rtp-ps", [rtp_head(96), vec![0, 0, 1, 0xba, 0x44, 0, 4, 0]].concat()),
            ("rtp/8", [rtp_head(8), vec![0xd5; 160]].concat()),
            ("flv", b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec()),
            ("fmp4", b"\0\0\0\x18ftypiso5\0\0\0\0".to_vec()),
            ("mjpeg", b"--frame\r\nContent-Type: image/jpeg\r\n\r\n".to_vec()),
            ("mjpeg", vec![0xff, 0xd8, 0xff, 0xe0]),
            ("jt1078", [&b"01cd\x81"[..], &[0; 30]].concat()),
            ("unknown", vec![0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("unknown", b"OPTIONS sip:a SIP/2.0\r\n".to_vec()),
            ("unknown", Vec::new()),
        ];
        for (want, data) in cases {
            assert_eq!(probe_bytes(&data), want, "{:02x?}", &data[..data.len().min(20)]);
            for cut in 0..data.len().min(40) {
                let _ = probe_bytes(&data[..cut]);
            }
        }
    }
}
