//! The outbox's rules, without locks, clocks or sockets.
//!
//! An attempt is *ripe* when its reports should go out: it has ended, much output waits, or the
//! oldest report that was not sent has lingered for [`LINGER`]. Within that time a short task's
//! start, output and end come together, and go out as one message. What a *prompt* attempt puts out
//! is ripe at once while little of it is on its way.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use bytes::BytesMut;
use cortex_core::report::AFTER_RESTART;
use cortex_core::report::KnownAttempt;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::task::Outcome;
use cortex_core::task::Stream;
use cortex_proto::limits::MAX_BATCH_BYTES;
use cortex_proto::limits::MAX_BATCH_REPORTS;

use super::ATTEMPT_BYTES;
use super::Admission;
use super::AttemptKey;
use super::MOST_KNOWN;
use super::PIECE_BYTES;
use super::TOTAL_BYTES;

/// How long a report waits for company: longer than a small program takes to start and end.
pub(super) const LINGER: Duration = Duration::from_millis(3);

/// What a prompt attempt may have on its way, in bytes, for more of it to go out at once: keys and
/// their echoes, but not a flood.
const PROMPT_BYTES: usize = 16 << 10;
/// Output that waits for no company any more, in bytes.
const RIPE_BYTES: usize = 64 << 10;

/// What an output report costs beside its bytes, so that many small ones are bounded as well.
const REPORT_BYTES: usize = 128;

/// One attempt's share of a batch while others wait, in bytes.
const TURN_BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct Queue {
    attempts: HashMap<AttemptKey, Track>,
    ripe: VecDeque<AttemptKey>,
    lingering: VecDeque<(Instant, AttemptKey)>,
    bytes: usize,
    settled: Vec<AttemptKey>,
}

/// One attempt's reports that are not acknowledged.
#[derive(Debug, Default)]
struct Track {
    entries: VecDeque<Entry>,
    /// How many of the entries this stream has sent.
    sent: usize,
    /// The highest number that any stream has sent; what was sent once never changes.
    fixed: u64,
    last_sequence: u64,
    /// What all entries cost.
    bytes: usize,
    /// What those weigh that this stream has not sent.
    waiting: usize,
    offsets: [u64; 3],
    started: bool,
    end: Option<u64>,
    prompt: bool,
    place: Place,
}

#[derive(Debug)]
struct Entry {
    sequence: u64,
    news: News,
    /// Bytes that count against the bounds of what may wait.
    cost: usize,
    /// Bytes that count in a batch.
    weight: usize,
}

/// Where an attempt waits for its turn.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Nowhere,
    Lingering,
    Ripe,
}

impl Queue {
    pub(super) fn admit(&mut self, key: AttemptKey) -> Admission {
        if self.attempts.contains_key(&key) {
            return Admission::Known;
        }
        if self.attempts.len() >= MOST_KNOWN {
            return Admission::Full;
        }
        self.attempts.insert(key, Track::default());
        Admission::New
    }

    pub(super) fn restore(&mut self, key: AttemptKey, ended: News) {
        let last_sequence = AFTER_RESTART - 1;
        let track = Track { started: true, last_sequence, ..Track::default() };
        self.attempts.insert(key, track);
        self.append(key, ended);
        self.ripen(key);
    }

    pub(super) fn be_prompt(&mut self, key: AttemptKey) {
        if let Some(track) = self.attempts.get_mut(&key) {
            track.prompt = true;
        }
    }

    pub(super) fn has_output(&self, key: AttemptKey) -> bool {
        self.attempts.get(&key).is_some_and(|track| track.offsets != [0; 3])
    }

