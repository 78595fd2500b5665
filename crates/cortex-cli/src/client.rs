//! The REST API of a hub, as the commands use it.
//!
//! One [`Client`] has one connection at a time, opened when it is first needed: commands are short,
//! and most make one call.

pub(crate) mod address;
pub(crate) mod call;
pub(crate) mod connection;
pub(crate) mod cursor;
pub(crate) mod output;
pub(crate) mod renewal;
pub(crate) mod retry;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod terminal;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use cortex_core::ErrorKind;
use cortex_proto::json::Page;
use cortex_proto::json::Problem;
use http::Response;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::address::Address;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::connection::Connection;
use crate::client::connection::Lost;
use crate::context::choice::Choice;
use crate::context::choice::Credential;
use crate::context::file::ContextFile;
use crate::exit::Failure;
use crate::exit::Result;

/// The longest document that is taken from a hub, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// How long a body may pause.
const PAUSE_LIMIT: Duration = Duration::from_secs(30);

/// Talks to one hub.
#[derive(Debug)]
pub(crate) struct Client {
    shared: Rc<Shared>,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Shared {
    choice: Choice,
    file: Option<ContextFile>,
    credential: RefCell<Credential>,
}

/// Why a call has no good answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// It did not reach the hub, or its answer did not come back.
    Lost(Lost),
    /// The hub refused it, or there is no sense in sending it.
    Refused(Failure),
}

impl Client {
    /// Makes a client; nothing is sent yet. `file` is where a renewed login is stored.
    pub(crate) fn new(choice: Choice, file: Option<ContextFile>) -> Self {
        let credential = RefCell::new(choice.credential.clone());
        Self { shared: Rc::new(Shared { choice, file, credential }), connection: None }
    }

    /// Another client of the same hub and user, with a connection of its own.
    pub(crate) fn another(&self) -> Self {
        Self { shared: Rc::clone(&self.shared), connection: None }
    }

    /// The hub.
    pub(crate) fn hub(&self) -> &Address {
        &self.shared.choice.hub
    }

