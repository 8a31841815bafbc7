use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use perstack_core::GeneratedPart;
use perstack_core::config::{GoogleVertexSetting, HttpUrl};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;

/// Where tokens are given out.
pub(crate) const TOKEN_PATH: &str = "/token";

/// A key that was made for these tests, and opens nothing.
const PRIVATE_KEY: &str = include_str!("keys/nobody.pem");
const PUBLIC_KEY: &[u8] = include_bytes!("keys/nobody.public.der");

const PATH: &str = "/v1beta1/projects/p/locations/l/publishers";
const GEMINI: &str = "gemini-3-pro-preview";
const CLAUDE: &str = "claude-sonnet-4-5@20250929";

fn vertex(http: HttpSetting) -> Provider {
    Provider::GoogleVertex(GoogleVertexSetting { http, ..GoogleVertexSetting::default() })
}

fn billed() -> HttpSetting {
    HttpSetting { base_url: None, headers: vec![("x-billed-to".to_owned(), "us".to_owned())] }
}

fn service(server: &str) -> Value {
    json!({
        "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": PRIVATE_KEY,
        "client_email": "robot@p.iam.example", "token_uri": format!("{server}{TOKEN_PATH}"),
    })
}

fn person(server: &str) -> Value {
    json!({
        "type": "authorized_user", "client_id": "c1", "client_secret": "c1-secret", "refresh_token": "r1-secret",
        "quota_project_id": "payer", "token_uri": format!("{server}{TOKEN_PATH}"),
    })
}

/// Variables that lead to a file like this.
fn variables(folder: &Path, server: &str, publisher: &str, credentials: &Value) -> Environment {
    let file = folder.join("credentials.json");
    std::fs::write(&file, credentials.to_string()).unwrap();
    Environment::from([
        ("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), file.display().to_string()),
        ("GOOGLE_VERTEX_BASE_URL".to_owned(), format!("{server}{PATH}/{publisher}")),
    ])
}

async fn fixture(model: &str, credentials: fn(&str) -> Value, replies: Vec<Reply>) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let publisher = if model == GEMINI { "google" } else { "anthropic" };
    let environment = |server: &str| variables(folder.path(), server, publisher, &credentials(server));
    Fixture::within(&vertex(billed()), model, ReasoningBudget::Low, replies, environment).await
}

fn token(seconds: u64) -> Reply {
    Reply::json(&json!({ "access_token": KEY, "expires_in": seconds, "token_type": "Bearer" }))
}

