//! Whether a node's configuration leads to the hub that it is meant for.

use std::path::Path;
use std::time::Duration;

use cortex_node_lib::config::Environment;
use cortex_node_lib::config::HubConfig;
use cortex_node_lib::config::NodeConfig;
use cortex_node_lib::config::Pin;
use cortex_node_lib::trusted_pins;

use crate::command::doctor::Finding;
use crate::command::doctor::files;
use crate::command::doctor::pin;
use crate::command::doctor::pin::Presented;
use crate::exit::Failure;

/// How long connecting may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Checks the file, then the hub behind it. Sends nothing that the node would keep to itself.
pub(super) async fn check(file: &Path, out: &mut Vec<Finding>) {
    let loaded = match NodeConfig::load(file, &Environment::of_process()) {
        Ok(loaded) => loaded,
        Err(error) => return out.push(Finding::of("node configuration", &Failure::from(error))),
    };
    let shown = file.display().to_string();
    out.push(
        match loaded.config.invite {
            Some(_) => files::mode("node configuration", file),
            None => None,
        }
        .unwrap_or_else(|| Finding::good("node configuration", shown)),
    );
    match trusted_pins(&loaded.config) {
        Ok(pins) => out.push(check_hub(&loaded.config.hub, &pins).await),
        Err(error) => out.push(Finding::of("node's data directory", &Failure::from(error))),
    }
}

async fn check_hub(hub: &HubConfig, pins: &[Pin]) -> Finding {
    const CHECK: &str = "node's hub";
    let at = format!("{}:{}", hub.server_host, hub.grpc_port);
    let presented = tokio::time::timeout(
        LIMIT,
        pin::presented(&hub.server_host, hub.grpc_port, &hub.server_name),
    );
    let presented = match presented.await {
        Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        Ok(presented) => presented,
    };
    let presented = match presented {
        Ok(presented) => presented,
        Err(reason) => {
            return Finding::bad(
                CHECK,
                format!("cannot reach {at}: {reason}"),
                "is the hub running, and may this machine dial that port?",
            );
        }
    };
    judge(CHECK, &at, pins, &presented)
}

fn judge(check: &'static str, at: &str, pins: &[Pin], presented: &Presented) -> Finding {
    let fits = |pin: &[u8; 32]| pins.iter().any(|known| known.as_bytes() == pin);
    match presented.keys.iter().any(fits) {
        true => Finding::good(check, format!("{at} is reachable and fits the pin")),
        false => Finding::bad(
            check,
            format!("{at} is another hub than the node's, or has new keys: no key fits a pin"),
            "a node that runs gets new keys by itself; else make a new invite on its hub",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_of_the_chain_must_fit_one_pin() {
        let pins = [1, 2].map(|byte| Pin::from_bytes([byte; 32]));
        let judged =
            |keys: &[[u8; 32]]| judge("x", "hub:1", &pins, &Presented { keys: keys.to_vec() });
        assert!(judged(&[[9; 32], [2; 32]]).ok);
        assert!(!judged(&[[9; 32]]).ok);
        assert!(!judged(&[]).ok);
    }
}
