//! The credential of a call: an API token as it is, a login renewed when its time is over.

use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_proto::json::LoginResponse;
use cortex_proto::json::RefreshRequest;

use crate::client::CallError;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::read_body;
use crate::context::Login;
use crate::context::Secret;
use crate::context::choice::Credential;
use crate::context::choice::Origin;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output::now;

/// A login is renewed so long before its end.
const MARGIN: Duration = Duration::from_secs(20);

impl Login {
    /// The login that an answer of the hub describes; its span counts from now.
    pub(crate) fn of(answer: &LoginResponse) -> Self {
        Self {
            access_token: answer.access_token.clone(),
            expires_at: now() + Duration::from_millis(answer.expires_in_ms),
            refresh_token: answer.refresh_token.clone(),
        }
    }

    fn is_fresh(&self) -> bool {
        self.expires_at > now() + MARGIN
    }
}

impl Client {
    /// The token to send.
    ///
    /// # Errors
    /// Nobody is signed in, or the login is over.
    pub(super) async fn bearer(&mut self) -> Result<Secret, CallError> {
        let credential = self.shared.credential.borrow().clone();
        match credential {
            Credential::Token(token) => Ok(token),
            Credential::Login { login, .. } if login.is_fresh() => Ok(login.access_token),
            Credential::Login { context, login } => {
                let login = self.renew(context, &login.access_token).await?;
                Ok(login.access_token)
            }
            Credential::None => Err(CallError::Refused(self.nobody())),
        }
    }

    /// The token to try once more with after `refused` was; `None` for API tokens.
    ///
    /// # Errors
    /// The login is over.
    pub(super) async fn renewed_after(
        &mut self,
        refused: &Secret,
    ) -> Result<Option<Secret>, CallError> {
        let credential = self.shared.credential.borrow().clone();
        match credential {
            Credential::Login { context, .. } => {
                let login = self.renew(context, refused).await?;
                Ok(Some(login.access_token))
            }
            Credential::Token(_) | Credential::None => Ok(None),
        }
    }

    /// Gets the next pair of tokens and stores it.
    ///
    /// A refresh token is good once, and using it twice ends the login: so the file stays locked
    /// until the new pair is in it, and a pair that another process got meanwhile is taken.
    async fn renew(&mut self, context: String, old: &Secret) -> Result<Login, CallError> {
        let file = self.shared.file.clone().ok_or_else(|| self.nobody())?;
        let _lock = file.lock()?;
        let mut contexts = file.read()?;
        let stored = contexts.contexts.get_mut(&context);
        let Some(login) = stored.and_then(|context| context.login.as_mut()) else {
            return Err(CallError::Refused(self.nobody()));
        };
        if login.access_token == *old || !login.is_fresh() {
            let request = RefreshRequest { refresh_token: Some(login.refresh_token.clone()) };
            let call = Call::post(Route::new("/api/refresh"), &request)?.without_user();
            let response = self.exchange(&call, None).await?;
            let response = match self.good(response).await {
                Err(CallError::Refused(failure)) if matches!(failure.status(), 401 | 403) => {
                    let hub = self.hub();
                    let failure = Failure::new(
                        ErrorKind::Unauthenticated,
                        format!("the sign-in at {hub} is over"),
                    );
                    return Err(CallError::Refused(
                        failure.or_hint(format!("cortex-cli login {hub}")),
                    ));
                }
                other => other?,
            };
            let body = read_body(response).await?;
            let answer: LoginResponse =
                serde_json::from_slice(&body).map_err(|error| self.not_a_hub(&error))?;
            *login = Login::of(&answer);
            let login = login.clone();
            file.write(&contexts)?;
            return Ok(self.remember(context, login));
        }
        let login = login.clone();
        Ok(self.remember(context, login))
    }

    fn remember(&self, context: String, login: Login) -> Login {
        let credential = Credential::Login { context, login: login.clone() };
        *self.shared.credential.borrow_mut() = credential;
        login
    }

    fn nobody(&self) -> Failure {
        let hub = self.hub();
        let failure =
            Failure::new(ErrorKind::Unauthenticated, format!("nobody is signed in at {hub}"));
        let failure = failure.with_code("not_signed_in");
        match self.shared.choice.hub_origin {
            Origin::Variable(_) => failure.or_hint(
                "set CORTEX_TOKEN or CORTEX_TOKEN_FILE, or unset CORTEX_HUB to use a context",
            ),
            _ => failure
                .or_hint(format!("cortex-cli login {hub}, or name a token with --token-file")),
        }
    }
}
