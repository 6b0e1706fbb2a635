//! Shaking hands: Noise IK, the kit first. The kit knows the center's key from pairing, the center learns and checks the
//! kit's. What both say rides under the cipher of the two messages.
//!
//! A first message can be recorded and played again; so a center does nothing lasting on it. A session counts only when a
//! packet under its keys came, which takes the kit's ephemeral secret. No wall clock is asked for that.
//!
//! What stands in the clear before a message (version, suite, the sender's index, format; of new keys the phase) is Noise's
//! prologue: whoever changes it on the way has changed the message.

use snow::HandshakeState;

use crate::bytes::Reader;
use crate::error::ParseError;

use super::cookie::Mac;
use super::noise::builder;
use super::suite::Suite;
use super::types::{Hello, Identity};
use super::wire::{init_head, FORMAT, OLDEST};

/// Longest gateway id.
pub const MAX_GATEWAY_BYTES: usize = 64;
/// Ephemeral key, sealed static key, tag: what message 1 adds to its payload; and message 2.
const FIRST_BYTES: usize = 32 + 48 + 16;
const SECOND_BYTES: usize = 32 + 16;
const LAYOUT: u8 = 1;
const MAX_MESSAGE_BYTES: usize = 600;

/// The keys of one epoch. The initiator sends with the first.
pub struct Split {
    pub from_initiator: [u8; 32],
    pub from_responder: [u8; 32],
}

impl Split {
    fn of(mut state: HandshakeState) -> Self {
        let (from_initiator, from_responder) = state.dangerously_get_raw_split();
        Self { from_initiator, from_responder }
    }
}

/// What a kit says in message 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    pub hello: Hello,
    /// Of this run of the daemon: tells a restart whose counter was lost, and a second machine with the same key, from us.
    pub run: u64,
    /// Counts the attempts of this run, so that an older one is never taken for a newer.
    pub attempt: u32,
}

/// What a center says in message 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Come in: write to `index`; a Reset with `token` is from us.
    Welcome { index: u32, token: Mac, clock_unix_ms: u64 },
    /// No; `code` is `codes::number`. `boot`: the counter that we know of this kit, 0 if that is not the matter. `formats`:
    /// (oldest, newest) that we speak.
    Refused { code: u8, boot: u64, formats: Option<(u8, u8)> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeError {
    /// Not for our key, changed on its way, or not of a curve's point.
    Unauthentic,
    Malformed(ParseError),
}

impl From<ParseError> for HandshakeError {
    fn from(error: ParseError) -> Self {
        HandshakeError::Malformed(error)
    }
}

impl Greeting {
    fn write(&self) -> Vec<u8> {
        let gateway = super::types::cut(&self.hello.gateway, MAX_GATEWAY_BYTES);
        let mut out = vec![LAYOUT, gateway.len() as u8];
        out.extend_from_slice(gateway.as_bytes());
        out.extend_from_slice(&self.hello.boot.to_be_bytes());
        out.extend_from_slice(&self.run.to_be_bytes());
        out.extend_from_slice(&self.attempt.to_be_bytes());
        out.extend_from_slice(&self.hello.clock_unix_ms.to_be_bytes());
        out
    }

    /// What is behind the known fields is of a later release and left alone.
    pub fn parse(data: &[u8], suite: u8) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        if reader.u8()? != LAYOUT {
            return Err(ParseError::new("unknown greeting", 0));
        }
        let len = usize::from(reader.u8()?);
        if len == 0 || len > MAX_GATEWAY_BYTES {
            return Err(ParseError::new("gateway id too long, or none", 1));
        }
        let gateway = std::str::from_utf8(reader.take(len)?).map_err(|_| ParseError::new("text is not UTF-8", 2))?;
        if gateway.chars().any(char::is_control) {
            return Err(ParseError::new("gateway id with control characters", 2));
        }
        let (boot, run, attempt) = (reader.u64()?, reader.u64()?, reader.u32()?);
        let hello = Hello { gateway: gateway.to_owned(), boot, suite, clock_unix_ms: reader.u64()? };
        Ok(Self { hello, run, attempt })
    }
}

impl Answer {
    pub fn refused(code: u8, boot: u64) -> Self {
        Answer::Refused { code, boot, formats: Some((OLDEST, FORMAT)) }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![LAYOUT];
        match self {
            Answer::Welcome { index, token, clock_unix_ms } => {
                out.push(0);
                out.extend_from_slice(&index.to_be_bytes());
                out.extend_from_slice(token);
                out.extend_from_slice(&clock_unix_ms.to_be_bytes());
            }
            Answer::Refused { code, boot, formats } => {
                out.push(*code);
                out.extend_from_slice(&boot.to_be_bytes());
                out.extend(formats.iter().flat_map(|(oldest, newest)| [oldest, newest]));
            }
        }
        out
    }

