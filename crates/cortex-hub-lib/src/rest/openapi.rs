//! The API's description: what the handlers say of themselves, and what holds for all of them.

use cortex_proto::json::Problem;
use utoipa::PartialSchema as _;
use utoipa::ToSchema as _;
use utoipa::openapi::Components;
use utoipa::openapi::ContentBuilder;
use utoipa::openapi::Info;
use utoipa::openapi::License;
use utoipa::openapi::OpenApi;
use utoipa::openapi::OpenApiBuilder;
use utoipa::openapi::Paths;
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::Response;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::Server;
use utoipa::openapi::path::Operation;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::HttpBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::security::SecurityScheme;

use super::failure::PROBLEM_JSON;
use super::guard::Rule;
use super::table::table;

const BEARER: &str = "bearer";

const ABOUT: &str = "Runs tasks on the nodes that are attached to a session. Times are RFC 3339 in \
    UTC, spans are milliseconds (`_ms`), ids are prefixed texts. Requests refuse unknown keys, \
    answers may gain keys. What is not yours answers 404.";

/// The whole description.
///
/// # Panics
/// If two different shapes have one name: one of them would silently be lost.
pub(super) fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = Components::new();
    add_schema(&mut components, Problem::name().into_owned(), Problem::schema());
    for route in table() {
        let (schemas, found, _) = route.routes;
        for (name, schema) in schemas {
            add_schema(&mut components, name, schema);
        }
        for (path, mut item) in found.paths {
            for operation in operations(&mut item) {
                describe(operation, route.rule);
            }
            match paths.paths.get_mut(&path) {
                Some(known) => known.merge_operations(item),
                None => {
                    paths.paths.insert(path, item);
                }
            }
        }
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API token, or the access token of a login"))
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let mut info = Info::new("Cortex hub", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    info.license = Some(License::new("MIT OR Apache-2.0"));
    OpenApiBuilder::new()
        .info(info)
        // Relative to api/openapi.json, so that it is right below any path prefix.
        .servers(Some([Server::new("..")]))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// All operations of a path.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch]
        .into_iter()
        .flatten()
}

fn add_schema(components: &mut Components, name: String, schema: RefOr<Schema>) {
    let known = components.schemas.get(&name);
    assert!(known.is_none_or(|known| *known == schema), "two shapes are called {name}");
    components.schemas.insert(name, schema);
}

/// Adds what follows from the rule, and the form of errors.
fn describe(operation: &mut Operation, rule: Rule) {
    let responses = &mut operation.responses.responses;
    responses.insert("default".to_owned(), RefOr::T(problem("The request was refused, or failed")));
    if rule == Rule::Public {
        // An empty list means: no credential, whatever holds elsewhere.
        operation.security = Some(Vec::new());
        return;
    }
    responses.insert("401".to_owned(), RefOr::T(problem("No credential, or one that is not good")));
    let words = match rule {
        Rule::Scope(scope) => format!("The credential lacks the scope `{}`", scope.word()),
        Rule::Admin => "The caller is no admin, or the credential lacks `manage`".to_owned(),
        Rule::Public | Rule::User => "The caller may not do this".to_owned(),
    };
    responses.insert("403".to_owned(), RefOr::T(problem(&words)));
    let none: [&str; 0] = [];
    operation.security = Some(vec![SecurityRequirement::new(BEARER, none)]);
}

fn problem(description: &str) -> Response {
    let schema = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}
