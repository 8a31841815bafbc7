//! An Expert that does what its query says, line by line. What it learns is its answer, a line for each.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perstack::state::State;
use perstack::tools::ToolCall;
use perstack::{Input, delegates, json, model, tools, user};

/// Follows the query.
#[perstack::expert]
fn follow(input: Input) -> Result<String, String> {
    let mut said = Vec::new();
    for line in input.query.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        said.push(step(word, rest, &input)?);
    }
    Ok(said.join("\n"))
}

fn step(word: &str, rest: &str, input: &Input) -> Result<String, String> {
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "input" => format!("{} {:?}", input.instruction, input.history),
        "ask" => match user::ask(first, &json::json!({ "question": second })) {
            Ok(answer) => answer,
            Err(error) => format!("error: {error}"),
        },
        "say" => {
            user::say(rest);
            "said".to_owned()
        }
        "tools" => tools::list().into_iter().map(|tool| tool.name).collect::<Vec<_>>().join(" "),
        "call" => match tools::call(first, &json::json!({ "text": second })).into_result() {
            Ok(answer) => answer,
            Err(error) => format!("error: {error}"),
        },
        "call-json" => {
            let call = ToolCall { id: "1".to_owned(), name: first.to_owned(), arguments: second.to_owned() };
            tools::call_all(vec![call]).into_iter().map(|result| result.text()).collect()
        }
        "call-many" => {
            let call =
                |number| ToolCall { id: format!("{number}"), name: "echo".to_owned(), arguments: "{}".to_owned() };
            tools::call_all((0..number(rest)?).map(call).collect()).len().to_string()
        }
        "together" => {
            let calls = rest.split('|').enumerate().filter_map(|(number, call)| {
                let (name, arguments) = call.split_once(' ')?;
                Some(ToolCall { id: number.to_string(), name: name.to_owned(), arguments: arguments.to_owned() })
            });
            let answers = tools::call_all(calls.collect()).into_iter().map(|result| result.text());
            answers.collect::<Vec<_>>().join(" ")
        }
        "delegate" => {
            let delegation = delegates::Delegation::new(first, second);
            format!("{} {:?}", delegates::list().len(), delegates::run(vec![delegation]))
        }
        "delegate-all" => {
            let asked = rest.split('|').filter_map(|part| part.split_once(' '));
            let asked = asked.map(|(key, query)| delegates::Delegation::new(key, query));
            let answers = delegates::run(asked.collect()).into_iter().map(|answer| match answer {
                Ok(text) => text,
                Err(reason) => format!("error: {reason}"),
            });
            answers.collect::<Vec<_>>().join(" ")
        }
        "model" if rest.is_empty() => format!("{:?}", model::generate(&model::Request::default()).err()),
        "model" => match model::generate(&model::Request::new().instruction("Be brief.").user(rest)) {
            Ok(generation) => format!("{} ({} tokens)", generation.reply.text, generation.usage.output_tokens),
            Err(error) => format!("error: {error}"),
        },
        "converse" => converse(first, second)?,
        "clock" => {
            SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_millis().to_string()
        }
        "elapsed" => {
            let since = Instant::now();
            since.elapsed().as_nanos().to_string()
        }
        "random" => {
            let mut key = [0; 16];
            getrandom::fill(&mut key).map_err(|error| error.to_string())?;
            format!("{:032x} {:016x}", u128::from_le_bytes(key), RandomState::new().hash_one(()))
        }
        "get" => match State::job().get(rest) {
            Ok(value) => format!("{:?}", value.map(|value| String::from_utf8_lossy(&value).into_owned())),
            Err(error) => format!("error: {error}"),
        },
        "set" => done(State::job().set(first, second.as_bytes())),
        "delete" => done(State::job().delete(rest)),
        "keys" => State::job().keys().map_or_else(|error| format!("error: {error}"), |keys| keys.join(" ")),
        "print" => {
            #[expect(clippy::print_stdout, reason = "what becomes of it is the case")]
            {
                println!("{rest}");
            }
            "printed".to_owned()
        }
        "env" => std::env::vars().count().to_string(),
        "read" => std::fs::read_to_string(rest).unwrap_or_else(|error| format!("error: {error}")),
        "connect" => {
            std::net::TcpStream::connect(rest).map_or_else(|error| format!("error: {error}"), |_| "open".into())
        }
        "spin" => loop {
            std::hint::black_box(());
        },
        "sleep" => {
            std::thread::sleep(Duration::from_millis(number(rest)?));
            "slept".to_owned()
        }
        "take-memory" => {
            let mut taken = Vec::new();
            loop {
                taken.push(vec![1_u8; 1 << 20]);
            }
        }
        "huge-answer" => "x".repeat(size(rest)?),
        "huge-say" => {
            user::say(&"x".repeat(size(rest)?));
            "said".to_owned()
        }
        "huge-call" => {
            let call = ToolCall {
                id: if first == "id" { "x".repeat(size(second)?) } else { "1".to_owned() },
                name: if first == "name" { "x".repeat(size(second)?) } else { "echo".to_owned() },
                arguments: if first == "arguments" { "x".repeat(size(second)?) } else { "{}".to_owned() },
            };
            tools::call_all(vec![call]).len().to_string()
        }
        "huge-ask" => match user::ask(&"x".repeat(size(rest)?), "") {
            Ok(answer) => answer,
            Err(error) => format!("error: {}", error.to_string().len()),
        },
        "panic" => {
            #[expect(clippy::panic, reason = "this is the case")]
            {
                panic!("{rest}")
            }
        }
        "fail" => return Err(rest.to_owned()),
        "huge-fail" => return Err("x".repeat(size(rest)?)),
        other => return Err(format!("no such command: {other}")),
    })
}

/// Asks the model, offers it one tool, makes its calls, and hands everything back until it calls no more.
fn converse(tool: &str, query: &str) -> Result<String, String> {
    let mut request = model::Request::new().user(query).tool(tool);
    loop {
        let reply = model::generate(&request).map_err(|error| error.to_string())?.reply;
        if reply.tool_calls.is_empty() {
            return Ok(reply.text);
        }
        let results = tools::call_all(reply.tool_calls.clone());
        request = request.message(model::Message::Expert(reply)).message(model::Message::ToolResults(results));
    }
}

fn done(result: Result<(), perstack::state::Error>) -> String {
    result.map_or_else(|error| format!("error: {error}"), |()| "done".to_owned())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

fn size(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}
