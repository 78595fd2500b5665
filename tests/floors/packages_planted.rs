//! Planted faults for the check of packages.

use std::collections::BTreeMap;

use super::Edge;
use super::Graph;
use super::Node;
use super::check;
use crate::table::Package;

const TABLE: &[Package] = &[
    Package { name: "core", on: &[], never: &["tokio"], anyhow: false },
    Package { name: "hub", on: &["core"], never: &["node"], anyhow: false },
    Package { name: "node", on: &["core"], never: &["hub"], anyhow: false },
    Package { name: "cli", on: &["core", "hub", "node"], never: &[], anyhow: true },
];

/// Makes a graph of `(from, to)`; a `?` behind `to` marks a dev-dependency.
fn graph(edges: &[(&str, &str)]) -> Graph {
    let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
    let node = |name: &str| Node { name: name.into(), edges: Vec::new() };
    for &(from, to) in edges {
        let name = to.trim_end_matches('?');
        let edge = Edge { to: name.into(), dev: name != to };
        nodes.entry(name.into()).or_insert_with(|| node(name));
        nodes.entry(from.into()).or_insert_with(|| node(from)).edges.push(edge);
    }
    let members = ["core", "hub", "node", "cli"].map(String::from).into();
    for member in &members {
        let member: &String = member;
        nodes.entry(member.clone()).or_insert_with(|| node(member));
    }
    Graph { nodes, members }
}

const RIGHT: [(&str, &str); 5] =
    [("hub", "core"), ("node", "core"), ("cli", "hub"), ("cli", "node"), ("cli", "anyhow")];

fn faults(planted: &[(&str, &str)]) -> Vec<String> {
    check(&graph(&[&RIGHT, planted].concat()), TABLE)
}

#[test]
fn accepts_a_graph_that_goes_down() {
    let tests_only = [("core", "tokio?"), ("hub", "anyhow?"), ("core", "serde"), ("serde", "core")];
    assert_eq!(faults(&tests_only), [""; 0]);
}

#[test]
fn refuses_a_floor_that_depends_on_one_above() {
    let expected = [
        "`core` depends on `hub`, which is not below it",
        "`node` must not build on `hub`: node -> core -> hub",
    ];
    assert_eq!(faults(&[("core", "hub")]), expected);
}

#[test]
fn refuses_hub_and_node_that_know_each_other_even_in_tests() {
    assert_eq!(faults(&[("hub", "node?")]), ["`hub` depends on `node`, which is not below it"]);
    let both = faults(&[("node", "hub")]);
    let expected = [
        "`node` depends on `hub`, which is not below it",
        "`node` must not build on `hub`: node -> hub",
    ];
    assert_eq!(both, expected);
}

#[test]
fn refuses_what_comes_in_by_another_package() {
    let planted = [("core", "a"), ("core", "b"), ("b", "c"), ("c", "b"), ("c", "tokio")];
    assert_eq!(faults(&planted), ["`core` must not build on `tokio`: core -> b -> c -> tokio"]);
}

#[test]
fn refuses_anyhow_in_a_library() {
    let expected = ["`hub` depends on `anyhow`: only programs and tests may"];
    assert_eq!(faults(&[("hub", "anyhow")]), expected);
}

#[test]
fn refuses_a_package_without_a_floor() {
    let mut graph = graph(&RIGHT);
    graph.nodes.insert("new".into(), Node { name: "new".into(), edges: Vec::new() });
    graph.members.insert("new".into());
    assert_eq!(check(&graph, TABLE), ["the package `new` has no floor; add it to PACKAGES"]);
}

#[test]
fn reads_what_cargo_prints() {
    let json = r#"{
        "packages": [{"id": "path+a", "name": "core"}, {"id": "b@1", "name": "tokio"}],
        "workspace_members": ["path+a"],
        "resolve": {"nodes": [
            {"id": "path+a", "deps": [{"pkg": "b@1", "dep_kinds": [{"kind": KIND}, {"kind": "dev"}]}]},
            {"id": "b@1", "deps": []}
        ]}
    }"#;
    let faults = |kind: &str| {
        let graph = Graph::parse(json.replace("KIND", kind).as_bytes());
        check(&graph.expect("the text above is well formed"), TABLE)
    };
    let expected = ["`core` must not build on `tokio`: core -> tokio"];
    assert_eq!(faults("null"), expected);
    assert_eq!(faults("\"build\""), expected);
    assert_eq!(faults("\"dev\""), [""; 0]);
}
