//! The settings of this program itself.

use crate::command::config::Setting;
use crate::context::choice::Choice;
use crate::context::choice::Credential;
use crate::context::choice::Environment;
use crate::context::choice::Origin;
use crate::context::choice::choose;
use crate::exit::Result;
use crate::program::Program;

/// What is in force, and why; of a credential only its kind.
///
/// # Errors
/// Something that is set is wrong; that no hub is named is none.
pub(super) fn settings(program: &Program) -> Result<Vec<Setting>> {
    let environment = Environment::read()?;
    let file = environment.file.as_ref().map(|file| file.path().display().to_string());
    let mut out = vec![setting("file", file.unwrap_or_default(), &Origin::Unset)];
    match choose(&program.globals, &environment) {
        Ok(choice) => {
            let context = match (&choice.context, &program.globals.context) {
                (None, _) => Origin::Unset,
                (Some(_), Some(_)) => Origin::Flag("--context"),
                (Some(_), None) => Origin::File,
            };
            out.extend(of_choice(&choice, &context));
        }
        Err(failure) if failure.to_problem().code == "no_hub" => {
            out.push(setting("hub", String::new(), &Origin::Unset));
        }
        Err(failure) => return Err(failure),
    }
    Ok(out)
}

fn of_choice(choice: &Choice, context: &Origin) -> Vec<Setting> {
    let credential = match &choice.credential {
        Credential::None => "none",
        Credential::Token(_) => "API token",
        Credential::Login { .. } => "login",
    };
    let ca = choice.ca.as_ref().map(|file| file.display().to_string());
    vec![
        setting("hub", choice.hub.to_string(), &choice.hub_origin),
        setting("context", choice.context.clone().unwrap_or_default(), context),
        setting("credential", credential.to_owned(), &choice.credential_origin),
        setting("ca", ca.unwrap_or_default(), &choice.ca_origin),
    ]
}

fn setting(key: &str, value: String, origin: &Origin) -> Setting {
    let origin = match origin {
        Origin::Flag(name) => format!("flag ({name})"),
        Origin::Variable(name) => format!("environment ({name})"),
        Origin::Context(name) => format!("context ({name})"),
        Origin::File => "file".to_owned(),
        Origin::Unset => "default".to_owned(),
    };
    Setting { key: key.to_owned(), value, origin: Some(origin) }
}
