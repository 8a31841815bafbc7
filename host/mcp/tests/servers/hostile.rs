//! What a server should not do. Whatever it is, a call gets an error, and the next server can be called.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Peer, Stage, introduction, text, tool};

/// A server that misbehaves at the first call when it is started first, and then is as it should be.
fn once<F: Future<Output = Peer> + Send + 'static>(
    misbehave: impl Fn(Peer, Value) -> F + Send + Sync + Clone + 'static,
) -> Stage {
    Stage::new(move |mut peer: Peer| {
        let misbehave = misbehave.clone();
        async move {
            while let Some(call) = peer.until_called(&json!([tool("greet")])).await {
                if peer.earlier == 0 {
                    peer = misbehave(peer, call).await;
                } else {
                    peer.answer(&call, text("hello")).await;
                }
            }
        }
    })
}

async fn for_ever(mut peer: Peer, bytes: Vec<u8>) -> Peer {
    while peer.write(&bytes).await {}
    peer
}

/// Called once, it gives this error; called again, it is another server.
async fn recovers(stage: &Stage, error: &str) {
    stage.server.ready().await;
    assert_eq!(stage.said("greet").await, format!("error: the server of skill `played`: {error}"));
    assert_eq!(stage.said("greet").await, "hello");
    assert_eq!(stage.events().iter().filter(|event| *event == "starting").count(), 2);
}

/// What is told of a server that cannot be used.
const GIVEN_UP: &str = "noted: it is not tried again in this run, which goes on without its tools";

#[tokio::test]
async fn a_server_that_dies_is_started_once_more() {
    let stage = Stage::new(|mut peer: Peer| async move {
        drop(peer.until_called(&json!([tool("greet")])).await);
        peer.complain("I am gone").await;
    });
    stage.server.ready().await;
    let ended = "error: the server of skill `played`: it has ended: exit status 7";
    assert_eq!(stage.said("greet").await, ended);
    assert_eq!(stage.said("greet").await, ended);
    assert_eq!(stage.said("greet").await, "error: the server of skill `played`: it has ended again");
    assert_eq!(stage.events().iter().filter(|event| *event == "starting").count(), 2);
}

