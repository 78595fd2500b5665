//! Which hub a command talks to, and with which credential: flags, then variables, then contexts.

use std::path::Path;
use std::path::PathBuf;

use crate::args::Globals;
use crate::client::address::Address;
use crate::context::Context;
use crate::context::Contexts;
use crate::context::Login;
use crate::context::Secret;
use crate::context::file::ContextFile;
use crate::context::parse_token;
use crate::exit::Failure;
use crate::exit::Result;

/// The variables that count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `CORTEX_HUB`.
    pub(crate) hub: Option<String>,
    /// `CORTEX_TOKEN`.
    pub(crate) token: Option<Secret>,
    /// `CORTEX_TOKEN_FILE`.
    pub(crate) token_file: Option<PathBuf>,
    /// `CORTEX_CA`.
    pub(crate) ca: Option<PathBuf>,
    /// Where contexts are remembered.
    pub(crate) file: Option<ContextFile>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag.
    Flag(&'static str),
    /// A variable.
    Variable(&'static str),
    /// A context, by its name.
    Context(String),
    /// The file with the contexts says so.
    File,
    /// Nobody gave it.
    Unset,
}

/// What proves who the user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// An API token.
    Token(Secret),
    /// A login that renews itself; its context is where the next pair is stored.
    Login {
        /// The context.
        context: String,
        /// The tokens.
        login: Login,
    },
}

/// What was chosen.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// The hub.
    pub(crate) hub: Address,
    /// Where it comes from.
    pub(crate) hub_origin: Origin,
    /// The credential.
    pub(crate) credential: Credential,
    /// Where it comes from.
    pub(crate) credential_origin: Origin,
    /// The authority that the hub is verified against, instead of the system's.
    pub(crate) ca: Option<PathBuf>,
    /// Where it comes from.
    pub(crate) ca_origin: Origin,
    /// The context that was used.
    pub(crate) context: Option<String>,
}

impl Environment {
    /// Reads the variables of this process.
    ///
    /// # Errors
    /// `CORTEX_TOKEN` is set to what cannot be a token.
    pub(crate) fn read() -> Result<Self> {
        let text = |key: &str| std::env::var(key).ok().filter(|value| !value.is_empty());
        let path =
            |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
        let token = text("CORTEX_TOKEN").map(|token| parse_token(&token, "CORTEX_TOKEN"));
        Ok(Self {
            hub: text("CORTEX_HUB"),
            token: token.transpose()?,
            token_file: path("CORTEX_TOKEN_FILE"),
            ca: path("CORTEX_CA"),
            file: ContextFile::find(path("XDG_CONFIG_HOME"), path("HOME")),
        })
    }
}

/// Chooses. The file with the contexts is read only if it is needed.
///
/// A context's credential goes to that context's hub only, never to one that a flag or variable
/// names.
///
/// # Errors
/// No hub is named anywhere; a name, URL or token file that is wrong.
pub(crate) fn choose(globals: &Globals, environment: &Environment) -> Result<Choice> {
    // A context that a flag names comes before all variables.
    let variables = if globals.context.is_some() {
        &Environment { file: environment.file.clone(), ..Environment::default() }
    } else {
        environment
    };
    let given_hub = match (&globals.hub, &variables.hub) {
        (Some(url), _) => Some((Address::parse(url)?, Origin::Flag("--hub"))),
        (None, Some(url)) => Some((Address::parse(url)?, Origin::Variable("CORTEX_HUB"))),
        (None, None) => None,
    };
    let given_token = token(globals, variables)?;
    let context = match (&given_hub, &given_token) {
        // A command that is told everything reads no file.
        (Some(_), Some(_)) if globals.context.is_none() => None,
        _ => {
            find_context(globals, environment.file.as_ref(), given_hub.as_ref().map(|hub| &hub.0))?
        }
    };
    let context_name = || context.as_ref().map(|(name, _)| name.clone());
    let context_origin = || context_name().map_or(Origin::Unset, Origin::Context);
    let (hub, hub_origin) = match (given_hub, &context) {
        (Some(given), _) => given,
        (None, Some((name, context))) => (
            Address::parse(&context.hub)
                .map_err(|failure| failure.context(format!("context \"{name}\"")))?,
            context_origin(),
        ),
        (None, None) => return Err(no_hub()),
    };
    let (credential, credential_origin) = match (given_token, &context) {
        (Some((token, origin)), _) => (Credential::Token(token), origin),
        (None, Some((name, context))) => match credential_of(name, context) {
            Credential::None => (Credential::None, Origin::Unset),
            credential => (credential, context_origin()),
        },
        (None, None) => (Credential::None, Origin::Unset),
    };
    let context_ca = context.as_ref().and_then(|(_, context)| context.ca.clone());
    let (ca, ca_origin) = match (globals.ca.clone(), variables.ca.clone(), context_ca) {
        (Some(file), _, _) => (Some(file), Origin::Flag("--ca")),
        (None, Some(file), _) => (Some(file), Origin::Variable("CORTEX_CA")),
        (None, None, Some(file)) => (Some(file), context_origin()),
        (None, None, None) => (None, Origin::Unset),
    };
    let context = context_name();
    Ok(Choice { hub, hub_origin, credential, credential_origin, ca, ca_origin, context })
}