    /// Reads a document.
    ///
    /// # Errors
    /// The hub's problem, or that it cannot be reached.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, route: Route) -> Result<T> {
        self.answer(Call::get(route)).await
    }

    /// Posts a document and reads the answer.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn post<T: DeserializeOwned>(
        &mut self,
        route: Route,
        body: &impl Serialize,
    ) -> Result<T> {
        self.answer(Call::post(route, body)?).await
    }

    /// Changes a thing and reads what became of it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn patch<T: DeserializeOwned>(
        &mut self,
        route: Route,
        body: &impl Serialize,
    ) -> Result<T> {
        self.answer(Call::patch(route, body)?).await
    }

    /// Reads all pages of a list as one.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn list<T: DeserializeOwned>(&mut self, route: Route) -> Result<Page<T>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page: Page<T> = self.get(route.clone().maybe("cursor", cursor.as_ref())).await?;
            let is_stuck = page.items.is_empty() || page.next_cursor == cursor;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() || is_stuck {
                return Ok(Page { items, next_cursor: None });
            }
        }
    }

    /// Makes a call and reads its answer as a document.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn answer<T: DeserializeOwned>(&mut self, call: Call) -> Result<T> {
        let response = self.send(&call).await.map_err(|error| self.told(error))?;
        self.read(response).await.map_err(|error| self.told(error))
    }

    /// Reads an answer as a document.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
    ) -> Result<T, CallError> {
        let body = read_body(response).await?;
        serde_json::from_slice(&body).map_err(|error| CallError::Refused(self.not_a_hub(&error)))
    }

    /// Makes a call and takes no notice of the answer's body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn done(&mut self, call: Call) -> Result<()> {
        let response = self.send(&call).await.map_err(|error| self.told(error))?;
        let body = read_body(response).await;
        body.map(drop).map_err(|lost| self.told(CallError::Lost(lost)))
    }

    /// Makes a call and returns its answer if it is a good one, with the body still coming.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn send(&mut self, call: &Call) -> Result<Response<Incoming>, CallError> {
        let bearer = match call.needs_user() {
            true => Some(self.bearer().await?),
            false => None,
        };
        let response = self.exchange(call, bearer.as_ref()).await?;
        let Some(bearer) = bearer.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
            return self.good(response).await;
        };
        match self.renewed_after(&bearer).await? {
            Some(renewed) => {
                let response = self.exchange(call, Some(&renewed)).await?;
                self.good(response).await
            }
            None => self.good(response).await,
        }
    }

    /// Takes the connection away, so that a body can be read while the client goes on elsewhere.
    pub(crate) fn take_connection(&mut self) -> Option<Connection> {
        self.connection.take()
    }

    /// What to tell about a failed call.
    pub(crate) fn told(&self, error: CallError) -> Failure {
        let hub = self.hub();
        match error {
            CallError::Refused(failure) => failure,
            CallError::Lost(Lost::Connect(reason)) => {
                let failure = Failure::new(
                    ErrorKind::Unavailable,
                    format!("cannot reach the hub at {hub}: {reason}"),
                );
                failure.with_code("hub_unreachable").or_hint(match hub.is_loopback() {
                    true => "is it running? cortex-cli hub serve --dev starts one",
                    false => "cortex-cli doctor looks for the reason",
                })
            }
            CallError::Lost(Lost::Tls(reason)) => Failure::new(
                ErrorKind::Unavailable,
                format!("no secure connection to the hub at {hub}: {reason}"),
            )
            .with_code("hub_tls")
            .or_hint("if the hub has an authority of its own, name its file with --ca FILE"),
            CallError::Lost(Lost::Broken(reason)) => Failure::new(
                ErrorKind::Unavailable,
                format!("the connection to the hub at {hub} broke: {reason}"),
            )
            .with_code("hub_unreachable")
            .or_hint("nobody knows whether the hub did it: look before you repeat it"),
        }
    }

    async fn exchange(
        &mut self,
        call: &Call,
        bearer: Option<&crate::context::Secret>,
    ) -> Result<Response<Incoming>, CallError> {
        let request = call.request(&self.shared.choice.hub, bearer)?;
        let kept = self.connection.take().filter(Connection::is_ready);
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let ca = self.shared.choice.ca.as_deref();
                Connection::open(&self.shared.choice.hub, ca).await?
            }
        };
        let sent = tokio::time::timeout(call.limit(), connection.send(request)).await;
        let response = sent.map_err(|_| {
            let seconds = call.limit().as_secs();
            Lost::Broken(format!("no answer within {seconds} s"))
        })??;
        self.connection = Some(connection);
        Ok(response)
    }

    async fn good(&self, response: Response<Incoming>) -> Result<Response<Incoming>, CallError> {
        let status = response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let location = response.headers().get(http::header::LOCATION);
        let location = location.and_then(|to| to.to_str().ok()).map(ToOwned::to_owned);
        let body = read_body(response).await?;
        Err(CallError::Refused(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if status == StatusCode::UNAUTHORIZED => {
                Failure::of_problem(problem).or_hint(format!("cortex-cli login {}", self.hub()))
            }
            Ok(problem) => Failure::of_problem(problem),
            Err(_) => self.strange(status, location),
        }))
    }

    /// An error that is not in the form of a hub's: a proxy's, or another server's.
    fn strange(&self, status: StatusCode, location: Option<String>) -> Failure {
        let kind = match status.as_u16() {
            502 | 503 => ErrorKind::Unavailable,
            504 => ErrorKind::Timeout,
            401 | 403 | 407 => ErrorKind::Denied,
            _ => ErrorKind::Internal,
        };
        let failure = Failure::new(kind, format!("{} answered {status}", self.hub()));
        match location {
            Some(to) => failure.or_hint(format!("it sends to {to}: name the hub by that URL")),
            None => failure.or_hint("is that a Cortex hub, or a proxy in front of one?"),
        }
    }

    fn not_a_hub(&self, error: &serde_json::Error) -> Failure {
        Failure::new(
            ErrorKind::Internal,
            format!("{} does not answer as a Cortex hub of this version: {error}", self.hub()),
        )
        .with_code("bad_answer")
        .or_hint("cortex-cli version and cortex-cli hub status tell the two versions")
    }
}

impl From<Lost> for CallError {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

async fn read_body(response: Response<Incoming>) -> Result<Bytes, Lost> {
    let mut body = response.into_body();
    let mut out = Vec::new();
    loop {
        let frame = tokio::time::timeout(PAUSE_LIMIT, body.frame())
            .await
            .map_err(|_| Lost::Broken("the answer stopped half-way".to_owned()))?;
        let Some(frame) = frame else {
            return Ok(Bytes::from(out));
        };
        let frame = frame.map_err(|error| Lost::Broken(error.to_string()))?;
        if let Some(data) = frame.data_ref() {
            if out.len() + data.len() > MAX_BODY_BYTES {
                return Err(Lost::Broken("the answer is longer than 64 MiB".to_owned()));
            }
            out.extend_from_slice(data);
        }
    }
}
