//! Tests of the choice of a hub.

use super::*;
use cortex_core::timestamp::Timestamp;

struct Scene {
    _folder: tempfile::TempDir,
    environment: Environment,
}

fn context(hub: &str, token: &str) -> Context {
    Context { hub: hub.into(), ca: None, token: Some(token.to_owned().into()), login: None }
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let file = ContextFile::find(Some(folder.path().to_owned()), None).unwrap();
    file.update(|all| {
        all.current = Some("dev".into());
        all.contexts.insert("dev".into(), context("http://127.0.0.1:8080", "dev-token"));
        all.contexts.insert("work".into(), context("https://work.example", "work-token"));
        Ok(())
    })
    .unwrap();
    let environment = Environment { file: Some(file), ..Environment::default() };
    Scene { _folder: folder, environment }
}

fn token_of(choice: &Choice) -> Option<&str> {
    match &choice.credential {
        Credential::Token(token) => Some(token.expose()),
        _ => None,
    }
}

#[test]
fn the_current_context_is_used_by_itself() {
    let choice = choose(&Globals::default(), &scene().environment).unwrap();
    assert_eq!(choice.hub.to_string(), "http://127.0.0.1:8080");
    assert_eq!(choice.hub_origin, Origin::Context("dev".into()));
    assert_eq!(token_of(&choice), Some("dev-token"));
}

#[test]
fn variables_come_before_the_context() {
    let mut scene = scene();
    scene.environment.hub = Some("http://other:1".into());
    let choice = choose(&Globals::default(), &scene.environment).unwrap();
    assert_eq!(choice.hub_origin, Origin::Variable("CORTEX_HUB"));
    assert_eq!(choice.credential, Credential::None, "a context's token goes to its hub only");
    scene.environment.token = Some("env-token".to_owned().into());
    let choice = choose(&Globals::default(), &scene.environment).unwrap();
    assert_eq!(token_of(&choice), Some("env-token"));
}

#[test]
fn a_hub_that_is_named_gets_the_token_of_its_own_context() {
    let globals = Globals { hub: Some("https://work.example/".into()), ..Globals::default() };
    let choice = choose(&globals, &scene().environment).unwrap();
    assert_eq!(token_of(&choice), Some("work-token"));
    assert_eq!(choice.context.as_deref(), Some("work"));
    let globals = Globals {
        hub: Some("https://evil.example".into()),
        context: Some("work".into()),
        ..Globals::default()
    };
    let choice = choose(&globals, &scene().environment).unwrap();
    assert_eq!(choice.credential, Credential::None);
}

#[test]
fn a_context_that_a_flag_names_comes_before_variables() {
    let mut scene = scene();
    scene.environment.hub = Some("http://other:1".into());
    scene.environment.token = Some("env-token".to_owned().into());
    let globals = Globals { context: Some("work".into()), ..Globals::default() };
    let choice = choose(&globals, &scene.environment).unwrap();
    assert_eq!(choice.hub.to_string(), "https://work.example");
    assert_eq!(token_of(&choice), Some("work-token"));
}

#[test]
fn a_command_that_is_told_everything_reads_no_file() {
    let mut scene = scene();
    let file = scene.environment.file.as_ref().unwrap();
    std::fs::write(file.path(), "broken: [").unwrap();
    assert!(choose(&Globals::default(), &scene.environment).is_err());
    scene.environment.hub = Some("http://other:1".into());
    scene.environment.token = Some("env-token".to_owned().into());
    assert!(choose(&Globals::default(), &scene.environment).is_ok());
}

#[test]
fn a_token_file_is_read_and_named() {
    let mut scene = scene();
    let file = scene.environment.file.as_ref().unwrap().path().with_file_name("t");
    std::fs::write(&file, "file-token\n").unwrap();
    scene.environment.token = Some("env-token".to_owned().into());
    let globals = Globals { token_file: Some(file.clone()), ..Globals::default() };
    let choice = choose(&globals, &scene.environment).unwrap();
    assert_eq!(token_of(&choice), Some("file-token"));
    assert_eq!(choice.credential_origin, Origin::Flag("--token-file"));
    std::fs::write(&file, "").unwrap();
    assert!(choose(&globals, &scene.environment).is_err());
}

#[test]
fn no_hub_says_how_to_get_one() {
    let failure = choose(&Globals::default(), &Environment::default()).unwrap_err();
    assert_eq!(failure.exit(), crate::exit::Exit::USAGE);
    assert!(failure.hint().unwrap().contains("hub serve --dev"));
}

#[test]
fn a_login_renews_itself_in_its_context() {
    let scene = scene();
    let login = Login {
        access_token: "a".to_owned().into(),
        expires_at: Timestamp::from_millis(1),
        refresh_token: "r".to_owned().into(),
    };
    let file = scene.environment.file.as_ref().unwrap();
    let expected = login.clone();
    file.update(|all| {
        let dev = Context { token: None, login: Some(login), ..context("http://h:1", "") };
        all.contexts.insert("dev".into(), dev);
        Ok(())
    })
    .unwrap();
    let choice = choose(&Globals::default(), &scene.environment).unwrap();
    let credential = Credential::Login { context: "dev".into(), login: expected };
    assert_eq!(choice.credential, credential);
}
