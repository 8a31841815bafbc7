//! A whole game, through `start` and through `run`.

use serde_json::Value;

use crate::harness::{Job, Workspace, read};

/// Plays the first free field each time; the Expert wins.
pub(crate) fn first_free(question: &Value) -> String {
    question["args"]["free"][0].to_string()
}

/// Plays by `run` from where the job stands to its end; gives the final answer.
pub(crate) fn play_on(workspace: &Workspace, job: &Job) -> String {
    for _ in 0..9 {
        let Some(question) = job.question() else { break };
        let ran = workspace.run(&["run", "tic-tac-toe", &first_free(&question), "--continue", "-i"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    assert_eq!(job.json()["status"], "completed");
    final_text(&job.checkpoint())
}

/// What the Expert said last.
pub(crate) fn final_text(checkpoint: &Value) -> String {
    let messages = checkpoint["messages"].as_array().unwrap();
    let parts = messages.last().unwrap()["contents"].as_array().unwrap();
    parts.last().unwrap()["text"].as_str().unwrap().to_owned()
}

/// All moves of a conversation: what was asked, and what was answered.
pub(crate) fn moves(checkpoint: &Value) -> Vec<String> {
    let mut moves = Vec::new();
    for message in checkpoint["messages"].as_array().unwrap() {
        for part in message["contents"].as_array().unwrap() {
            match part["type"].as_str().unwrap() {
                "toolCallPart" => moves.push(format!("{}({})", part["toolName"], part["args"])),
                "toolResultPart" => moves.push(part["contents"][0]["text"].to_string()),
                _ => {}
            }
        }
    }
    moves
}

/// The games that the scoreboard counts in a workspace.
pub(crate) fn score(workspace: &Workspace) -> Value {
    read(&workspace.path().join("perstack/state/tic-tac-toe/scoreboard.json"))["entries"].clone()
}

#[test]
fn run_stops_for_each_move_and_goes_on_in_another_process() {
    let workspace = Workspace::new();
    let ran = workspace.run(&["run", "tic-tac-toe", "Let's play!"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr, "");
    let events = ran.events();
    let last = &events[events.len() - 2];
    assert_eq!(last["type"], "stopRunByInteractiveTool");
    assert_eq!(last["checkpoint"]["pendingToolCalls"][0]["toolName"], "askMove");
    let job = workspace.job();
    assert_eq!(job.json()["status"], "stoppedByInteractiveTool");
    let text = play_on(&workspace, &job);
    assert!(text.starts_with("I won."), "{text}");
    assert!(text.ends_with("Score of all games: 1 won, 0 drawn, 0 lost"), "{text}");
    assert_eq!(moves(&job.checkpoint()).len(), 8, "three moves and the score, each asked and answered");
}

#[test]
fn start_plays_with_piped_input_and_copes_with_wrong_input() {
    let workspace = Workspace::new();
    let input = "5\n5\nfive\n10\n1\n9\n3\n2\n7\n8\n6\n4\n";
    let ran = workspace.run_with_input(&["start", "tic-tac-toe", "Let's play!"], input);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr, "");
    for shown in [
        "tic-tac-toe  component ",
        "nothing granted beyond its own state",
        "4 │ X │ 6",
        "5 is taken",
        "`five` is not a number",
        "Score of all games: ",
        "✓ ",
    ] {
        assert!(ran.stdout.contains(shown), "{shown:?} is missing in:\n{}", ran.stdout);
    }
}

#[test]
fn start_that_ends_early_is_continued_with_the_same_question() {
    let workspace = Workspace::new();
    let ran = workspace.run_with_input(&["start", "tic-tac-toe", "Let's play!"], "5\n");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("perstack start tic-tac-toe --continue"), "{}", ran.stdout);
    let ran = workspace.run_with_input(&["start", "tic-tac-toe", "--continue"], "2\n7\n6\n9\n3\n4\n8\n");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("✓ "), "{}", ran.stdout);
}

#[test]
fn the_score_counts_all_games_of_a_workspace_and_no_others() {
    let workspace = Workspace::new();
    for games in 1..=2 {
        let ran = workspace.run_with_input(&["start", "tic-tac-toe", "Let's play!"], "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
        assert!(ran.stdout.contains(&format!("Score of all games: {games} won")), "{}", ran.stdout);
    }
    let other = Workspace::new();
    let ran = other.run_with_input(&["start", "tic-tac-toe", "Let's play!"], "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert!(ran.stdout.contains("Score of all games: 1 won"), "{}", ran.stdout);
}

#[test]
fn a_finished_job_takes_another_query() {
    let workspace = Workspace::new();
    workspace.run(&["run", "tic-tac-toe", "Let's play!", "--job-id", "my-games"]);
    let job = workspace.job();
    play_on(&workspace, &job);
    let refused = workspace.run(&["run", "tic-tac-toe", "1", "--continue", "-i"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("does not wait for an answer"), "{}", refused.stderr);
    let ran = workspace.run(&["run", "tic-tac-toe", "Once more", "--continue-job", "my-games"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(play_on(&workspace, &job).ends_with("Score of all games: 2 won, 0 drawn, 0 lost"));
}

#[test]
fn a_job_stops_when_its_steps_are_used_up() {
    let workspace = Workspace::new();
    let ran = workspace.run(&["run", "tic-tac-toe", "Let's play!", "--max-steps", "7"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let job = workspace.job();
    let mut last = ran;
    while let Some(question) = job.question() {
        let arguments = ["run", "tic-tac-toe", &first_free(&question), "--continue", "-i", "--max-steps", "7"];
        last = workspace.run(&arguments);
    }
    assert_eq!(last.code, Some(1), "{}", last.stderr);
    assert!(last.events().iter().any(|event| event["type"] == "stopRunByExceededMaxSteps"));
    assert_eq!(job.json()["status"], "stoppedByMaxSteps");
}
