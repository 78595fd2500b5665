//! Puts a node together: configuration, skills, environment.

use std::ffi::OsStr;
use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::skill::Skill;

use crate::config::Environment;
use crate::config::NodeConfig;
use crate::health::Discovery;
use crate::identity::Identity;
use crate::node::Driver;
use crate::node::Node;
use crate::node::Parts;
use crate::sandbox::Sandbox;
use crate::skills::Skills;
use crate::skills::shell::BaseEnvironment;
use crate::skills::shell::Shell;

/// Makes a [`Node`] and its [`Driver`].
#[derive(Debug)]
pub struct NodeBuilder {
    config: NodeConfig,
    skills: Vec<Arc<dyn Skill>>,
    environment: Environment,
    version: String,
    with_shell: bool,
    with_discovery: bool,
}

impl NodeBuilder {
    /// Begins with a configuration; tasks start with this process's environment, the node has the
    /// shell skill.
    #[must_use]
    pub fn new(config: NodeConfig) -> Self {
        Self {
            config,
            skills: Vec::new(),
            environment: Environment::of_process(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            with_shell: true,
            with_discovery: true,
        }
    }

    /// Installs a skill; it is callable whatever the sandbox policy says.
    #[must_use]
    pub fn skill(mut self, skill: impl Skill + 'static) -> Self {
        self.skills.push(Arc::new(skill));
        self
    }

    /// Leaves out the shell: such a node runs its own skills only, and no programs.
    #[must_use]
    pub fn without_shell(mut self) -> Self {
        self.with_shell = false;
        self
    }

    /// Starts no programs to find out which runtimes and NVIDIA cards the machine has, so the node
    /// states none. For services with many nodes in one process, and for tests.
    #[must_use]
    pub fn without_discovery(mut self) -> Self {
        self.with_discovery = false;
        self
    }

    /// Sets the environment that programs start with, and whose `PATH` they are found on.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the version that the hub is told, at most 64 bytes; the library's own if not set.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Opens and locks the data directory, and puts the node together. Connects to nothing.
    ///
    /// Reads and writes files; made for the start of a program.
    ///
    /// # Errors
    /// `Invalid`: the configuration cannot be right, or a skill has no proper name. `Exists`: two
    /// skills have one name. `Conflict`: `data_dir_in_use` where another process uses the data
    /// directory, `other_identity` where it is enrolled with another hub or as another node than
    /// configured. `Denied`: a directory cannot be made or written. `Precondition`: a file in the
    /// data directory cannot be understood.
    pub fn build(self) -> Result<(Node, Driver)> {
        let Self { config, skills: own, environment, mut version, with_shell, with_discovery } =
            self;
        config.validate()?;
        version.truncate(version.floor_char_boundary(64));
        let identity = Identity::open(&config.data_dir)?;
        check_identity(&config, &identity)?;
        let workspace = config.workspace_dir();
        std::fs::create_dir_all(&workspace).map_err(|error| {
            let message = format!("cannot make {}: {error}", workspace.display());
            Error::new(ErrorKind::Denied, "make workspace", message)
                .with_hint("set node.workspace to a directory that the node's user can write")
                .with_source(error)
        })?;
        let sandbox = Sandbox::new(config.policy.clone());
        let mut skills = Skills::default();
        if with_shell {
            let base = BaseEnvironment::of(environment.iter());
            skills.add(Arc::new(Shell::new(sandbox.view(), workspace, base)))?;
        }
        for skill in own {
            skills.add(skill)?;
        }
        let discovery = Discovery::new(
            &config.data_dir,
            // Without a directory to look in, nothing is found.
            if with_discovery { environment.get("PATH") } else { Some(OsStr::new("")) },
            skills.offered(),
            config.labels.clone(),
        );
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let parts = Parts { config, identity, sandbox, skills, discovery, version, host_name };
        Ok(Node::assemble(parts))
    }
}

fn check_identity(config: &NodeConfig, identity: &Identity) -> Result<()> {
    let Some(known) = identity.enrolment() else { return Ok(()) };
    let dir = identity.dir().display();
    let message = if known.hub != config.hub.id {
        format!("{dir} belongs to a node of hub {}, not of {}", known.hub, config.hub.id)
    } else if config.id.is_some_and(|id| id != known.node) {
        let asked = config.id.map(|id| id.to_string()).unwrap_or_default();
        format!("{dir} belongs to node {}, but node.id is {asked}", known.node)
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Conflict, "open data directory", message)
        .with_code("other_identity")
        .with_hint("give this node a data directory of its own (node.data_dir)"))
}
