//! ● and ■: what the hub shows of a node that starts, ends, hangs and wakes up.

use std::time::Duration;
use std::time::Instant;

use rustix::process::Signal;

use crate::rig::Bench;

#[test]
fn a_node_that_leaves_is_offline_and_one_that_comes_back_online() {
    let bench = Bench::start(&[]);
    let node = bench.node("lab");
    node.signal(Signal::TERM);
    bench.until_status("lab", "offline");
    drop(node);
    let _again = bench.start_node("lab");
    bench.until_status("lab", "online");
    // What the hub knows of the machine is there although the node was away.
    let shown = bench.json(&["node", "show", "lab"]);
    assert_eq!(shown["capabilities"]["os"]["family"], "linux", "{shown}");
}

#[test]
fn row_55_a_node_that_hangs_is_offline_until_it_wakes_up() {
    let bench = Bench::start(&[]);
    let node = bench.node("lab");
    let begin = Instant::now();
    node.signal(Signal::STOP);
    bench.until_status("lab", "offline");
    let silent = begin.elapsed();
    node.signal(Signal::CONT);
    bench.until_status("lab", "online");
    assert!(silent < Duration::from_secs(30), "it took {silent:?}");
}

#[test]
fn a_hub_that_was_killed_knows_its_nodes() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    bench.hub().kill();
    bench.serve(&[]);
    bench.until_status("lab", "online");
    let listed = bench.json(&["node", "list"]);
    assert_eq!(listed["items"][0]["capabilities"]["os"]["family"], "linux", "{listed}");
}
