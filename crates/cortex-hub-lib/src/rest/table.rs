//! All routes, each with its rule: the one place where both are written.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use cortex_core::account::Scope;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use super::Api;
use super::dispatch;
use super::docs;
use super::enrolment;
use super::events;
use super::grants;
use super::guard::Rule;
use super::guard::enforce;
use super::info;
use super::invites;
use super::login;
use super::logins;
use super::nodes;
use super::output;
use super::sessions;
use super::tasks;
use super::tokens;
use super::trust;
use super::users;

/// One route: what it does, and who may use it.
pub(super) struct Route {
    /// Who may use it.
    pub(super) rule: Rule,
    /// The handler with its description.
    pub(super) routes: UtoipaMethodRouter<Arc<Api>>,
}

/// All routes.
pub(super) fn table() -> Vec<Route> {
    let row = |rule, routes| Route { rule, routes };
    let read = Rule::Scope(Scope::Read);
    let exec = Rule::Scope(Scope::Exec);
    let manage = Rule::Scope(Scope::Manage);
    vec![
        row(Rule::Public, routes!(info::health)),
        row(Rule::Public, routes!(info::readiness)),
        row(read, routes!(info::metrics)),
        row(Rule::Public, routes!(info::info)),
        row(Rule::Public, routes!(docs::openapi)),
        row(Rule::Public, routes!(docs::docs)),
        row(Rule::Public, routes!(docs::page)),
        row(Rule::Public, routes!(docs::part)),
        row(Rule::Public, routes!(login::log_in)),
        row(Rule::Public, routes!(login::refresh)),
        row(Rule::Public, routes!(login::log_out)),
        row(Rule::User, routes!(login::who_am_i)),
        row(read, routes!(logins::list)),
        row(manage, routes!(logins::end)),
        row(manage, routes!(logins::end_all)),
        row(manage, routes!(invites::create)),
        row(read, routes!(invites::list)),
        row(read, routes!(invites::get)),
        row(manage, routes!(invites::withdraw)),
        row(Rule::Public, routes!(enrolment::challenge)),
        row(Rule::Public, routes!(enrolment::finish)),
        row(read, routes!(nodes::list)),
        row(read, routes!(nodes::get)),
        row(read, routes!(nodes::status)),
        row(manage, routes!(nodes::change)),
        row(manage, routes!(nodes::remove)),
        row(read, routes!(grants::list)),
        row(manage, routes!(grants::share)),
        row(manage, routes!(grants::unshare)),
        row(manage, routes!(sessions::create)),
        row(read, routes!(sessions::list)),
        row(read, routes!(sessions::get)),
        row(manage, routes!(sessions::close)),
        row(manage, routes!(sessions::attach)),
        row(manage, routes!(sessions::detach)),
        row(read, routes!(sessions::events)),
        row(exec, routes!(dispatch::dispatch)),
        row(read, routes!(tasks::list)),
        row(read, routes!(tasks::get)),
        row(read, routes!(output::read)),
        row(exec, routes!(tasks::cancel)),
        row(read, routes!(events::follow)),
        row(read, routes!(tokens::list)),
        row(manage, routes!(tokens::create)),
        row(manage, routes!(tokens::revoke)),
        row(Rule::Admin, routes!(users::list)),
        row(Rule::Admin, routes!(users::create)),
        row(manage, routes!(users::change)),
        row(Rule::Admin, routes!(trust::get)),
        row(Rule::Admin, routes!(trust::turn)),
    ]
}

/// The table as a router; each rule is applied before its handler.
pub(super) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    let mut router = Router::new();
    for Route { rule, routes } in table() {
        let (_, paths, methods) = routes;
        let methods = match rule {
            Rule::Public => methods,
            rule => methods.route_layer(from_fn_with_state((Arc::clone(api), rule), enforce)),
        };
        for path in paths.paths.keys() {
            router = router.route(path, methods.clone());
        }
    }
    router
}
