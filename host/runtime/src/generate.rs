//! Asking the model: what it replies is checked, recorded, and told while it comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perstack_core::{Deltas, GeneratedPart, Generation, Message, Model, ModelError, Prompt, RunEvent, ToolDefinition};
use serde_json::Value;

use crate::error::RunError;
use crate::journal::Entry;
use crate::recorder::Recorder;
use crate::scene::{Progress, Scene};

/// Bytes of a reply: far more than any model gives.
const MAX_REPLY_BYTES: usize = 1 << 20;
/// Bytes of a reply that its provider wants back unread: signatures, and pages that it has looked up. Every checkpoint from
/// then on has them.
const MAX_KEPT_BYTES: usize = 4 << 20;
/// Calls of one reply; as many as a run has steps by default.
const MAX_CALLS: usize = 100;

/// The first wait before the model is asked again; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait, also if the provider asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the model is asked.
pub(crate) struct Question {
    pub(crate) messages: Vec<Message>,
    pub(crate) tools: Vec<ToolDefinition>,
    pub(crate) response_schema: Option<Value>,
    /// SHA-256 of what an Expert's own logic asks, in hexadecimal.
    pub(crate) digest: Option<String>,
    /// Whether the text of the reply is what the run results in.
    pub(crate) is_result: bool,
}

/// What came of a generation.
pub(crate) struct Generated {
    pub(crate) reply: Result<Generation, ModelError>,
    /// Whether it was tried as often as it may be.
    pub(crate) exhausted: bool,
}

impl Scene {
    /// Asks the model, or finds recorded what it replied; asks again after a failure that may pass.
    pub(crate) async fn generate(&self, model: &dyn Model, question: Question) -> Result<Generated, RunError> {
        let max_retries = self.job.settings.max_retries;
        loop {
            let (entry, reply, repeated) = self.generate_once(model, &question).await?;
            let error = match reply {
                Err(error) if error.is_transient() && max_retries > 0 => error,
                reply => return Ok(Generated { reply, exhausted: false }),
            };
            let retries = self.retries();
            if self.is_new(entry) {
                self.progress().conversation.retry(&error.to_string(), Vec::new())?;
            }
            if retries + 1 >= max_retries {
                return Ok(Generated { reply: Err(error), exhausted: true });
            }
            if !repeated {
                tokio::time::sleep(wait(&error, retries)).await;
            }
        }
    }

    /// Generations that failed, one after the other.
    pub(crate) fn retries(&self) -> u64 {
        self.progress().conversation.checkpoint.retry_count.unwrap_or(0)
    }

    /// Gives the reply with its number in the journal, and whether an earlier process recorded it.
    async fn generate_once(
        &self,
        model: &dyn Model,
        question: &Question,
    ) -> Result<(u64, Result<Generation, ModelError>, bool), RunError> {
        let same = |entry| match entry {
            Entry::Generated { asked, generation } => (asked == question.digest).then_some(Ok(generation)),
            Entry::NotGenerated { asked, error } => (asked == question.digest).then_some(Err(error)),
            _ => None,
        };
        let (streamer, recorded) = {
            let mut progress = self.progress();
            let entry = progress.journal.place() + 1;
            if !question.is_result && self.is_new(entry) {
                progress.conversation.generating(&question.messages)?;
            }
            (self.streamer(&progress, question.is_result), self.replay(&mut progress, "asked the model", same)?)
        };
        let repeated = recorded.is_some();
        let (entry, reply) = match recorded {
            Some((entry, reply)) => {
                if let (Ok(generation), true) = (&reply, self.is_new(entry)) {
                    streamer.whole(generation);
                }
                (entry, reply)
            }
            None => {
                let reply = self.ask_model(model, question, &streamer).await;
                let asked = question.digest.clone();
                let entry = match &reply {
                    Ok(generation) => Entry::Generated { asked, generation: generation.clone() },
                    Err(error) => Entry::NotGenerated { asked, error: error.clone() },
                };
                (self.append(&mut self.progress(), entry)?, reply)
            }
        };
        streamer.end()?;
        if self.is_new(entry) {
            let conversation = &mut self.progress().conversation;
            if reply.as_ref().err().is_none_or(ModelError::was_asked) {
                conversation.count_generation();
            }
            if let Ok(generation) = &reply {
                conversation.generated(generation, model.context_window())?;
            }
        }
        Ok((entry, reply, repeated))
    }

