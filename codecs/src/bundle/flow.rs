//! What a flow is: a run of units with a deadline, its class and the way it goes over the paths.

/// How important a flow is. The order is the order of giving up, last first: `Control` is kept to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Orders, reports, the bundle's own frames.
    Control,
    Voice,
    /// Signalling and API calls that travel as units; reliable streams have this class as well.
    Stream,
    Still,
    Video,
    /// Files. A small share is theirs whatever else waits, so that they never stand still for ever.
    Bulk,
}

impl Class {
    pub const ALL: [Class; 6] = [Class::Control, Class::Voice, Class::Stream, Class::Still, Class::Video, Class::Bulk];

    pub fn from_name(name: &str) -> Option<Self> {
        Class::ALL.into_iter().find(|class| class.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Class::Control => "control",
            Class::Voice => "voice",
            Class::Stream => "stream",
            Class::Still => "still",
            Class::Video => "video",
            Class::Bulk => "bulk",
        }
    }

    /// Its number on the wire, and its place in tables by class.
    pub fn index(self) -> usize {
        self as usize
    }

    pub fn from_index(index: usize) -> Option<Self> {
        Class::ALL.get(index).copied()
    }

    /// Its bit in sets of classes.
    pub fn bit(self) -> u8 {
        1 << self.index()
    }
}

/// How a flow's units go over the paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Over the one best path.
    Best,
    /// A copy over each of the two best paths of different name.
    Duplicate,
    /// Over all usable paths by their rate, with parity over the pieces of a unit; key units have a copy.
    Spread,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Best, Mode::Duplicate, Mode::Spread];

    pub fn from_name(name: &str) -> Option<Self> {
        Mode::ALL.into_iter().find(|mode| mode.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Mode::Best => "best",
            Mode::Duplicate => "duplicate",
            Mode::Spread => "spread",
        }
    }

    pub fn index(self) -> usize {
        self as usize
    }

    pub fn from_index(index: usize) -> Option<Self> {
        Mode::ALL.get(index).copied()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowOptions {
    pub class: Class,
    pub mode: Mode,
    /// How long after the quickest way the receiver hands a unit on, so that what is late or asked again still counts.
    /// 0: as soon as it is whole, in order of arrival.
    pub playout_ms: u32,
}

impl FlowOptions {
    /// How long a unit is of use beyond the quickest way: its play-out; without one by the class, since a still may take its
    /// time on a thin link and a word may not.
    pub fn useful_us(&self) -> u64 {
        match self.class {
            _ if self.playout_ms > 0 => u64::from(self.playout_ms) * 1000,
            Class::Still | Class::Bulk => 20_000_000,
            Class::Control | Class::Stream => 5_000_000,
            Class::Voice | Class::Video => 2_000_000,
        }
    }
}

/// The longest play-out a flow may ask for: what a receiver must keep is bounded by it.
pub const MAX_PLAYOUT_MS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_pairs() {
        for class in Class::ALL {
            assert_eq!(Class::from_name(class.name()), Some(class));
            assert_eq!(Class::from_index(class.index()), Some(class));
        }
        for mode in Mode::ALL {
            assert_eq!(Mode::from_name(mode.name()), Some(mode));
            assert_eq!(Mode::from_index(mode.index()), Some(mode));
        }
        assert_eq!((Class::from_name("picture"), Class::from_index(6), Mode::from_index(3)), (None, None, None));
        assert!(Class::Control < Class::Voice && Class::Video < Class::Bulk);
    }
}