    /// How many bytes of a stream an attempt has reported.
    pub(super) fn put_out(&self, key: AttemptKey, stream: Stream) -> u64 {
        self.attempts.get(&key).map_or(0, |track| track.offsets[stream as usize])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Reports the start; whether the stream must be woken.
    pub(super) fn start(&mut self, key: AttemptKey, pid: Option<u32>, now: Instant) -> bool {
        match self.attempts.get_mut(&key) {
            Some(track) if !track.started => track.started = true,
            _ => return false,
        }
        self.push(key, News::Started { pid }, now)
    }

    /// Whether an attempt may report this much output now.
    pub(super) fn has_room(&self, key: AttemptKey, len: usize) -> bool {
        let Some(track) = self.attempts.get(&key) else { return true };
        let cost = len + REPORT_BYTES;
        let own = track.bytes == 0 || track.bytes + cost <= ATTEMPT_BYTES;
        own && (self.bytes == 0 || self.bytes + cost <= TOTAL_BYTES)
    }

    /// Reports output; whether the stream must be woken.
    pub(super) fn write(
        &mut self,
        key: AttemptKey,
        stream: Stream,
        data: Bytes,
        now: Instant,
    ) -> bool {
        // Output of what has not begun would make no sense to the hub.
        let started = self.start(key, None, now);
        let Some(track) = self.attempts.get_mut(&key) else { return false };
        let len = data.len();
        let offset = track.offsets[stream as usize];
        if track.end.is_none() && track.merge(stream, &data) {
            track.offsets[stream as usize] += len as u64;
            track.bytes += len;
            track.waiting += len;
            self.bytes += len;
            return self.schedule(key, now) || started;
        }
        self.push(key, News::Output { stream, offset, data }, now) || started
    }

    /// Appends a report; whether the stream must be woken.
    pub(super) fn push(&mut self, key: AttemptKey, news: News, now: Instant) -> bool {
        self.append(key, news) && self.schedule(key, now)
    }

    /// Sends all of an attempt's reports once more.
    pub(super) fn repeat(&mut self, key: AttemptKey) {
        if let Some(track) = self.attempts.get_mut(&key) {
            track.rewind();
            self.ripen(key);
        }
    }

    /// Forgets what this stream has sent; says which attempts there are, in order.
    pub(super) fn rewind(&mut self) -> Vec<KnownAttempt> {
        self.ripe.clear();
        self.lingering.clear();
        let mut keys: Vec<AttemptKey> = self.attempts.keys().copied().collect();
        keys.sort_unstable();
        let mut known = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(track) = self.attempts.get_mut(&key) {
                track.rewind();
                track.place = Place::Nowhere;
                let started = track.started;
                known.push(KnownAttempt { task: key.task, attempt: key.attempt, started });
            }
            self.ripen(key);
        }
        known
    }

    /// Drops stored reports; whether there is more room, or one attempt less.
    pub(super) fn acked(&mut self, key: AttemptKey, sequence: u64) -> bool {
        let Some(track) = self.attempts.get_mut(&key) else { return false };
        // Nobody can have stored what was never sent.
        let sequence = sequence.min(track.fixed);
        let before = track.bytes;
        while track.entries.front().is_some_and(|entry| entry.sequence <= sequence) {
            let entry = track.entries.pop_front().expect("there is a front");
            match track.sent.checked_sub(1) {
                Some(sent) => track.sent = sent,
                None => track.waiting -= entry.weight,
            }
            track.bytes -= entry.cost;
        }
        let freed = before - track.bytes;
        self.bytes -= freed;
        if track.end.is_some_and(|end| end <= sequence) {
            self.attempts.remove(&key);
            self.settled.push(key);
            return true;
        }
        freed > 0
    }

    pub(super) fn take_settled(&mut self) -> Vec<AttemptKey> {
        std::mem::take(&mut self.settled)
    }

