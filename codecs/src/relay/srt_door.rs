//! The doors of SRT: who may come in with which passphrase, who stands there, and whom to tell of it. libsrt's own thread
//! asks at each handshake; the SRT thread takes in who was let in (`srt_hub`).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::event::{Event, WireId, WireState, WireTold};
use super::queue::{lock, Events};
use super::srt_link::Peer;
use super::{sys, OrderError};
use crate::srt::door::Calling;
use crate::srt::library::library;
use crate::srt::socket::{Options, Socket, State};
use crate::srt::{selector, udp};
use crate::time::Micros;

/// Callers at one door whose handshake goes on, and how long it may.
const MAX_CALLING: usize = 1024;
const PATIENCE_US: u64 = 2_000_000;
const TELL_US: u64 = 1_000_000;
const HURRY_US: u64 = 8_000;
/// libsrt lets go of a connection a second or two after its end; it does so at its usual pace.
const LINGER_US: u64 = 4_000_000;
/// SRT_REJX_UNAUTHORIZED.
const UNAUTHORIZED: i32 = 1401;

/// What wakes the SRT thread: a connection of ours begins, somebody knocks, a door opens or closes, the end.
#[derive(Default)]
pub struct Bell {
    waiting: Mutex<Waiting>,
    rung: Condvar,
    /// When it last rang because a picture is to go out.
    hurried: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    newcomers: Vec<Peer>,
    rung: bool,
}

impl Bell {
    pub fn ring(&self) {
        lock(&self.waiting).rung = true;
        self.rung.notify_all();
    }

    /// Something is to be sent. At most once in so long: with many connections their turn comes soon enough.
    pub fn hurry(&self, now: Micros) {
        let last = self.hurried.load(Ordering::Relaxed);
        if now.0.saturating_sub(last) >= HURRY_US {
            self.hurried.store(now.0, Ordering::Relaxed);
            self.ring();
        }
    }

    pub fn comes(&self, peer: Peer) {
        lock(&self.waiting).newcomers.push(peer);
        self.ring();
    }

    /// Connections that the thread has not seen yet, after it rang or `most` has passed (`None`: it must ring).
    pub fn wait(&self, most: Option<Duration>) -> Vec<Peer> {
        let mut waiting = lock(&self.waiting);
        if !waiting.rung {
            waiting = match most {
                Some(Duration::ZERO) => waiting,
                Some(most) => match self.rung.wait_timeout_while(waiting, most, |w| !w.rung) {
                    Ok((waiting, _)) => waiting,
                    Err(poisoned) => poisoned.into_inner().0,
                },
                None => self.rung.wait_while(waiting, |w| !w.rung).unwrap_or_else(|p| p.into_inner()),
            };
        }
        waiting.rung = false;
        std::mem::take(&mut waiting.newcomers)
    }
}

struct Caller {
    socket: i32,
    since: u64,
    from: Option<SocketAddr>,
    stream_id: String,
}

/// What a listener knows when somebody knocks; also used by libsrt's own thread.
#[derive(Default)]
struct Door {
    passphrases: Mutex<Vec<(String, String)>>,
    /// Milliseconds for callers of these hosts.
    latencies: Mutex<HashMap<IpAddr, i32>>,
    calling: Mutex<Vec<Caller>>,
    /// Refused since the last word of it: how many, and the last one.
    refused: Mutex<(u64, String)>,
    bell: Arc<Bell>,
}

static DOORS: Mutex<Option<HashMap<u64, Arc<Door>>>> = Mutex::new(None);
static DOOR_NUMBERS: AtomicU64 = AtomicU64::new(1);

fn door(tag: u64) -> Option<Arc<Door>> {
    lock(&DOORS).as_ref()?.get(&tag).cloned()
}

/// Called by libsrt for each handshake, more than once for the same.
fn knock(tag: u64, calling: &Calling, from: Option<SocketAddr>, stream_id: &str) -> bool {
    let Some(door) = door(tag) else { return false };
    let let_in = door.lets_in(calling, from, stream_id);
    door.bell.ring();
    let_in
}

impl Door {
    fn lets_in(&self, calling: &Calling, from: Option<SocketAddr>, stream_id: &str) -> bool {
        // Copied: who sets other passphrases must not wait for libsrt.
        let phrase = selector::passphrase(&lock(&self.passphrases), stream_id).map(str::to_owned);
        let let_in = phrase.is_some_and(|p| p.is_empty() || calling.passphrase(&p));
        if !let_in {
            calling.refuse(UNAUTHORIZED);
            self.refuse(from, stream_id, "no passphrase is set for it");
            return false;
        }
        if let Some(ms) = from.and_then(|a| lock(&self.latencies).get(&a.ip()).copied()) {
            calling.latency(ms);
        }
        let mut list = lock(&self.calling);
        if list.len() < MAX_CALLING {
            let (socket, since, stream_id) = (calling.id(), sys::monotonic_us(), stream_id.to_owned());
            list.push(Caller { socket, since, from, stream_id });
        }
        true
    }

    fn refuse(&self, from: Option<SocketAddr>, stream_id: &str, why: &str) {
        let who = from.map(|a| a.to_string()).unwrap_or_default();
        let shown: String = selector::shown(stream_id).chars().filter(|c| !c.is_control()).take(128).collect();
        let mut refused = lock(&self.refused);
        *refused = (refused.0 + 1, format!("{who} {shown:?}: {why}"));
    }
}

