//! Checks which packages stand on which, from what cargo itself has resolved.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use anyhow::ensure;
use serde::Deserialize;

use crate::table::Package;

/// Who depends on whom.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Every package by cargo's identifier for it: two versions are two packages.
    nodes: BTreeMap<String, Node>,
    /// The packages of this workspace.
    members: BTreeSet<String>,
}

#[derive(Debug)]
struct Node {
    name: String,
    edges: Vec<Edge>,
}

#[derive(Debug)]
struct Edge {
    to: String,
    /// Whether only tests, examples and benchmarks use it.
    dev: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<ResolveNode>,
}

#[derive(Deserialize)]
struct ResolveNode {
    id: String,
    deps: Vec<ResolveEdge>,
}

#[derive(Deserialize)]
struct ResolveEdge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Graph {
    /// Asks cargo about the workspace at `root`, for the platform that this runs on.
    ///
    /// # Errors
    /// Cargo cannot be run, refuses, or answers in a form unknown here.
    pub(crate) fn load(root: &Path) -> anyhow::Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            // Without the filter, cargo fetches the packages of every other platform first.
            .args(["metadata", "--format-version", "1", "--filter-platform", "host-tuple"])
            .args(["--all-features", "--locked"])
            .current_dir(root)
            .output()
            .context("cannot run cargo metadata")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cargo metadata failed: {complaint}");
        Self::parse(&output.stdout).context("cannot read what cargo metadata printed")
    }

    fn parse(json: &[u8]) -> serde_json::Result<Self> {
        let metadata: Metadata = serde_json::from_slice(json)?;
        let mut edges: BTreeMap<String, Vec<Edge>> = BTreeMap::new();
        for node in metadata.resolve.nodes {
            let found = node.deps.into_iter().map(|edge| Edge {
                to: edge.pkg,
                dev: edge.dep_kinds.iter().all(|kind| kind.kind.as_deref() == Some("dev")),
            });
            edges.entry(node.id).or_default().extend(found);
        }
        let node = |package: MetadataPackage| {
            let edges = edges.remove(&package.id).unwrap_or_default();
            (package.id, Node { name: package.name, edges })
        };
        let nodes = metadata.packages.into_iter().map(node).collect();
        Ok(Self { nodes, members: metadata.workspace_members })
    }

    /// The names of the workspace's packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|id| self.name(id))
    }

    fn edges(&self, id: &str) -> &[Edge] {
        self.nodes.get(id).map_or(&[], |node| &node.edges)
    }

    fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.nodes.get(id).map_or(id, |node| &node.name)
    }

    /// The shortest way from `start` to a package called `name`, dev-dependencies left aside.
    fn way(&self, start: &str, name: &str) -> Option<Vec<&str>> {
        let (start, _) = self.nodes.get_key_value(start)?;
        let mut from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = vec![start.as_str()];
        let mut at = 0;
        while let Some(&id) = queue.get(at) {
            at += 1;
            if id != start && self.name(id) == name {
                let mut way = vec![self.name(id)];
                let mut step = id;
                while let Some(&back) = from.get(step) {
                    way.push(self.name(back));
                    step = back;
                }
                way.reverse();
                return Some(way);
            }
            for edge in self.edges(id).iter().filter(|edge| !edge.dev) {
                if edge.to != *start && !from.contains_key(edge.to.as_str()) {
                    from.insert(&edge.to, id);
                    queue.push(&edge.to);
                }
            }
        }
        None
    }
}

/// Returns one sentence for every dependency that the table does not allow, and for every package
/// of the workspace that the table does not know.
pub(crate) fn check(graph: &Graph, table: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for id in &graph.members {
        let name = graph.name(id);
        let Some(rule) = table.iter().find(|package| package.name == name) else {
            faults.push(format!("the package `{name}` has no floor; add it to PACKAGES"));
            continue;
        };
        for edge in graph.edges(id) {
            let other = graph.name(&edge.to);
            if graph.members.contains(&edge.to) && !rule.on.contains(&other) {
                faults.push(format!("`{name}` depends on `{other}`, which is not below it"));
            }
            if other == "anyhow" && !edge.dev && !rule.anyhow {
                faults.push(format!("`{name}` depends on `anyhow`: only programs and tests may"));
            }
        }
        for banned in rule.never {
            if let Some(way) = graph.way(id, banned) {
                let way = way.join(" -> ");
                faults.push(format!("`{name}` must not build on `{banned}`: {way}"));
            }
        }
    }
    faults
}

#[path = "packages_planted.rs"]
mod tests;
