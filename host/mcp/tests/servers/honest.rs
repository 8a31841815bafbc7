//! What a server may do.

use std::time::Duration;

use perstack_core::Observation;
use serde_json::{Value, json};

use crate::harness::{Peer, Stage, introduction, text, tool};

#[tokio::test]
async fn a_server_is_introduced_and_called() {
    let stage = Stage::new(|mut peer: Peer| async move {
        peer.complain("begins\n\x1b[31mred\n").await;
        while let Some(call) = peer.until_called(&json!([tool("greet"), tool("a.b")])).await {
            let said = format!("{} {}", call["params"]["name"], call["params"]["arguments"]);
            peer.answer(&call, text(&said)).await;
        }
    });
    stage.server.ready().await;
    assert_eq!(stage.tools(), ["greet", "a_b"]);
    stage.call("greet", json!({ "name": "Ann" })).await.unwrap();
    assert_eq!(stage.said("a_b").await, "\"a.b\" {}");
    assert!(stage.said("other").await.contains("there is no tool `other`"));
    let mut events = stage.events();
    events.sort();
    assert_eq!(events, ["connected: played 1.2.3", "starting", "wrote:  [31mred", "wrote: begins"]);
    let heard = stage.heard.lock().unwrap().clone();
    let initialize = &heard[0]["params"];
    assert_eq!(initialize["protocolVersion"], "2025-11-25");
    assert_eq!(initialize["capabilities"], json!({ "roots": {} }));
    assert_eq!(initialize["clientInfo"]["name"], "perstack");
    stage.server.close().await;
    assert_eq!(stage.said("greet").await, "error: the server of skill `played`: the run has ended");
}

#[tokio::test]
async fn tools_are_listed_page_by_page_and_anew_when_they_change() {
    let stage = Stage::new(|mut peer: Peer| async move {
        let mut listed = 0;
        while let Some(request) = peer.hear().await {
            let page = match (request["method"].as_str().unwrap(), request["params"]["cursor"].as_str()) {
                ("initialize", _) => introduction(),
                ("tools/list", None) if listed == 0 => json!({ "tools": [tool("first")], "nextCursor": "more" }),
                ("tools/list", Some("more")) => {
                    listed += 1;
                    json!({ "tools": [tool("second")] })
                }
                ("tools/list", _) => json!({ "tools": [tool("third")] }),
                ("tools/call", _) => {
                    peer.say(json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" })).await;
                    text("changed")
                }
                _ => continue,
            };
            peer.answer(&request, page).await;
        }
    });
    stage.server.ready().await;
    let version = stage.server.version();
    assert_eq!(stage.tools(), ["first", "second"]);
    stage.server.ready().await;
    assert_eq!(stage.server.version(), version);
    assert_eq!(stage.said("first").await, "changed");
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        stage.server.ready().await;
        if stage.server.version() != version {
            break;
        }
    }
    assert_eq!(stage.tools(), ["third"]);
}

#[tokio::test]
async fn progress_is_observed_within_bounds() {
    let stage = Stage::new(|mut peer: Peer| async move {
        while let Some(call) = peer.until_called(&json!([tool("slow")])).await {
            let token = call["params"]["_meta"]["progressToken"].clone();
            // The client takes a moment to know it.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let report = |progress: Value| {
                let mut progress = progress;
                progress["progressToken"] = token.clone();
                json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": progress })
            };
            peer.say(report(json!({ "progress": 1, "total": 4, "message": "a \u{1b}quarter" }))).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            for number in 0..2_000 {
                peer.say(report(json!({ "progress": number }))).await;
            }
            peer.answer(&call, text("done")).await;
        }
    });
    stage.server.ready().await;
    assert_eq!(stage.said("slow").await, "done");
    let observed = stage.observed();
    let Observation::Progress { skill_name, tool_call_id, message, fraction } = &observed[0] else { panic!() };
    assert_eq!((skill_name.as_str(), tool_call_id.as_str()), ("played", "call"));
    assert_eq!((message.as_str(), *fraction), ("a  quarter", Some(0.25)));
    assert!(observed.len() <= 1_000, "{}", observed.len());
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled() {
    let stage =
        Stage::new(|mut peer: Peer| async move { while peer.until_called(&json!([tool("slow")])).await.is_some() {} });
    stage.server.ready().await;
    tokio::time::timeout(Duration::from_millis(50), stage.said("slow")).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let heard = stage.heard.lock().unwrap().clone();
    let call = heard.iter().find(|message| message["method"] == "tools/call").unwrap();
    let cancelled = heard.iter().find(|message| message["method"] == "notifications/cancelled").unwrap();
    assert_eq!(cancelled["params"]["requestId"], call["id"]);
}

#[tokio::test]
async fn a_server_is_told_where_the_workspace_is_and_nothing_else() {
    let stage = Stage::new(|mut peer: Peer| async move {
        while let Some(call) = peer.until_called(&json!([tool("ask")])).await {
            let mut answers = Vec::new();
            for (id, method) in ["roots/list", "sampling/createMessage", "ping", "secrets/list"].iter().enumerate() {
                let params = json!({ "messages": [], "maxTokens": 1 });
                peer.say(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
                answers.push(peer.hear().await.unwrap());
            }
            peer.answer(&call, text(&Value::from(answers).to_string())).await;
        }
    });
    stage.server.ready().await;
    let answers: Value = serde_json::from_str(&stage.said("ask").await).unwrap();
    assert_eq!(answers[0]["result"]["roots"], json!([{ "uri": "file:///workspace", "name": "workspace" }]));
    assert_eq!((&answers[1]["error"]["code"], &answers[3]["error"]["code"]), (&json!(-32601), &json!(-32601)));
    assert_eq!(answers[2]["result"], json!({}));
}

#[tokio::test]
async fn a_server_without_tools_is_one() {
    let stage = Stage::new(|mut peer: Peer| async move {
        while let Some(request) = peer.hear().await {
            if request["method"] == "initialize" {
                peer.answer(&request, introduction()).await;
            } else if request["id"].is_number() {
                let error = json!({ "code": -32601, "message": "what?" });
                peer.say(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).await;
            }
        }
    });
    stage.server.ready().await;
    assert_eq!(stage.events(), ["starting", "connected: played 1.2.3"]);
    assert!(stage.tools().is_empty());
}
