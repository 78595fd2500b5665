//! The WebSocket, over a real connection: an upgrade needs one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Response;

use super::rig::LIMIT;
use super::rig::Rig;

const EVENTS: &str = "/api/events";

/// The rig's HTTP side on a port of its own, until the hub shuts down.
pub(super) async fn serve(rig: &Rig) -> (String, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (app, over) = (rig.router.clone(), rig.hub.shutdown_token());
    let serving = axum::serve(listener, app).with_graceful_shutdown(over.cancelled_owned());
    (address, tokio::spawn(serving.into_future()))
}

pub(super) async fn connect(
    address: &str,
    path: &str,
    headers: &[(&'static str, String)],
) -> Result<(WebSocketStream<TcpStream>, Response), Error> {
    let url = format!("ws://{address}{path}");
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    tokio::time::timeout(LIMIT, client_async(request, stream)).await.unwrap()
}

pub(super) async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    tokio::time::timeout(LIMIT, socket.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn a_socket_takes_its_token_as_a_protocol_and_does_not_echo_it() {
    let rig = Rig::start().await;
    let (address, serving) = serve(&rig).await;
    let token = URL_SAFE_NO_PAD.encode(&rig.admin);
    let protocols = format!("cortex.v1, cortex.bearer.{token}");
    let (mut socket, response) =
        connect(&address, EVENTS, &[("sec-websocket-protocol", protocols)]).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "cortex.v1");
    let _node = rig.node("lab").await;
    let Message::Text(text) = next(&mut socket).await else { panic!("no text") };
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(event["type"], "node.status");
    assert_eq!(event["node"]["name"], "lab");
    rig.hub.shutdown_token().cancel();
    assert!(matches!(next(&mut socket).await, Message::Close(Some(_))));
    drop(socket);
    tokio::time::timeout(LIMIT, serving).await.unwrap().unwrap().unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn row_44_a_socket_tells_nothing_of_a_stranger() {
    let rig = Rig::start().await;
    let ada = rig.user("ada", "member", &[]).await;
    let (address, _serving) = serve(&rig).await;
    let bearer = ("authorization", format!("Bearer {ada}"));
    let protocol = ("sec-websocket-protocol", "cortex.v1".to_owned());
    let (mut socket, _) = connect(&address, EVENTS, &[protocol, bearer]).await.unwrap();
    // Things happen to the admin's node; then one of hers. She hears of that first.
    let mut secret = rig.node("secret-lab").await;
    let dispatch = Some(serde_json::json!({"argv": ["ls"], "node": "secret-lab"}));
    rig.call("POST", "/api/sessions/default/dispatch", dispatch).await;
    let task = secret.task().await;
    secret.start(&task).await;
    rig.call("PATCH", "/api/nodes/secret-lab", Some(serde_json::json!({"locked": true}))).await;
    let own = rig.node_of("ada", "her-lab").await;
    let Message::Text(text) = next(&mut socket).await else { panic!("no text") };
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(event["node"]["id"], own.id.to_string(), "{event}");
    rig.stop().await;
}

#[tokio::test]
async fn a_socket_with_a_cookie_is_for_the_hubs_own_pages() {
    let rig = Rig::start().await;
    let (address, _serving) = serve(&rig).await;
    let cookies = super::pages::signed_in(&rig).await;
    let status =
        async |headers: &[(&'static str, String)]| match connect(&address, EVENTS, headers).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        };
    let protocol = ("sec-websocket-protocol", "cortex.v1".to_owned());
    let cookie = ("cookie", cookies);
    let origin = |text: String| ("origin", text);
    assert_eq!(status(std::slice::from_ref(&protocol)).await, 401);
    assert_eq!(status(&[protocol.clone(), cookie.clone()]).await, 403);
    let foreign = origin("http://evil.example".to_owned());
    assert_eq!(status(&[protocol.clone(), cookie.clone(), foreign]).await, 403);
    let own = origin(format!("http://{address}"));
    assert_eq!(status(&[protocol, cookie, own]).await, 101);
    rig.stop().await;
}
