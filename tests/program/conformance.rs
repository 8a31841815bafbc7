//! The official conformance suite of MCP, against `perstack mcp` and against `perstack run`. It runs where `PERSTACK_TEST_MCP` names
//! the folder that `.ci/run` makes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::harness::{Workspace, program, repository};
use crate::mcp_servers::servers;
use crate::network::certificate;

/// How often the scenario is tried that asks for a certain fraction of a second: other tests are busy meanwhile.
const TRIES_IN_TIME: usize = 5;
const IN_TIME: &str = "sse-retry";

/// The suite, and the Node that it needs.
struct Suite {
    modules: PathBuf,
    workspace: Workspace,
}

impl Suite {
    fn find() -> Option<Self> {
        let modules = servers()?.join("conformance/node_modules");
        let workspace = Workspace::new();
        std::os::unix::fs::symlink(&modules, workspace.path().join("node_modules")).unwrap();
        Some(Self { modules, workspace })
    }

    fn path(&self) -> PathBuf {
        self.workspace.path().canonicalize().unwrap()
    }

    fn node(&self) -> Command {
        let mut command = Command::new(self.modules.join("node/bin/node"));
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home");
        command.current_dir(self.path()).env_clear().env("PATH", std::env::var("PATH").unwrap()).env("HOME", home);
        command
    }

    /// The suite with these arguments: an error where something fails that is not known to, or the other way round.
    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.node();
        command.arg(self.modules.join("@modelcontextprotocol/conformance/dist/index.js")).args(arguments);
        if arguments != ["list"] {
            command.arg("--expected-failures").arg(file("expected-failures.yml"));
        }
        command
    }

    /// The scenarios for clients.
    fn client_scenarios(&self) -> Vec<String> {
        let listed = self.run(&["list"]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let (_, clients) = listed.split_once("Client scenarios").unwrap();
        let names = clients.lines().filter_map(|line| Some(line.strip_prefix("  - ")?.split_once(' ')?.0.to_owned()));
        names.collect()
    }
}

fn file(name: &str) -> PathBuf {
    repository().join("tests/conformance").join(name)
}

fn assert_passed(what: &str, output: &Output) {
    let [said, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{what}: {said}\n{errors}");
}

/// Killed with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_server_passes_the_conformance_suite() {
    let Some(suite) = Suite::find() else { return };
    let workspace = &suite.workspace;
    workspace.write("conformance.wasm", std::fs::read(perstack_test_artifacts::CONFORMANCE).unwrap());
    // Here, where it finds the kit that it is made with.
    workspace.write("schema.mjs", std::fs::read(file("schema.mjs")).unwrap());
    let node = suite.modules.join("node/bin/node");
    workspace.write(
        "perstack.toml",
        format!(
            "[experts.suite]\ninstruction = 'x'\n[experts.suite.skills.tools]\ntype = 'wasmSkill'\ncomponent = 'conformance.wasm'\n\
             [experts.suite.skills.schema]\ntype = 'mcpStdioSkill'\ncommand = '{}'\nargs = ['schema.mjs']\n",
            node.display()
        ),
    );
    let mut command = workspace.command(&["mcp", "--skills", "suite", "--http", "127.0.0.1:0"]);
    command.env("PERSTACK_MCP_TOKEN", "token").stdin(Stdio::null()).stderr(Stdio::piped());
    let mut perstack = Running(command.spawn().unwrap());
    let said = BufReader::new(perstack.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let ports = said.filter_map(|line| Some(line.strip_suffix("/mcp")?.rsplit_once(':')?.1.to_owned()));
    let port = ports.into_iter().next().expect("it serves");
    let mut command = suite.node();
    command.arg(file("server.mjs")).args([&port, "token"]).stdout(Stdio::piped());
    let mut between = Running(command.spawn().unwrap());
    let port = BufReader::new(between.0.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let url = format!("http://localhost:{port}/mcp");
    assert_passed("server", &suite.run(&["server", "--suite", "all", "--url", &url]).output().unwrap());
}

#[test]
fn a_client_passes_the_conformance_suite() {
    let Some(suite) = Suite::find() else { return };
    let (authority, certificate, key) = certificate("conformance.example.com");
    suite.workspace.write("authority.pem", authority.pem());
    suite.workspace.write("certificate.pem", certificate.pem());
    suite.workspace.write("key.pem", key.serialize_pem());
    let client = format!("{} {}", suite.modules.join("node/bin/node").display(), file("client.mjs").display());
    let run = |scenario: &str| {
        let mut command = suite.run(&["client", "--command", &client, "--scenario", scenario]);
        command.env("PERSTACK", program()).env("CERTIFICATES", suite.path()).output().unwrap()
    };
    let scenarios = suite.client_scenarios();
    assert!(scenarios.iter().any(|scenario| scenario == IN_TIME), "{scenarios:?}");
    for scenario in &scenarios {
        let tries = if scenario == IN_TIME { TRIES_IN_TIME } else { 1 };
        let mut outputs = (0..tries).map(|_| run(scenario));
        let last = outputs.by_ref().take(tries - 1).find(|output| output.status.success());
        assert_passed(scenario, &last.unwrap_or_else(|| outputs.next().unwrap_or_else(|| run(scenario))));
    }
}