pub struct Listener {
    pub wire: WireId,
    pub id: i32,
    tag: u64,
    /// `None` once it is closed: the SRT thread may look at it a moment longer.
    socket: Mutex<Option<Socket>>,
    door: Arc<Door>,
    told: AtomicU64,
    /// When somebody was last there; 0: libsrt's thread rests.
    busy: AtomicU64,
}

impl Drop for Listener {
    fn drop(&mut self) {
        forget(self.tag);
    }
}

fn forget(tag: u64) {
    if let Some(doors) = lock(&DOORS).as_mut() {
        doors.remove(&tag);
    }
}

impl Listener {
    pub fn open(
        wire: WireId,
        at: SocketAddr,
        options: &Options,
        phrases: Vec<(String, String)>,
        backlog: i32,
        bell: &Arc<Bell>,
    ) -> Result<Self, OrderError> {
        let passphrases = Mutex::new(phrases);
        let door = Arc::new(Door { passphrases, bell: bell.clone(), ..Door::default() });
        let tag = DOOR_NUMBERS.fetch_add(1, Ordering::Relaxed);
        lock(&DOORS).get_or_insert_default().insert(tag, door.clone());
        match Socket::listen(at, options, backlog, tag, knock) {
            Ok(socket) => Ok(Self {
                wire,
                id: socket.id(),
                tag,
                socket: Mutex::new(Some(socket)),
                door,
                told: AtomicU64::new(0),
                busy: AtomicU64::new(0),
            }),
            Err(why) => {
                forget(tag);
                Err(OrderError::new(format!("listening for SRT on {at}: {why}")))
            }
        }
    }

    pub fn accept(&self) -> Option<Socket> {
        lock(&self.socket).as_ref().and_then(Socket::accept)
    }

    pub fn local(&self) -> Option<SocketAddr> {
        lock(&self.socket).as_ref().and_then(Socket::local)
    }

    /// Its port is free when this returns.
    pub fn close(&self) {
        // Under no lock that others wait for.
        let socket = lock(&self.socket).take();
        drop(socket);
    }

    fn wait(&self, most: Duration) {
        if let Some(socket) = lock(&self.socket).as_ref() {
            socket.wait(most);
        }
    }

    pub fn passphrases(&self, list: Vec<(String, String)>) {
        *lock(&self.door.passphrases) = list;
    }

    pub fn latencies(&self, list: HashMap<IpAddr, i32>) {
        *lock(&self.door.latencies) = list;
    }

    /// That socket came in: it stands at the door no more.
    pub fn came_in(&self, socket: i32) {
        lock(&self.door.calling).retain(|c| c.socket != socket);
    }

    /// Somebody stands at the door.
    pub fn is_called(&self) -> bool {
        !lock(&self.door.calling).is_empty()
    }

    /// libsrt's thread keeps its pace while somebody is or was lately there (`guests`: inside), and rests otherwise.
    /// True: it is not at rest, and to be asked again soon.
    pub fn pace(&self, guests: bool, now_us: u64) -> bool {
        let busy = self.busy.load(Ordering::Relaxed);
        if guests || self.is_called() {
            if busy == 0 {
                self.wait(udp::BUSY);
            }
            self.busy.store(now_us.max(1), Ordering::Relaxed);
            return true;
        }
        if busy != 0 && now_us.saturating_sub(busy) >= LINGER_US {
            self.wait(udp::RESTING);
            self.busy.store(0, Ordering::Relaxed);
            return false;
        }
        busy != 0
    }

    /// Who knocked and is gone without having come in had the wrong passphrase; told at most once a second. True: there
    /// is more to tell, later.
    pub fn look(&self, events: &Events) -> bool {
        let now = sys::monotonic_us();
        let gone = |c: &Caller| library().is_none_or(|l| l.state(c.socket) == State::Gone);
        let mut failed = Vec::new();
        lock(&self.door.calling).retain_mut(|c| {
            let left = gone(c);
            if left {
                failed.push((c.from, std::mem::take(&mut c.stream_id)));
            }
            !left && now.saturating_sub(c.since) < PATIENCE_US
        });
        for (from, stream_id) in failed {
            self.door.refuse(from, &stream_id, "the passphrase is wrong or missing");
        }
        if now.saturating_sub(self.told.load(Ordering::Relaxed)) < TELL_US {
            return lock(&self.door.refused).0 > 0;
        }
        let (count, last) = std::mem::take(&mut *lock(&self.door.refused));
        if count > 0 {
            self.told.store(now, Ordering::Relaxed);
            let detail = if count > 1 { format!("{last} (and {} more)", count - 1) } else { last };
            let code = "srt-refused";
            events.push(Event::Wire(WireTold { code, detail, ..WireTold::new(self.wire, WireState::Closed) }));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_that_rang_before_is_heard() {
        let bell = Arc::new(Bell::default());
        bell.ring();
        assert!(bell.wait(None).is_empty());
        let other = bell.clone();
        let rings = std::thread::spawn(move || other.ring());
        bell.wait(None);
        rings.join().unwrap();
        assert!(bell.wait(Some(Duration::ZERO)).is_empty());
    }

    #[test]
    fn a_bell_is_hurried_now_and_then_at_most() {
        let bell = Bell::default();
        let rang = |at| {
            bell.hurry(Micros(at));
            std::mem::take(&mut lock(&bell.waiting).rung)
        };
        assert!(rang(HURRY_US));
        assert!(!rang(2 * HURRY_US - 1));
        assert!(rang(2 * HURRY_US));
    }
}
