//! `node list`, `show`, `label`, `cordon`, `uncordon`, `drain`, `share`, `unshare`, `shares`, `lock`, `unlock`
//! and `remove`.

use std::collections::BTreeMap;
use std::time::Duration;

use cortex_core::capability::Capabilities;
use cortex_proto::json::DrainRequest;
use cortex_proto::json::GrantInfo;
use cortex_proto::json::GrantRequest;
use cortex_proto::json::NodeInfo;
use cortex_proto::json::NodePatch;
use cortex_proto::json::NodeStatusInfo;
use serde_json::json;

use crate::args::node::DrainArgs;
use crate::args::node::LabelArgs;
use crate::args::node::ListArgs;
use crate::args::node::NodeCommand;
use crate::args::node::ShareArgs;
use crate::args::value;
use crate::args::value::LabelChange;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::command::node_run;
use crate::exit::Exit;
use crate::exit::Result;
use crate::program::Program;
use crate::prompt;

/// How often it is looked whether a node that is drained has become empty.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses.
pub(crate) async fn run(program: &Program, command: NodeCommand) -> Result<Exit> {
    match command {
        NodeCommand::Run(args) => return node_run::run(program, &args),
        NodeCommand::List(args) => list(program, &args).await?,
        NodeCommand::Show(args) => {
            let node: NodeInfo = program.client()?.get(route(&args.node)).await?;
            program.output.item(&node)?;
        }
        NodeCommand::Label(args) => label(program, args).await?,
        NodeCommand::Share(args) => share(program, &args).await?,
        NodeCommand::Unshare(args) => {
            program.client()?.done(Call::delete(grant(&args.node, &args.user))).await?;
            let document = json!({ "node": args.node, "user": args.user, "shared": false });
            program.output.document_or(&document, format_args!("{}\n", args.user))?;
        }
        NodeCommand::Shares(args) => {
            let route = route(&args.node).segment("grants");
            program.output.list(&program.client()?.list::<GrantInfo>(route).await?)?;
        }
        NodeCommand::Cordon(args) => {
            let patch = NodePatch { cordoned: Some(true), ..NodePatch::default() };
            change(program, &args.node, &patch).await?;
        }
        NodeCommand::Uncordon(args) => {
            let patch = NodePatch { cordoned: Some(false), ..NodePatch::default() };
            change(program, &args.node, &patch).await?;
        }
        NodeCommand::Lock(args) => {
            let patch = NodePatch { locked: Some(true), ..NodePatch::default() };
            change(program, &args.node, &patch).await?;
        }
        NodeCommand::Unlock(args) => {
            let patch = NodePatch { locked: Some(false), ..NodePatch::default() };
            change(program, &args.node, &patch).await?;
        }
        NodeCommand::Drain(args) => drain(program, &args).await?,
        NodeCommand::Remove(args) => remove(program, &args.node).await?,
    }
    Ok(Exit::OK)
}

fn route(node: &str) -> Route {
    Route::new("/api/nodes").segment(node)
}

fn grant(node: &str, user: &str) -> Route {
    route(node).segment("grants").segment(user)
}

async fn share(program: &Program, args: &ShareArgs) -> Result<()> {
    let access = if args.manage { "manage" } else { "use" };
    let request = GrantRequest { access: access.to_owned() };
    let call = Call::put_document(grant(&args.node, &args.user), &request)?;
    let shared: GrantInfo = program.client()?.answer(call).await?;
    program.output.item(&shared)
}

async fn list(program: &Program, args: &ListArgs) -> Result<()> {
    let labels: Vec<String> =
        args.labels.iter().map(|label| format!("{}={}", label.key, label.value)).collect();
    let labels = (!labels.is_empty()).then(|| labels.join(","));
    let route = Route::new("/api/nodes")
        .maybe("labels", labels.as_ref())
        .maybe("status", args.status.map(|status| status.word()));
    let page = program.client()?.list::<NodeInfo>(route).await?;
    program.output.list(&page)?;
    if page.items.is_empty()
        && labels.is_none()
        && args.status.is_none()
        && !program.output.is_json()
    {
        program.output.note("no nodes yet: cortex-cli invite create --name NAME --out node.yaml");
    }
    Ok(())
}

