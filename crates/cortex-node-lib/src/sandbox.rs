//! The policy in force: what the hub sends, narrowed by what the node's owner wrote.

use std::sync::Arc;

use cortex_core::policy::Effective;
use cortex_core::policy::SandboxPolicy;
use tokio::sync::watch;

/// Holds the policy in force and hands it to whoever judges by it.
///
/// Until the hub has sent a policy, nothing may run.
#[derive(Debug)]
pub(crate) struct Sandbox {
    own: Option<SandboxPolicy>,
    effective: watch::Sender<Arc<Effective>>,
}

impl Sandbox {
    /// Makes the sandbox of a node with its own policy, or with none.
    #[must_use]
    pub(crate) fn new(own: Option<SandboxPolicy>) -> Self {
        let nothing = narrowed(SandboxPolicy::default(), own.as_ref());
        Self { own, effective: watch::Sender::new(Arc::new(nothing)) }
    }

    /// Puts a policy of the hub in force, in place of the earlier one.
    pub(crate) fn adopt(&self, hub: SandboxPolicy) {
        self.effective.send_replace(Arc::new(narrowed(hub, self.own.as_ref())));
    }

    /// A view that always shows the policy in force.
    #[must_use]
    pub(crate) fn view(&self) -> watch::Receiver<Arc<Effective>> {
        self.effective.subscribe()
    }
}

fn narrowed(hub: SandboxPolicy, own: Option<&SandboxPolicy>) -> Effective {
    let effective = Effective::of(hub);
    match own {
        Some(own) => effective.narrowed_by(own.clone()),
        None => effective,
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::policy::Invocation;

    use super::*;

    fn may_list(view: &watch::Receiver<Arc<Effective>>) -> bool {
        let argv = ["ls".to_owned()];
        let policy = Arc::clone(&view.borrow());
        policy.judge(&Invocation::argv(&argv)).is_allowed()
    }

    #[test]
    fn nothing_runs_before_the_hub_has_spoken() {
        let sandbox = Sandbox::new(Some(SandboxPolicy::permissive()));
        let view = sandbox.view();
        assert!(!may_list(&view));
        sandbox.adopt(SandboxPolicy::permissive());
        assert!(may_list(&view));
    }

    #[test]
    fn the_own_policy_only_takes_away() {
        let sandbox = Sandbox::new(Some(SandboxPolicy::default()));
        sandbox.adopt(SandboxPolicy::permissive());
        assert!(!may_list(&sandbox.view()));
    }
}