    async fn ask_model(
        &self,
        model: &dyn Model,
        question: &Question,
        streamer: &Streamer,
    ) -> Result<Generation, ModelError> {
        let (turn, used) = {
            let checkpoint = &self.progress().conversation.checkpoint;
            let turn = checkpoint.metadata.as_ref().map_or(0, |metadata| metadata.generations);
            (turn, checkpoint.usage.total_tokens)
        };
        if let Some(most) = self.job.settings.max_tokens.filter(|most| used >= *most) {
            let message = format!("the job has used {used} tokens, of {most} that it may use (`--max-tokens`)");
            return Err(ModelError::LimitExceeded { message });
        }
        let timeout = Duration::from_millis(self.job.settings.timeout);
        let prompt = Prompt {
            expert_key: &self.expert.config.key,
            messages: &question.messages,
            tools: &question.tools,
            hosted: self.expert.config.hosted(),
            response_schema: question.response_schema.as_ref(),
            turn,
            timeout,
        };
        let reply = tokio::time::timeout(timeout, model.generate(prompt, streamer)).await;
        let late = || ModelError::Transient {
            message: format!("the model did not reply within {} s", timeout.as_secs_f64()),
            retry_after: None,
        };
        bounded(reply.map_err(|_| late())??)
    }

    fn streamer(&self, progress: &Progress, is_result: bool) -> Streamer {
        Streamer {
            recorder: progress.conversation.recorder.clone(),
            expert_key: self.expert.config.key.clone(),
            step_number: progress.conversation.checkpoint.step_number,
            is_result,
            stream: Mutex::default(),
        }
    }
}

/// How long to wait: longer each time, not all at the same moment, and at least as long as the provider asks.
fn wait(error: &ModelError, retries: u64) -> Duration {
    let grown = FIRST_WAIT.saturating_mul(1 << retries.min(16));
    let mut random = [0; 1];
    // Without random numbers the waits are the same, which does no harm.
    let _ = getrandom::fill(&mut random);
    let jittered = grown.mul_f64(0.75 + f64::from(random[0]) / 512.0);
    let asked = match error {
        ModelError::Transient { retry_after: Some(milliseconds), .. } => Duration::from_millis(*milliseconds),
        _ => Duration::ZERO,
    };
    jittered.max(asked).min(LONGEST_WAIT)
}

/// Refuses a reply that is larger than any should be.
fn bounded(generation: Generation) -> Result<Generation, ModelError> {
    let size = |part: &GeneratedPart| match part {
        GeneratedPart::Reasoning { text, .. } | GeneratedPart::Text { text } => text.len(),
        GeneratedPart::ToolCall { id, name, arguments } => {
            id.len() + name.len() + arguments.as_ref().map_or_else(String::len, |json| json.to_string().len())
        }
    };
    let kept = generation.parts.iter().map(|part| match part {
        GeneratedPart::Reasoning { signature, .. } => signature.as_ref().map_or(0, String::len),
        GeneratedPart::Text { .. } | GeneratedPart::ToolCall { .. } => 0,
    });
    let calls = generation.parts.iter().filter(|part| matches!(part, GeneratedPart::ToolCall { .. })).count();
    let what = if generation.parts.iter().map(size).sum::<usize>() > MAX_REPLY_BYTES {
        format!("{MAX_REPLY_BYTES} bytes")
    } else if kept.sum::<usize>() > MAX_KEPT_BYTES {
        format!("{MAX_KEPT_BYTES} bytes of what its provider has looked up")
    } else if calls > MAX_CALLS {
        format!("{MAX_CALLS} tool calls")
    } else {
        return Ok(generation);
    };
    Err(ModelError::Transient { message: format!("the model's reply has more than {what}"), retry_after: None })
}

