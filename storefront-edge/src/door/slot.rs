//! A place for the future that answers the request of a connection: made once, used for one request after the other.
//!
//! hyper gives a connection back unfinished only when the service's futures can be moved; those of `async` cannot, and a box for each
//! request would cost an allocation.

use std::{
    cell::RefCell,
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper::{body::Incoming, service::Service};

type Slot<F> = Rc<RefCell<Pin<Box<Option<F>>>>>;

/// Answers by `answer`, one request at a time.
pub(super) struct OneByOne<A, F> {
    answer: A,
    slot: Slot<F>,
}

impl<A, F> OneByOne<A, F> {
    pub(super) fn new(answer: A) -> Self {
        Self { answer, slot: Rc::new(RefCell::new(Box::pin(None))) }
    }
}

impl<A, F, B> Service<Request<Incoming>> for OneByOne<A, F>
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = InSlot<F>;

    fn call(&self, request: Request<Incoming>) -> InSlot<F> {
        let future = (self.answer)(request);
        self.slot.borrow_mut().as_mut().set(Some(future));
        InSlot(self.slot.clone())
    }
}

/// The future in the slot. Dropped, it drops that.
pub(super) struct InSlot<F>(Slot<F>);

impl<F: Future<Output = Response<B>>, B> Future for InSlot<F> {
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.borrow_mut();
        // hyper polls a future only until it is ready, and calls for the next one after that.
        let Some(future) = slot.as_mut().as_pin_mut() else { return Poll::Pending };
        future.poll(cx).map(Ok)
    }
}

impl<F> Drop for InSlot<F> {
    fn drop(&mut self) {
        self.0.borrow_mut().as_mut().set(None);
    }
}
