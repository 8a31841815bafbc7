//! What differs between the models on Bedrock: how they are asked to think, and what of a prompt they keep.

use perstack_core::config::ReasoningBudget;
use rig_core::catalog::{Catalog, ModelSpec};
use rig_core::completion::Reasoning as Thinking;
use serde_json::{Value, json};

use crate::provider::request::{LOW_TOKENS, MEDIUM_TOKENS, reasoning};
use crate::provider::window;

/// Claude models that neither think nor keep prompts.
const OLD_CLAUDES: &[&str] = &["claude-v2", "claude-instant", "claude-3-opus", "claude-3-sonnet", "claude-3-haiku"];
/// Claude models that do not think.
const THOUGHTLESS_CLAUDES: &[&str] = &["claude-3-5-"];
/// The first of its kind, which keeps no prompts.
const FIRST_SONNET_3_5: &str = "claude-3-5-sonnet-20240620";

/// Tokens that are left for what a model says after it has thought, where its limit is not known.
const SPOKEN_TOKENS: u32 = 8192;

/// Who made a model.
#[derive(Debug)]
pub(super) enum Family {
    /// Anthropic; what is known of it.
    Claude { name: String, spec: Option<&'static ModelSpec> },
    /// Amazon.
    Nova,
    /// Amazon, those that think.
    Nova2,
    /// OpenAI.
    GptOss,
    /// Others.
    Other,
}

/// Parts of a prompt that a mark for the cache may stand after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) instruction: bool,
    pub(super) tools: bool,
    pub(super) conversation: bool,
}

impl Family {
    /// By the name of a model, of an inference profile or of an ARN.
    pub(super) fn of(model: &str) -> Self {
        if let Some((_, name)) = model.rsplit_once("anthropic.") {
            // Bedrock's versions, which Anthropic's names do not have.
            let version = name.split_once("-v1:").or_else(|| name.split_once("-v2:"));
            // `claude-v2:1` is a name.
            let name = version.map(|(name, _)| name).filter(|name| name.contains("-")).unwrap_or(name);
            let name = name.strip_suffix("-v1").unwrap_or(name);
            return Self::Claude { name: name.to_owned(), spec: known(name) };
        }
        match model.rsplit_once("amazon.").map(|(_, name)| name) {
            Some(name) if name.starts_with("nova-2-") => return Self::Nova2,
            Some(name) if name.starts_with("nova-") => return Self::Nova,
            _ => {}
        }
        if model.contains("openai.gpt-oss") { Self::GptOss } else { Self::Other }
    }

    pub(super) fn is_claude(&self) -> bool {
        matches!(self, Self::Claude { .. })
    }

    pub(super) fn context_window(&self) -> Option<u64> {
        match self {
            Self::Claude { name, spec } => window(name, *spec),
            _ => None,
        }
    }

    pub(super) fn marks(&self) -> Marks {
        let all = Marks { instruction: true, tools: true, conversation: true };
        match self {
            Self::Claude { name, .. } if !is_one_of(name, OLD_CLAUDES) && name != FIRST_SONNET_3_5 => all,
            Self::Nova | Self::Nova2 => Marks { tools: false, ..all },
            _ => Marks::default(),
        }
    }

    /// What only this family understands, and how many tokens a reply may have.
    pub(super) fn thinking(&self, budget: ReasoningBudget) -> (Option<Value>, Option<u32>) {
        match self {
            Self::Claude { name, .. } if is_one_of(name, OLD_CLAUDES) || is_one_of(name, THOUGHTLESS_CLAUDES) => {
                (None, None)
            }
            Self::Claude { spec, .. } => claude(budget, *spec),
            Self::Nova2 => {
                let effort = effort(budget);
                (
                    effort.map(
                        |effort| json!({ "reasoningConfig": { "type": "enabled", "maxReasoningEffort": effort } }),
                    ),
                    None,
                )
            }
            Self::GptOss => (effort(budget).map(|effort| json!({ "reasoning_effort": effort })), None),
            Self::Nova | Self::Other => (None, None),
        }
    }
}

fn is_one_of(name: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| name.starts_with(beginning))
}

/// By Anthropic's name, with its date or without.
fn known(name: &str) -> Option<&'static ModelSpec> {
    let catalog = Catalog::builtin();
    let undated = name.rsplit_once("-20").map(|(name, _)| name);
    [Some(name), undated].into_iter().flatten().find_map(|name| catalog.resolve(&format!("anthropic/{name}")))
}

fn claude(budget: ReasoningBudget, spec: Option<&ModelSpec>) -> (Option<Value>, Option<u32>) {
    let most = spec.and_then(|spec| spec.max_output_tokens);
    match reasoning(budget, spec) {
        None | Some(Thinking::Off) => (None, most),
        Some(Thinking::Budget { tokens }) => {
            let most = most.unwrap_or_else(|| tokens.saturating_add(SPOKEN_TOKENS));
            // It has to be less than the whole reply.
            let tokens = if tokens < most { tokens } else { most / 2 };
            (Some(json!({ "thinking": { "type": "enabled", "budget_tokens": tokens } })), Some(most))
        }
        Some(Thinking::Effort(effort)) => {
            let mut fields = json!({ "output_config": { "effort": effort.as_str() } });
            if spec.is_some_and(|spec| spec.compat.adaptive_thinking) {
                fields["thinking"] = json!({ "type": "adaptive" });
            }
            (Some(fields), most)
        }
        Some(_) => (None, most),
    }
}

fn effort(budget: ReasoningBudget) -> Option<&'static str> {
    Some(match budget {
        ReasoningBudget::None => return None,
        ReasoningBudget::Minimal | ReasoningBudget::Low => "low",
        ReasoningBudget::Medium => "medium",
        ReasoningBudget::High => "high",
        ReasoningBudget::Tokens(tokens) if tokens.get() <= LOW_TOKENS => "low",
        ReasoningBudget::Tokens(tokens) if tokens.get() <= MEDIUM_TOKENS => "medium",
        ReasoningBudget::Tokens(_) => "high",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_however_bedrock_writes_them() {
        for name in [
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ] {
            let family = Family::of(name);
            assert_eq!(family.context_window(), Some(200_000), "{family:?}");
            assert!(family.marks().tools);
            let (fields, most) = family.thinking(ReasoningBudget::Low);
            assert_eq!(fields, Some(json!({ "thinking": { "type": "enabled", "budget_tokens": 2048 } })));
            assert_eq!(most, Some(64_000));
            assert_eq!(family.thinking(ReasoningBudget::None).0, None);
        }
        for name in ["anthropic.claude-v2:1", "anthropic.claude-3-haiku-20240307-v1:0", "meta.llama3-70b-instruct-v1:0"]
        {
            let family = Family::of(name);
            assert_eq!((family.marks(), family.thinking(ReasoningBudget::High).0), (Marks::default(), None), "{name}");
        }
        let nova = Family::of("us.amazon.nova-pro-v1:0");
        assert!(nova.marks().instruction && !nova.marks().tools);
        assert_eq!(nova.thinking(ReasoningBudget::High).0, None);
        let (fields, _) = Family::of("amazon.nova-2-lite-v1:0").thinking(ReasoningBudget::Medium);
        assert_eq!(fields.map(|fields| fields["reasoningConfig"]["maxReasoningEffort"].clone()), Some("medium".into()));
        let (fields, _) = Family::of("openai.gpt-oss-120b-1:0").thinking(ReasoningBudget::Minimal);
        assert_eq!(fields, Some(json!({ "reasoning_effort": "low" })));
    }
}
