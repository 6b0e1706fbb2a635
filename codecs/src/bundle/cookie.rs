//! Short authenticators outside of the cipher: the mac that shows an Init is meant for this center, the cookie that shows
//! its sender really has the address it writes from, the token that shows a Reset comes from the center.
//!
//! All are HMAC-SHA256 cut to 16 bytes. Mac and token hang on the center's keys, so a center knows its tokens after a restart.

use std::net::SocketAddr;

use aws_lc_rs::{constant_time, hmac, rand};

use super::types::{Identity, Remote};
use super::wire::MAC_BYTES;
use crate::time::Micros;

pub type Mac = [u8; MAC_BYTES];

/// How long a cookie is good for, at least; the secret is changed this often and the one before still counts.
const TURN_US: u64 = 60_000_000;

fn short(key: &hmac::Key, parts: &[&[u8]]) -> Mac {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; MAC_BYTES];
    out.copy_from_slice(&context.sign().as_ref()[..MAC_BYTES]);
    out
}

fn key(label: &[u8], material: &[u8]) -> hmac::Key {
    let outer = hmac::Key::new(hmac::HMAC_SHA256, material);
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&outer, label).as_ref())
}

pub fn same(a: &Mac, b: &Mac) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// The mac of an Init. Its key follows from the center's public key: it keeps out who does not even know that, before any
/// arithmetic on a curve.
pub struct InitMac(hmac::Key);

impl InitMac {
    pub fn of(center: &[u8; 32]) -> Self {
        Self(key(b"fieldgate bundle init", center))
    }

    pub fn of_covered(&self, covered: &[u8]) -> Mac {
        short(&self.0, &[covered])
    }

    /// Fill the mac and the cookie at an Init's end in.
    pub fn finish(&self, init: &mut [u8], cookie: &Mac) {
        let end = init.len() - 2 * MAC_BYTES;
        let mac = self.of_covered(&init[..end]);
        init[end..end + MAC_BYTES].copy_from_slice(&mac);
        init[end + MAC_BYTES..].copy_from_slice(cookie);
    }
}

/// The tokens of a center's Resets, by session index. A kit learns its own under the cipher.
pub struct ResetTokens(hmac::Key);

impl ResetTokens {
    pub fn of(center: &Identity) -> Self {
        Self(key(b"fieldgate bundle reset", center.private()))
    }

    pub fn token(&self, index: u32) -> Mac {
        short(&self.0, &[&index.to_be_bytes()])
    }
}

/// Cookies: handed out to an address, taken back from the same, with nothing kept in between.
pub struct Cookies {
    now: hmac::Key,
    before: hmac::Key,
    turned: Micros,
}

fn fresh() -> hmac::Key {
    let mut secret = [0; 32];
    rand::fill(&mut secret).expect("the system gives random bytes");
    hmac::Key::new(hmac::HMAC_SHA256, &secret)
}

impl Cookies {
    pub fn new(now: Micros) -> Self {
        Self { now: fresh(), before: fresh(), turned: now }
    }

    fn turn(&mut self, now: Micros) {
        if now.since(self.turned) < TURN_US {
            return;
        }
        let key = std::mem::replace(&mut self.now, fresh());
        self.before = if now.since(self.turned) < 2 * TURN_US { key } else { fresh() };
        self.turned = now;
    }

    fn of(key: &hmac::Key, remote: &Remote) -> Mac {
        match remote {
            Remote::Udp(SocketAddr::V4(address)) => {
                short(key, &[&[4], &address.ip().octets(), &address.port().to_be_bytes()])
            }
            Remote::Udp(SocketAddr::V6(address)) => {
                short(key, &[&[6], &address.ip().octets(), &address.port().to_be_bytes()])
            }
            Remote::Stream(number) => short(key, &[&[1], &number.to_be_bytes()]),
        }
    }

    pub fn give(&mut self, remote: &Remote, now: Micros) -> Mac {
        self.turn(now);
        Self::of(&self.now, remote)
    }

    pub fn is_good(&mut self, cookie: &Mac, remote: &Remote, now: Micros) -> bool {
        self.turn(now);
        same(cookie, &Self::of(&self.now, remote)) || same(cookie, &Self::of(&self.before, remote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Remote {
        Remote::Udp(text.parse().expect("an address"))
    }

    #[test]
    fn a_cookie_is_good_for_its_address_and_a_while() {
        let start = Micros(5_000_000);
        let mut cookies = Cookies::new(start);
        let here = at("10.0.0.1:5000");
        let cookie = cookies.give(&here, start);
        assert!(cookies.is_good(&cookie, &here, start.plus_ms(61_000)));
        for other in [at("10.0.0.1:5001"), at("10.0.0.2:5000"), at("[::1]:5000"), Remote::Stream(1)] {
            assert!(!cookies.is_good(&cookie, &other, start));
        }
        assert!(!cookies.is_good(&cookie, &here, start.plus_ms(121_000)));
        let later = cookies.give(&here, start.plus_ms(121_000));
        assert!(!cookies.is_good(&later, &here, start.plus_ms(600_000)), "both secrets are old");
        assert!(!cookies.is_good(&[0; 16], &here, start));
    }

    #[test]
    fn macs_and_tokens_hang_on_the_centers_keys() {
        let (one, other) = (Identity::new(None), Identity::new(None));
        let mut init = vec![7; 1200];
        InitMac::of(&one.public).finish(&mut init, &[3; 16]);
        let mac: Mac = init[1168..1184].try_into().expect("16 bytes");
        assert!(same(&mac, &InitMac::of(&one.public).of_covered(&init[..1168])));
        assert!(!same(&mac, &InitMac::of(&other.public).of_covered(&init[..1168])));
        assert_eq!(init[1184..], [3; 16]);
        let again = Identity::new(Some(*one.private()));
        assert_eq!(ResetTokens::of(&one).token(5), ResetTokens::of(&again).token(5));
        assert_ne!(ResetTokens::of(&one).token(5), ResetTokens::of(&one).token(6));
        assert_ne!(ResetTokens::of(&one).token(5), ResetTokens::of(&other).token(5));
    }
}
