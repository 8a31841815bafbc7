//! What providers run themselves: asked for as each wants it, and given back as it came.

use perstack_core::config::{
    AzureOpenAiSetting, BuiltinProviderSkill, OpenAiSetting, ProviderSkill, ProviderTool, ProviderToolOptions,
};
use perstack_core::{GeneratedPart, StopReason};

use super::anthropic::{block, calls, message, says};
use super::*;

fn hosted(tools: &[ProviderTool], skills: &[BuiltinProviderSkill], options: ProviderToolOptions) -> Hosted<'static> {
    // Tests may leak.
    let skills: Vec<_> = skills.iter().map(|skill| ProviderSkill::Builtin(*skill)).collect();
    Hosted { tools: tools.to_vec().leak(), options: Box::leak(Box::new(options)), skills: skills.leak() }
}

fn openai(http: HttpSetting) -> Provider {
    Provider::OpenAi(OpenAiSetting { http, ..OpenAiSetting::default() })
}

/// A reply's parts as the runtime keeps them in the conversation.
fn kept(parts: &[GeneratedPart]) -> Message {
    let parts = parts.iter().map(|part| match part {
        GeneratedPart::Reasoning { text, signature } => {
            Part::ThinkingPart { thinking: text.clone(), signature: signature.clone(), id: id() }
        }
        GeneratedPart::Text { text } => super::text(text),
        GeneratedPart::ToolCall { id, name, arguments } => call(id, name, arguments.clone().unwrap()),
    });
    expert(parts.collect())
}

fn search() -> Value {
    json!({ "type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": { "query": "oats" } })
}

fn found() -> Value {
    let page = json!({ "type": "web_search_result", "url": "https://oats.example", "title": "Oats", "encrypted_content": "RW5j" });
    json!({ "type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [page] })
}

fn searched(index: u64) -> Vec<(&'static str, Value)> {
    let mut empty = search();
    empty["input"] = json!({});
    let pieces = ["{\"query\": ", "\"oats\"}"];
    let deltas = pieces.iter().map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })).collect();
    block(index, empty, deltas)
}

#[tokio::test]
async fn anthropic_searches_and_takes_back_what_it_found() {
    let citation = json!({
        "type": "web_search_result_location", "url": "https://oats.example", "title": "Oats", "encrypted_index": "SWR4",
        "cited_text": "Oats are good.",
    });
    let cited = block(
        3,
        json!({ "type": "text", "text": "", "citations": [] }),
        vec![
            json!({ "type": "citations_delta", "citation": citation }),
            json!({ "type": "text_delta", "text": "Good." }),
        ],
    );
    let first = message(
        vec![
            says(0, &["I search."]),
            searched(1),
            block(2, found(), vec![]),
            cited,
            calls(4, "toolu_1", "read", &["{}"]),
        ],
        "tool_use",
    );
    let last = message(vec![says(0, &["Done."])], "end_turn");
    let options = ProviderToolOptions {
        web_search_max_uses: Some(3),
        web_search_allowed_domains: vec!["oats.example".into()],
        web_fetch_max_uses: Some(2),
        ..ProviderToolOptions::default()
    };
    let tools = [ProviderTool::WebSearch, ProviderTool::WebFetch, ProviderTool::CodeExecution];
    let fixture = Fixture::new(Provider::Anthropic, "claude-sonnet-4-5", vec![first, last]).await;
    let fixture = fixture.hosting(hosted(&tools, &[], options));
    fixture.model.offers(fixture.hosted).unwrap();
    let generation = fixture.ask(&[user("Hi")], &[tool("read")]).await.unwrap();
    assert_eq!(generation.text(), "I search.Good.");
    assert_eq!(generation.stop_reason, StopReason::ToolCalls);
    // Nobody is to read it as a thought.
    assert_eq!(fixture.heard(), ["says I search.", "says Good."]);

    let request = fixture.server.request();
    assert_eq!(request.header("anthropic-beta"), Some("web-fetch-2025-09-10,code-execution-2025-08-25"));
    let sent = request.body["tools"].as_array().unwrap();
    assert_eq!(sent[0]["name"], "read");
    assert_eq!(
        sent[1],
        json!({ "type": "web_search_20250305", "name": "web_search", "max_uses": 3, "allowed_domains": ["oats.example"] })
    );
    assert_eq!((&sent[2]["type"], &sent[2]["max_uses"]), (&json!("web_fetch_20250910"), &json!(2)));
    assert_eq!(sent[3]["type"], "code_execution_20250825");

    let answers = results(vec![("toolu_1", "read", vec![text("A")])]);
    fixture.ask(&[user("Hi"), kept(&generation.parts), answers], &[tool("read")]).await.unwrap();
    let back = fixture.server.requests()[1].body["messages"][1]["content"].clone();
    assert_eq!(back[0], json!({ "type": "text", "text": "I search." }));
    assert_eq!((&back[1], &back[2]), (&search(), &found()));
    assert_eq!(back[3], json!({ "type": "text", "text": "Good.", "citations": [citation] }));
    assert_eq!(back[4]["id"], "toolu_1", "{back}");
}