/// Tells what the model says while it says it.
struct Streamer {
    recorder: Arc<Recorder>,
    expert_key: String,
    step_number: u64,
    is_result: bool,
    stream: Mutex<Stream>,
}

#[derive(Default)]
struct Stream {
    reasoning: Option<String>,
    text: Option<String>,
    /// Whether reasoning was told to its end.
    reasoned: bool,
    told: usize,
    failed: Option<RunError>,
}

impl Deltas for Streamer {
    fn reasoning(&self, piece: &str) {
        self.tell(piece, |stream, piece| {
            let start = stream.reasoning.is_none().then_some(RunEvent::StartStreamingReasoning {});
            stream.reasoning.get_or_insert_default().push_str(piece);
            start.into_iter().chain([RunEvent::StreamReasoning { delta: piece.to_owned() }]).collect()
        });
    }

    fn text(&self, piece: &str) {
        if !self.is_result {
            return;
        }
        self.tell(piece, |stream, piece| {
            let reasoned = stream.end_reasoning();
            let start = stream.text.is_none().then_some(RunEvent::StartStreamingRunResult {});
            stream.text.get_or_insert_default().push_str(piece);
            let delta = RunEvent::StreamRunResult { delta: piece.to_owned() };
            reasoned.into_iter().chain(start).chain([delta]).collect()
        });
    }
}

impl Stream {
    fn end_reasoning(&mut self) -> Option<RunEvent> {
        let text = self.reasoning.clone().filter(|_| !std::mem::replace(&mut self.reasoned, true))?;
        Some(RunEvent::CompleteStreamingReasoning { text })
    }
}

impl Streamer {
    /// Tells a reply that was recorded.
    fn whole(&self, generation: &Generation) {
        for part in &generation.parts {
            match part {
                GeneratedPart::Reasoning { text, .. } => self.reasoning(text),
                GeneratedPart::Text { text } => self.text(text),
                GeneratedPart::ToolCall { .. } => {}
            }
        }
    }

    fn tell(&self, piece: &str, events: impl FnOnce(&mut Stream, &str) -> Vec<RunEvent>) {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.told += piece.len();
        if piece.is_empty() || stream.failed.is_some() || stream.told > MAX_REPLY_BYTES {
            return;
        }
        for event in events(&mut stream, piece) {
            if let Err(error) = self.recorder.step(&self.expert_key, self.step_number, event) {
                stream.failed = Some(error);
                return;
            }
        }
    }

    /// Tells the end.
    fn end(self) -> Result<(), RunError> {
        let mut stream = self.stream.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = stream.failed.take() {
            return Err(error);
        }
        let reasoned = stream.end_reasoning();
        let text = stream.text.take().map(|text| RunEvent::CompleteStreamingRunResult { text });
        reasoned
            .into_iter()
            .chain(text)
            .try_for_each(|event| self.recorder.step(&self.expert_key, self.step_number, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_has_looked_up_may_be_larger_than_what_is_said() {
        let thought =
            |signature: usize| GeneratedPart::Reasoning { text: String::new(), signature: Some("x".repeat(signature)) };
        let said = |bytes: usize| GeneratedPart::Text { text: "x".repeat(bytes) };
        let reply = |part| bounded(Generation { parts: vec![part], ..Generation::default() });
        assert!(reply(thought(MAX_KEPT_BYTES)).is_ok() && reply(said(MAX_REPLY_BYTES)).is_ok());
        for part in [thought(MAX_KEPT_BYTES + 1), said(MAX_REPLY_BYTES + 1)] {
            assert!(reply(part).is_err_and(|error| error.is_transient()));
        }
    }
}
