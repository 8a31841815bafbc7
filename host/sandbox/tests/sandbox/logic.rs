//! An Expert's own logic: everything that it learns comes from its host, and it has no other way to the world.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perstack_core::{
    Content, GeneratedPart, Generation, Hints, Limits, Scope, StateEntries, StateError, StopReason, ToolDefinition,
    Usage,
};
use perstack_sandbox::{
    Answer, AskError, ComponentBytes, Ended, GuestClock, Halt, Logic, LogicDelegation, LogicHost, LogicInput,
    LogicMessage, LogicModelError, LogicRequest, LogicResult, LogicToolCall, LogicToolResult,
};
use serde_json::json;

use crate::harness::{SHORT, sandbox};

/// Answers from a script, and writes down what it was asked.
#[derive(Clone, Default)]
struct Script {
    asked: Arc<Mutex<Vec<String>>>,
    entries: Arc<Mutex<StateEntries>>,
    /// Stops the logic at this word.
    halt_at: Option<&'static str>,
    /// Each answer takes this long.
    delay: Duration,
}

impl Script {
    async fn note(&self, word: &str, what: String) -> Answer<()> {
        tokio::time::sleep(self.delay).await;
        if self.halt_at == Some(word) {
            return Err(Halt);
        }
        self.asked.lock().unwrap().push(format!("{word} {what}"));
        Ok(())
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl LogicHost for Script {
    async fn list_tools(&mut self) -> Answer<Vec<ToolDefinition>> {
        self.note("tools", String::new()).await?;
        Ok(vec![ToolDefinition {
            name: "echo".into(),
            title: None,
            description: "Echoes.".into(),
            input_schema: json!({ "type": "object" }),
            output_schema: None,
            hints: Hints::default(),
        }])
    }

    async fn call_tools(&mut self, calls: Vec<LogicToolCall>) -> Answer<Vec<LogicToolResult>> {
        let mut results = Vec::new();
        for call in calls {
            self.note("call", format!("{} {} {}", call.id, call.name, call.arguments)).await?;
            let known = call.name == "echo";
            let text = if known { call.arguments } else { format!("there is no tool `{}`", call.name) };
            let content = vec![Content::Text { text }];
            results.push(LogicToolResult { id: call.id, name: call.name, is_error: !known, content });
        }
        Ok(results)
    }

    async fn generate(&mut self, request: LogicRequest) -> Answer<Result<Generation, LogicModelError>> {
        self.note("generate", serde_json::to_string(&request).unwrap()).await?;
        let asked = request.messages.last();
        Ok(match asked {
            None => Err(LogicModelError::NoModel),
            Some(LogicMessage::User(_)) => Ok(Generation {
                parts: vec![
                    GeneratedPart::Reasoning { text: "hm".into(), signature: Some("signed".into()) },
                    GeneratedPart::Text { text: "I call.".into() },
                    GeneratedPart::ToolCall {
                        id: "c1".into(),
                        name: "echo".into(),
                        arguments: Ok(json!({ "text": "hello" })),
                    },
                ],
                stop_reason: StopReason::ToolCalls,
                usage: Usage::default(),
            }),
            Some(_) => {
                Ok(Generation { parts: vec![GeneratedPart::Text { text: "all done".into() }], ..Generation::default() })
            }
        })
    }

    async fn list_delegates(&mut self) -> Answer<Vec<(String, String)>> {
        self.note("delegates", String::new()).await?;
        Ok(vec![("helper".into(), "Helps.".into())])
    }

    async fn run_delegates(&mut self, delegations: Vec<LogicDelegation>) -> Answer<Vec<Result<String, String>>> {
        let mut answers = Vec::new();
        for LogicDelegation { expert_key, query } in delegations {
            self.note("delegate", format!("{expert_key} {query}")).await?;
            answers.push(if expert_key == "helper" { Ok(query) } else { Err("not mine".into()) });
        }
        Ok(answers)
    }

    async fn ask(&mut self, tool_name: String, arguments: String) -> Answer<Result<String, AskError>> {
        self.note("ask", format!("{tool_name} {arguments}")).await?;
        Ok(match tool_name.as_str() {
            "move" => Ok("5".into()),
            "delegate" => Err(AskError::NotCoordinator),
            _ => Err(AskError::UnknownTool(tool_name)),
        })
    }

    async fn say(&mut self, text: String) -> Answer<()> {
        self.note("say", text).await
    }

    async fn state_get(&mut self, scope: Scope, key: String) -> Answer<Result<Option<Vec<u8>>, StateError>> {
        self.note("get", key.clone()).await?;
        Ok(Ok(self.entries.lock().unwrap().get(scope, &key).map(<[u8]>::to_vec)))
    }

    async fn state_set(&mut self, scope: Scope, key: String, value: Option<Vec<u8>>) -> Answer<Result<(), StateError>> {
        self.note("set", key.clone()).await?;
        let mut entries = self.entries.lock().unwrap();
        Ok(match value {
            Some(value) => entries.set(scope, key, value),
            None => {
                entries.delete(scope, &key);
                Ok(())
            }
        })
    }

    async fn state_keys(&mut self, scope: Scope) -> Answer<Result<Vec<String>, StateError>> {
        self.note("keys", String::new()).await?;
        Ok(Ok(self.entries.lock().unwrap().keys(scope)))
    }
}

/// A second passes between any two questions for the time.
#[derive(Default)]
struct Seconds(AtomicU64);

impl GuestClock for Seconds {
    fn wall(&self) -> Duration {
        Duration::from_secs(1_000_000 + self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn monotonic(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) * 1_000_000_000
    }
}

struct Run {
    limits: Limits,
    script: Script,
    seed: [u8; 32],
}

impl Default for Run {
    fn default() -> Self {
        Self { limits: Limits::default(), script: Script::default(), seed: [7; 32] }
    }
}

impl Run {
    async fn with_log(&self, query: &str) -> (LogicResult, String) {
        let component = ComponentBytes::read(Path::new(perstack_test_artifacts::GUESTS_EXPERT)).unwrap();
        let logic = Logic::load(&sandbox(), &component, self.limits).await.unwrap();
        let input = LogicInput {
            query: query.to_owned(),
            instruction: "Be brief.".into(),
            history: vec![("before".into(), "after".into())],
        };
        let first = logic.run(input, Box::new(self.script.clone()), Arc::new(Seconds::default()), self.seed).await;
        // Whatever it did, the same logic runs again.
        let input = LogicInput { query: "fail still here".into(), ..LogicInput::default() };
        let again = logic.run(input, Box::new(Script::default()), Arc::new(Seconds::default()), self.seed).await;
        assert_eq!(again.0, Ok(Err("still here".into())));
        first
    }

    async fn answer(&self, query: &str) -> String {
        self.with_log(query).await.0.unwrap().unwrap()
    }

    async fn ended(&self, query: &str) -> Ended {
        self.with_log(query).await.0.unwrap_err()
    }
}

#[tokio::test]
async fn everything_goes_to_the_host() {
    let run = Run::default();
    let answer =
        run.answer("input\ntools\nask move where?\nask delegate\nask other\nsay hello\ncall echo hi\ncall none").await;
    assert_eq!(
        answer.lines().collect::<Vec<_>>(),
        [
            "Be brief. [(\"before\", \"after\")]",
            "echo",
            "5",
            "error: only a job's first Expert may ask the user",
            "error: the Expert has no interactive tool `other`",
            "said",
            "{\"text\":\"hi\"}",
            "error: there is no tool `none`",
        ]
    );
    assert_eq!(
        run.script.asked(),
        [
            "tools ",
            "ask move {\"question\":\"where?\"}",
            "ask delegate {\"question\":\"\"}",
            "ask other {\"question\":\"\"}",
            "say hello",
            "call call-1 echo {\"text\":\"hi\"}",
            "call call-2 none {\"text\":\"\"}",
        ]
    );
}

#[tokio::test]
async fn the_model_and_other_experts_are_asked_through_the_host() {
    let run = Run::default();
    let answer =
        run.answer("model\nconverse echo Hello!\ndelegate helper help\ndelegate-all helper one|other two").await;
    assert_eq!(
        answer.lines().collect::<Vec<_>>(),
        ["Some(NoModel)", "all done", "1 [Ok(\"help\")]", "one error: not mine"]
    );
    let asked = run.script.asked();
    assert_eq!(asked[0], r#"generate {"messages":[],"tools":[],"response_schema":null}"#);
    assert!(asked[1].contains("Hello!") && asked[1].contains(r#""tools":["echo"]"#), "{}", asked[1]);
    assert_eq!(asked[2], r#"call c1 echo {"text":"hello"}"#);
    // The reply comes back as it was, with its reasoning and what the tool answered.
    let reasoning = r#"[{\"type\":\"reasoning\",\"text\":\"hm\",\"signature\":\"signed\"}]"#;
    assert!(asked[3].contains(reasoning) && asked[3].contains("I call."), "{}", asked[3]);
    assert!(asked[3].contains(r#"{"ToolResults":[{"id":"c1","name":"echo","is_error":false"#), "{}", asked[3]);
    assert_eq!(asked[4..], ["delegates ", "delegate helper help", "delegate helper one", "delegate other two"]);
}

#[tokio::test]
async fn state_is_the_hosts() {
    let run = Run::default();
    let answer = run.answer("get a\nset a 1\nget a\nkeys\ndelete a\nget a\nkeys").await;
    assert_eq!(answer, "None\ndone\nSome(\"1\")\na\ndone\nNone\n");
    assert_eq!(run.script.asked(), ["get a", "set a", "get a", "keys ", "set a", "get a", "keys "]);
}

#[tokio::test]
async fn there_is_nothing_else() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Run::default().answer(&format!("env\nread /etc/passwd\nconnect 127.0.0.1:{port}")).await;
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines[0], "0");
    assert!(lines[1].starts_with("error: ") && lines[2].starts_with("error: "), "{answer}");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn time_and_chance_are_the_same_when_it_is_repeated() {
    const QUERY: &str = "clock\nelapsed\nrandom\nclock\nrandom";
    let first = Run::default().answer(QUERY).await;
    assert_eq!(Run::default().answer(QUERY).await, first);
    let lines: Vec<&str> = first.lines().collect();
    assert_eq!(lines[0], "1000000000");
    assert_eq!(lines[1], "1000000000");
    assert_ne!(lines[2], lines[4]);
    let other = Run { seed: [8; 32], ..Run::default() }.answer(QUERY).await;
    let others: Vec<&str> = other.lines().collect();
    assert_eq!((others[0], others[1]), (lines[0], lines[1]));
    assert_ne!(others[2], lines[2]);
}

#[tokio::test]
async fn the_host_can_stop_it_anywhere() {
    for (word, query) in [
        ("ask", "ask move"),
        ("say", "say hello"),
        ("call", "call echo hi"),
        ("tools", "tools"),
        ("get", "get a"),
        ("set", "set a 1"),
        ("keys", "keys"),
    ] {
        let script = Script { halt_at: Some(word), ..Script::default() };
        let run = Run { script, ..Run::default() };
        let ended = run.ended(&format!("clock\n{query}\nfail it went on")).await;
        assert_eq!(ended, Ended::Trap("stopped by the host".into()), "{word}");
        assert!(run.script.asked().is_empty());
    }
}

#[tokio::test]
async fn its_own_time_is_bounded_and_waiting_is_not() {
    let limits = Limits { timeout: SHORT, ..Limits::default() };
    for query in ["spin", "sleep 600000"] {
        let ended = Run { limits, ..Run::default() }.ended(query).await;
        assert_eq!(ended, Ended::Timeout(SHORT));
        assert_eq!(ended.to_string(), "it ran into its time limit of 1 s");
    }
    // Answers that take longer than it may.
    let script = Script { delay: SHORT + SHORT / 2, ..Script::default() };
    assert_eq!(Run { limits, script, ..Run::default() }.answer("say hello\nget a").await, "said\nNone");
}

#[tokio::test]
async fn its_memory_is_bounded() {
    let limits = Limits { memory: 16 << 20, ..Limits::default() };
    let ended = Run { limits, ..Run::default() }.ended("take-memory").await;
    assert_eq!(ended, Ended::Memory(16 << 20));
    assert_eq!(ended.to_string(), "it ran into its limit of 16MiB memory");
}

#[tokio::test]
async fn everything_that_it_says_is_bounded() {
    let limits = Limits { output: 10_000, ..Limits::default() };
    for query in
        ["huge-answer", "huge-fail", "huge-say", "huge-call arguments", "huge-call id", "huge-call name", "huge-ask"]
    {
        let run = Run { limits, ..Run::default() };
        let fits = run.with_log(&format!("{query} 9000")).await.0;
        assert!(fits.is_ok(), "{query}: {fits:?}");
        let run = Run { limits, ..Run::default() };
        let ended = run.ended(&format!("{query} 10001")).await;
        assert_eq!(ended, Ended::Output(10_000), "{query}");
        assert_eq!(ended.to_string(), "its answer is larger than its output limit of 10000B");
        // The host never saw it.
        assert!(run.script.asked().is_empty(), "{query}");
    }
    let run = Run::default();
    assert_eq!(run.answer("call-many 100").await, "100");
    let ended = run.ended("call-many 101").await;
    assert_eq!(ended.to_string(), "it answered against the contract: it called 101 tools at once, more than 100");
}

#[tokio::test]
async fn a_crash_is_told_with_its_last_words_and_an_error_is_its_own() {
    let (result, log) = Run::default().with_log("print hello\npanic on \u{1b}[2J purpose").await;
    let ended = result.unwrap_err().to_string();
    assert!(ended.starts_with("it crashed: wasm trap: ") && ended.contains("purpose"), "{ended}");
    assert!(!ended.chars().any(char::is_control), "{ended:?}");
    assert!(log.starts_with("hello\n") && log.contains("purpose"), "{log}");
    let (result, log) = Run::default().with_log("fail for a reason").await;
    assert_eq!(result, Ok(Err("for a reason".into())));
    assert_eq!(log, "");
}
