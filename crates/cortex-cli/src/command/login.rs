//! `login` with `list` and `revoke`, `logout` and `whoami`.

use cortex_core::ErrorKind;
use cortex_proto::json::HubInfo;
use cortex_proto::json::LoginInfo;
use cortex_proto::json::LoginRequest;
use cortex_proto::json::LoginResponse;
use cortex_proto::json::RefreshRequest;
use cortex_proto::json::UserInfo;
use serde_json::json;

use crate::args::account::LoginArgs;
use crate::args::account::LoginCommand;
use crate::args::account::LoginGroup;
use crate::client::Client;
use crate::client::address::Address;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::command::context;
use crate::context::Context;
use crate::context::Contexts;
use crate::context::Login;
use crate::context::Secret;
use crate::context::choice::Choice;
use crate::context::choice::Credential;
use crate::context::choice::Environment;
use crate::context::choice::Origin;
use crate::context::choice::choose;
use crate::context::choice::read_token;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::program::Program;
use crate::prompt;

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses, and those of signing in.
pub(crate) async fn run(program: &Program, group: LoginGroup) -> Result<Exit> {
    match group.command {
        Some(LoginCommand::List) => {
            let page = program.client()?.list::<LoginInfo>(Route::new("/api/logins")).await?;
            program.output.list(&page)?;
            Ok(Exit::OK)
        }
        Some(LoginCommand::Revoke(args)) => revoke(program, args.id).await,
        None => login(program, group.start).await,
    }
}

/// Ends one sign-in, or all.
async fn revoke(program: &Program, id: Option<String>) -> Result<Exit> {
    let route = Route::new("/api/logins");
    let (route, name) = match &id {
        Some(id) => (route.segment(id), id.as_str()),
        None => (route, "all"),
    };
    program.client()?.done(Call::delete(route)).await?;
    let document = json!({ "id": id, "revoked": true });
    program.output.document_or(&document, format_args!("{name}\n"))?;
    Ok(Exit::OK)
}

/// Signs in and remembers the hub.
///
/// # Errors
/// The hub cannot be reached or refuses; nobody gave a password; the context cannot be stored.
async fn login(program: &Program, args: LoginArgs) -> Result<Exit> {
    let file = context::file()?;
    let url = args.url.as_deref().ok_or_else(|| Failure::usage("name a hub: login URL"))?;
    let (url, mut code) = with_link(url);
    if code.is_some() {
        program.output.warn("others on this machine may see the link among the running programs");
    }
    let hub = Address::parse(url)?;
    if !hub.is_tls && !hub.is_loopback() {
        program.output.warn(format_args!("{hub} is not encrypted: others can read along"));
    }
    // A certificate file is found from anywhere, so the context keeps where it really is.
    let ca = program
        .globals
        .ca
        .as_deref()
        .map(|path| path.canonicalize().map_err(|error| Failure::file("read", path, &error)));
    let ca = ca.transpose()?;
    let choice = |credential| Choice {
        hub: hub.clone(),
        hub_origin: Origin::Flag("URL"),
        credential,
        credential_origin: Origin::Unset,
        ca: ca.clone(),
        ca_origin: Origin::Flag("--ca"),
        context: None,
    };
    let mut client = Client::new(choice(Credential::None), None);
    // Asked before a password is: it should not be typed for nothing.
    let _: HubInfo = client.answer(Call::get(Route::new("/api/info")).without_user()).await?;
    let (token, login, user) = match &program.globals.token_file {
        Some(path) => {
            let token = read_token(path)?;
            let user = who(choice(Credential::Token(token.clone()))).await?;
            (Some(token), None, user)
        }
        None => {
            if args.code_stdin {
                code = Some(prompt::secret_from_stdin()?);
            }
            let answer = sign_in(program, &mut client, &args, code).await?;
            (None, Some(Login::of(&answer)), answer.user)
        }
    };
    let context = Context { hub: hub.to_string(), ca: ca.clone(), token, login };
    let name = file.update(|contexts| Ok(remember(contexts, args.name, &hub, context)))?;
    program.output.item(&user)?;
    program
        .output
        .note(format_args!("signed in at {hub} as {}; this is context \"{name}\" now", user.name));
    Ok(Exit::OK)
}

/// Takes a sign-in link apart, where one was given in place of the hub's URL.
fn with_link(url: &str) -> (&str, Option<Secret>) {
    match url.split_once("/sign-in#code=") {
        Some((url, code)) => (url, Some(Secret::from(code))),
        None => (url, None),
    }
}

async fn who(choice: Choice) -> Result<UserInfo> {
    Client::new(choice, None).get(Route::new("/api/whoami")).await
}

