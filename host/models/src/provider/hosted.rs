//! What a provider runs itself, as its protocol says it: nothing of that is started here.

use perstack_core::NotOffered;
use perstack_core::config::{Hosted, ProviderName, ProviderSkill, ProviderTool, ProviderToolOptions};
use serde_json::{Map, Value, json};

/// Tokens of one page that Anthropic fetches: more would leave no room for anything else.
const MAX_FETCHED_TOKENS: u32 = 100_000;

/// What Anthropic wants to be told of what is not in its protocol's first version.
const FETCH_BETA: &str = "web-fetch-2025-09-10";
const CODE_BETA: &str = "code-execution-2025-08-25";
const SKILLS_BETA: &str = "skills-2025-10-02";

/// Families of Gemini that run tools of their own only where they are given no others, and here they always are.
const GEMINI_OF_ONE_KIND: &[&str] = &["gemini-1.", "gemini-2."];

/// What a service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Nothing of its own.
    Nothing,
    /// What Anthropic runs.
    Anthropic,
    /// What OpenAI runs, in its Responses API.
    OpenAi,
    /// What the Gemini API runs.
    Google,
    /// What Vertex AI runs for Gemini.
    VertexGemini,
    /// What Vertex AI runs for Claude.
    VertexClaude,
}

impl Offer {
    /// Whether all of it is offered to this model.
    pub(crate) fn check(self, provider: ProviderName, model: &str, hosted: Hosted<'_>) -> Result<(), NotOffered> {
        let Hosted { tools, options, skills } = hosted;
        let refused = |message: String, hint: &str| Err(NotOffered { message, hint: hint.to_owned() });
        if hosted.is_empty() {
            return Ok(());
        }
        if self == Self::Nothing {
            return refused(
                format!("the models of provider `{provider}` have no tools of their own here"),
                "remove `providerTools` and `providerSkills`, or take `anthropic`, `openai`, `google` or `google-vertex`",
            );
        }
        for tool in tools {
            if self.tool(*tool, options).is_none() {
                let all = ProviderTool::WORDS.iter().filter_map(|word| word.parse().ok());
                let offered = all.filter(|tool| self.tool(*tool, options).is_some());
                let offered: Vec<String> = offered.map(|tool| format!("`{tool}`")).collect();
                let message = format!("`{tool}` is not offered to model `{model}` by provider `{provider}`");
                return refused(message, &format!("there are {}", offered.join(", ")));
            }
        }
        if self == Self::Google || self == Self::VertexGemini {
            let family = model.rsplit('/').next().unwrap_or(model);
            if GEMINI_OF_ONE_KIND.iter().any(|prefix| family.starts_with(prefix)) {
                let message = format!("model `{model}` takes no `providerTools` beside the tools of skills");
                return refused(message, "take a Gemini 3 model, or remove `providerTools`");
            }
        }
        for skill in skills {
            match skill {
                ProviderSkill::Builtin(_) if self == Self::Anthropic => {}
                ProviderSkill::Custom { name, .. } if self == Self::Anthropic => {
                    return refused(
                        format!(
                            "provider skill `{name}` cannot be handed to Anthropic, which runs only what was uploaded"
                        ),
                        "make it a skill of your own, or part of the instruction",
                    );
                }
                _ => {
                    let message = format!("`providerSkills` are not offered to model `{model}` by `{provider}`");
                    return refused(message, "take provider `anthropic`, or remove `providerSkills`");
                }
            }
        }
        self.check_options(provider, tools, options)
    }

    /// What is set for a tool is never left out in silence.
    fn check_options(
        self,
        provider: ProviderName,
        tools: &[ProviderTool],
        options: &ProviderToolOptions,
    ) -> Result<(), NotOffered> {
        let ProviderToolOptions {
            web_search_max_uses,
            web_search_allowed_domains,
            web_fetch_max_uses,
            file_search_vector_store_ids,
            file_search_max_results,
        } = options;
        let anthropic = matches!(self, Self::Anthropic | Self::VertexClaude);
        let (search, fetch, files) = (ProviderTool::WebSearch, ProviderTool::WebFetch, ProviderTool::FileSearch);
        for (name, is_set, tool, is_taken) in [
            ("webSearch.maxUses", web_search_max_uses.is_some(), search, anthropic),
            ("webSearch.allowedDomains", !web_search_allowed_domains.is_empty(), search, true),
            ("webFetch.maxUses", web_fetch_max_uses.is_some(), fetch, true),
            ("fileSearch.vectorStoreIds", !file_search_vector_store_ids.is_empty(), files, true),
            ("fileSearch.maxNumResults", file_search_max_results.is_some(), files, true),
        ] {
            if is_set && !(is_taken && tools.contains(&tool)) {
                let message = if is_taken {
                    format!("`{name}` of `providerToolOptions` is for `{tool}`, which is not in `providerTools`")
                } else {
                    format!("provider `{provider}` takes no `{name}` of `providerToolOptions`")
                };
                return Err(NotOffered { message, hint: format!("remove `{name}`") });
            }
        }
        if tools.contains(&files) && file_search_vector_store_ids.is_empty() {
            return Err(NotOffered {
                message: "`fileSearch` is not told where to search".to_owned(),
                hint: "set `vectorStoreIds` in `[experts.\"KEY\".providerToolOptions.fileSearch]`".to_owned(),
            });
        }
        Ok(())
    }