async fn label(program: &Program, args: LabelArgs) -> Result<()> {
    let mut client = program.client()?;
    let node: NodeInfo = client.get(route(&args.node)).await?;
    let patch = NodePatch { labels: Some(relabelled(&node, args.changes)), ..NodePatch::default() };
    let node: NodeInfo = client.patch(route(&node.id), &patch).await?;
    program.output.item(&node)
}

/// The owner's labels after the changes.
///
/// A node's labels have those of its own configuration among them. They are left to it where their
/// values are the same: set here, they would stay when the node's configuration changes.
fn relabelled(node: &NodeInfo, changes: Vec<LabelChange>) -> BTreeMap<String, String> {
    let stated: Option<Capabilities> =
        node.capabilities.clone().and_then(|stated| serde_json::from_value(stated).ok());
    let stated = stated.map(|stated| stated.labels).unwrap_or_default();
    let mut labels = node.labels.clone();
    labels.retain(|key, value| stated.get(key) != Some(value));
    for change in changes {
        match change {
            LabelChange::Set(pair) => {
                labels.insert(pair.key, pair.value);
            }
            LabelChange::Remove(key) => {
                labels.remove(&key);
            }
        }
    }
    labels
}

async fn change(program: &Program, name: &str, patch: &NodePatch) -> Result<()> {
    let node: NodeInfo = program.client()?.patch(route(name), patch).await?;
    program.output.item(&node)
}

/// Waits until a node has no task any more; its hub sees to the limit.
async fn drain(program: &Program, args: &DrainArgs) -> Result<()> {
    let mut client = program.client()?;
    let request = DrainRequest { timeout_ms: args.timeout.map(value::millis) };
    let call = Call::post(route(&args.node).segment("drain"), &request)?;
    let mut status: NodeStatusInfo = client.answer(call).await?;
    let mut told = None;
    while status.tasks_open > 0 {
        if told != Some(status.tasks_open) {
            told = Some(status.tasks_open);
            program.output.note(format!("{} tasks run on {}", status.tasks_open, status.name));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        status = client.get(route(&status.id).segment("status")).await?;
    }
    let node: NodeInfo = client.get(route(&status.id)).await?;
    program.output.item(&node)
}

async fn remove(program: &Program, name: &str) -> Result<()> {
    let mut client: Client = program.client()?;
    if !program.globals.yes {
        let node: NodeInfo = client.get(route(name)).await?;
        let question =
            format!("Remove node {} ({}, {}) for ever?", node.name, node.id, node.status);
        prompt::confirm(program, &question)?;
    }
    let node: NodeInfo = client.answer(Call::delete(route(name))).await?;
    program.output.item(&node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::value::label_change;

    fn node(labels: &[(&str, &str)], own: &[(&str, &str)]) -> NodeInfo {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        NodeInfo {
            id: "nod_1".into(),
            name: "a".into(),
            owner: "usr_1".into(),
            owner_name: "ada".into(),
            access: "own".into(),
            status: "online".into(),
            labels: map(labels),
            cordoned: false,
            slots: 4,
            tasks_open: 0,
            locked: false,
            lock_reason: None,
            version: String::new(),
            capabilities: Some(serde_json::json!({ "labels": map(own) })),
            enrolled_at: String::new(),
            since: None,
            last_seen: None,
            health: None,
        }
    }

    #[test]
    fn labels_change_one_by_one() {
        let node =
            node(&[("role", "build"), ("zone", "b"), ("own", "x")], &[("own", "x"), ("zone", "a")]);
        let changes = ["role=test", "gpu=1", "zone-"].map(|text| label_change(text).unwrap());
        let labels = relabelled(&node, changes.into());
        let expected = [("gpu", "1"), ("role", "test")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(labels, BTreeMap::from(expected));
    }
}