async fn sign_in(
    program: &Program,
    client: &mut Client,
    args: &LoginArgs,
    code: Option<Secret>,
) -> Result<LoginResponse> {
    let request = match code {
        Some(code) => LoginRequest { code: Some(code), ..LoginRequest::default() },
        None => {
            let name = match &args.user {
                Some(name) => name.clone(),
                None => prompt::ask(program, "User:", "--user, --code-stdin or --token-file")?,
            };
            let password = prompt::password(program, &args.password, "Password:", false)?;
            LoginRequest { name: Some(name), password: Some(password), code: None }
        }
    };
    let call = Call::post(Route::new("/api/login"), &request)?.without_user();
    client.answer(call).await
}

/// Stores a context and makes it the current one; returns its name.
///
/// Without a name, the one that the hub has already is taken, else its host name.
pub(crate) fn remember(
    contexts: &mut Contexts,
    name: Option<String>,
    hub: &Address,
    context: Context,
) -> String {
    let same = contexts.contexts.iter().find(|(_, known)| known.hub == context.hub);
    let name =
        name.or_else(|| same.map(|(name, _)| name.clone())).unwrap_or_else(|| {
            match contexts.contexts.contains_key(&hub.host) {
                true => format!("{}:{}", hub.host, hub.port),
                false => hub.host.clone(),
            }
        });
    contexts.current = Some(name.clone());
    contexts.contexts.insert(name.clone(), context);
    name
}

/// Signs out and forgets the tokens of the context.
///
/// # Errors
/// No context is in use; the hub cannot be told (the tokens are forgotten all the same).
pub(crate) async fn logout(program: &Program) -> Result<Exit> {
    let environment = Environment::read()?;
    let choice = choose(&program.globals, &environment)?;
    if let Origin::Variable(name) | Origin::Flag(name) = choice.credential_origin {
        let message = format!("the token comes from {name}: there is no sign-in to end");
        return Err(Failure::usage(message).or_hint(format!("unset {name}")));
    }
    let (Some(name), hub) = (choice.context.clone(), choice.hub.clone()) else {
        let message = format!("nobody is signed in at {}", choice.hub);
        return Err(Failure::new(ErrorKind::Unauthenticated, message));
    };
    let file = context::file()?;
    let login = file.update(|contexts| {
        let context = contexts.contexts.get_mut(&name);
        Ok(context.and_then(|context| {
            context.token = None;
            context.login.take()
        }))
    })?;
    if let Some(login) = login {
        end(choice, &login.refresh_token).await?;
    }
    let document = json!({ "context": name, "hub": hub.to_string() });
    program.output.document_or(&document, format_args!("{name}\n"))?;
    program.output.note(format_args!("signed out at {hub}"));
    Ok(Exit::OK)
}

async fn end(choice: Choice, refresh_token: &Secret) -> Result<()> {
    let request = RefreshRequest { refresh_token: Some(refresh_token.clone()) };
    let call = Call::post(Route::new("/api/logout"), &request)?.without_user();
    let ended = Client::new(choice, None).done(call).await;
    match ended {
        // It was over already.
        Err(failure) if failure.status() == 401 => Ok(()),
        Err(failure) => Err(failure.context("forgot the tokens, but could not tell the hub")),
        Ok(()) => Ok(()),
    }
}

/// Prints who the user is to the hub.
///
/// # Errors
/// What the hub refuses.
pub(crate) async fn whoami(program: &Program) -> Result<Exit> {
    let user: UserInfo = program.client()?.get(Route::new("/api/whoami")).await?;
    program.output.item(&user)?;
    Ok(Exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(hub: &str) -> Context {
        Context { hub: hub.into(), ca: None, token: None, login: None }
    }

    #[test]
    fn a_sign_in_link_is_a_url_and_a_code() {
        let (hub, code) = with_link("https://h.example/cortex/sign-in#code=cxc1.a");
        assert_eq!((hub, code), ("https://h.example/cortex", Some(Secret::from("cxc1.a"))));
        assert_eq!(with_link("https://h.example").1, None);
    }

    #[test]
    fn a_hub_keeps_the_name_of_its_context() {
        let mut contexts = Contexts::default();
        let mut add = |name: Option<&str>, url: &str| {
            let hub = Address::parse(url).unwrap();
            remember(&mut contexts, name.map(Into::into), &hub, context(&hub.to_string()))
        };
        assert_eq!(add(None, "https://hub.example"), "hub.example");
        assert_eq!(add(None, "https://hub.example/"), "hub.example");
        assert_eq!(add(None, "http://hub.example:8080"), "hub.example:8080");
        assert_eq!(add(Some("dev"), "http://127.0.0.1:1"), "dev");
        assert_eq!(add(None, "http://127.0.0.1:1"), "dev");
        assert_eq!(contexts.current.as_deref(), Some("dev"));
    }
}
