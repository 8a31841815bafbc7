//! Running an Expert: from where it stands to how it stops.

use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use perstack_core::{CheckpointStatus, RuntimeEvent};
use perstack_sandbox::{Logic, LogicInput};

use crate::agent::Agent;
use crate::cast::{LoadedExpert, Mind};
use crate::clock::SceneClock;
use crate::conversation::{Conversation, Ground};
use crate::error::RunError;
use crate::host::SceneHost;
use crate::job::JobScope;
use crate::parts;
use crate::position::{Beginning, Position, started};
use crate::prepare::PreparedExpert;
use crate::recorder::Listener;
use crate::request::{Outcome, Request, Stop};
use crate::scene::{Halted, Progress, Rank, Scene};
use crate::servers::Servers;
use crate::state::RunState;

impl PreparedExpert {
    /// Runs the Expert until it has answered, asks the user, or fails.
    ///
    /// # Errors
    /// [`RunError`]: the run did not begin, or could not go on.
    pub async fn run(&self, request: Request, listener: Arc<dyn Listener>) -> Result<Outcome, RunError> {
        let mut settings = self.settings.clone();
        settings.max_steps = request.settings.max_steps.unwrap_or(settings.max_steps);
        settings.max_retries = request.settings.max_retries.unwrap_or(settings.max_retries);
        settings.max_tokens = request.settings.max_tokens.or(settings.max_tokens);
        settings.timeout = request.settings.timeout.unwrap_or(settings.timeout);
        let (store, position) = self.position(&request, settings.max_steps)?;
        let job_id = store.id().clone();
        let job = JobScope::new(self.cast.clone(), store, listener, settings);
        let unused_answer = position.unused_answer.clone();
        let (stop, scene) = perform(job, self.expert.clone(), position, Rank::COORDINATOR).await?;
        let checkpoint = &scene.progress().conversation.checkpoint;
        let (steps, usage) = (checkpoint.step_number, checkpoint.usage);
        Ok(Outcome { job_id, stop, steps, usage, unused_answer })
    }
}

/// How a run stopped, and what it stood on.
type Performed = Result<(Stop, Arc<Scene>), RunError>;

/// Runs an Expert from where it stands. On the heap, since a run may begin others.
pub(crate) fn perform(
    job: Arc<JobScope>,
    expert: Arc<LoadedExpert>,
    position: Position,
    rank: Rank,
) -> Pin<Box<dyn Future<Output = Performed> + Send>> {
    Box::pin(perform_here(job, expert, position, rank))
}

async fn perform_here(job: Arc<JobScope>, expert: Arc<LoadedExpert>, position: Position, rank: Rank) -> Performed {
    let Position { run_id, checkpoint, given, mut journal, .. } = position;
    let beginning = started(&journal)?;
    let metadata = checkpoint.metadata.clone().unwrap_or_default();
    let covered = metadata.journal_entries.unwrap_or(1);
    let (state, component_changed) = match &expert.mind {
        // Repeated from the top, which makes its state anew.
        Mind::Logic { digest, .. } => {
            journal.pass(1);
            (RunState::default(), beginning.component.as_ref() != Some(digest))
        }
        Mind::Model(_) => {
            journal.pass(covered);
            (RunState::of(metadata.state), false)
        }
    };
    let servers = Servers::start(&expert, job.cast.workspace());
    // Those that are lazy may take longer than the run needs to begin.
    servers.wait_for_eager().await;
    let toolbox = servers.toolbox(&expert);
    let ground =
        Ground { job: job.clone(), expert: expert.clone(), servers: servers.clone(), state: state.clone(), rank };
    let conversation = Conversation::new(ground, checkpoint, given)?;
    let files = AtomicUsize::new(parts::bytes_of_files(&conversation.checkpoint));
    let scene = Arc::new(Scene {
        files,
        job,
        expert: expert.clone(),
        run_id,
        rank,
        state,
        covered,
        component_changed,
        servers: servers.clone(),
        toolbox: Mutex::new(toolbox),
        progress: Progress::new(journal, conversation),
    });
    let stop = match &expert.mind {
        Mind::Logic { logic, .. } => follow(logic, &scene, beginning).await,
        Mind::Model(model) => Agent { scene: &scene, model: model.as_ref() }.run().await,
    };
    let stop = match stop {
        Ok(stop) => stop,
        Err(Halted::Stopped(stop)) => *stop,
        Err(Halted::Refused(reason)) => scene.fail(reason)?,
        Err(Halted::Broken(error)) => {
            servers.close().await;
            return Err(error);
        }
    };
    servers.close().await;
    let conversation = &mut scene.progress().conversation;
    conversation.close()?;
    conversation.settle()?;
    Ok((stop, scene.clone()))
}

/// Runs an Expert's own logic, from the top with what was recorded.
async fn follow(logic: &Logic, scene: &Arc<Scene>, beginning: Beginning) -> Result<Stop, Halted> {
    let Beginning { query, history, seed, .. } = beginning;
    let expert = &scene.expert.config;
    let waits = scene.progress().conversation.checkpoint.status == CheckpointStatus::StoppedByDelegate;
    if !waits {
        scene.progress().conversation.open()?;
    }
    let input = LogicInput { query, instruction: expert.instruction.clone(), history };
    let host = Box::new(SceneHost(scene.clone()));
    let clock = Arc::new(SceneClock(scene.clone()));
    let (result, log) = logic.run(input, host, clock, seed).await;
    if !log.is_empty() {
        let skill_name = expert.key.clone();
        scene.recorder().runtime(RuntimeEvent::SkillStderr { skill_name, message: log })?;
    }
    let halted = scene.progress().halt.take();
    match (halted, result) {
        (Some(halted), _) => Err(halted),
        (None, Ok(answer)) => Ok(scene.finish(answer)?),
        (None, Err(ended)) => Err(Halted::Refused(ended.to_string())),
    }
}

impl Scene {
    /// The logic has ended by itself.
    fn finish(&self, answer: Result<String, String>) -> Result<Stop, RunError> {
        let mut progress = self.progress();
        let entries = self.record_end(&mut progress, &answer)?;
        let conversation = &mut progress.conversation;
        match answer {
            Ok(text) => {
                conversation.said(&text)?;
                conversation.completed(&text, None, entries)?;
                Ok(Stop::Completed(text))
            }
            Err(text) => {
                conversation.failed("LogicError", &text, entries)?;
                Ok(Stop::Failed(text))
            }
        }
    }

    /// The run was ended. That is not recorded: another try may go further.
    fn fail(&self, reason: String) -> Result<Stop, RunError> {
        let key = &self.expert.config.key;
        let (name, message) = match &self.expert.mind {
            Mind::Logic { .. } => ("LogicEnded", format!("the logic of `{key}` was ended: {reason}")),
            Mind::Model(_) => ("RunEnded", format!("the run of `{key}` was ended: {reason}")),
        };
        let mut progress = self.progress();
        let entries = progress.journal.place();
        progress.conversation.failed(name, &message, entries)?;
        Ok(Stop::Failed(message))
    }
}
