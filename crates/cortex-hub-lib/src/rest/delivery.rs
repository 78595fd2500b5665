//! How soon a task is wanted: read from a request, and shown with what a queued task waits for.

use cortex_core::task::Delivery;
use cortex_core::timestamp::Timestamp;
use cortex_proto::json::DeliveryInfo;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::WaitInfo;

use super::failure::Answer;
use super::failure::Failure;
use crate::hub::Waiting;

/// Reads it; the core checks it further when the task is submitted.
pub(super) fn delivery_of(body: &DispatchRequest) -> Answer<Delivery> {
    let ordinary = Delivery::default();
    Ok(Delivery {
        priority: body.priority.unwrap_or(ordinary.priority),
        deadline: body.deadline.as_deref().map(read_time).transpose()?,
        attempts: body.attempts.unwrap_or(ordinary.attempts),
    })
}

fn read_time(text: &str) -> Answer<Timestamp> {
    text.parse().map_err(|_| {
        let message = format!("deadline: \"{text}\" is no time like 2026-11-22T18:00:00Z");
        Failure::invalid("deadline", message)
    })
}

/// Shows it as far as it is not ordinary.
pub(super) fn delivery_info(delivery: &Delivery) -> DeliveryInfo {
    let ordinary = Delivery::default();
    DeliveryInfo {
        priority: (delivery.priority != ordinary.priority).then_some(delivery.priority),
        deadline: delivery.deadline.map(|deadline| deadline.to_string()),
        attempts: (delivery.attempts != ordinary.attempts).then_some(delivery.attempts),
    }
}

/// What a queued task waits for.
pub(super) fn wait_info(waiting: Waiting) -> WaitInfo {
    let ahead = u64::try_from(waiting.ahead).unwrap_or(u64::MAX);
    WaitInfo { ahead, code: waiting.code.to_owned(), message: waiting.message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_shown_again() {
        let asked = DispatchRequest {
            priority: Some(200),
            deadline: Some("2026-11-22T18:00:00Z".into()),
            attempts: Some(2),
            ..DispatchRequest::default()
        };
        let info = delivery_info(&delivery_of(&asked).unwrap());
        assert_eq!((info.priority, info.attempts), (asked.priority, asked.attempts));
        assert!(info.deadline.unwrap().starts_with("2026-11-22T18:00:00"));
        let nothing = delivery_of(&DispatchRequest::default()).unwrap();
        assert_eq!(delivery_info(&nothing), DeliveryInfo::default());
    }

    #[test]
    fn a_deadline_that_is_no_time_is_refused() {
        let asked = DispatchRequest { deadline: Some("soon".into()), ..Default::default() };
        assert_eq!(delivery_of(&asked).unwrap_err().problem("").code, "deadline");
    }
}