    pub fn parse(data: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        if reader.u8()? != LAYOUT {
            return Err(ParseError::new("unknown answer", 0));
        }
        match reader.u8()? {
            0 => {
                let index = reader.u32()?;
                let mut token = [0; 16];
                token.copy_from_slice(reader.take(16)?);
                Ok(Answer::Welcome { index, token, clock_unix_ms: reader.u64()? })
            }
            code => {
                let boot = reader.u64()?;
                let formats = reader.u8().and_then(|oldest| Ok((oldest, reader.u8()?))).ok();
                Ok(Answer::Refused { code, boot, formats })
            }
        }
    }
}

/// What is before the messages of a rekeying: no Init begins like that.
fn rekey_head(suite: Suite, phase: u8) -> [u8; 3] {
    [0, suite.id, phase]
}

/// A kit's half: made with message 1, done with message 2.
pub struct Asking(HandshakeState);

impl Asking {
    /// The handshake and its message 1 with `payload`, behind `head`.
    fn start(suite: Suite, identity: &Identity, center: &[u8; 32], head: &[u8], payload: &[u8]) -> (Self, Vec<u8>) {
        let mut state = builder(suite, head)
            .local_private_key(identity.private())
            .and_then(|b| b.remote_public_key(center))
            .and_then(|b| b.build_initiator())
            .expect("keys of 32 bytes build an initiator");
        let mut message = vec![0; FIRST_BYTES + payload.len()];
        // The one thing that can go wrong is a center's key that is no point: then nobody can answer, and nobody will.
        let len = state.write_message(payload, &mut message).unwrap_or_default();
        message.truncate(len);
        (Self(state), message)
    }

    /// For an Init with the index `sender`, in our format.
    pub fn greet(
        suite: Suite,
        identity: &Identity,
        center: &[u8; 32],
        sender: u32,
        greeting: &Greeting,
    ) -> (Self, Vec<u8>) {
        Self::greet_in(FORMAT, suite, identity, center, sender, greeting)
    }

    /// The same in any format: tests play a kit of another release.
    pub fn greet_in(
        format: u8,
        suite: Suite,
        identity: &Identity,
        center: &[u8; 32],
        sender: u32,
        greeting: &Greeting,
    ) -> (Self, Vec<u8>) {
        Self::start(suite, identity, center, &init_head(suite.id, sender, format), &greeting.write())
    }

    /// For new keys within a session: nothing is said but the keys.
    pub fn rekey(suite: Suite, identity: &Identity, center: &[u8; 32], phase: u8) -> (Self, Vec<u8>) {
        Self::start(suite, identity, center, &rekey_head(suite, phase), &[])
    }

    fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        let mut payload = vec![0; message.len()];
        let len = self.0.read_message(message, &mut payload).map_err(|_| HandshakeError::Unauthentic)?;
        payload.truncate(len);
        Ok(payload)
    }

    /// Take message 2. An error leaves the handshake as it was: a forged answer does not spoil the true one.
    pub fn answer(&mut self, message: &[u8]) -> Result<Answer, HandshakeError> {
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(HandshakeError::Unauthentic);
        }
        let payload = self.read(message)?;
        Ok(Answer::parse(&payload)?)
    }

    /// Take message 2 of a rekeying.
    pub fn rekeyed(&mut self, message: &[u8]) -> Result<(), HandshakeError> {
        self.read(message).map(|_| ())
    }

    /// The keys, after the answer.
    pub fn split(self) -> Split {
        Split::of(self.0)
    }
}

/// A center's half: made of message 1, done with writing message 2.
pub struct Answering {
    state: HandshakeState,
    pub peer: [u8; 32],
}

