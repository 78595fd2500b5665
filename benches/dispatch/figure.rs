//! What is measured, what the targets are, and the table with both.

use std::collections::BTreeMap;
use std::fmt;

use crate::sample::median;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// A process started right here: the limit.
    Spawn,
    /// NATS request-reply.
    Nats,
    /// OpenSSH with ControlMaster.
    Ssh,
    /// What this project makes.
    Cortex,
}

/// What is measured, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// `echo hi`, one at a time: the middle.
    Single,
    /// The same: what one in a hundred exceeds.
    SingleTail,
    /// The same with a new client process a task: the middle.
    NewProcess,
    /// `echo hi` on one node, 64 at once.
    InFlight,
    /// `echo hi` on 100 nodes at once.
    Fleet,
    /// Nothing started, one at a time: the middle.
    Nothing,
    /// Nothing started, 64 at once.
    NothingInFlight,
    /// Nothing started, through REST, one at a time: the middle.
    NothingRest,
    /// Nothing started, through REST, 64 at once.
    NothingRestInFlight,
}

/// What is to be reached.
struct Target {
    figure: Figure,
    /// A limit in the figure's unit, or a multiple of what a party has.
    factor: f64,
    of: Option<(Figure, Party)>,
}

/// All that was measured, round by round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rounds: BTreeMap<(Figure, Party), Vec<f64>>,
    /// Resident memory of the hub after all tasks on one node, in KiB.
    pub(crate) hub_memory: Option<f64>,
}

impl Party {
    /// All of them, in the order of the table and of each round.
    pub(crate) const ALL: [Self; 4] = [Self::Spawn, Self::Nats, Self::Ssh, Self::Cortex];

    /// The word of the command line and of the table.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Nats => "nats",
            Self::Ssh => "ssh",
            Self::Cortex => "cortex",
        }
    }
}

impl Figure {
    const ALL: [Self; 9] = [
        Self::Single,
        Self::SingleTail,
        Self::NewProcess,
        Self::InFlight,
        Self::Fleet,
        Self::Nothing,
        Self::NothingInFlight,
        Self::NothingRest,
        Self::NothingRestInFlight,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Single => "echo hi, one at a time: p50, ms",
            Self::SingleTail => "    p99, ms",
            Self::NewProcess => "    a new client process a task: p50, ms",
            Self::InFlight => "echo hi, 64 in flight on one node: /s",
            Self::Fleet => "echo hi, 100 nodes at once: ms",
            Self::Nothing => "nothing, one at a time: p50, ms",
            Self::NothingInFlight => "nothing, 64 in flight: /s",
            Self::NothingRest => "nothing through REST, one at a time: p50, ms",
            Self::NothingRestInFlight => "nothing through REST, 64 in flight: /s",
        }
    }

    fn is_rate(self) -> bool {
        matches!(self, Self::InFlight | Self::NothingInFlight | Self::NothingRestInFlight)
    }

    fn show(self, value: f64) -> String {
        if self.is_rate() || value >= 100.0 {
            return format!("{value:.0}");
        }
        format!("{value:.2}")
    }

    fn targets(self) -> impl Iterator<Item = Target> {
        use Party::Nats;
        use Party::Ssh;
        let all = [
            (Self::Single, 0.35, Some((Self::Single, Ssh))),
            (Self::Single, 1.5, Some((Self::Single, Nats))),
            (Self::NewProcess, 0.75, Some((Self::Single, Ssh))),
            (Self::InFlight, 0.75, Some((Self::InFlight, Nats))),
            (Self::Fleet, 1.25, Some((Self::Fleet, Nats))),
            (Self::Fleet, 0.25, Some((Self::Fleet, Ssh))),
            (Self::Nothing, 0.6, None),
            (Self::NothingInFlight, 8_000.0, None),
        ];
        let all = all.into_iter().filter(move |(figure, ..)| *figure == self);
        all.map(|(figure, factor, of)| Target { figure, factor, of })
    }
}

impl Target {
    fn text(&self) -> String {
        let sign = if self.figure.is_rate() { '≥' } else { '≤' };
        match self.of {
            Some((_, party)) => format!("{sign} {} × {}", self.factor, party.word()),
            None => format!("{sign} {}", self.factor),
        }
    }

    /// What was reached, in the target's terms, and whether that is enough.
    fn judge(&self, figures: &Figures) -> Option<(f64, bool)> {
        let own = figures.median(self.figure, Party::Cortex)?;
        let reached = match self.of {
            Some((figure, party)) => own / figures.median(figure, party)?,
            None => own,
        };
        let is_rate = self.figure.is_rate();
        Some((reached, if is_rate { reached >= self.factor } else { reached <= self.factor }))
    }
}

impl Figures {
    /// Adds what a round measured.
    pub(crate) fn add(&mut self, figure: Figure, party: Party, value: f64) {
        self.rounds.entry((figure, party)).or_default().push(value);
    }

    /// Whether every target was reached of which all that it needs was measured.
    pub(crate) fn are_good(&self) -> bool {
        let mut targets = Figure::ALL.into_iter().flat_map(Figure::targets);
        targets.all(|target| target.judge(self).is_none_or(|(_, is_met)| is_met))
    }

    fn median(&self, figure: Figure, party: Party) -> Option<f64> {
        median(self.rounds.get(&(figure, party))?)
    }

    fn line(&self, figure: Figure) -> Option<String> {
        let mut is_empty = true;
        let mut line = format!("{:<46}", figure.label());
        for party in Party::ALL {
            let value = self.median(figure, party);
            is_empty &= value.is_none();
            let shown = value.map_or_else(String::new, |value| figure.show(value));
            line.push_str(&format!("{shown:>9}"));
        }
        (!is_empty).then_some(line)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<46}", "medians of the rounds")?;
        for party in Party::ALL {
            write!(f, "{:>9}", party.word())?;
        }
        writeln!(f, "   {:<14}{:>8}  met", "target", "reached")?;
        for figure in Figure::ALL {
            let Some(mut line) = self.line(figure) else { continue };
            let mut is_first = true;
            for target in figure.targets() {
                let Some((reached, is_met)) = target.judge(self) else { continue };
                if !is_first {
                    writeln!(f)?;
                    line = " ".repeat(46 + 9 * Party::ALL.len());
                }
                let reached = match target.of {
                    Some(_) => format!("{reached:.2}"),
                    None => figure.show(reached),
                };
                let verdict = if is_met { "yes" } else { "NO" };
                write!(f, "{line}   {:<14}{reached:>8}  {verdict}", target.text())?;
                is_first = false;
            }
            writeln!(f, "{}", if is_first { line.as_str() } else { "" })?;
        }
        if let Some(memory) = self.hub_memory {
            writeln!(
                f,
                "memory of the hub after all tasks on one node: {:.0} MiB",
                memory / 1024.0
            )?;
        }
        Ok(())
    }
}
