//! Offers and claims of the work pool.

use cortex_core::id::TaskId;

use super::ConvertError;
use super::parse_id;
use crate::limits::MAX_CLAIMS;
use crate::v1;

/// What changes in what a node is offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offers {
    /// The tasks that are offered from now on, in the order in which they should be tried.
    pub offered: Vec<TaskId>,
    /// The tasks that are not offered any more.
    pub withdrawn: Vec<TaskId>,
}

impl From<Offers> for v1::WorkPoolUpdate {
    fn from(offers: Offers) -> Self {
        Self { task_ids: texts(&offers.offered), withdrawn_ids: texts(&offers.withdrawn) }
    }
}

impl TryFrom<v1::WorkPoolUpdate> for Offers {
    type Error = ConvertError;

    fn try_from(wire: v1::WorkPoolUpdate) -> Result<Self, ConvertError> {
        Ok(Self {
            offered: parse(&wire.task_ids, "task_ids")?,
            withdrawn: parse(&wire.withdrawn_ids, "withdrawn_ids")?,
        })
    }
}

/// Reads the tasks that a node claims.
///
/// # Errors
/// [`ConvertError`]: no id of a task, or too many of them.
pub fn parse_claims(claim: &v1::TaskClaimRequest) -> Result<Vec<TaskId>, ConvertError> {
    if claim.task_ids.len() > MAX_CLAIMS {
        let reason = format!("{} tasks, at most {MAX_CLAIMS}", claim.task_ids.len());
        return Err(ConvertError::Bad { field: "task_ids", reason });
    }
    parse(&claim.task_ids, "task_ids")
}

fn texts(tasks: &[TaskId]) -> Vec<String> {
    tasks.iter().map(ToString::to_string).collect()
}

fn parse(texts: &[String], field: &'static str) -> Result<Vec<TaskId>, ConvertError> {
    texts.iter().map(|text| parse_id(field, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_survive_the_way_in_their_order() {
        let task = |id| TaskId::from_bytes([id; 16]);
        let offers = Offers { offered: vec![task(2), task(1)], withdrawn: vec![task(3)] };
        let wire = v1::WorkPoolUpdate::from(offers.clone());
        assert_eq!(Offers::try_from(wire), Ok(offers));
    }

    #[test]
    fn claims_are_bounded_and_name_tasks() {
        let id = TaskId::from_bytes([1; 16]).to_string();
        let claim = |task_ids| v1::TaskClaimRequest { node_id: String::new(), task_ids };
        assert_eq!(parse_claims(&claim(vec![id.clone(); MAX_CLAIMS])).unwrap().len(), MAX_CLAIMS);
        assert!(parse_claims(&claim(vec![id; MAX_CLAIMS + 1])).is_err());
        assert!(parse_claims(&claim(vec!["nod_1".into()])).is_err());
    }
}