impl Answering {
    fn start(
        suite: Suite,
        identity: &Identity,
        head: &[u8],
        message: &[u8],
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let mut state = builder(suite, head)
            .local_private_key(identity.private())
            .and_then(|b| b.build_responder())
            .expect("a key of 32 bytes builds a responder");
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(HandshakeError::Unauthentic);
        }
        let mut payload = vec![0; message.len()];
        let len = state.read_message(message, &mut payload).map_err(|_| HandshakeError::Unauthentic)?;
        payload.truncate(len);
        let peer = state.get_remote_static().and_then(|key| key.try_into().ok()).ok_or(HandshakeError::Unauthentic)?;
        Ok((Self { state, peer }, payload))
    }

    /// Message 1 of an Init with the index `sender` and its format.
    pub fn read(
        suite: Suite,
        identity: &Identity,
        sender: u32,
        format: u8,
        message: &[u8],
    ) -> Result<(Self, Greeting), HandshakeError> {
        let (answering, payload) = Self::start(suite, identity, &init_head(suite.id, sender, format), message)?;
        Ok((answering, Greeting::parse(&payload, suite.id)?))
    }

    fn write(mut self, payload: &[u8]) -> (Vec<u8>, Split) {
        let mut message = vec![0; SECOND_BYTES + payload.len()];
        let len = self.state.write_message(payload, &mut message).unwrap_or_default();
        message.truncate(len);
        (message, Split::of(self.state))
    }

    pub fn answer(self, answer: &Answer) -> (Vec<u8>, Split) {
        self.write(&answer.write())
    }

    /// Message 1 of a rekeying by `peer`: message 2 and the keys.
    pub fn rekey(
        suite: Suite,
        identity: &Identity,
        peer: &[u8; 32],
        phase: u8,
        message: &[u8],
    ) -> Result<(Vec<u8>, Split), HandshakeError> {
        let (answering, _) = Self::start(suite, identity, &rekey_head(suite, phase), message)?;
        if answering.peer != *peer {
            return Err(HandshakeError::Unauthentic);
        }
        Ok(answering.write(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::suite::SUITES;

    fn greeting() -> Greeting {
        let hello = Hello { gateway: "county-7".into(), boot: 12, suite: 1, clock_unix_ms: 1 };
        Greeting { hello, run: 99, attempt: 3 }
    }

    #[test]
    fn a_kit_is_known_by_its_key_and_both_have_the_same_keys() {
        let (kit, center) = (Identity::new(None), Identity::new(None));
        let (mut asking, first) = Asking::greet(SUITES[0], &kit, &center.public, 5, &greeting());
        let (answering, heard) = Answering::read(SUITES[0], &center, 5, FORMAT, &first).expect("for this center");
        assert_eq!((answering.peer, heard), (kit.public, greeting()));
        let welcome = Answer::Welcome { index: 7, token: [5; 16], clock_unix_ms: 2 };
        let (second, theirs) = answering.answer(&welcome);
        let mut bent = second.clone();
        bent[40] ^= 1;
        assert_eq!(asking.answer(&bent), Err(HandshakeError::Unauthentic));
        assert_eq!(asking.answer(&second), Ok(welcome), "after the forged one");
        let ours = asking.split();
        assert_eq!((ours.from_initiator, ours.from_responder), (theirs.from_initiator, theirs.from_responder));
        assert_ne!(ours.from_initiator, ours.from_responder);
    }

    #[test]
    fn a_message_for_another_center_says_nothing() {
        let (kit, center, other) = (Identity::new(None), Identity::new(None), Identity::new(None));
        let (_, first) = Asking::greet(SUITES[0], &kit, &center.public, 5, &greeting());
        assert!(matches!(Answering::read(SUITES[0], &other, 5, FORMAT, &first), Err(HandshakeError::Unauthentic)));
        assert!(Answering::read(SUITES[0], &center, 6, FORMAT, &first).is_err(), "under another index");
        assert!(Answering::read(SUITES[0], &center, 5, FORMAT + 1, &first).is_err(), "in another format");
        for cut in 0..first.len() {
            assert!(Answering::read(SUITES[0], &center, 5, FORMAT, &first[..cut]).is_err());
        }
        assert!(Answering::read(SUITES[0], &center, 5, FORMAT, &[0; 2000]).is_err());
    }

    #[test]
    fn a_refusal_is_authentic_too() {
        let (kit, center) = (Identity::new(None), Identity::new(None));
        let (mut asking, first) = Asking::greet(SUITES[0], &kit, &center.public, 5, &greeting());
        let (answering, _) = Answering::read(SUITES[0], &center, 5, FORMAT, &first).expect("for this center");
        let refusal = Answer::refused(4, 30);
        assert_eq!(asking.answer(&answering.answer(&refusal).0), Ok(refusal));
    }

    #[test]
    fn new_keys_are_for_the_same_peer_only() {
        let (kit, center, thief) = (Identity::new(None), Identity::new(None), Identity::new(None));
        let (mut asking, first) = Asking::rekey(SUITES[0], &kit, &center.public, 1);
        assert!(Answering::rekey(SUITES[0], &center, &thief.public, 1, &first).is_err());
        assert!(Answering::rekey(SUITES[0], &center, &kit.public, 2, &first).is_err());
        let (second, theirs) = Answering::rekey(SUITES[0], &center, &kit.public, 1, &first).expect("the kit's");
        assert_eq!(asking.rekeyed(&second), Ok(()));
        assert_eq!(asking.split().from_initiator, theirs.from_initiator);
    }

    #[test]
    fn greetings_and_answers_are_read_with_care() {
        let written = greeting().write();
        assert_eq!(Greeting::parse(&written, 1), Ok(greeting()));
        let mut longer = written.clone();
        longer.push(1);
        assert_eq!(Greeting::parse(&longer, 1), Ok(greeting()), "a later release says more");
        for cut in 0..written.len() {
            assert!(Greeting::parse(&written[..cut], 1).is_err());
        }
        for (at, byte) in [(0, 2), (1, 0), (1, 65), (2, 0xff), (2, b'\n')] {
            let mut bad = written.clone();
            bad[at] = byte;
            assert!(Greeting::parse(&bad, 1).is_err());
        }
        let old = Answer::Refused { code: 2, boot: 3, formats: None };
        assert_eq!(Answer::parse(&old.write()), Ok(old), "before there were formats");
        assert!(Answer::parse(&[1]).is_err() && Answer::parse(&[2, 0]).is_err());
    }
}