fn says(text: &str) -> Reply {
    let candidate = json!({ "content": { "role": "model", "parts": [{ "text": text }] }, "finishReason": "STOP" });
    let usage = json!({ "promptTokenCount": 20, "candidatesTokenCount": 5, "totalTokenCount": 25 });
    Reply::events(&[("", json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": GEMINI }))])
}

fn form(text: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("form:?{text}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[tokio::test]
async fn gemini_is_asked_with_a_token_that_a_service_signed_for() {
    let fixture = fixture(GEMINI, service, vec![token(3600), says("Hello."), says("Again.")]).await;
    assert_eq!(fixture.ask(&[instruction("Be kind."), user("Hi")], &[tool("read")]).await.unwrap().text(), "Hello.");
    assert_eq!(fixture.ask(&[user("Hi")], &[]).await.unwrap().text(), "Again.");
    let requests = fixture.server.requests();
    let [granted, asked, again] = &requests[..] else { panic!("{requests:?}") };

    assert_eq!(granted.target, TOKEN_PATH);
    assert_eq!(granted.header("content-type"), Some("application/x-www-form-urlencoded"));
    let form = form(&granted.text);
    assert_eq!(form[0], ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
    let (text, signature) = form[1].1.rsplit_once('.').unwrap();
    let read = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC_KEY);
    key.verify(text.as_bytes(), &read(signature)).unwrap();
    let (header, claims) = text.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&read(header)).unwrap();
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    let claims: Value = serde_json::from_slice(&read(claims)).unwrap();
    assert_eq!(claims["iss"], "robot@p.iam.example");
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(claims["aud"], format!("{}{TOKEN_PATH}", fixture.server.url()));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);

    assert_eq!(asked.target, format!("{PATH}/google/models/{GEMINI}:streamGenerateContent?alt=sse"));
    for request in [asked, again] {
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {KEY}")));
        assert_eq!((request.header("x-goog-api-key"), request.header("x-goog-user-project")), (None, None));
    }
    assert_eq!(asked.body["systemInstruction"]["parts"][0]["text"], "Be kind.");
    assert_eq!(asked.body["generationConfig"]["thinkingConfig"]["includeThoughts"], true);
    assert_eq!(asked.body["tools"][0]["functionDeclarations"][0]["name"], "read");
}

#[tokio::test]
async fn a_token_is_not_used_to_its_very_end() {
    let fixture = fixture(GEMINI, service, vec![token(60), says("Hello."), token(60), says("Again.")]).await;
    for text in ["Hello.", "Again."] {
        assert_eq!(fixture.ask(&[user("Hi")], &[]).await.unwrap().text(), text);
    }
}

#[tokio::test]
async fn claude_is_asked_with_a_token_of_a_person() {
    let event = |kind: &'static str, mut data: Value| {
        data["type"] = kind.into();
        (kind, data)
    };
    let usage = json!({ "input_tokens": 20, "output_tokens": 1 });
    let message =
        json!({ "id": "m", "type": "message", "role": "assistant", "content": [], "model": "claude", "usage": usage });
    let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
    let thinks = json!({ "type": "thinking_delta", "thinking": "Hm." });
    let signs = json!({ "type": "signature_delta", "signature": "c2ln" });
    let reply = || {
        Reply::events(&[
            event("message_start", json!({ "message": message })),
            event("content_block_start", json!({ "index": 0, "content_block": block })),
            event("content_block_delta", json!({ "index": 0, "delta": thinks })),
            event("content_block_delta", json!({ "index": 0, "delta": signs })),
            event("content_block_stop", json!({ "index": 0 })),
            event("content_block_start", json!({ "index": 1, "content_block": { "type": "text", "text": "Hello." } })),
            event("content_block_stop", json!({ "index": 1 })),
            event("message_delta", json!({ "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 9 } })),
            event("message_stop", json!({})),
        ])
    };
    let fixture = fixture(CLAUDE, person, vec![token(3600), reply(), reply()]).await;
    let generation = fixture.ask(&[instruction("Be kind."), user("Hi")], &[tool("read")]).await.unwrap();
    let thought_ = GeneratedPart::Reasoning { text: "Hm.".into(), signature: Some("c2ln".into()) };
    assert_eq!(generation.parts, [thought_, GeneratedPart::Text { text: "Hello.".into() }]);
    assert_eq!((fixture.model.name(), fixture.model.context_window()), (CLAUDE, Some(200_000)));
    let said = expert(vec![thought("Hm.", "c2ln"), text("Hello.")]);
    fixture.ask(&[user("Hi"), said, user("Well?")], &[]).await.unwrap();
    let requests = fixture.server.requests();
    let secrets = [("client_id", "c1"), ("client_secret", "c1-secret"), ("refresh_token", "r1-secret")];
    let expected = [("grant_type", "refresh_token")].into_iter().chain(secrets);
    let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(form(&requests[0].text), expected);
    let asked = &requests[1];
    assert_eq!(asked.target, format!("{PATH}/anthropic/models/{CLAUDE}:streamRawPredict"));
    assert_eq!(asked.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(asked.header("x-goog-user-project"), Some("payer"));
    assert_eq!((asked.header("x-api-key"), asked.header("anthropic-version")), (None, None));
    assert_eq!(asked.body["anthropic_version"], "vertex-2023-10-16");
    assert!(asked.body.get("model").is_none());
    assert_eq!(asked.body["thinking"], json!({ "type": "enabled", "budget_tokens": 2048 }));
    assert_eq!(asked.body["stream"], true);
    assert_eq!(asked.body["tools"][0].get("eager_input_streaming"), None);
    assert_eq!(asked.body["system"][0]["cache_control"]["type"], "ephemeral");
    let given_back = &requests[2].body["messages"][1]["content"][0];
    assert_eq!(given_back["signature"], "c2ln", "{given_back}");
}

#[tokio::test]
async fn failures_name_what_to_set() {
    let grant =
        json!({ "error": "invalid_grant", "error_description": "Token has been revoked: r1-secret c1-secret." });
    let denied = json!({ "error": { "code": 403, "message": format!("Permission denied for {KEY}"), "status": "PERMISSION_DENIED" } });
    let missing =
        json!({ "error": { "code": 404, "message": "Publisher Model was not found", "status": "NOT_FOUND" } });
    let busy = json!({ "error": { "code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED" } });
    let fixture = fixture(
        GEMINI,
        person,
        vec![
            Reply::failure(400, "", &grant),
            Reply::failure(503, "", &json!({})),
            Reply::json(&json!({ "token": "none" })),
            Reply::json(&json!({ "access_token": "a\nb" })),
            token(3600),
            Reply::failure(403, "", &denied),
            // The token may have been taken back.
            token(3600),
            Reply::failure(404, "", &missing),
            token(3600),
            Reply::failure(429, "", &busy),
        ],
    )
    .await;
    let hi = [user("Hi")];
    assert_eq!(
        fatal(fixture.ask(&hi, &[]).await),
        "Google answered 400 when it was asked for a token: invalid_grant Token has been revoked: [key] [key].; check \
         `GOOGLE_APPLICATION_CREDENTIALS`"
    );
    for _ in 0..3 {
        let (told, _) = transient(fixture.ask(&hi, &[]).await);
        assert!(told.contains("Google"), "{told}");
    }
    let told = fatal(fixture.ask(&hi, &[]).await);
    assert_eq!(told, "the provider answered 403: Permission denied for [key]; check `GOOGLE_APPLICATION_CREDENTIALS`");
    assert!(fatal(fixture.ask(&hi, &[]).await).ends_with("check the name given with `--model`"));
    transient(fixture.ask(&hi, &[]).await);
    assert!(fixture.server.requests()[6..].iter().step_by(2).take(2).all(|request| request.target == TOKEN_PATH));
}

#[tokio::test]
async fn a_key_for_googles_own_models_is_enough() {
    let environment = |server: &str| {
        Environment::from([
            ("GOOGLE_VERTEX_API_KEY".to_owned(), KEY.to_owned()),
            ("GOOGLE_VERTEX_BASE_URL".to_owned(), format!("{server}/v1/publishers/google")),
        ])
    };
    let provider = vertex(billed());
    let fixture = Fixture::within(&provider, GEMINI, ReasoningBudget::Low, vec![says("Hello.")], environment).await;
    assert_eq!(fixture.ask(&[user("Hi")], &[]).await.unwrap().text(), "Hello.");
    let request = fixture.server.request();
    assert_eq!(request.target, format!("/v1/publishers/google/models/{GEMINI}:streamGenerateContent?alt=sse"));
    assert_eq!(request.header("x-goog-api-key"), Some(KEY));
    let error = connect(&provider, CLAUDE, ReasoningBudget::Low, &environment("http://127.0.0.1")).err().unwrap();
    assert!(matches!(error, ConnectError::KeyOfGoogleOnly { .. }), "{error}");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let told = |provider: &Provider, model: &str, environment: &Environment| {
        let error = connect(provider, model, ReasoningBudget::Low, environment).err().unwrap();
        let told = format!("{error}; {}", error.hint().unwrap());
        assert!(!told.contains("secret") && !told.contains("PRIVATE"), "{told}");
        told
    };
    let plain = vertex(HttpSetting::default());
    let none = Environment::new();
    assert!(told(&plain, GEMINI, &none).contains("export GOOGLE_APPLICATION_CREDENTIALS=…"));

    let mut environment = variables(folder.path(), "https://g.example", "google", &service("https://g.example"));
    environment.remove("GOOGLE_VERTEX_BASE_URL");
    assert!(told(&plain, GEMINI, &environment).contains("export GOOGLE_VERTEX_LOCATION=…, or set `location`"));
    assert!(told(&plain, "a/../b", &environment).contains("`a/../b` cannot be the model"));
    environment.insert("GOOGLE_VERTEX_LOCATION".to_owned(), "evil.example/".to_owned());
    assert!(told(&plain, GEMINI, &environment).contains("`evil.example/` cannot be the location"));

    // A project belongs to a service, and not to a person.
    let mut environment = variables(folder.path(), "https://g.example", "google", &person("https://g.example"));
    environment.remove("GOOGLE_VERTEX_BASE_URL");
    assert!(told(&plain, GEMINI, &environment).contains("export GOOGLE_VERTEX_PROJECT=…, or set `project`"));

    let without = |field: &str| {
        let mut json = person("https://g.example");
        json.as_object_mut().unwrap().remove(field);
        json
    };
    let with = |field: &str, value: &str| {
        let mut json = person("https://g.example");
        json[field] = value.into();
        json
    };
    for (expected, json) in [
        ("no `refresh_token`", without("refresh_token")),
        ("of type `external_account`", with("type", "external_account")),
        ("does not begin with `https://`", with("token_uri", "http://g.example/token")),
        ("is no URL", with("token_uri", "gopher")),
        ("line 1 of it", json!(["secret"])),
        ("more than 65536 bytes", with("client_id", &"x".repeat(70_000))),
    ] {
        let environment = variables(folder.path(), "https://g.example", "google", &json);
        let told = told(&plain, GEMINI, &environment);
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn credentials_of_gcloud_are_found_without_a_variable() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("application_default_credentials.json"), person("https://g.example").to_string())
        .unwrap();
    let url: HttpUrl = "https://gateway.example/v1/projects/p/locations/l/publishers/google".parse().unwrap();
    let provider = vertex(HttpSetting { base_url: Some(url), headers: Vec::new() });
    let environment = Environment::from([("HOME".to_owned(), home.path().display().to_string())]);
    connect(&provider, GEMINI, ReasoningBudget::Low, &environment).unwrap();
}
