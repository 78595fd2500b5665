//! The judgement: everything that cannot be true of a history.

use std::collections::BTreeMap;

use cortex_core::id::TaskId;
use cortex_core::task::State;

use super::Finding;
use super::History;
use super::Start;
use super::output;
use super::replay::Life;
use super::replay::Replay;

/// Finds all that is wrong; nothing where all books agree.
pub(crate) fn check(history: &History) -> Vec<Finding> {
    let mut replay = Replay::default();
    for (session, log) in &history.logs {
        replay.tell(*session, log);
    }
    let mut findings = std::mem::take(&mut replay.findings);
    findings.extend(lives(history, &replay));
    findings.extend(told(history));
    findings.extend(starts(history, &replay));
    for (id, life) in &replay.tasks {
        findings.extend(output::check(history, *id, life));
    }
    findings.extend(history.alive.iter().map(|(task, pid)| Finding::Alive(*task, *pid)));
    findings
}

/// Rows and logs say the same, and every task has one end.
fn lives(history: &History, replay: &Replay) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, row) in &history.tasks {
        match replay.tasks.get(id) {
            None => findings.push(Finding::NotLogged(*id)),
            Some(life) if life.task != **row => findings.push(Finding::RowDiffers(*id)),
            Some(_) => {}
        }
    }
    for (id, life) in &replay.tasks {
        if !history.tasks.contains_key(id) {
            findings.push(Finding::NotStored(*id));
        }
        if life.ends != 1 {
            findings.push(Finding::Ends(*id, life.ends));
        }
    }
    findings
}

/// What was acknowledged is stored, and an end that was told stays.
fn told(history: &History) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, told) in &history.told {
        let Some(task) = history.tasks.get(id) else {
            findings.push(Finding::NotStored(*id));
            continue;
        };
        let stored = task.state;
        let others = told.ends.iter().filter(|end| **end != stored);
        findings.extend(others.map(|end| Finding::ToldOtherwise { task: *id, told: *end, stored }));
    }
    findings
}

/// What the programs wrote down of their own starts.
fn starts(history: &History, replay: &Replay) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut counted = BTreeMap::<Start, usize>::new();
    for start in &history.starts {
        *counted.entry(*start).or_default() += 1;
    }
    let mut last: Option<Start> = None;
    for (start, times) in &counted {
        let Start { task, attempt } = *start;
        if *times > 1 {
            findings.push(Finding::StartedAgain { task, attempt, times: *times });
        }
        let life = replay.tasks.get(&task);
        let may_follow =
            |before: &Start| life.is_some_and(|life| life.retried.contains(&before.attempt));
        if let Some(before) = last.filter(|before| before.task == task && !may_follow(before)) {
            findings.push(Finding::RanTwice(task, before.attempt, attempt));
        }
        last = Some(*start);
        findings.extend(misgiven(task, attempt, life));
    }
    for (id, life) in &replay.tasks {
        // Only what came out of the program proves that it ran: it may have been cancelled before.
        let has_run = matches!(life.task.state, State::Succeeded | State::Failed);
        let start = Start { task: *id, attempt: life.task.attempt };
        if has_run && history.told.contains_key(id) && !counted.contains_key(&start) {
            findings.push(Finding::NeverBegan(*id, life.task.state));
        }
        if life.task.state == State::Rejected && counted.contains_key(&start) {
            findings.push(Finding::RefusedYetBegan(*id));
        }
    }
    findings
}

fn misgiven(task: TaskId, attempt: u32, life: Option<&Life>) -> Option<Finding> {
    let is_given = life.is_some_and(|life| life.given.contains(&attempt));
    let is_back = life.is_some_and(|life| life.returned.contains(&attempt));
    match (is_given, is_back) {
        (false, _) => Some(Finding::NotGiven(task, attempt)),
        (true, true) => Some(Finding::TakenBack(task, attempt)),
        (true, false) => None,
    }
}
