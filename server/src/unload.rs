//! What has begun is finished, even if the page goes away.
//!
//! A browser that unloads a page drops its connections, and with a connection the server drops the
//! work for it. The last answer of an exercise often arrives in just that moment.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tracing::Instrument;

/// Runs `work`; whoever stops waiting for it does not stop it.
pub(crate) fn to_the_end<F>(work: F) -> impl Future<Output = F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    ToTheEnd(Some(Box::pin(work)))
}

/// Costs nothing while somebody waits: only what is left at the drop becomes a task.
struct ToTheEnd<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F> Future for ToTheEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let outcome = work.as_mut().poll(context);
        if outcome.is_ready() {
            self.0 = None;
        }
        outcome
    }
}

impl<F> Drop for ToTheEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work.in_current_span());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn finishes_without_a_listener() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let mut work = Box::pin(to_the_end(async move {
            gone.await.unwrap();
            done.send(7).unwrap();
        }));
        // Polled once, as by a handler whose connection then breaks.
        let waiting = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context)));
        assert!(waiting.await.is_pending());
        drop(work);
        go.send(()).unwrap();
        assert_eq!(finished.await, Ok(7));
    }

    #[tokio::test]
    async fn is_what_it_wraps() {
        assert_eq!(to_the_end(async { 5 }).await, 5);
    }
}
