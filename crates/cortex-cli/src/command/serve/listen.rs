//! Taking an address, and saying who may have it already.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_proto::json::HubInfo;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;

use crate::client::Client;
use crate::client::address::Address;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::context::choice::Choice;
use crate::context::choice::Credential;
use crate::context::choice::Origin;
use crate::exit::Failure;
use crate::exit::Result;

/// How long whoever has the address may take to say who it is.
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// Connections that may wait until the hub takes them; the system may allow less. When all nodes
/// come back at once, those beyond it are not refused but try again after a second and more.
const WAITING: u32 = 4_096;

/// Listens on `address`, which `flag` sets.
///
/// # Errors
/// Conflict: somebody else does, with who that may be. Denied: this user may not.
pub(crate) async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener> {
    let error = match listen(address) {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    Err(match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = match hub_at(address).await {
                Some(hub) => {
                    format!("the Cortex hub {} (version {}) runs there", hub.id, hub.version)
                }
                None => format!("ss -ltnp 'sport = :{}' tells who has it", address.port()),
            };
            let free = SocketAddr::new(address.ip(), 0);
            Failure::new(ErrorKind::Conflict, format!("address {address} is in use"))
                .with_code("address_in_use")
                .or_hint(format!("{holder}; {flag} {free} takes a free port"))
        }
        io::ErrorKind::PermissionDenied => {
            Failure::new(ErrorKind::Denied, format!("may not listen on {address}: {error}"))
                .or_hint(format!("ports below 1024 are for root: give {flag} a higher one"))
        }
        io::ErrorKind::AddrNotAvailable => {
            Failure::usage(format!("{} is no address of this machine", address.ip()))
                .or_hint(format!("{flag} 0.0.0.0:{} means all of its addresses", address.port()))
        }
        _ => Failure::new(ErrorKind::Internal, format!("cannot listen on {address}: {error}")),
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else a hub that was just ended keeps its port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// The hub that answers at an address, if one does.
async fn hub_at(address: SocketAddr) -> Option<HubInfo> {
    let choice = Choice {
        hub: Address::parse(&format!("http://{}", super::reachable(address))).ok()?,
        hub_origin: Origin::Unset,
        credential: Credential::None,
        credential_origin: Origin::Unset,
        ca: None,
        ca_origin: Origin::Unset,
        context: None,
    };
    let mut client = Client::new(choice, None);
    let call = Call::get(Route::new("/api/info")).without_user();
    tokio::time::timeout(ASK_LIMIT, client.answer(call)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_with_what_to_do() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let taken = bind(any, "--http").await.unwrap();
        let address = taken.local_addr().unwrap();
        let failure = bind(address, "--http").await.unwrap_err();
        assert_eq!(failure.exit(), Exit(5));
        assert!(failure.message().contains(&address.to_string()), "{failure}");
        let hint = failure.hint().unwrap();
        assert!(hint.contains("ss -ltnp") && hint.contains("--http 127.0.0.1:0"), "{hint}");
    }

    #[tokio::test]
    async fn many_who_come_at_once_need_not_try_again() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = bind(any, "--grpc").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody is taken meanwhile.
        let mut crowd = Vec::new();
        for _ in 0..300 {
            let connecting = tokio::net::TcpStream::connect(address);
            crowd.push(tokio::time::timeout(ASK_LIMIT, connecting).await.unwrap().unwrap());
        }
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_refused() {
        let failure = bind("192.0.2.1:0".parse().unwrap(), "--grpc").await.unwrap_err();
        assert_eq!(failure.exit(), Exit::USAGE);
    }
}