#[tokio::test]
async fn a_pause_of_anthropics_is_not_the_end() {
    let paused = message(vec![says(0, &["I search."]), searched(1)], "pause_turn");
    let rest = message(vec![block(0, found(), vec![]), says(1, &["Good."])], "end_turn");
    let fixture = Fixture::new(Provider::Anthropic, "claude-sonnet-4-5", vec![paused, rest]).await;
    let fixture = fixture.hosting(hosted(&[ProviderTool::WebSearch], &[], ProviderToolOptions::default()));
    let generation = fixture.ask(&[user("Hi")], &[tool("read")]).await.unwrap();
    assert_eq!(generation.text(), "I search.Good.");
    assert_eq!(generation.stop_reason, StopReason::EndTurn);
    assert_eq!((generation.usage.input_tokens, generation.usage.output_tokens), (40, 60));
    let messages = fixture.server.requests()[1].body["messages"].clone();
    assert_eq!(messages.as_array().unwrap().len(), 2);
    assert_eq!((&messages[1]["role"], &messages[1]["content"][1]), (&json!("assistant"), &search()));

    let pauses = (0..30).map(|_| message(vec![searched(0)], "pause_turn")).collect();
    let fixture = Fixture::new(Provider::Anthropic, "claude-sonnet-4-5", pauses).await;
    let fixture = fixture.hosting(hosted(&[ProviderTool::WebSearch], &[], ProviderToolOptions::default()));
    let endless = fatal(fixture.ask(&[user("Hi")], &[]).await);
    assert_eq!(endless, "the provider's own tools paused 20 times in one reply");
}

#[tokio::test]
async fn skills_of_anthropics_go_on_in_their_container() {
    let mut ran = message(vec![says(0, &["Made."])], "end_turn");
    ran = ran.instead(
        "\"stop_sequence\":null",
        "\"container\":{\"id\":\"cnt_1\",\"expires_at\":\"2030-01-01T00:00:00Z\"},\"stop_sequence\":null",
    );
    let done = message(vec![says(0, &["Done."])], "end_turn");
    let fixture = Fixture::new(Provider::Anthropic, "claude-sonnet-4-5", vec![ran, done]).await;
    let skills = [BuiltinProviderSkill::Pdf, BuiltinProviderSkill::Xlsx, BuiltinProviderSkill::Pdf];
    let fixture = fixture.hosting(hosted(&[], &skills, ProviderToolOptions::default()));
    fixture.model.offers(fixture.hosted).unwrap();
    let generation = fixture.ask(&[user("Hi")], &[tool("read")]).await.unwrap();
    let request = fixture.server.request();
    assert_eq!(request.header("anthropic-beta"), Some("code-execution-2025-08-25,skills-2025-10-02"));
    let skill = |id: &str| json!({ "type": "anthropic", "skill_id": id, "version": "latest" });
    assert_eq!(request.body["container"], json!({ "skills": [skill("pdf"), skill("xlsx")] }));
    assert_eq!(request.body["tools"][1]["type"], "code_execution_20250825", "skills are run by it");
    fixture.ask(&[user("Hi"), kept(&generation.parts), user("More")], &[tool("read")]).await.unwrap();
    let body = fixture.server.requests()[1].body.clone();
    assert_eq!(body["container"]["id"], "cnt_1", "{body}");
    assert_eq!(body["container"]["skills"][0], skill("pdf"));
    assert_eq!(body["messages"][1]["content"], json!([{ "type": "text", "text": "Made." }]));
}

