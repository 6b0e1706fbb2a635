//! Figures of the plane: each is asked of the threads that have it.

use std::sync::mpsc::sync_channel;

use super::engine::{Done, Engine};
use super::event::*;
use super::order::{Command, Figure, Figures};
use super::OrderError;

/// What is asked for once a second, of the whole plane.
pub struct All {
    pub engine: Figures,
    pub streams: Vec<(StreamId, Figures)>,
    pub legs: Vec<(LegId, Figures)>,
    pub voice: Figures,
}

impl Engine {
    pub fn stream_stats(&self, stream: StreamId) -> Done<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(stream, Command::StreamStats { stream: Some(stream), answer });
        let list = self.wait(&got)?;
        list.into_iter().next().map(|(_, f)| f).ok_or(OrderError::new("no such stream"))
    }

    pub fn all_stream_stats(&self) -> Done<Vec<(StreamId, Figures)>> {
        let (answer, got) = sync_channel(self.workers.len());
        for worker in 0..self.workers.len() as u64 {
            self.post(worker, Command::StreamStats { stream: None, answer: answer.clone() });
        }
        let mut all = Vec::new();
        for _ in 0..self.workers.len() {
            all.extend(self.wait(&got)?);
        }
        Ok(all)
    }

    pub fn leg_stats(&self, leg: LegId) -> Done<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(leg, Command::LegStats { leg, answer });
        self.wait(&got)?.ok_or(OrderError::new("no such leg"))
    }

    pub fn subscription_stats(&self, subscription: SubId) -> Done<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(subscription, Command::SubStats { subscription, answer });
        self.wait(&got)?.ok_or(OrderError::new("no such subscription"))
    }

    pub fn engine_stats(&self) -> Done<Figures> {
        let (answer, got) = sync_channel(self.workers.len());
        for worker in 0..self.workers.len() as u64 {
            self.post(worker, Command::EngineStats { answer: answer.clone() });
        }
        let mut sum: Figures = Vec::new();
        for _ in 0..self.workers.len() {
            add(&mut sum, self.wait(&got)?);
        }
        sum.push(("events_lost", Figure::Int(self.events.lost_ever() as i64)));
        Ok(sum)
    }

    /// Everything at once: each thread is woken for it once.
    pub fn all_stats(&self) -> Done<All> {
        let (answer, got) = sync_channel(self.workers.len());
        for worker in 0..self.workers.len() as u64 {
            self.post(worker, Command::AllStats { answer: answer.clone() });
        }
        let voice = self.ask_voice_clock();
        let mut all = All { engine: Vec::new(), streams: Vec::new(), legs: Vec::new(), voice: Vec::new() };
        for _ in 0..self.workers.len() {
            let share = self.wait(&got)?;
            add(&mut all.engine, share.worker);
            all.streams.extend(share.streams);
            all.legs.extend(share.legs);
        }
        all.engine.push(("events_lost", Figure::Int(self.events.lost_ever() as i64)));
        all.voice = self.wait(&voice)?;
        Ok(all)
    }
}

/// One worker's share to the sum of the others'.
fn add(sum: &mut Figures, share: Figures) {
    if sum.is_empty() {
        *sum = share;
        return;
    }
    for ((_, total), (_, part)) in sum.iter_mut().zip(share) {
        if let (Figure::Int(total), Figure::Int(part)) = (total, part) {
            *total += part;
        }
    }
}
