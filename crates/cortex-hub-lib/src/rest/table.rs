//! All routes, each with its rule and with what it does: the one place where all are written.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use super::Api;
use super::audit;
use super::dispatch;
use super::docs;
use super::enrolment;
use super::events;
use super::files;
use super::grants;
use super::guard::Rule;
use super::guard::enforce;
use super::guard::notice;
use super::info;
use super::input;
use super::invites;
use super::login;
use super::logins;
use super::mesh;
use super::nodes;
use super::output;
use super::placement;
use super::sessions;
use super::signal;
use super::skills;
use super::tasks;
use super::terminal;
use super::tokens;
use super::trust;
use super::users;

/// One route: what it does, and who may use it.
pub(super) struct Route {
    /// Who may use it.
    pub(super) rule: Rule,
    /// What it is recorded as; nothing where it only reads.
    pub(super) deeds: &'static [Action],
    /// The handler with its description.
    pub(super) routes: UtoipaMethodRouter<Arc<Api>>,
}

/// All routes.
pub(super) fn table() -> Vec<Route> {
    // A route that reads, and one that does something.
    let row = |rule, routes| Route { rule, deeds: &[], routes };
    let deed = |rule, deeds, routes| Route { rule, deeds, routes };
    let read = Rule::Scope(Scope::Read);
    let exec = Rule::Scope(Scope::Exec);
    let manage = Rule::Scope(Scope::Manage);
    vec![
        row(Rule::Public, routes!(info::health)),
        row(Rule::Public, routes!(info::readiness)),
        row(read, routes!(info::metrics)),
        row(Rule::Public, routes!(info::info)),
        row(read, routes!(mesh::get)),
        row(Rule::Public, routes!(docs::openapi)),
        row(Rule::Public, routes!(docs::docs)),
        row(Rule::Public, routes!(docs::page)),
        row(Rule::Public, routes!(docs::part)),
        deed(Rule::Public, &[Action::LoginBegin], routes!(login::log_in)),
        deed(Rule::Public, &[Action::LoginRefresh], routes!(login::refresh)),
        deed(Rule::Public, &[Action::LoginEnd], routes!(login::log_out)),
        row(Rule::User, routes!(login::who_am_i)),
        row(read, routes!(logins::list)),
        deed(manage, &[Action::LoginEnd], routes!(logins::end)),
        deed(manage, &[Action::LoginEnd], routes!(logins::end_all)),
        deed(manage, &[Action::InviteCreate], routes!(invites::create)),
        row(read, routes!(invites::list)),
        row(read, routes!(invites::get)),
        deed(manage, &[Action::InviteWithdraw], routes!(invites::withdraw)),
        row(Rule::Public, routes!(enrolment::challenge)),
        deed(Rule::Public, &[Action::NodeEnrol], routes!(enrolment::finish)),
        row(read, routes!(nodes::list)),
        row(read, routes!(nodes::get)),
        row(read, routes!(nodes::status)),
        deed(
            manage,
            &[
                Action::NodeRename,
                Action::NodeLabel,
                Action::NodeCordon,
                Action::NodeUncordon,
                Action::NodeLock,
                Action::NodeUnlock,
            ],
            routes!(nodes::change),
        ),
        deed(manage, &[Action::NodeDrain], routes!(nodes::drain)),
        deed(manage, &[Action::NodeRemove], routes!(nodes::remove)),
        row(read, routes!(grants::list)),
        deed(manage, &[Action::NodeShare], routes!(grants::share)),
        deed(manage, &[Action::NodeUnshare], routes!(grants::unshare)),
        deed(manage, &[Action::SessionCreate], routes!(sessions::create)),
        row(read, routes!(sessions::list)),
        row(read, routes!(sessions::get)),
        deed(manage, &[Action::SessionClose], routes!(sessions::close)),
        deed(manage, &[Action::SessionAttach], routes!(sessions::attach)),
        deed(manage, &[Action::SessionDetach], routes!(sessions::detach)),
        row(read, routes!(sessions::events)),
        deed(exec, &[Action::TaskSubmit], routes!(dispatch::dispatch)),
        row(read, routes!(placement::explain)),
        row(read, routes!(skills::list)),
        row(read, routes!(skills::get)),
        row(read, routes!(tasks::list)),
        row(read, routes!(tasks::get)),
        row(read, routes!(placement::explain_task)),
        row(read, routes!(output::read)),
        row(read, routes!(files::list)),
        row(read, routes!(files::read)),
        deed(exec, &[Action::TaskCancel], routes!(tasks::cancel)),
        deed(exec, &[Action::TaskInput], routes!(input::put)),
        deed(exec, &[Action::TaskSignal], routes!(signal::send)),
        row(read, routes!(terminal::screen)),
        // Who types needs `exec`: the method of `Hub` that gives out keyboards asks for it.
        row(read, routes!(terminal::join)),
        row(read, routes!(events::follow)),
        row(read, routes!(audit::list)),
        row(Rule::Admin, routes!(audit::export)),
        row(read, routes!(audit::receipts)),
        row(read, routes!(tokens::list)),
        deed(manage, &[Action::TokenCreate], routes!(tokens::create)),
        deed(manage, &[Action::TokenRevoke], routes!(tokens::revoke)),
        row(Rule::Admin, routes!(users::list)),
        deed(Rule::Admin, &[Action::UserCreate], routes!(users::create)),
        deed(manage, &[Action::UserChange], routes!(users::change)),
        row(Rule::Admin, routes!(trust::get)),
        deed(
            Rule::Admin,
            &[
                Action::TrustPrepare,
                Action::TrustActivate,
                Action::TrustTaint,
                Action::TrustRevoke,
                Action::TrustRollback,
            ],
            routes!(trust::turn),
        ),
    ]
}

/// The table as a router; each rule is applied before its handler.
pub(super) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    let mut router = Router::new();
    for Route { rule, deeds, routes } in table() {
        let (_, paths, methods) = routes;
        let methods = match rule {
            Rule::Public if deeds.is_empty() => methods,
            Rule::Public => methods.route_layer(from_fn_with_state(Arc::clone(api), notice)),
            rule => methods.route_layer(from_fn_with_state((Arc::clone(api), rule), enforce)),
        };
        for path in paths.paths.keys() {
            router = router.route(path, methods.clone());
        }
    }
    router
}
