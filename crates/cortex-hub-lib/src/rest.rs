//! The HTTP side: the JSON API, its description, and the web pages.
//!
//! Handlers authenticate, translate and stream; what may be done is decided in `Hub`. Every route
//! stands with its rule in `table`, every error leaves through `edge` as a problem document.

mod audit;
mod convert;
mod delivery;
mod dispatch;
mod docs;
mod edge;
mod enrolment;
mod entry;
mod events;
mod extract;
mod failure;
mod files;
mod frames;
mod grants;
mod guard;
mod info;
mod input;
mod invites;
mod login;
mod logins;
mod mesh;
mod nodes;
mod openapi;
mod origin;
mod output;
mod placement;
mod ring;
mod sessions;
mod signal;
mod skills;
mod sse;
mod table;
mod tasks;
mod terminal;
#[cfg(test)]
mod tests;
mod tokens;
mod trust;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use tower_http::catch_panic::CatchPanicLayer;

use crate::hub::Hub;
use crate::web;
use crate::web::Cookies;

use self::frames::Frames;
use self::origin::Origins;
use self::ring::Ring;

/// What all handlers share.
#[derive(Debug)]
struct Api {
    hub: Hub,
    ring: Arc<Ring>,
    frames: Arc<Frames>,
    origins: Origins,
    cookies: Cookies,
    /// The API's description, written once.
    openapi: Bytes,
}

/// The whole HTTP side of a hub: API, health, metrics and web pages.
///
/// It can be served as it is, or nested below a path prefix of a service of your own:
///
/// ```no_run
/// # fn nest(my_routes: axum::Router, hub: &cortex_hub_lib::Hub) -> axum::Router {
/// my_routes.nest_service("/cortex", cortex_hub_lib::router(hub))
/// # }
/// ```
///
/// Use `nest_service` rather than `nest`, which answers 404 to `/cortex/`. Set the hub's
/// `public_url` to what browsers dial, prefix included: its host is one of those that are answered.
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, else attempts to sign in
/// are not counted by address. Streams end when the hub shuts down.
pub fn router(hub: &Hub) -> Router {
    let config = hub.config();
    let cookies = Cookies::of(hub.id(), &config.public_url);
    let openapi = serde_json::to_vec(&openapi::document()).unwrap_or_default();
    let api = Arc::new(Api {
        hub: hub.clone(),
        ring: Ring::new(),
        frames: Arc::default(),
        origins: Origins::of(config),
        cookies: cookies.clone(),
        openapi: openapi.into(),
    });
    table::routes(&api)
        .with_state(Arc::clone(&api))
        .merge(web::router(hub, cookies))
        .fallback(edge::unknown_path)
        .method_not_allowed_fallback(edge::unknown_method)
        .layer(DefaultBodyLimit::max(extract::MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn_with_state(api, edge::pass))
}
