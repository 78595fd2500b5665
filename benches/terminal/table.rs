//! What was measured, as a table: medians of the rounds, with targets and whether they were met.

use std::collections::BTreeMap;
use std::fmt;

use crate::sample::median;

/// Who was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// OpenSSH.
    Ssh,
    /// Cortex.
    Cortex,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    /// A key every 20 ms over the API; ssh with pipes.
    Api,
    /// The same: the slow ones.
    ApiTail,
    /// Keys as fast as their echoes come.
    ApiFast,
    /// The same: the slow ones.
    ApiFastTail,
    /// A key every 20 ms with `cortex-cli shell` in a terminal; ssh in one.
    Cli,
    /// The same: the slow ones.
    CliTail,
    /// Keys as fast as their echoes come.
    CliFast,
    /// The same: the slow ones.
    CliFastTail,
    /// Output, in MB/s.
    Output,
}

/// What a target says of a row.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// At most so many times what ssh takes.
    Most(f64),
    /// At least so many times what ssh does.
    Least(f64),
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rounds: BTreeMap<(Row, Party), Vec<f64>>,
}

impl Row {
    /// Over the hub's API: a person's pace and its tail, as fast as it goes and its tail.
    pub(crate) const API: [Self; 4] = [Self::Api, Self::ApiTail, Self::ApiFast, Self::ApiFastTail];
    /// The same with the programs in a terminal.
    pub(crate) const CLI: [Self; 4] = [Self::Cli, Self::CliTail, Self::CliFast, Self::CliFastTail];

    const ALL: [Self; 9] = [
        Self::Api,
        Self::ApiTail,
        Self::ApiFast,
        Self::ApiFastTail,
        Self::Cli,
        Self::CliTail,
        Self::CliFast,
        Self::CliFastTail,
        Self::Output,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Api => "key to echo, API and ssh by pipes: p50, ms",
            Self::Cli => "key to echo, both in a terminal: p50, ms",
            Self::ApiFast | Self::CliFast => "    as fast as echoes come: p50, ms",
            Self::ApiTail | Self::ApiFastTail | Self::CliTail | Self::CliFastTail => {
                "        p99, ms"
            }
            Self::Output => "output of a terminal: MB/s",
        }
    }

    fn target(self) -> Option<Target> {
        match self {
            // At a person's pace; how it is without one is of interest, and no target.
            Self::Api | Self::Cli => Some(Target::Most(1.2)),
            Self::Output => Some(Target::Least(3.0)),
            _ => None,
        }
    }
}

impl Target {
    fn is_met(self, reached: f64) -> bool {
        match self {
            Self::Most(factor) => reached <= factor,
            Self::Least(factor) => reached >= factor,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Most(factor) => write!(f, "≤ {factor} × ssh"),
            Self::Least(factor) => write!(f, "≥ {factor} × ssh"),
        }
    }
}

impl Table {
    /// Adds what a round measured.
    pub(crate) fn add(&mut self, row: Row, party: Party, value: f64) {
        self.rounds.entry((row, party)).or_default().push(value);
    }

    /// Whether every target was reached of which all that it needs was measured.
    pub(crate) fn is_good(&self) -> bool {
        let mut judged = Row::ALL.into_iter().filter_map(|row| self.judge(row));
        judged.all(|(_, _, is_met)| is_met)
    }

    fn of(&self, row: Row, party: Party) -> Option<f64> {
        median(self.rounds.get(&(row, party))?)
    }

    fn judge(&self, row: Row) -> Option<(Target, f64, bool)> {
        let target = row.target()?;
        let reached = self.of(row, Party::Cortex)? / self.of(row, Party::Ssh)?;
        Some((target, reached, target.is_met(reached)))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ssh, cortex) = ("ssh", "cortex");
        writeln!(
            f,
            "{:<46}{ssh:>9}{cortex:>9}   {:<14}{:>8}  met",
            "medians of the rounds", "target", "reached"
        )?;
        for row in Row::ALL {
            let (Some(ssh), Some(cortex)) = (self.of(row, Party::Ssh), self.of(row, Party::Cortex))
            else {
                continue;
            };
            write!(f, "{:<46}{ssh:>9.2}{cortex:>9.2}", row.label())?;
            match self.judge(row) {
                Some((target, reached, is_met)) => {
                    let verdict = if is_met { "yes" } else { "NO" };
                    writeln!(f, "   {:<14}{reached:>8.2}  {verdict}", target.to_string())?;
                }
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
