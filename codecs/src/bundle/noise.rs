//! snow's primitives, done by aws-lc: one cryptographic library in the plane, and no second implementation of a curve.

use aws_lc_rs::agreement::{agree, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::{digest, rand};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error};

use super::suite::{PacketKey, Suite, TAG_BYTES};
use super::types::public_of;

/// A builder of handshakes for `suite`. Ends that were told another `prologue` do not understand each other.
pub fn builder(suite: Suite, prologue: &[u8]) -> Builder<'_> {
    let params = suite.noise.parse().expect("the names of our suites are Noise's");
    Builder::with_resolver(params, Box::new(AwsLc)).prologue(prologue).expect("it is the first")
}

struct AwsLc;

impl CryptoResolver for AwsLc {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SystemRandom))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::<Curve>::default() as _)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(Sha256(digest::Context::new(&digest::SHA256))) as _)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::AESGCM).then(|| Box::new(AesGcm(PacketKey::new(&[0; 32]))) as _)
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        rand::fill(out).map_err(|_| Error::Rng)
    }
}

#[derive(Default)]
struct Curve {
    private: [u8; 32],
    public: [u8; 32],
}

impl Drop for Curve {
    fn drop(&mut self) {
        self.private.fill(0);
        std::hint::black_box(&self.private);
    }
}

impl Dh for Curve {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, private: &[u8]) {
        self.private.copy_from_slice(private);
        self.public = public_of(&self.private);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut private = [0; 32];
        rng.try_fill_bytes(&mut private)?;
        self.set(&private);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.private
    }

    /// A public key of small order gives an all-zero secret, which aws-lc refuses (RFC 7748 §6.1).
    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let key = PrivateKey::from_private_key(&X25519, &self.private).map_err(|_| Error::Dh)?;
        let peer = UnparsedPublicKey::new(&X25519, public.get(..32).ok_or(Error::Dh)?);
        agree(&key, peer, Error::Dh, |secret| {
            out[..secret.len()].copy_from_slice(secret);
            Ok(())
        })
    }
}

struct Sha256(digest::Context);

impl Hash for Sha256 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = digest::Context::new(&digest::SHA256);
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let done = std::mem::replace(&mut self.0, digest::Context::new(&digest::SHA256)).finish();
        out[..32].copy_from_slice(done.as_ref());
    }
}

struct AesGcm(PacketKey);

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = PacketKey::new(key);
    }

    fn encrypt(&self, nonce: u64, header: &[u8], text: &[u8], out: &mut [u8]) -> usize {
        out[..text.len()].copy_from_slice(text);
        let len = text.len() + TAG_BYTES;
        self.0.seal(nonce, header, &mut out[..len]);
        len
    }

    fn decrypt(&self, nonce: u64, header: &[u8], sealed: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let mut body = sealed.to_vec();
        let text = self.0.open(nonce, header, &mut body).ok_or(Error::Decrypt)?;
        out.get_mut(..text.len()).ok_or(Error::Decrypt)?.copy_from_slice(text);
        Ok(text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::suite::SUITES;
    use crate::bundle::types::Identity;

    #[test]
    fn two_shake_hands_and_split_alike() {
        let (kit, center) = (Identity::new(None), Identity::new(None));
        let mut ask = builder(SUITES[0], b"head")
            .local_private_key(kit.private())
            .and_then(|b| b.remote_public_key(&center.public))
            .and_then(|b| b.build_initiator())
            .expect("keys of 32 bytes");
        let mut answer = builder(SUITES[0], b"head")
            .local_private_key(center.private())
            .and_then(|b| b.build_responder())
            .expect("a key of 32 bytes");
        let (mut wire, mut got) = ([0; 256], [0; 256]);
        let len = ask.write_message(b"hello", &mut wire).expect("room");
        assert_eq!(answer.read_message(&wire[..len], &mut got), Ok(5));
        assert_eq!((answer.get_remote_static(), &got[..5]), (Some(&kit.public[..]), &b"hello"[..]));
        let len = answer.write_message(b"", &mut wire).expect("room");
        assert!(ask.read_message(&wire[..len - 1], &mut got).is_err());
        assert_eq!(ask.read_message(&wire[..len], &mut got), Ok(0));
        assert_eq!(ask.dangerously_get_raw_split(), answer.dangerously_get_raw_split());
    }

    /// RFC 7748 §6.1, the shared secret.
    #[test]
    fn the_curve_is_that_of_the_rfc() {
        let hex = |text: &str| -> [u8; 32] {
            std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
        };
        let mut alice = Curve::default();
        alice.set(&hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
        let mut secret = [0; 32];
        alice
            .dh(&hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"), &mut secret)
            .expect("a public key");
        assert_eq!(secret, hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"));
        assert_eq!(alice.dh(&[0; 32], &mut secret), Err(Error::Dh));
    }
}