#[tokio::test]
async fn openai_searches_and_takes_back_what_it_did() {
    let reasoning = json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2ln" });
    let searched = json!({
        "type": "web_search_call", "id": "ws_1", "status": "completed", "action": { "type": "search", "query": "oats" },
    });
    let said = json!({
        "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{ "type": "output_text", "text": "Good.", "annotations": [], "logprobs": [] }],
    });
    let items = [&reasoning, &searched, &said];
    let mut events = vec![("response.created", super::openai::response("in_progress", &json!([])))];
    let mut all = Vec::new();
    for (index, item) in items.iter().enumerate() {
        for kind in ["response.output_item.added", "response.output_item.done"] {
            all.push((kind, json!({ "type": kind, "sequence_number": 1, "output_index": index, "item": item })));
        }
    }
    let ended = super::openai::response("completed", &json!(items));
    let first = events.remove(0);
    let created = json!({ "type": first.0, "sequence_number": 0, "response": first.1 });
    let completed = json!({ "type": "response.completed", "sequence_number": 9, "response": ended });
    let events: Vec<_> =
        [(first.0, created)].into_iter().chain(all).chain([("response.completed", completed)]).collect();
    let reply = || Reply::events(&events);
    let options = ProviderToolOptions {
        web_search_allowed_domains: vec!["oats.example".into()],
        file_search_vector_store_ids: vec!["vs_1".into()],
        file_search_max_results: Some(4),
        ..ProviderToolOptions::default()
    };
    let tools = [ProviderTool::WebSearch, ProviderTool::FileSearch, ProviderTool::CodeInterpreter];
    let fixture = Fixture::new(openai, "gpt-5", vec![reply(), reply()]).await.hosting(hosted(&tools, &[], options));
    fixture.model.offers(fixture.hosted).unwrap();
    let generation = fixture.ask(&[user("Hi")], &[tool("read")]).await.unwrap();
    assert_eq!(generation.text(), "Good.");
    let sent = fixture.server.request().body["tools"].clone();
    assert_eq!(sent[0]["name"], "read");
    assert_eq!(sent[1], json!({ "type": "web_search", "filters": { "allowed_domains": ["oats.example"] } }));
    assert_eq!(sent[2], json!({ "type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 4 }));
    assert_eq!(sent[3], json!({ "type": "code_interpreter", "container": { "type": "auto" } }));
    fixture.ask(&[user("Hi"), kept(&generation.parts), user("More")], &[]).await.unwrap();
    let input = fixture.server.requests()[1].body["input"].clone();
    let back = input.as_array().unwrap();
    let places: Vec<_> = ["reasoning", "web_search_call", "message"]
        .iter()
        .map(|kind| back.iter().position(|item| item["type"] == *kind && item["role"] != "user"))
        .collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{input}");
    assert_eq!(back[places[1].unwrap()], searched, "{input}");
}

#[tokio::test]
async fn google_searches_and_takes_back_what_it_signed() {
    let ran = json!({ "toolCall": { "toolType": "GOOGLE_SEARCH_WEB", "id": "g1", "args": { "queries": ["oats"] } }, "thoughtSignature": "c2ln" });
    let found = json!({ "toolResponse": { "toolType": "GOOGLE_SEARCH_WEB", "id": "g1", "response": { "found": 1 } } });
    let called = json!({ "functionCall": { "id": "f1", "name": "read", "args": {} }, "thoughtSignature": "bW9yZQ==" });
    let piece = |parts: &[&Value]| {
        let candidate = json!({ "content": { "role": "model", "parts": parts }, "finishReason": "STOP" });
        Reply::events(&[(
            "",
            json!({ "candidates": [candidate], "usageMetadata": { "promptTokenCount": 1, "totalTokenCount": 2 } }),
        )])
    };
    let done = || piece(&[&json!({ "text": "Done." })]);
    let replies = vec![piece(&[&ran, &found, &called]), done(), piece(&[&called]), done()];
    let fixture = Fixture::new(Provider::Google, "gemini-3-pro-preview", replies).await;
    let options = ProviderToolOptions {
        file_search_vector_store_ids: vec!["fileSearchStores/s1".into()],
        ..ProviderToolOptions::default()
    };
    let tools =
        [ProviderTool::GoogleSearch, ProviderTool::CodeExecution, ProviderTool::UrlContext, ProviderTool::FileSearch];
    let fixture = fixture.hosting(hosted(&tools, &[], options));
    fixture.model.offers(fixture.hosted).unwrap();
    let hi = || user("Hi");
    let answers = || results(vec![("f1", "read", vec![text("A")])]);
    let generation = fixture.ask(&[hi()], &[tool("read")]).await.unwrap();
    let body = fixture.server.request().body;
    assert_eq!(body["toolConfig"], json!({ "includeServerSideToolInvocations": true }));
    assert_eq!(body["tools"][0]["functionDeclarations"][0]["name"], "read");
    let store = json!({ "fileSearch": { "fileSearchStoreNames": ["fileSearchStores/s1"] } });
    let sent = body["tools"].as_array().unwrap();
    assert_eq!(
        sent[1..],
        [json!({ "googleSearch": {} }), json!({ "codeExecution": {} }), json!({ "urlContext": {} }), store]
    );
    assert_eq!(body["generationConfig"]["thinkingConfig"]["includeThoughts"], true);

    fixture.ask(&[hi(), kept(&generation.parts), answers()], &[tool("read")]).await.unwrap();
    let back = fixture.server.requests()[1].body["contents"][1]["parts"].clone();
    assert_eq!((&back[0], &back[1]), (&ran, &found), "{back}");
    assert_eq!(back[2]["thoughtSignature"], "bW9yZQ==", "{back}");

    // A call may be signed where no thought is shown.
    let generation = fixture.ask(&[hi()], &[tool("read")]).await.unwrap();
    fixture.ask(&[hi(), kept(&generation.parts), answers()], &[tool("read")]).await.unwrap();
    let back = fixture.server.requests()[3].body["contents"][1]["parts"].clone();
    assert_eq!(back[0], called, "{back}");
}

#[tokio::test]
async fn what_another_provider_ran_is_left_to_it() {
    let done = message(vec![says(0, &["Done."])], "end_turn");
    let fixture = Fixture::new(Provider::Anthropic, "claude-sonnet-4-5", vec![done]).await;
    let items =
        json!({ "protocol": "openai.responses", "head": { "hosted": { "type": "web_search_call", "id": "ws_1" } } });
    let said = expert(vec![thought("", &items.to_string()), text("Good.")]);
    fixture.ask(&[user("Hi"), said, user("More")], &[]).await.unwrap();
    let body = fixture.server.request().body;
    assert_eq!(body["messages"][1]["content"], json!([{ "type": "text", "text": "Good." }]));
}

#[test]
fn what_is_not_offered_is_refused_by_name() {
    let environment = Environment::from(
        ["ANTHROPIC", "OPENAI", "GOOGLE_GENERATIVE_AI", "AZURE", "GOOGLE_VERTEX"]
            .map(|name| (format!("{name}_API_KEY"), KEY.to_owned())),
    );
    let told = |provider: &Provider, model: &str, hosted: Hosted<'_>| {
        let model = connect(provider, model, ReasoningBudget::Low, &environment).unwrap();
        let refused = model.offers(hosted).unwrap_err();
        format!("{refused}; {}", refused.hint)
    };
    let http = HttpSetting::default;
    let named = Provider::OpenAi(OpenAiSetting { name: Some("other".into()), ..OpenAiSetting::default() });
    let azure =
        Provider::AzureOpenAi(AzureOpenAiSetting { resource_name: Some("r".into()), ..AzureOpenAiSetting::default() });
    let vertex = Provider::GoogleVertex(Default::default());
    let none = ProviderToolOptions::default;
    use ProviderTool::{
        EnterpriseWebSearch, FileSearch, GoogleSearch, ImageGeneration, WebFetch, WebSearch, WebSearchPreview,
    };
    for (provider, model, tool, expected) in [
        (
            Provider::Anthropic(http()),
            "m",
            GoogleSearch,
            "`googleSearch` is not offered to model `m` by provider `anthropic`; there are `webSearch`, `webFetch`, `codeExecution`",
        ),
        (openai(http()), "m", WebFetch, "there are `webSearch`, `codeInterpreter`, `fileSearch`"),
        (openai(http()), "m", ImageGeneration, "`imageGeneration` is not offered"),
        (openai(http()), "m", FileSearch, "`fileSearch` is not told where to search"),
        (named, "m", WebSearch, "`openai` have no tools of their own here"),
        (azure, "m", WebSearchPreview, "`azure-openai` have no tools of their own here"),
        (Provider::Ollama(http()), "m", WebSearch, "`ollama` have no tools of their own here"),
        (Provider::Google(http()), "gemini-3-pro-preview", EnterpriseWebSearch, "`enterpriseWebSearch` is not offered"),
        (
            Provider::Google(http()),
            "gemini-2.5-pro",
            GoogleSearch,
            "takes no `providerTools` beside the tools of skills",
        ),
        (
            vertex,
            "gemini-3-pro-preview",
            FileSearch,
            "there are `codeExecution`, `googleSearch`, `enterpriseWebSearch`, `urlContext`, `googleMaps`",
        ),
    ] {
        let told = told(&provider, model, hosted(&[tool], &[], none()));
        assert!(told.contains(expected), "{told}");
    }
    let uses = || ProviderToolOptions { web_search_max_uses: Some(1), ..none() };
    let told_of_uses = told(&openai(http()), "m", hosted(&[WebSearch], &[], uses()));
    assert!(told_of_uses.contains("provider `openai` takes no `webSearch.maxUses`"), "{told_of_uses}");
    let unused = told(&Provider::Anthropic(http()), "m", hosted(&[WebFetch], &[], uses()));
    assert!(unused.contains("is for `webSearch`, which is not in `providerTools`"), "{unused}");
    let skill = told(&openai(http()), "m", hosted(&[], &[BuiltinProviderSkill::Pdf], none()));
    assert!(skill.contains("`providerSkills` are not offered"), "{skill}");
    let custom = [ProviderSkill::Custom { name: "mine".into(), definition: "{}".into() }];
    let custom = told(&Provider::Anthropic(http()), "m", Hosted { skills: &custom, ..Hosted::NONE });
    assert!(custom.contains("provider skill `mine` cannot be handed to Anthropic"), "{custom}");
}
