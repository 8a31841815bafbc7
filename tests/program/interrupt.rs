//! Ctrl-C, and a request to end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::Workspace;

const PROJECT: &str = "[experts.slow]\ninstruction = 'Take your time.'\n";
const SCRIPT: &str = r#"
[[experts.slow.replies]]
toolCalls = [{ name = "writeTextFile", arguments = { path = "made", text = "once" } }]
[[experts.slow.replies]]
delay = "1h"
text = "Late."
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("script.toml", SCRIPT);
    workspace
}

fn begin(workspace: &Workspace, arguments: &[&str]) -> Child {
    let mut command = workspace.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads lines until one has this in it.
fn wait_for(lines: &mut impl BufRead, text: &str, times: usize) {
    let mut seen = 0;
    while seen < times {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended before {text:?}");
        seen += usize::from(line.contains(text));
    }
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

#[test]
fn a_run_ends_and_goes_on() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let workspace = workspace();
        let mut child = begin(&workspace, &["run", "slow", "Go", "--provider", "scripted", "--model", "script.toml"]);
        wait_for(&mut BufReader::new(child.stdout.take().unwrap()), r#""type":"startGeneration""#, 2);
        send(&child, signal);
        let ran = child.wait_with_output().unwrap();
        assert_eq!(ran.status.code(), Some(code));
        let said = String::from_utf8(ran.stderr).unwrap();
        let go_on = "perstack run slow --continue --provider scripted --model script.toml";
        assert_eq!(said, format!("warning: interrupted; `{go_on}` goes on\n"));
        workspace.write("script.toml", SCRIPT.replace("1h", "1ms"));
        let ran = workspace.run(&["run", "slow", "--continue", "--provider", "scripted", "--model", "script.toml"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("Late."));
        assert!(!ran.stdout.contains(r#""type":"callTools""#), "the file is not written again");
    }
}

#[test]
fn what_was_not_begun_is_finished_first() {
    let workspace = workspace();
    workspace.write("script.toml", "[[experts.slow.replies]]\ndelay = '1h'\ntext = 'Late.'");
    let scripted = ["--provider", "scripted", "--model", "script.toml"];
    let mut child = begin(&workspace, &[&["run", "slow", "First"], &scripted[..]].concat());
    wait_for(&mut BufReader::new(child.stdout.take().unwrap()), r#""type":"startGeneration""#, 1);
    send(&child, Signal::SIGINT);
    child.wait().unwrap();
    workspace.write("script.toml", "[[experts.slow.replies]]\ntext = 'There.'");
    let go_on = |query: &[&str]| workspace.run(&[&["run", "slow", "--continue"], query, &scripted[..]].concat());
    let refused = go_on(&["Second"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("was interrupted before it was done"), "{}", refused.stderr);
    assert_eq!(go_on(&[]).code, Some(0));
    assert!(workspace.job().checkpoint()["messages"].to_string().contains("First"));
    let done = go_on(&[]);
    assert!(done.stderr.contains("is done\n  hint: give it a new query"), "{}", done.stderr);
}

#[test]
fn a_question_can_be_left() {
    let workspace = Workspace::new();
    let mut child = begin(&workspace, &["start", "tic-tac-toe", "Let's play!"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    wait_for(&mut lines, "7 │ 8 │ 9", 1);
    send(&child, Signal::SIGINT);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("interrupted\n  perstack start tic-tac-toe --continue\n"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // What was said before the question is shown again.
    let ran = workspace.run_with_input(&["start", "tic-tac-toe", "--continue"], "");
    assert!(ran.stdout.contains("7 │ 8 │ 9") && ran.stdout.contains("Your move › "), "{}", ran.stdout);
    let job = workspace.job().path().file_name().unwrap().to_str().unwrap().to_owned();
    let stopped = format!("stopped · job {job}\n  perstack start tic-tac-toe --continue-job {job}\n");
    assert!(ran.stdout.ends_with(&stopped), "{}", ran.stdout);
}
