//! Playing a server: a function that reads requests and writes whatever it likes.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use perstack_core::{
    CallContext, Content, Id, NotKept, Observation, Observer, OpenState, StateError, StateSource, ToolError,
    ToolOutput, ToolSet, User,
};
use perstack_mcp::{Access, Dial, Launch, Launched, Life, Link, Listener, Server, ServerConfig, ServerEvent};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex};
use tokio::task::JoinHandle;

/// Bytes that wait in each direction, as in a pipe.
const PIPE: usize = 64 << 10;

/// A server's side of the connection.
pub(crate) struct Peer {
    requests: Lines<BufReader<DuplexStream>>,
    output: DuplexStream,
    errors: DuplexStream,
    /// How often it was started before.
    pub(crate) earlier: usize,
    /// All that it was sent.
    pub(crate) heard: Arc<Mutex<Vec<Value>>>,
}

impl Peer {
    /// The next message that it is sent.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let line = self.requests.next_line().await.ok()??;
        let message: Value = serde_json::from_str(&line).unwrap();
        self.heard.lock().unwrap().push(message.clone());
        Some(message)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.output.write_all(bytes).await.is_ok()
    }

    pub(crate) async fn complain(&mut self, text: &str) -> bool {
        self.errors.write_all(text.as_bytes()).await.is_ok()
    }

    pub(crate) async fn say(&mut self, message: Value) -> bool {
        let line = format!("{message}\n");
        self.write(line.as_bytes()).await
    }

    pub(crate) async fn answer(&mut self, request: &Value, result: Value) -> bool {
        self.say(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).await
    }

    /// Introduces itself, and has these tools; gives the first request that is neither.
    pub(crate) async fn until_called(&mut self, tools: &Value) -> Option<Value> {
        loop {
            let request = self.hear().await?;
            match request["method"].as_str().unwrap_or_default() {
                "initialize" => drop(self.answer(&request, introduction()).await),
                "tools/list" => drop(self.answer(&request, json!({ "tools": tools })).await),
                "ping" => drop(self.answer(&request, json!({})).await),
                method if method.starts_with("notifications/") => {}
                _ => return Some(request),
            }
        }
    }
}

pub(crate) fn introduction() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "tools": { "listChanged": true } },
        "serverInfo": { "name": "played", "version": "1.2.3" },
    })
}

pub(crate) fn tool(name: &str) -> Value {
    json!({ "name": name, "description": "A tool.", "inputSchema": { "type": "object" } })
}

pub(crate) fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

type Playing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts a function as a server.
struct Played {
    play: Box<dyn Fn(Peer) -> Playing + Send + Sync>,
    starts: AtomicUsize,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Launch for Played {
    fn launch(&self) -> std::io::Result<Launched> {
        let (input, requests) = duplex(PIPE);
        let (output, from) = duplex(PIPE);
        let (errors, said) = duplex(PIPE);
        let requests = BufReader::new(requests).lines();
        let earlier = self.starts.fetch_add(1, Ordering::SeqCst);
        let task = tokio::spawn((self.play)(Peer { requests, output, errors, earlier, heard: self.heard.clone() }));
        let life = Box::new(Task(task));
        Ok(Launched { input: Box::new(input), output: Box::new(from), errors: Box::new(said), life })
    }
}

struct Task(JoinHandle<()>);

#[async_trait::async_trait]
impl Life for Task {
    async fn ended(&self) -> String {
        while !self.0.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        "exit status 7".to_owned()
    }

