//! The routes behind the door.

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::body::Incoming;
use tower::Service;

use super::{Caller, Handler};

/// Answers by a router. Requests carry their [`Caller`] as an extension.
pub(crate) struct Routed(pub(crate) Router);

impl Handler for Routed {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, from: &Caller) -> Response<Body> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(from.clone());
        match self.0.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