/// The credential of a context.
pub(crate) fn credential_of(name: &str, context: &Context) -> Credential {
    match (&context.token, &context.login) {
        (Some(token), _) => Credential::Token(token.clone()),
        (None, Some(login)) => Credential::Login { context: name.to_owned(), login: login.clone() },
        (None, None) => Credential::None,
    }
}

/// Reads a token file.
///
/// # Errors
/// The file cannot be read or holds no token.
pub(crate) fn read_token(path: &Path) -> Result<Secret> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    parse_token(Secret::from(text).expose(), &path.display().to_string())
}

fn token(globals: &Globals, variables: &Environment) -> Result<Option<(Secret, Origin)>> {
    if let Some(path) = &globals.token_file {
        return Ok(Some((read_token(path)?, Origin::Flag("--token-file"))));
    }
    if let Some(token) = &variables.token {
        return Ok(Some((token.clone(), Origin::Variable("CORTEX_TOKEN"))));
    }
    if let Some(path) = &variables.token_file {
        return Ok(Some((read_token(path)?, Origin::Variable("CORTEX_TOKEN_FILE"))));
    }
    Ok(None)
}

/// The context that a flag names, or one for the given hub, or the current one.
fn find_context(
    globals: &Globals,
    file: Option<&ContextFile>,
    hub: Option<&Address>,
) -> Result<Option<(String, Context)>> {
    let contexts = match file {
        Some(file) => file.read()?,
        None => Contexts::default(),
    };
    let is_for = |context: &Context, hub: &Address| {
        Address::parse(&context.hub).is_ok_and(|own| own == *hub)
    };
    let named = globals.context.as_ref().or(contexts.current.as_ref());
    let found = match (named, hub) {
        (Some(name), None) => Some((name.clone(), contexts.named(name)?.clone())),
        (Some(name), Some(hub)) if globals.context.is_some() => {
            let context = contexts.named(name)?;
            is_for(context, hub).then(|| (name.clone(), context.clone()))
        }
        (current, Some(hub)) => {
            let fits = |name: &String| {
                contexts.contexts.get(name).is_some_and(|context| is_for(context, hub))
            };
            let name = current
                .filter(|name| fits(name))
                .or_else(|| contexts.contexts.keys().find(|name| fits(name)));
            name.and_then(|name| Some((name.clone(), contexts.contexts.get(name)?.clone())))
        }
        (None, None) => None,
    };
    Ok(found)
}

fn no_hub() -> Failure {
    Failure::usage("no hub is named").with_code("no_hub").or_hint(
        "cortex-cli hub serve --dev starts one; cortex-cli login URL remembers one; \
         --hub URL or CORTEX_HUB names one",
    )
}

#[cfg(test)]
mod tests;
