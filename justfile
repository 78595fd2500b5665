# Shortcuts; every recipe is one command that can be typed without `just`.

# Lists the recipes.
default:
    @just --list

# Installs what the tests need.
setup:
    scripts/setup

# Runs every check that a change has to pass.
test:
    scripts/test

# Does what CI does.
ci:
    bash .ci/run

# Runs a hub with one local node, and prints a sign-in link.
run:
    cargo run --release -p cortex-cli -- hub serve --dev

# Measures Cortex and its peers in one run.
bench *args:
    scripts/setup --peers
    cargo bench {{ args }}

# Checks the dependencies; `just deny advisories` needs the network.
deny *args:
    scripts/deny {{ args }}
