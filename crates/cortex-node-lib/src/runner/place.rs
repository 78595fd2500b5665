//! A place to run in: there are as many as tasks may run at once.

use std::fmt;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use futures::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// A place, held or waited for in the order of arrival.
pub(super) enum Place {
    /// It was free and is taken.
    Held(OwnedSemaphorePermit),
    /// Others were there before; resolves when it is this one's turn.
    Queued(BoxFuture<'static, Option<OwnedSemaphorePermit>>),
}

impl Place {
    /// Takes a place, or stands in the queue for one from now on.
    pub(super) fn reserve(places: &Arc<Semaphore>) -> Self {
        if let Ok(held) = Arc::clone(places).try_acquire_owned() {
            return Place::Held(held);
        }
        let places = Arc::clone(places);
        let mut queued: BoxFuture<'static, _> =
            Box::pin(async move { places.acquire_owned().await.ok() });
        // A future stands in the queue from its first poll: that must not be left to chance.
        match queued.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(held)) => Place::Held(held),
            Poll::Ready(None) => Place::Queued(Box::pin(std::future::ready(None))),
            Poll::Pending => Place::Queued(queued),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Held(_) => "Held",
            Place::Queued(_) => "Queued",
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn places_are_given_in_the_order_of_arrival() {
        let places = Arc::new(Semaphore::new(1));
        let Place::Held(first) = Place::reserve(&places) else { panic!("it is free") };
        let (second, third) = (Place::reserve(&places), Place::reserve(&places));
        let (Place::Queued(mut second), Place::Queued(mut third)) = (second, third) else {
            panic!("it is taken")
        };
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "the third is asked first, and waits");
        let given = (&mut second).now_or_never().flatten().expect("it is the second's turn");
        drop(given);
        assert!(third.now_or_never().flatten().is_some());
    }

    #[test]
    fn who_leaves_the_queue_lets_the_next_one_in() {
        let places = Arc::new(Semaphore::new(1));
        let held = Place::reserve(&places);
        let second = Place::reserve(&places);
        let Place::Queued(third) = Place::reserve(&places) else { panic!("it is taken") };
        drop(second);
        drop(held);
        assert!(third.now_or_never().flatten().is_some());
    }
}