    async fn end(self: Box<Self>) {
        self.0.abort();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A server that is played, and what was told of it.
pub(crate) struct Stage {
    pub(crate) server: Arc<Server>,
    pub(crate) heard: Arc<Mutex<Vec<Value>>>,
    events: Arc<Told>,
    observer: Arc<Observed>,
}

#[derive(Default)]
struct Told(Mutex<Vec<ServerEvent>>);

impl Listener for Told {
    fn hear(&self, event: ServerEvent) {
        self.0.lock().unwrap().push(event);
    }
}

#[derive(Default)]
struct Observed(Mutex<Vec<Observation>>);

impl Observer for Observed {
    fn observe(&self, observation: Observation) -> Result<(), NotKept> {
        self.0.lock().unwrap().push(observation);
        Ok(())
    }
}

struct NoState;

#[async_trait::async_trait]
impl StateSource for NoState {
    async fn open(&self) -> Result<OpenState, StateError> {
        panic!("servers have no state")
    }
}

impl Stage {
    pub(crate) fn new<F: Future<Output = ()> + Send + 'static>(
        play: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> Self {
        let (events, heard) = (Arc::<Told>::default(), Arc::<Mutex<Vec<Value>>>::default());
        let play = Box::new(move |peer| Box::pin(play(peer)) as Playing);
        let link = Link::Native(Arc::new(Played { play, starts: AtomicUsize::new(0), heard: heard.clone() }));
        Self::of(link, Some("file:///workspace".into()), events, heard, None)
    }

    /// A server that may ask this user.
    pub(crate) fn with_user<F: Future<Output = ()> + Send + 'static>(
        play: impl Fn(Peer) -> F + Send + Sync + 'static,
        user: Arc<dyn User>,
    ) -> Self {
        let play = Box::new(move |peer| Box::pin(play(peer)) as Playing);
        let link = Link::Native(Arc::new(Played { play, starts: AtomicUsize::new(0), heard: Arc::default() }));
        Self::of(link, None, Arc::default(), Arc::default(), Some(user))
    }

    /// A server elsewhere.
    pub(crate) fn remote(endpoint: &str, dial: Arc<dyn Dial>, access: Arc<dyn Access>) -> Self {
        let link = Link::Remote { endpoint: endpoint.parse().unwrap(), dial, access };
        Self::of(link, None, Arc::default(), Arc::default(), None)
    }

    fn of(
        link: Link,
        root: Option<String>,
        events: Arc<Told>,
        heard: Arc<Mutex<Vec<Value>>>,
        user: Option<Arc<dyn User>>,
    ) -> Self {
        let (name, pick, omit, listener) = ("played".into(), Vec::new(), Vec::new(), events.clone());
        let server = Server::new(ServerConfig { name, link, root, pick, omit, listener, user });
        Self { server, heard, events, observer: Arc::default() }
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
        let context = CallContext {
            job_id: Id::from_entropy([1; 24]),
            run_id: Id::from_entropy([2; 24]),
            tool_call_id: "call".into(),
            expert_key: "expert".into(),
            state: Arc::new(NoState),
            observer: self.observer.clone(),
        };
        self.server.tools().call(tool, &arguments, context).await.result
    }

    /// The text that a call is answered with.
    pub(crate) async fn said(&self, tool: &str) -> String {
        match self.call(tool, json!({})).await.map(|output| output.content) {
            Ok(content) => match &content[..] {
                [Content::Text { text }] => text.clone(),
                other => panic!("{other:?}"),
            },
            Err(error) => format!("error: {error}"),
        }
    }

    pub(crate) fn tools(&self) -> Vec<String> {
        self.server.tools().tools().iter().map(|tool| tool.name.clone()).collect()
    }

    pub(crate) fn observed(&self) -> Vec<Observation> {
        self.observer.0.lock().unwrap().clone()
    }

    /// What happened, in words.
    pub(crate) fn events(&self) -> Vec<String> {
        let word = |event: &ServerEvent| match event {
            ServerEvent::Starting => "starting".to_owned(),
            ServerEvent::Wrote(line) => format!("wrote: {line}"),
            ServerEvent::Noted(note) => format!("noted: {note}"),
            ServerEvent::Connected { info, .. } => format!("connected: {} {}", info.name, info.version),
        };
        self.events.0.lock().unwrap().iter().map(word).collect()
    }
}
