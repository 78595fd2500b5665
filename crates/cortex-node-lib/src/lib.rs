//! The Cortex node as a library.
//!
//! A node dials *out* to its hub, proves who it is, and runs the tasks that the hub signs, inside
//! a policy that its owner can narrow. It keeps running tasks through losses of the connection and
//! restarts of the hub, and delivers each report once the hub is there to store it.
//!
//! ```no_run
//! use cortex_node_lib::Environment;
//! use cortex_node_lib::NodeBuilder;
//! use cortex_node_lib::NodeConfig;
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn run() -> cortex_core::Result<()> {
//! let loaded = NodeConfig::load("node.yaml".as_ref(), &Environment::of_process())?;
//! let (node, driver) = NodeBuilder::new(loaded.config).build()?;
//! let shutdown = CancellationToken::new();
//! let running = tokio::spawn(driver.run(shutdown.clone()));
//! println!("online, epoch {}", node.wait_online().await?);
//! // … until the program is asked to end:
//! shutdown.cancel();
//! running.await.expect("the driver does not panic")
//! # }
//! ```
//!
//! Read in this order: [`config`] (what a node is told), [`NodeBuilder`], [`Node`] and [`Driver`],
//! then [`skills`] with the [`shell`](skills::shell), whose rules are the ones that matter to the
//! machine's owner. The library installs no logger, no TLS provider and no signal handler; it
//! speaks `tracing`. It runs on Unix systems.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("the feature `failpoints` is for tests: a release build has no places to end at");

/// Names a place at which a test may end the process; without the feature `failpoints`, nothing.
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

mod builder;
pub mod config;
mod health;
mod identity;
mod node;
mod runner;
mod sandbox;
pub mod skills;
mod uplink;

pub use builder::NodeBuilder;
pub use config::Environment;
pub use config::NodeConfig;
pub use node::Driver;
pub use node::Node;
pub use node::Status;
pub use node::trusted_pins;
#[doc(hidden)]
pub use runner::journal_times;