    /// When the oldest lingering report is ripe.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.lingering.front().map(|(due, _)| *due)
    }

    /// The next reports to send, in each attempt's order, within the bounds of a batch.
    pub(super) fn next_batch(&mut self, now: Instant) -> Option<Vec<Report>> {
        while self.next_due().is_some_and(|due| due <= now) {
            let (_, key) = self.lingering.pop_front().expect("there is a front");
            let is_lingering = |track: &Track| track.place == Place::Lingering;
            if self.attempts.get(&key).is_some_and(is_lingering) {
                self.ripen(key);
            }
        }
        let (mut batch, mut weight) = (Vec::new(), 0);
        while batch.len() < MAX_BATCH_REPORTS && weight < MAX_BATCH_BYTES {
            let Some(key) = self.ripe.pop_front() else { break };
            let Some(track) = self.attempts.get_mut(&key) else { continue };
            track.place = Place::Nowhere;
            let room = (MAX_BATCH_BYTES - weight).min(TURN_BYTES);
            let before = batch.len();
            weight += track.take(key, room, &mut batch);
            let is_stuck = batch.len() == before;
            if track.sent < track.entries.len() {
                track.place = Place::Ripe;
                // A report that did not fit goes first in the next batch.
                if is_stuck {
                    self.ripe.push_front(key);
                } else {
                    self.ripe.push_back(key);
                }
            }
            if is_stuck {
                break;
            }
        }
        (!batch.is_empty()).then_some(batch)
    }

    fn append(&mut self, key: AttemptKey, news: News) -> bool {
        let Some(track) = self.attempts.get_mut(&key) else { return false };
        if track.end.is_some() {
            return false;
        }
        track.last_sequence += 1;
        let sequence = track.last_sequence;
        let (cost, weight) = match &news {
            News::Output { stream, data, .. } => {
                track.offsets[*stream as usize] += data.len() as u64;
                (data.len() + REPORT_BYTES, data.len())
            }
            News::Ended { outcome, .. } => {
                track.end = Some(sequence);
                (0, weight_of(outcome))
            }
            News::File(file) => (REPORT_BYTES, file.name.len()),
            News::Started { .. } | News::Progress(_) => (0, 0),
        };
        track.bytes += cost;
        track.waiting += weight;
        self.bytes += cost;
        track.entries.push_back(Entry { sequence, news, cost, weight });
        true
    }

    /// Puts an attempt in its place; whether the stream must be woken.
    fn schedule(&mut self, key: AttemptKey, now: Instant) -> bool {
        let Some(track) = self.attempts.get_mut(&key) else { return false };
        // A flood comes in larger pieces for the wait.
        let is_urgent = track.prompt && track.bytes <= PROMPT_BYTES;
        if track.end.is_some() || is_urgent || track.waiting >= RIPE_BYTES {
            return self.ripen(key);
        }
        if track.place != Place::Nowhere {
            return false;
        }
        track.place = Place::Lingering;
        self.lingering.push_back((now + LINGER, key));
        // Who lingers longer than another one is seen to together with it.
        self.lingering.len() == 1
    }

    fn ripen(&mut self, key: AttemptKey) -> bool {
        let Some(track) = self.attempts.get_mut(&key) else { return false };
        if track.place == Place::Ripe || track.sent >= track.entries.len() {
            return false;
        }
        track.place = Place::Ripe;
        self.ripe.push_back(key);
        true
    }
}

impl Track {
    fn rewind(&mut self) {
        self.sent = 0;
        self.waiting = self.entries.iter().map(|entry| entry.weight).sum();
    }

    /// Adds output to the last report, where that is the same stream's and was never sent.
    fn merge(&mut self, stream: Stream, more: &Bytes) -> bool {
        let (sent, fixed) = (self.sent, self.fixed);
        let is_new = self.entries.len() > sent;
        let Some(entry) = self.entries.back_mut().filter(|entry| is_new && entry.sequence > fixed)
        else {
            return false;
        };
        let News::Output { stream: last, data, .. } = &mut entry.news else { return false };
        if *last != stream || data.len() + more.len() > PIECE_BYTES {
            return false;
        }
        let mut merged = std::mem::take(data)
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
        merged.extend_from_slice(more);
        *data = merged.freeze();
        entry.cost += more.len();
        entry.weight += more.len();
        true
    }

    /// Moves unsent reports into a batch, up to `room` bytes; how many bytes it took.
    fn take(&mut self, key: AttemptKey, room: usize, batch: &mut Vec<Report>) -> usize {
        let mut taken = 0;
        while batch.len() < MAX_BATCH_REPORTS {
            let Some(entry) = self.entries.get(self.sent) else { break };
            // Alone in its batch, a report may have any weight.
            if taken + entry.weight > room && !batch.is_empty() {
                break;
            }
            taken += entry.weight;
            self.waiting -= entry.weight;
            batch.push(Report {
                task: key.task,
                attempt: key.attempt,
                sequence: entry.sequence,
                news: entry.news.clone(),
            });
            self.fixed = self.fixed.max(entry.sequence);
            self.sent += 1;
        }
        taken
    }
}

/// Bytes that an outcome takes in a batch, roughly.
fn weight_of(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Returned { value } => value.to_string().len(),
        Outcome::Broken { message } => message.len(),
        Outcome::Rejected { rule, reason } => rule.len() + reason.len(),
        Outcome::Interrupted { reason } | Outcome::Lost { reason } => reason.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
