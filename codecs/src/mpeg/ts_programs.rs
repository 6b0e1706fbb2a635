//! The programmes of a transport stream: which there are, what they are called and hold, which one is taken.

use super::sections::{pat, sdt, ProgramMap, Section, Sections, MAX_PROGRAMS};
use super::ts_roles::{name, role, Role};

/// Tables that come apart are waited for so long before a choice is made, in packets.
const PATIENCE_PACKETS: u64 = 2000;
const PAT_PID: u16 = 0;
const SDT_PID: u16 = 0x11;

#[derive(Debug)]
struct Program {
    number: u16,
    map_pid: u16,
    map: Option<ProgramMap>,
}

#[derive(Debug, Default)]
pub(super) struct Programs {
    wanted: u16,
    programs: Vec<Program>,
    names: Vec<(u16, String)>,
    pat_sections: Sections,
    sdt_sections: Sections,
    map_sections: Vec<(u16, Sections)>,
    pat_version: Option<u8>,
    chosen: Option<u16>,
    told: String,
    /// Packets since the last PAT that brought something new.
    waited: u64,
    missing_told: bool,
    pub bad_sections: u64,
}

/// What a table changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The chosen programme's map is another.
    Map,
    /// JSON of all.
    List(String),
    /// No programme of the wanted number.
    Missing(String),
}

impl Programs {
    pub fn new(wanted: u16) -> Self {
        Self { wanted, ..Self::default() }
    }

    pub fn known(&self) -> bool {
        !self.programs.is_empty()
    }

    pub fn map(&self) -> Option<&ProgramMap> {
        let chosen = self.chosen?;
        self.programs.iter().find(|p| p.number == chosen)?.map.as_ref()
    }

    /// Packets are missing.
    pub fn lost(&mut self) {
        self.pat_sections.lost();
        self.sdt_sections.lost();
        self.map_sections.iter_mut().for_each(|(_, s)| s.lost());
    }

    /// Whether it was one of the tables' packets.
    pub fn packet(&mut self, pid: u16, payload: &[u8], start: bool, changes: &mut Vec<Change>) -> bool {
        self.waited += 1;
        let mut sections = match pid {
            PAT_PID => std::mem::take(&mut self.pat_sections),
            SDT_PID => std::mem::take(&mut self.sdt_sections),
            _ => match self.map_sections.iter_mut().find(|(p, _)| *p == pid) {
                Some((_, s)) => std::mem::take(s),
                None => return false,
            },
        };
        let before = self.map().cloned();
        sections.push(payload, start, |data| self.section(pid, data));
        match pid {
            PAT_PID => self.pat_sections = sections,
            SDT_PID => self.sdt_sections = sections,
            _ => {
                if let Some((_, s)) = self.map_sections.iter_mut().find(|(p, _)| *p == pid) {
                    *s = sections;
                }
            }
        }
        self.choose();
        if self.map() != before.as_ref() {
            changes.push(Change::Map);
        }
        self.tell(changes);
        true
    }

    fn section(&mut self, pid: u16, data: &[u8]) {
        if pid == SDT_PID && data.first() != Some(&0x42) {
            return; // other tables, and other streams' services
        }
        let Ok(section) = Section::parse(data) else {
            self.bad_sections += 1;
            return;
        };
        if !section.current {
            return;
        }
        match (pid, section.table_id) {
            (PAT_PID, 0) => self.pat(&section),
            (SDT_PID, 0x42) => {
                for (number, name) in sdt(section.body) {
                    self.names.retain(|(n, _)| *n != number);
                    if self.names.len() < MAX_PROGRAMS {
                        self.names.push((number, name));
                    }
                }
            }
            (_, 2) => {
                let of = |p: &&mut Program| p.map_pid == pid && p.number == section.extension;
                let Some(program) = self.programs.iter_mut().find(of) else { return };
                match ProgramMap::parse(section.body) {
                    Ok(map) => program.map = Some(map),
                    Err(_) => self.bad_sections += 1,
                }
            }
            _ => {}
        }
    }

    fn pat(&mut self, section: &Section) {
        let found = pat(section.body).take(MAX_PROGRAMS).collect::<Vec<_>>();
        let mut keep = std::mem::take(&mut self.programs);
        let another = self.pat_version.replace(section.version) != Some(section.version);
        if section.last == 0 || another {
            let had = keep.len();
            keep.retain(|p| found.contains(&(p.number, p.map_pid)));
            if keep.len() != had {
                self.waited = 0;
            }
        }
        for (number, map_pid) in found {
            if keep.len() < MAX_PROGRAMS && !keep.iter().any(|p| p.number == number) {
                keep.push(Program { number, map_pid, map: None });
                self.waited = 0;
                self.missing_told = false;
            }
        }
        self.programs = keep;
        self.map_sections.retain(|(pid, _)| self.programs.iter().any(|p| p.map_pid == *pid));
        for p in &self.programs {
            if !self.map_sections.iter().any(|(pid, _)| *pid == p.map_pid) {
                self.map_sections.push((p.map_pid, Sections::default()));
            }
        }
    }

    fn complete(&self) -> bool {
        self.programs.iter().all(|p| p.map.is_some()) || self.waited > PATIENCE_PACKETS
    }

    fn choose(&mut self) {
        let there = |number: u16| self.programs.iter().any(|p| p.number == number && p.map.is_some());
        if self.wanted != 0 {
            self.chosen = Some(self.wanted).filter(|n| there(*n));
            return;
        }
        if self.chosen.is_some_and(there) || !self.complete() {
            return;
        }
        let holds = |p: &Program, video: bool| {
            let roles = p.map.iter().flat_map(|m| m.streams.iter().map(|s| role(m, s)));
            roles.into_iter().any(|r| matches!(r, Role::Video(_)) || (!video && name(r).is_some()))
        };
        let first = |video: bool| self.programs.iter().find(|p| holds(p, video)).map(|p| p.number);
        self.chosen = first(true).or_else(|| first(false));
    }

    fn tell(&mut self, changes: &mut Vec<Change>) {
        if self.wanted != 0 && self.known() && !self.missing_told {
            let there = self.programs.iter().any(|p| p.number == self.wanted);
            if !there {
                self.missing_told = true;
                let numbers = self.programs.iter().map(|p| p.number.to_string()).collect::<Vec<_>>().join(", ");
                changes.push(Change::Missing(format!("no programme {}; there are {numbers}", self.wanted)));
            }
        }
        if self.programs.len() < 2 || !self.complete() {
            return;
        }
        let list = self.list();
        if list != self.told {
            self.told.clone_from(&list);
            changes.push(Change::List(list));
        }
    }

    fn list(&self) -> String {
        let one = |p: &Program| {
            let name_of = self.names.iter().find(|(n, _)| *n == p.number).map_or("", |(_, name)| name.as_str());
            let tracks = p.map.iter().flat_map(|m| m.streams.iter().filter_map(|s| name(role(m, s))));
            let tracks = tracks.map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join(",");
            format!("{{\"number\":{},\"name\":\"{}\",\"tracks\":[{tracks}]}}", p.number, escaped(name_of))
        };
        format!("[{}]", self.programs.iter().map(one).collect::<Vec<_>>().join(","))
    }
}

/// Control characters are gone already.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
