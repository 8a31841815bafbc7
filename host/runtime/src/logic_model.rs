//! The model, as an Expert's own logic asks it.

use perstack_core::{GeneratedPart, Generation, Message, ModelError, Part, ToolCall};
use perstack_sandbox::{LogicMessage, LogicModelError, LogicRequest, LogicToolCall, LogicToolResult};
use sha2::{Digest, Sha256};

use crate::error::RunError;
use crate::generate::{Generated, Question};
use crate::journal::{Entry, NoGeneration};
use crate::parts::{call_part, contents, instruction_message, result, said_part, text_part, tool_message};
use crate::recorder::new_id;
use crate::scene::{Halted, Scene};

impl Scene {
    /// Asks the model for an Expert's own logic. Each generation is a step.
    pub(crate) async fn ask_own_model(
        &self,
        request: LogicRequest,
    ) -> Result<Result<Generation, LogicModelError>, Halted> {
        if let Some(reason) = self.no_generation()? {
            return Ok(Err(match reason {
                NoGeneration::NoModel => LogicModelError::NoModel,
                NoGeneration::StepsUsedUp { max_steps } => {
                    LogicModelError::LimitExceeded(format!("the job has used its {max_steps} steps"))
                }
            }));
        }
        let Some(model) = self.job.cast.model() else { return Ok(Err(LogicModelError::NoModel)) };
        let question = self.question(request)?;
        let Generated { reply, .. } = self.generate(model.as_ref(), question).await?;
        Ok(reply.map_err(|error| match error {
            ModelError::ContextExceeded { message } => LogicModelError::ContextExceeded(message),
            ModelError::LimitExceeded { message } => LogicModelError::LimitExceeded(message),
            ModelError::Transient { message, .. }
            | ModelError::Fatal { message }
            | ModelError::NotAsked { message } => LogicModelError::Provider(message),
        }))
    }

    /// Why the model is not asked; recorded, as everything that the logic learns. Otherwise ends the step, if it has a
    /// generation already.
    fn no_generation(&self) -> Result<Option<NoGeneration>, Halted> {
        let mut progress = self.progress();
        let progress = &mut *progress;
        if matches!(progress.journal.peek(), Some(record) if matches!(record.entry, Entry::NoGeneration { .. })) {
            let same = |entry| match entry {
                Entry::NoGeneration { reason } => Some(reason),
                _ => None,
            };
            return Ok(self.replay(progress, "asked the model", same)?.map(|(_, reason)| reason));
        }
        let entries = progress.journal.place();
        let max_steps = progress.conversation.max_steps();
        let reason = if self.job.cast.model().is_none() {
            NoGeneration::NoModel
        } else if !self.is_new(entries + 1) || !progress.conversation.has_generated() {
            return Ok(None);
        } else if progress.conversation.checkpoint.step_number >= max_steps {
            NoGeneration::StepsUsedUp { max_steps }
        } else {
            let onward = progress.conversation.end_step(entries)?;
            return self.onward(onward).map(|()| None);
        };
        if progress.journal.peek().is_none() {
            self.append(progress, Entry::NoGeneration { reason: reason.clone() })?;
        }
        Ok(Some(reason))
    }

    fn question(&self, request: LogicRequest) -> Result<Question, Halted> {
        let failed = |error: serde_json::Error| Halted::Broken(RunError::DamagedJournal(error.to_string()));
        let digest = Sha256::digest(serde_json::to_vec(&request).map_err(failed)?);
        let toolbox = self.toolbox();
        let definitions = toolbox.definitions(self.rank.is_coordinator());
        let tools = request.tools.iter().map(|name| {
            let offered = definitions.iter().find(|tool| tool.name == *name).cloned();
            offered.ok_or_else(|| Halted::Refused(format!("it offered the model {}", toolbox.unknown(name))))
        });
        let schema = request.response_schema.as_deref().map(serde_json::from_str).transpose();
        let schema = schema.map_err(|error| Halted::Refused(format!("its response schema is not JSON: {error}")))?;
        Ok(Question {
            tools: tools.collect::<Result<_, _>>()?,
            messages: request.messages.into_iter().map(message).collect::<Result<_, _>>()?,
            response_schema: schema,
            digest: Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()),
            is_result: false,
        })
    }
}

fn message(message: LogicMessage) -> Result<Message, Halted> {
    Ok(match message {
        LogicMessage::Instruction(text) => instruction_message(&text)?,
        LogicMessage::User(content) => Message::UserMessage { contents: contents(&content)?, id: new_id()? },
        LogicMessage::Expert { reasoning, text, tool_calls } => {
            let mut parts: Vec<Part> = Vec::new();
            for part in reasoned(reasoning.as_deref())? {
                parts.extend(said_part(&part)?);
            }
            if !text.is_empty() {
                parts.push(text_part(&text)?);
            }
            for call in tool_calls {
                parts.push(call_part(&tool_call(call))?);
            }
            Message::ExpertMessage { contents: parts, id: new_id()? }
        }
        LogicMessage::ToolResults(results) => {
            let results = results.into_iter().map(|LogicToolResult { id, name, is_error, content }| {
                let call = tool_call(LogicToolCall { id, name, arguments: String::new() });
                result(&call, is_error, &content)
            });
            tool_message(&results.collect::<Result<Vec<_>, _>>()?)?
        }
    })
}

/// Reasoning comes back as it was handed out.
fn reasoned(reasoning: Option<&str>) -> Result<Vec<GeneratedPart>, Halted> {
    let parts = reasoning.map(serde_json::from_str).transpose();
    let refused = |error| Halted::Refused(format!("it changed the model's reasoning before handing it back: {error}"));
    Ok(parts.map_err(refused)?.unwrap_or_default())
}

fn tool_call(call: LogicToolCall) -> ToolCall {
    let args = serde_json::from_str(&call.arguments).unwrap_or(serde_json::Value::String(call.arguments));
    ToolCall { id: call.id, skill_name: String::new(), tool_name: call.name, args }
}