#[tokio::test]
async fn a_server_that_cannot_begin_has_no_tools() {
    let stage = Stage::new(|_| async {});
    stage.server.ready().await;
    let noted = "noted: it has ended: exit status 7";
    assert_eq!(stage.events(), ["starting", noted, "starting", noted, GIVEN_UP]);
    assert!(stage.tools().is_empty());
    stage.server.ready().await;
    assert_eq!(stage.events().len(), 5, "it is not tried again");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_introduces_itself_is_given_up() {
    let stage = Stage::new(|mut peer: Peer| async move { while peer.hear().await.is_some() {} });
    stage.server.ready().await;
    let noted = "noted: it did not introduce itself within 120 s";
    assert_eq!(stage.events(), ["starting", noted, "starting", noted, GIVEN_UP]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_lists_its_tools_is_given_up() {
    let stage = Stage::new(|mut peer: Peer| async move {
        while let Some(request) = peer.hear().await {
            if request["method"] == "initialize" {
                peer.answer(&request, introduction()).await;
            }
        }
    });
    stage.server.ready().await;
    assert_eq!(stage.events()[1], "noted: it did not list its tools within 30 s");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_ended_at_the_next_call() {
    // It does not even answer whether it is there.
    let hang = |mut peer: Peer, _| async {
        while peer.hear().await.is_some() {}
        peer
    };
    recovers(&once(hang), "it did not answer within 300 s").await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_leaves_the_server_alone() {
    let stage = Stage::new(|mut peer: Peer| async move {
        let mut calls = 0;
        while let Some(call) = peer.until_called(&json!([tool("greet")])).await {
            calls += 1;
            if calls > 1 {
                peer.answer(&call, text("hello")).await;
            }
        }
    });
    stage.server.ready().await;
    assert!(stage.said("greet").await.contains("it did not answer within 300 s"));
    assert_eq!(stage.said("greet").await, "hello");
    assert_eq!(stage.events().len(), 2, "it was not started again");
}

#[tokio::test(start_paused = true)]
async fn progress_keeps_a_call_alive_but_not_for_ever() {
    let report_for_ever = |mut peer: Peer, call: Value| async move {
        let params = json!({ "progressToken": call["params"]["_meta"]["progressToken"], "progress": 1 });
        while peer.say(json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })).await {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        peer
    };
    recovers(&once(report_for_ever), "it did not answer within 1800 s").await;
}

#[tokio::test]
async fn a_line_without_an_end_is_not_kept() {
    recovers(&once(|peer, _| for_ever(peer, vec![b'x'; 4096])), "it sent a message of more than 16 MiB").await;
}

#[tokio::test]
async fn a_result_that_is_too_large_is_not_kept() {
    let large = |mut peer: Peer, call: Value| async move {
        peer.answer(&call, text(&"x".repeat(17 << 20))).await;
        peer
    };
    recovers(&once(large), "it sent a message of more than 16 MiB").await;
}

#[tokio::test]
async fn floods_are_ended() {
    let log =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "x" } });
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let answer = json!({ "jsonrpc": "2.0", "id": 4711, "result": { "content": [] } });
    let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    for message in [log, ping, answer, changed, json!("nonsense")] {
        let line = format!("{message}\n").into_bytes();
        let stage = once(move |peer, _| for_ever(peer, line.clone()));
        recovers(&stage, "it sent more than 10000 messages that nobody asked for").await;
    }
    let large =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": "x".repeat(1 << 20) } });
    let line = format!("{large}\n").into_bytes();
    let stage = once(move |peer, _| for_ever(peer, line.clone()));
    recovers(&stage, "it sent more than 64 MiB without an answer among them").await;
}

#[tokio::test]
async fn floods_of_errors_are_read_and_dropped() {
    let stage = Stage::new(|mut peer: Peer| async move {
        drop(peer.until_called(&json!([tool("greet")])).await);
        for _ in 0..100_000 {
            peer.complain("the same again, and again, and again\n").await;
        }
        peer.complain(&"no end".repeat(100_000)).await;
    });
    stage.server.ready().await;
    assert!(stage.said("greet").await.contains("it has ended"));
    let events = stage.events();
    assert_eq!(events.iter().filter(|event| event.starts_with("wrote: ")).count(), 1_000);
    assert!(events.contains(&"noted: what it writes to its errors is not kept any more".to_owned()));
}

#[tokio::test]
async fn nonsense_between_messages_is_passed_over() {
    let stage = Stage::new(|mut peer: Peer| async move {
        while let Some(call) = peer.until_called(&json!([tool("greet")])).await {
            for nonsense in
                ["Server ready!", "", "{", "[]", "{}", "null", "{\"jsonrpc\":\"2.0\"}", "\u{1b}[2J", "[[[[[["]
            {
                peer.write(format!("{nonsense}\r\n").as_bytes()).await;
            }
            peer.write(&[0xff, 0xfe, 0, b'\n']).await;
            peer.write(format!("{}\n", "[".repeat(100_000)).as_bytes()).await;
            peer.answer(&call, text("hello")).await;
        }
    });
    stage.server.ready().await;
    assert_eq!(stage.said("greet").await, "hello");
}

#[tokio::test]
async fn an_answer_to_another_request_is_nobodys() {
    let stage = Stage::new(|mut peer: Peer| async move {
        while let Some(call) = peer.until_called(&json!([tool("greet")])).await {
            for id in [json!(-1), json!(999), json!("other"), json!(true), json!(1.5), json!({ "id": call["id"] })] {
                peer.say(json!({ "jsonrpc": "2.0", "id": id, "result": text("wrong") })).await;
            }
            peer.answer(&call, text("right")).await;
            peer.answer(&call, text("again")).await;
        }
    });
    stage.server.ready().await;
    assert_eq!(stage.said("greet").await, "right");
    assert_eq!(stage.said("greet").await, "right");
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error() {
    for answer in [json!("text"), json!({ "content": "text" }), json!({ "roots": [] }), json!([1]), introduction()] {
        let stage = Stage::new(move |mut peer: Peer| {
            let answer = answer.clone();
            async move {
                let mut calls = 0;
                while let Some(call) = peer.until_called(&json!([tool("greet")])).await {
                    calls += 1;
                    peer.answer(&call, if calls == 1 { answer.clone() } else { text("hello") }).await;
                }
            }
        });
        stage.server.ready().await;
        assert!(stage.said("greet").await.starts_with("error: its answer is not that of a tool"));
        assert_eq!(stage.said("greet").await, "hello");
    }
}

#[tokio::test]
async fn lists_without_an_end_are_cut() {
    let stage = Stage::new(|mut peer: Peer| async move {
        let mut number = 0;
        while let Some(request) = peer.hear().await {
            let answer = match request["method"].as_str().unwrap() {
                "initialize" => introduction(),
                "tools/list" => {
                    let tools: Vec<Value> = (0..2_000).map(|each| tool(&format!("t{}", number + each))).collect();
                    number += 2_000;
                    json!({ "tools": tools, "nextCursor": number.to_string() })
                }
                _ => continue,
            };
            peer.answer(&request, answer).await;
        }
    });
    stage.server.ready().await;
    assert_eq!(stage.tools().len(), 500);
    let events = stage.events();
    assert_eq!(events[2], "noted: it has 2000 tools; no more than 500 are used");
    assert!(events.len() < 20, "{events:?}");
}

#[tokio::test]
async fn a_name_or_a_reason_does_not_control_a_terminal() {
    let stage = Stage::new(|mut peer: Peer| async move {
        while let Some(request) = peer.hear().await {
            match request["method"].as_str().unwrap() {
                "initialize" => {
                    let mut said = introduction();
                    said["serverInfo"] = json!({ "name": format!("\u{1b}[2J{}", "x".repeat(1000)), "version": "\n1" });
                    peer.answer(&request, said).await;
                }
                "tools/list" => {
                    peer.answer(&request, json!({ "tools": [tool("greet"), tool("\u{1b}]0;x")] })).await;
                }
                "tools/call" => {
                    let error = json!({ "code": 1, "message": format!("no\u{1b}[2J {}", "x".repeat(100_000)) });
                    peer.say(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).await;
                }
                _ => {}
            }
        }
    });
    stage.server.ready().await;
    let said = stage.said("greet").await;
    assert!(said.starts_with("error: no [2J xxx") && said.len() < 3_000, "{said}");
    for event in stage.events() {
        assert!(!event.contains('\u{1b}') && !event.contains('\n') && event.len() < 500, "{event:?}");
    }
}
