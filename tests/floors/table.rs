//! The rules as data. A new module, crate or exception is entered here, and nowhere else.

/// One crate and the floors of its modules, the highest first.
#[derive(Debug)]
pub(crate) struct Floors {
    /// The crate's folder below `crates/`.
    pub(crate) krate: &'static str,
    /// Modules directly below the crate's root. Imports go down only: modules on one floor do not
    /// import each other. `lib.rs` stands above all.
    pub(crate) floors: &'static [&'static [&'static str]],
}

/// The module floors, as ARCHITECTURE.md draws them.
pub(crate) const MODULES: &[Floors] = &[
    Floors {
        krate: "cortex-core",
        floors: &[
            &["contract"],
            &["memory"],
            &["session", "registry", "mirror", "skill", "account", "report", "placement"],
            &["change", "task", "policy", "envelope", "node", "invite", "proof", "audit", "bundle"],
            &["tree", "delta", "ignore", "capability", "receipt", "ring"],
            &["chain"],
            &["error"],
            &["id", "path", "digest", "timestamp", "base64_bytes", "layout"],
        ],
    },
    Floors {
        krate: "cortex-hub-lib",
        floors: &[
            &["builder"],
            &["serve"],
            &["rest", "grpc", "inbox"],
            &["web", "assistant"],
            &["hub"],
            &["dispatch"],
            &["placement", "link", "feed", "accounts", "screen"],
            &["trust", "store"],
            &["audit"],
            &["config", "metrics", "clock"],
        ],
    },
    Floors {
        krate: "cortex-node-lib",
        floors: &[
            &["builder"],
            &["node"],
            &["runner", "mirror"],
            &["uplink", "sandbox", "skills", "identity", "health", "config"],
        ],
    },
];

/// A name that only some modules may say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ban {
    /// The path, with `::` between its names.
    pub(crate) path: &'static str,
    /// Folders below `crates/` that it holds for.
    pub(crate) crates: &'static [&'static str],
    /// Modules that may say it all the same, with `/` between their names: a module with all
    /// below it, or `lib` for `lib.rs` alone.
    pub(crate) except: &'static [&'static str],
    /// Why, for the message.
    pub(crate) reason: &'static str,
}

const LIBRARIES: &[&str] = &["cortex-core", "cortex-proto", "cortex-hub-lib", "cortex-node-lib"];
const CRATES: &[&str] =
    &["cortex-core", "cortex-proto", "cortex-hub-lib", "cortex-node-lib", "cortex-cli"];
const NO_IO: &str = "the core has no sockets, files, clock or processes: take it as an argument";

/// Names that are banned, and the edges that are excepted.
pub(crate) const BANS: &[Ban] = &[
    Ban {
        path: "cortex_proto",
        crates: &["cortex-hub-lib"],
        except: &["serve", "rest", "grpc", "web", "store"],
        reason: "only the edges see wire types: convert there, and pass values of the core on",
    },
    Ban {
        path: "cortex_proto",
        crates: &["cortex-node-lib"],
        except: &["uplink", "mirror/transfer"],
        reason: "only the edges see wire types: convert there, and pass values of the core on",
    },
    Ban {
        path: "sea_orm",
        crates: &["cortex-hub-lib"],
        except: &["store"],
        reason: "only the store sees rows",
    },
    Ban {
        path: "axum",
        crates: &["cortex-hub-lib"],
        except: &["lib", "serve", "rest", "grpc", "web"],
        reason: "the handle `Hub` and all below it know nothing of HTTP",
    },
    Ban {
        path: "tonic",
        crates: &["cortex-hub-lib"],
        except: &["lib", "serve", "grpc"],
        reason: "the handle `Hub` and all below it know nothing of gRPC",
    },
    Ban {
        path: "tonic",
        crates: &["cortex-node-lib"],
        except: &["uplink", "mirror/transfer"],
        reason: "only the edges that dial the hub know of gRPC",
    },
    Ban {
        path: "anyhow",
        crates: LIBRARIES,
        except: &[],
        reason: "libraries return `cortex_core::Error` or a small enum of their own",
    },
    Ban {
        path: "process::exit",
        crates: LIBRARIES,
        except: &[],
        reason: "only the command-line programs end the process: return an error",
    },
    Ban {
        path: "unbounded_channel",
        crates: CRATES,
        except: &[],
        reason: "every channel is bounded: decide what happens when it is full",
    },
    Ban {
        path: "mpsc::unbounded",
        crates: CRATES,
        except: &[],
        reason: "every channel is bounded: decide what happens when it is full",
    },
    Ban { path: "std::fs", crates: &["cortex-core"], except: &[], reason: NO_IO },
    Ban { path: "std::net", crates: &["cortex-core"], except: &[], reason: NO_IO },
    Ban { path: "std::process", crates: &["cortex-core"], except: &[], reason: NO_IO },
    Ban { path: "SystemTime::now", crates: &["cortex-core"], except: &[], reason: NO_IO },
    Ban { path: "Instant::now", crates: &["cortex-core"], except: &[], reason: NO_IO },
    Ban { path: "now_utc", crates: &["cortex-core"], except: &[], reason: NO_IO },
    // A new identifier holds the time of its making; nothing decides by it.
    Ban { path: "now_v7", crates: &["cortex-core"], except: &["id"], reason: NO_IO },
];

/// One package of the workspace and what it may stand on.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name in its manifest.
    pub(crate) name: &'static str,
    /// The packages of this workspace that it may name, in any section.
    pub(crate) on: &'static [&'static str],
    /// Packages that it must not build on, at any depth; what only its tests use is left aside.
    pub(crate) never: &'static [&'static str],
    /// Whether it may name `anyhow` outside `[dev-dependencies]`.
    pub(crate) anyhow: bool,
}

/// The crate floors.
pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "cortex-core",
        on: &[],
        never: &[
            "tonic",
            "prost",
            "axum",
            "hyper",
            "rustls",
            "sea-orm",
            "sqlx-core",
            "tokio",
            "mio",
        ],
        anyhow: false,
    },
    Package {
        name: "cortex-hub-proto",
        on: &["cortex-core"],
        never: &["sea-orm", "sqlx-core", "sysinfo"],
        anyhow: false,
    },
    Package {
        name: "cortex-hub-lib",
        on: &["cortex-core", "cortex-hub-proto"],
        never: &["cortex-node-lib", "cortex-cli", "clap"],
        anyhow: false,
    },
    Package {
        name: "cortex-node-lib",
        on: &["cortex-core", "cortex-hub-proto"],
        never: &["cortex-hub-lib", "cortex-cli", "clap", "sea-orm", "sqlx-core"],
        anyhow: false,
    },
    Package {
        name: "cortex-cli",
        on: &["cortex-core", "cortex-hub-proto", "cortex-hub-lib", "cortex-node-lib"],
        never: &[],
        anyhow: true,
    },
    // The root package: examples, benchmarks and flow tests.
    Package {
        name: "cortex",
        on: &["cortex-core", "cortex-hub-proto", "cortex-hub-lib", "cortex-node-lib", "cortex-cli"],
        never: &[],
        anyhow: false,
    },
];

/// The most lines that a hand-written file may have, its tests included.
pub(crate) const MOST_LINES: usize = 400;

/// The name of folders whose files a program has written.
pub(crate) const GENERATED: &str = "generated";

/// Words that say nothing about what is in a file, singular; a plural `s` is found too.
pub(crate) const VAGUE: &[&str] =
    &["common", "helper", "imp", "impl", "manager", "misc", "util", "utility", "utilitie"];
