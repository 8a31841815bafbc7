//! A server during one run: connected when it is needed, once more if it ended, and closed at last.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use perstack_core::{CallContext, CallLog, CallOutcome, ToolDefinition, ToolError, ToolOutput, ToolSet, User};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::connection::Connection;
use crate::definitions::{Choice, Definitions};
use crate::limits::RESTARTS;
use crate::link::{Link, Listener, ServerEvent, Times};
use crate::questions::Questions;
use crate::stderr::Allowance;

/// How a server is used.
pub struct ServerConfig {
    /// The skill.
    pub name: String,
    /// How it is reached.
    pub link: Link,
    /// The workspace as a URI, for a server on this machine.
    pub root: Option<String>,
    /// The only tools that are used, where any are named.
    pub pick: Vec<String>,
    /// Tools that are not used.
    pub omit: Vec<String>,
    /// Is told what happens.
    pub listener: Arc<dyn Listener>,
    /// Whom the server may ask during a call.
    pub user: Option<Arc<dyn User>>,
}

/// A server during one run.
pub struct Server {
    name: String,
    link: Link,
    root: Option<String>,
    choice: Choice,
    listener: Arc<dyn Listener>,
    user: Option<Arc<dyn User>>,
    allowance: Arc<Allowance>,
    state: Mutex<State>,
    tools: RwLock<Arc<Definitions>>,
    version: AtomicU64,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    attempts: u32,
    is_closed: bool,
    /// Why there is no connection.
    reason: String,
}

impl Server {
    /// A server that is not connected to yet.
    pub fn new(config: ServerConfig) -> Arc<Self> {
        let ServerConfig { name, link, root, pick, omit, listener, user } = config;
        Arc::new(Self {
            name,
            link,
            root,
            choice: Choice { pick, omit },
            listener,
            user,
            allowance: Arc::default(),
            state: Mutex::default(),
            tools: RwLock::default(),
            version: AtomicU64::new(0),
        })
    }

    /// Connects to it if that was never tried, and lists its tools anew if it said that they changed. What goes wrong is told
    /// as an event.
    pub async fn ready(&self) {
        let mut state = self.state.lock().await;
        match &state.connection {
            Some(connection) if connection.has_changed() && !connection.is_closed() => match connection.tools().await {
                Ok((listed, note)) => self.learn(Definitions::read(listed, &self.choice), note),
                Err(reason) => self.note(reason),
            },
            None if state.attempts == 0 => drop(self.connected(&mut state).await),
            // The next call connects anew, if that is still to be tried.
            Some(_) | None => {}
        }
    }

    /// Changes with its tools.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The tools that it has now, as a tool set.
    pub fn tools(self: &Arc<Self>) -> ServerTools {
        let now = self.tools.read().unwrap_or_else(PoisonError::into_inner).clone();
        ServerTools { server: self.clone(), definitions: now.tools.clone(), names: now.names.clone() }
    }

    /// Closes the connection, and ends its process. It is not started again.
    pub async fn close(&self) {
        let connection = {
            let mut state = self.state.lock().await;
            state.is_closed = true;
            "the run has ended".clone_into(&mut state.reason);
            state.connection.take()
        };
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    fn note(&self, note: String) {
        self.listener.hear(ServerEvent::Noted(note));
    }

    /// The connection, made if there is none, or none any more.
    async fn connected(&self, state: &mut State) -> Result<Arc<Connection>, String> {
        if let Some(connection) = &state.connection {
            if connection.is_alive().await {
                return Ok(connection.clone());
            }
            let gone = state.connection.take();
            if let Some(gone) = gone {
                gone.close().await;
            }
            "it has ended again".clone_into(&mut state.reason);
        }
        let mut tried = false;
        while !state.is_closed && state.attempts <= RESTARTS {
            state.attempts += 1;
            tried = true;
            match self.connect().await {
                Ok(connection) => {
                    state.connection = Some(connection.clone());
                    return Ok(connection);
                }
                Err(reason) => {
                    self.note(reason.clone());
                    state.reason = reason;
                }
            }
        }
        if tried && !state.is_closed {
            self.note("it is not tried again in this run, which goes on without its tools".to_owned());
        }
        Err(state.reason.clone())
    }

    async fn connect(&self) -> Result<Arc<Connection>, String> {
        self.listener.hear(ServerEvent::Starting);
        let questions = Questions::new(&self.name, self.user.clone(), self.listener.clone());
        let connection = match &self.link {
            Link::Native(launch) => {
                let root = self.root.clone();
                Connection::native(launch.as_ref(), root, questions, &self.listener, &self.allowance).await?
            }
            Link::Remote { endpoint, dial, access } => Connection::remote(endpoint, dial, access, questions).await?,
        };
        let begun = Instant::now();
        let (listed, note) = match connection.tools().await {
            Ok(listed) => listed,
            Err(reason) => {
                connection.close().await;
                return Err(reason);
            }
        };
        let (spawn, handshake) = connection.took;
        let times = Times { spawn, handshake, discovery: begun.elapsed() };
        self.listener.hear(ServerEvent::Connected { info: connection.info.clone(), times });
        self.learn(Definitions::read(listed, &self.choice), note);
        Ok(Arc::new(connection))
    }

    fn learn(&self, definitions: Definitions, note: Option<String>) {
        note.into_iter().chain(definitions.notes.iter().cloned()).for_each(|note| self.note(note));
        let mut known = self.tools.write().unwrap_or_else(PoisonError::into_inner);
        if **known != definitions {
            *known = Arc::new(definitions);
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    async fn call(&self, tool: &str, arguments: &Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let refused = |reason: String| ToolError::Ended(format!("the server of skill `{}`: {reason}", self.name));
        let connection = {
            let mut state = self.state.lock().await;
            self.connected(&mut state).await.map_err(refused)?
        };
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let answer = connection.call(&self.name, tool.to_owned(), arguments, context).await;
        answer.map_err(|error| match error {
            ToolError::Ended(reason) => refused(reason),
            error => error,
        })
    }
}

/// The tools that a server had at one time. Calls go to what it is now.
pub struct ServerTools {
    server: Arc<Server>,
    definitions: Vec<ToolDefinition>,
    /// What the server calls them.
    names: BTreeMap<String, String>,
}

#[async_trait::async_trait]
impl ToolSet for ServerTools {
    fn name(&self) -> &str {
        &self.server.name
    }

    fn tools(&self) -> &[ToolDefinition] {
        &self.definitions
    }

    async fn call(&self, tool: &str, arguments: &Value, context: CallContext) -> CallOutcome {
        let result = match self.names.get(tool) {
            Some(real) => self.server.call(real, arguments, &context).await,
            None => Err(ToolError::Failed(format!("there is no tool `{tool}`"))),
        };
        CallOutcome { result, state_changes: Vec::new(), state_guard: None, log: CallLog::default() }
    }
}
