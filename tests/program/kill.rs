//! The program is killed at every point where it writes, and continued: the same game, no move twice, no half-written
//! file.

use std::fs;
use std::sync::OnceLock;

use serde_json::Value;

use crate::game::{final_text, first_free, moves, score};
use crate::harness::{Job, Workspace, files, read};
use crate::tracer::{Fate, kill_at_write};

/// Longer than any process of the game writes; a test that reaches it never ends.
pub(crate) const MOST_WRITES: usize = 2_000;

/// A game that nobody disturbs, with its workspace as it was before each process.
struct Reference {
    /// Before the first process, and before each answer.
    before: Vec<Workspace>,
    answers: Vec<String>,
    moves: Vec<String>,
    text: String,
    score: Value,
}

impl Reference {
    fn play() -> Self {
        let workspace = Workspace::new();
        let mut before = vec![workspace.copy()];
        let mut answers = Vec::new();
        workspace.run(&["run", "tic-tac-toe", "Let's play!"]);
        let job = workspace.job();
        while let Some(question) = job.question() {
            before.push(workspace.copy());
            answers.push(first_free(&question));
            workspace.run(&["run", "tic-tac-toe", &first_free(&question), "--continue", "-i"]);
        }
        let checkpoint = job.checkpoint();
        Self { before, answers, moves: moves(&checkpoint), text: final_text(&checkpoint), score: score(&workspace) }
    }
}

fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(Reference::play)
}

// One test a process: they run side by side.

#[test]
fn a_game_survives_a_kill_at_every_write_of_its_start() {
    kill_everywhere(0);
}

#[test]
fn a_game_survives_a_kill_at_every_write_of_the_first_move() {
    kill_everywhere(1);
}

#[test]
fn a_game_survives_a_kill_at_every_write_of_the_second_move() {
    kill_everywhere(2);
}

#[test]
fn a_game_survives_a_kill_at_every_write_of_the_last_move() {
    kill_everywhere(3);
}

fn kill_everywhere(process: usize) {
    let reference = reference();
    assert_eq!(reference.before.len(), 4, "the first process, and three moves");
    let through = (1..MOST_WRITES).find(|write| !survives(reference, process, *write));
    let writes = through.expect("a process that writes without end");
    assert!(writes > 20, "process {process} writes {writes} times only: the tracer misses something");
}

/// Kills one process of the game at one write. False if the process was through before.
fn survives(reference: &Reference, process: usize, write: usize) -> bool {
    let workspace = reference.before[process].copy();
    let place = format!("process {process}, write {write}");
    let question = workspace.jobs().first().and_then(|job| job.question());
    let answer = question.as_ref().map(first_free);
    let command = match &answer {
        None => vec!["run", "tic-tac-toe", "Let's play!"],
        Some(answer) => vec!["run", "tic-tac-toe", answer, "--continue", "-i"],
    };
    match kill_at_write(workspace.command(&command), workspace.path(), write) {
        Fate::Exited(code) => {
            assert_eq!(code, 0, "{place}");
            return false;
        }
        Fate::Killed => {}
    }
    assert_whole(&workspace, &place);
    continue_after_kill(&workspace, question.as_ref(), &command, &place);
    let job = workspace.job();
    let text = finish(&workspace, &job, &reference.answers[process..], &place);
    assert_eq!(moves(&job.checkpoint()), reference.moves, "{place}");
    assert_eq!(text, reference.text, "{place}");
    assert_eq!(score(&workspace), reference.score, "{place}");
    assert_clean(&workspace, &place);
    true
}

/// Plays the rest of the game in one process.
fn finish(workspace: &Workspace, job: &Job, answers: &[String], place: &str) -> String {
    if let Some(question) = job.question() {
        // The answer of the killed process may be in already.
        let rest = answers.iter().skip_while(|answer| **answer != first_free(&question));
        let input: String = rest.map(|answer| format!("{answer}\n")).collect();
        let ran = workspace.run_with_input(&["start", "tic-tac-toe", "--continue"], &input);
        assert_eq!(ran.code, Some(0), "{place}: {}", ran.stderr);
    }
    assert_eq!(job.json()["status"], "completed", "{place}");
    final_text(&job.checkpoint())
}

/// Does what a careful user does: start again if there is no job, go on if it was interrupted, and give the answer again
/// only if the question is still open.
fn continue_after_kill(workspace: &Workspace, asked: Option<&Value>, command: &[&str], place: &str) {
    let Some(job) = workspace.jobs().into_iter().next() else {
        let ran = workspace.run(command);
        assert_eq!(ran.code, Some(0), "{place}: {}", ran.stderr);
        return;
    };
    if job.json()["status"] == "completed" {
        return;
    }
    let ran = match (job.question(), asked) {
        // The next question is there already.
        (Some(open), asked) if asked.is_none_or(|asked| asked["id"] != open["id"]) => return,
        (_, Some(_)) => workspace.run(command),
        (_, None) => workspace.run(&["run", "tic-tac-toe", "--continue"]),
    };
    assert_eq!(ran.code, Some(0), "{place}: {}", ran.stderr);
}

/// No file that has its name is half-written.
pub(crate) fn assert_whole(workspace: &Workspace, place: &str) {
    for path in files(&workspace.path().join("perstack")) {
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path).unwrap();
            let whole = serde_json::from_str::<Value>(&text).is_ok();
            assert!(whole, "{place}: {} is half-written: {text:?}", path.display());
        }
    }
}

/// After the game nothing is left of files that were about to be written, and no journal entry is missing.
fn assert_clean(workspace: &Workspace, place: &str) {
    let job = workspace.job();
    for path in files(job.path()).into_iter().chain(files(&workspace.path().join("perstack/state"))) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.starts_with('.'), "{place}: {} is left over", path.display());
    }
    let run = job.checkpoint()["runId"].as_str().unwrap().to_owned();
    let journal = job.path().join("runs").join(run).join("journal");
    let entries = files(&journal);
    assert_eq!(read(entries.last().unwrap())["type"], "finished", "{place}");
    assert_eq!(entries.last().unwrap(), &journal.join(format!("{:06}.json", entries.len())), "{place}");
}