    /// A tool as the service knows it.
    fn tool(self, tool: ProviderTool, options: &ProviderToolOptions) -> Option<Value> {
        use ProviderTool::{
            CodeExecution, CodeInterpreter, EnterpriseWebSearch, FileSearch, GoogleMaps, GoogleSearch, UrlContext,
            WebFetch, WebSearch,
        };
        let domains = &options.web_search_allowed_domains;
        let domains = (!domains.is_empty()).then(|| json!(domains));
        let stores = json!(options.file_search_vector_store_ids);
        let results = options.file_search_max_results.map(Value::from);
        Some(match (self, tool) {
            (Self::Anthropic | Self::VertexClaude, WebSearch) => object([
                ("type", Some("web_search_20250305".into())),
                ("name", Some("web_search".into())),
                ("max_uses", options.web_search_max_uses.map(Value::from)),
                ("allowed_domains", domains),
            ]),
            (Self::Anthropic, WebFetch) => object([
                ("type", Some("web_fetch_20250910".into())),
                ("name", Some("web_fetch".into())),
                ("max_uses", options.web_fetch_max_uses.map(Value::from)),
                ("max_content_tokens", Some(MAX_FETCHED_TOKENS.into())),
            ]),
            (Self::Anthropic, CodeExecution) => {
                json!({ "type": "code_execution_20250825", "name": "code_execution" })
            }
            (Self::OpenAi, WebSearch) => object([
                ("type", Some("web_search".into())),
                ("filters", domains.map(|domains| json!({ "allowed_domains": domains }))),
            ]),
            (Self::OpenAi, FileSearch) => object([
                ("type", Some("file_search".into())),
                ("vector_store_ids", Some(stores)),
                ("max_num_results", results),
            ]),
            (Self::OpenAi, CodeInterpreter) => json!({ "type": "code_interpreter", "container": { "type": "auto" } }),
            (Self::Google | Self::VertexGemini, GoogleSearch) => json!({ "googleSearch": {} }),
            (Self::Google | Self::VertexGemini, CodeExecution) => json!({ "codeExecution": {} }),
            (Self::Google | Self::VertexGemini, UrlContext) => json!({ "urlContext": {} }),
            (Self::Google | Self::VertexGemini, GoogleMaps) => json!({ "googleMaps": {} }),
            (Self::VertexGemini, EnterpriseWebSearch) => json!({ "enterpriseWebSearch": {} }),
            (Self::Google, FileSearch) => {
                json!({ "fileSearch": object([("fileSearchStoreNames", Some(stores)), ("topK", results)]) })
            }
            _ => return None,
        })
    }

    /// What goes into the request. `container`: the one that the provider has kept of this conversation.
    pub(crate) fn parameters(
        self,
        hosted: Hosted<'_>,
        has_others: bool,
        container: Option<Value>,
    ) -> Map<String, Value> {
        let mut kinds: Vec<ProviderTool> = Vec::new();
        // Skills are run by it.
        let needed = (!hosted.skills.is_empty()).then_some(ProviderTool::CodeExecution);
        for tool in hosted.tools.iter().copied().chain(needed) {
            if !kinds.contains(&tool) {
                kinds.push(tool);
            }
        }
        let mut parameters = Map::new();
        let tools: Vec<Value> = kinds.iter().filter_map(|tool| self.tool(*tool, hosted.options)).collect();
        if tools.is_empty() {
            return parameters;
        }
        parameters.insert("tools".to_owned(), Value::Array(tools));
        if self == Self::Google && has_others {
            // Otherwise Gemini refuses tools of both kinds, and does not tell what its own have done.
            parameters.insert("toolConfig".to_owned(), json!({ "includeServerSideToolInvocations": true }));
        }
        let mut skills: Vec<Value> = Vec::new();
        for skill in hosted.skills {
            let ProviderSkill::Builtin(skill) = skill else { continue };
            let skill = json!({ "type": "anthropic", "skill_id": skill.to_string(), "version": "latest" });
            if !skills.contains(&skill) {
                skills.push(skill);
            }
        }
        if !skills.is_empty() {
            let container = object([("id", container), ("skills", Some(Value::Array(skills)))]);
            parameters.insert("container".to_owned(), container);
        }
        parameters
    }

    /// What Anthropic wants to be told beside the request.
    pub(crate) fn betas(self, hosted: Hosted<'_>) -> Vec<&'static str> {
        if self != Self::Anthropic {
            return Vec::new();
        }
        let has_skills = !hosted.skills.is_empty();
        let has = |tool: ProviderTool| hosted.tools.contains(&tool);
        let betas = [
            (has(ProviderTool::WebFetch), FETCH_BETA),
            (has(ProviderTool::CodeExecution) || has_skills, CODE_BETA),
            (has_skills, SKILLS_BETA),
        ];
        betas.into_iter().filter(|(needed, _)| *needed).map(|(_, beta)| beta).collect()
    }
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}
