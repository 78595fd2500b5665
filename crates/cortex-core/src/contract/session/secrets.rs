//! Case: a task's sealed secrets.

use std::sync::Arc;

use super::scene::Scene;
use super::scene::assigned;
use super::scene::ended;
use super::scene::node;
use super::scene::task;
use super::scene::user;
use crate::contract::promise::kept;
use crate::contract::promise::same;
use crate::session::Happening;
use crate::session::SessionStore;
use crate::session::TaskFilter;
use crate::task::SealedSecrets;
use crate::task::TaskEvent;
use crate::task::TaskSpec;

/// A task has its sealed secrets until it has ended; its session's log never has them.
pub async fn sealed_secrets_go_with_the_tasks_end(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let sealed = SealedSecrets(bytes::Bytes::from_static(b"\x00sealed\xff"));
    for number in [1, 2] {
        let mut spec = TaskSpec::argv(["true"]);
        spec.secrets = vec!["KEY".to_owned()];
        spec.sealed = Some(sealed.clone());
        let event = TaskEvent::Submitted { by: user(1), spec: Arc::new(spec) };
        scene.play(vec![Happening::task(task(number), event)]).await;
    }
    scene.play(vec![assigned(1, 1, node(1))]).await;
    let promise = "a task has its sealed secrets until it has ended";
    let secrets_of = async |number| scene.task(number).await.spec.sealed.clone();
    same(&secrets_of(1).await, &Some(sealed.clone()), promise);
    for entry in scene.log().await {
        if let Happening::Task { event: TaskEvent::Submitted { spec, .. }, .. } = &entry.what {
            same(&spec.sealed, &None, "a log has no secrets, not even sealed ones");
            same(&spec.secrets, &vec!["KEY".to_owned()], "a log has the names of secrets");
        }
    }
    scene.play(vec![ended(1, 1, 0)]).await;
    same(&secrets_of(1).await, &None, promise);
    same(&secrets_of(2).await, &Some(sealed), "a task keeps its secrets when another one ends");
    let listed = kept(store.tasks(TaskFilter::open()).await, "tasks are listed");
    same(&listed.iter().filter(|task| task.spec.sealed.is_some()).count(), &1, promise);
}
