//! Tools and skills that the provider of the model runs itself.

use super::bounds::{MAX_INSTRUCTION_CHARACTERS, MAX_NAME_CHARACTERS};
use super::error::{ConfigError, quote_all};
use super::fields::Field;
use super::words::words;

words! {
    /// A tool that a provider runs itself. Which provider offers which is the provider's matter.
    pub enum ProviderTool {
        /// Search of the web: Anthropic, OpenAI.
        WebSearch = "webSearch",
        /// Search of the web: Azure.
        WebSearchPreview = "webSearchPreview",
        /// Reading of web pages: Anthropic.
        WebFetch = "webFetch",
        /// Running of code: Anthropic, Google, Vertex AI.
        CodeExecution = "codeExecution",
        /// Running of code: OpenAI, Azure.
        CodeInterpreter = "codeInterpreter",
        /// Search of stored files: OpenAI, Azure, Google.
        FileSearch = "fileSearch",
        /// Making of images: OpenAI, Azure.
        ImageGeneration = "imageGeneration",
        /// Search of the web: Google, Vertex AI.
        GoogleSearch = "googleSearch",
        /// Search of the web under an enterprise's rules: Vertex AI.
        EnterpriseWebSearch = "enterpriseWebSearch",
        /// Reading of web pages: Google, Vertex AI.
        UrlContext = "urlContext",
        /// Maps: Google, Vertex AI.
        GoogleMaps = "googleMaps",
    }
}

words! {
    /// A skill that Anthropic provides.
    pub enum BuiltinProviderSkill {
        /// PDF documents.
        Pdf = "pdf",
        /// Word documents.
        Docx = "docx",
        /// PowerPoint presentations.
        Pptx = "pptx",
        /// Excel workbooks.
        Xlsx = "xlsx",
    }
}

/// A skill that runs at Anthropic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderSkill {
    /// One that Anthropic provides.
    Builtin(BuiltinProviderSkill),
    /// One of the project's own.
    Custom {
        /// Its name.
        name: String,
        /// Its text.
        definition: String,
    },
}

words! {
    /// Whose a provider skill is.
    enum ProviderSkillType {
        /// The provider's.
        Builtin = "builtin",
        /// The project's.
        Custom = "custom",
    }
}

impl ProviderSkill {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        let fields = field.named_table()?;
        fields.refuse_unknown(&["type", "skillId", "name", "definition"])?;
        Ok(match fields.required("type")?.parse()? {
            ProviderSkillType::Builtin => {
                fields.refuse_unknown(&["type", "skillId"])?;
                Self::Builtin(fields.required("skillId")?.parse()?)
            }
            ProviderSkillType::Custom => {
                fields.refuse_unknown(&["type", "name", "definition"])?;
                Self::Custom {
                    name: fields.required("name")?.filled(MAX_NAME_CHARACTERS)?,
                    definition: fields.required("definition")?.filled(MAX_INSTRUCTION_CHARACTERS)?,
                }
            }
        })
    }
}

/// How the provider's tools behave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderToolOptions {
    /// Most searches in one generation.
    pub web_search_max_uses: Option<u32>,
    /// The only domains searched, where any are named.
    pub web_search_allowed_domains: Vec<String>,
    /// Most fetches in one generation.
    pub web_fetch_max_uses: Option<u32>,
    /// The stores that are searched.
    pub file_search_vector_store_ids: Vec<String>,
    /// Most results of one search.
    pub file_search_max_results: Option<u32>,
}

/// What an Expert has the provider of its model run: nothing of it runs here.
#[derive(Clone, Copy, Debug)]
pub struct Hosted<'a> {
    /// The provider's tools.
    pub tools: &'a [ProviderTool],
    /// How they behave.
    pub options: &'a ProviderToolOptions,
    /// The provider's skills.
    pub skills: &'a [ProviderSkill],
}

impl Hosted<'_> {
    /// Nothing at all.
    pub const NONE: Hosted<'static> = Hosted {
        tools: &[],
        options: &ProviderToolOptions {
            web_search_max_uses: None,
            web_search_allowed_domains: Vec::new(),
            web_fetch_max_uses: None,
            file_search_vector_store_ids: Vec::new(),
            file_search_max_results: None,
        },
        skills: &[],
    };

    /// Whether the provider runs nothing.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.skills.is_empty()
    }
}

impl ProviderToolOptions {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        const TOOLS: &[&str] = &["webSearch", "webFetch", "fileSearch"];
        let fields = field.named_table()?;
        fields.refuse_unknown_with(TOOLS, |name| {
            name.parse::<ProviderTool>()
                .is_ok()
                .then(|| format!("options exist for {}", quote_all(TOOLS.iter().copied())))
        })?;
        let mut options = Self::default();
        if let Some(search) = fields.get("webSearch") {
            let search = search.named_table()?;
            search.refuse_unknown(&["maxUses", "allowedDomains"])?;
            options.web_search_max_uses = search.optional("maxUses", |field| field.count(1))?;
            options.web_search_allowed_domains =
                search.list("allowedDomains", |field| field.filled(MAX_NAME_CHARACTERS))?;
        }
        if let Some(fetch) = fields.get("webFetch") {
            let fetch = fetch.named_table()?;
            fetch.refuse_unknown(&["maxUses"])?;
            options.web_fetch_max_uses = fetch.optional("maxUses", |field| field.count(1))?;
        }
        if let Some(search) = fields.get("fileSearch") {
            let search = search.named_table()?;
            search.refuse_unknown(&["vectorStoreIds", "maxNumResults"])?;
            options.file_search_vector_store_ids =
                search.list("vectorStoreIds", |field| field.filled(MAX_NAME_CHARACTERS))?;
            options.file_search_max_results = search.optional("maxNumResults", |field| field.count(1))?;
        }
        Ok(options)
    }
}
