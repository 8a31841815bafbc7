//! One connection to a server: made, used side by side, and closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use perstack_core::config::HttpUrl;
use perstack_core::{CallContext, ServerInfo, ToolError, ToolOutput};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotificationParam, ClientRequest, JsonObject,
    PaginatedRequestParams, PingRequest, ProgressToken, RequestId, ServerResult, Tool,
};
use rmcp::service::{ClientLifecycleMode, Peer, PeerRequestOptions, RoleClient, RunningService, ServiceError};
use rmcp::transport::Transport;
use rmcp::{ClientServiceExt, ErrorData};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use crate::calls::{Call, Calls, Client};
use crate::guard::{Budget, Guarded};
use crate::harmless::{in_one_line, shortened};
use crate::http::{Legacy, Web, streamable};
use crate::limits::{
    CALL_TIMEOUT, CLOSE_TIMEOUT, INITIALIZE_TIMEOUT, LIST_TIMEOUT, LONG_CALL_TIMEOUT, MAX_PAGES, MAX_REASON,
    MAX_SERVER_NAME, MAX_TOOLS, PING_TIMEOUT, REASON_TIMEOUT,
};
use crate::lines::Lines;
use crate::link::{Access, Dial, Launch, Life, Listener};
use crate::questions::Questions;
use crate::results;
use crate::stderr::{Allowance, tell};

/// A server that has introduced itself.
pub(crate) struct Connection {
    service: Mutex<RunningService<RoleClient, Client>>,
    peer: Peer<RoleClient>,
    calls: Arc<Calls>,
    questions: Arc<Questions>,
    changed: Arc<AtomicBool>,
    budget: Arc<Budget>,
    life: Mutex<Option<Box<dyn Life>>>,
    /// Whether a call passed its time, and nothing was heard since.
    doubted: AtomicBool,
    /// What it says it is.
    pub(crate) info: ServerInfo,
    /// How long starting it took, and introducing itself.
    pub(crate) took: (Duration, Duration),
    /// Until when it is used: one that is closed is left alone.
    closed: Lock<bool>,
}

impl Connection {
    /// Starts a native server.
    ///
    /// # Errors
    /// Why there is no connection, in a sentence about the server.
    pub(crate) async fn native(
        launch: &dyn Launch,
        root: Option<String>,
        questions: Arc<Questions>,
        listener: &Arc<dyn Listener>,
        allowance: &Arc<Allowance>,
    ) -> Result<Self, String> {
        let begun = Instant::now();
        let launched = launch.launch().map_err(|error| format!("it cannot be started: {error}"))?;
        let spawn = begun.elapsed();
        tokio::spawn(tell(launched.errors, listener.clone(), allowance.clone()));
        let budget = Arc::new(Budget::default());
        let lines = Lines::new(launched.output, launched.input, budget.clone());
        Self::over(lines, budget, Client::new(root, questions), Some(launched.life), spawn).await
    }

    /// Connects to a server elsewhere: over streamable HTTP, or in the older way, where it refuses that.
    ///
    /// # Errors
    /// Why there is no connection, in a sentence about the server.
    pub(crate) async fn remote(
        endpoint: &HttpUrl,
        dial: &Arc<dyn Dial>,
        access: &Arc<dyn Access>,
        questions: Arc<Questions>,
    ) -> Result<Self, String> {
        let client = || Client::new(None, questions.clone());
        let budget = Arc::new(Budget::default());
        let (web, path) = Web::new(endpoint, dial.clone(), access.clone(), budget.clone())?;
        let refused = match Self::over(streamable(&web, &path), budget, client(), None, Duration::ZERO).await {
            Err(_) if web.wants_authorization() => {
                return Err(match access.headers().is_empty() {
                    true => "it asks for authorization: its skill has no `headers`".to_owned(),
                    false => "it does not accept the `headers` of its skill as authorization".to_owned(),
                });
            }
            Err(reason) if web.may_be_older() => reason,
            done => return done,
        };
        let budget = Arc::new(Budget::default());
        let (web, path) = Web::new(endpoint, dial.clone(), access.clone(), budget.clone())?;
        match Legacy::open(&web, &path).await {
            Ok(legacy) => Self::over(legacy, budget, client(), None, Duration::ZERO).await,
            Err(reason) => Err(format!("{refused}; and in the older way: {reason}")),
        }
    }

    /// Has a server introduce itself.
    pub(crate) async fn over(
        transport: impl Transport<RoleClient> + 'static,
        budget: Arc<Budget>,
        client: Client,
        life: Option<Box<dyn Life>>,
        spawn: Duration,
    ) -> Result<Self, String> {
        let begun = Instant::now();
        let calls = Arc::<Calls>::default();
        let (changed, questions) = (client.changed.clone(), client.questions.clone());
        let transport = Guarded::new(transport, budget.clone(), calls.clone());
        let serving = client.serve_with_lifecycle(transport, ClientLifecycleMode::Initialize);
        let service = match timeout(INITIALIZE_TIMEOUT, serving).await {
            Ok(Ok(service)) => service,
            Ok(Err(error)) => {
                let why = why_ended(&budget, life.as_deref()).await;
                end(life).await;
                return Err(why.unwrap_or_else(|| in_one_line(&error.to_string(), MAX_REASON)));
            }
            Err(_) => {
                end(life).await;
                return Err(format!("it did not introduce itself within {} s", INITIALIZE_TIMEOUT.as_secs()));
            }
        };
        let peer = service.peer().clone();
        let named = peer.peer_info().and_then(|info| info.server_info.clone());
        let shown = |text: String| in_one_line(&text, MAX_SERVER_NAME);
        let info = named.map(|named| ServerInfo { name: shown(named.name), version: shown(named.version) });
        let info = info.unwrap_or_else(|| ServerInfo { name: String::new(), version: String::new() });
        Ok(Self {
            service: Mutex::new(service),
            peer,
            calls,
            questions,
            changed,
            budget,
            life: Mutex::new(life),
            doubted: AtomicBool::new(false),
            info,
            took: (spawn, begun.elapsed()),
            closed: Lock::new(false),
        })
    }

    /// All its tools; with a note where there were more.
    ///
    /// # Errors
    /// Why it does not tell them.
    pub(crate) async fn tools(&self) -> Result<(Vec<Tool>, Option<String>), String> {
        self.changed.store(false, Ordering::Relaxed);
        let listing = async {
            let mut tools = Vec::new();
            let mut cursor = None;
            for _ in 0..MAX_PAGES {
                let asked = cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
                let page = self.peer.list_tools(asked).await?;
                tools.extend(page.tools);
                cursor = page.next_cursor;
                if cursor.is_none() || tools.len() > MAX_TOOLS {
                    break;
                }
            }
            Ok(tools)
        };
        match timeout(LIST_TIMEOUT, listing).await {
            Ok(Ok(mut tools)) => {
                // A few more are looked at, so that it is said which ones are left out.
                let more = tools.len() > 2 * MAX_TOOLS;
                let note = more.then(|| format!("it has {} tools; no more than {MAX_TOOLS} are used", tools.len()));
                tools.truncate(2 * MAX_TOOLS);
                Ok((tools, note))
            }
            // A server without any tools may not know the question.
            Ok(Err(ServiceError::McpError(ErrorData { code, .. })))
                if code == rmcp::model::ErrorCode::METHOD_NOT_FOUND =>
            {
                Ok((Vec::new(), None))
            }
            Ok(Err(error)) => Err(self.reason(error).await),
            Err(_) => Err(format!("it did not list its tools within {} s", LIST_TIMEOUT.as_secs())),
        }
    }

    /// Whether its tools have changed since they were listed.
    pub(crate) fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Calls a tool.
    pub(crate) async fn call(
        &self,
        skill_name: &str,
        tool: String,
        arguments: JsonObject,
        context: &CallContext,
    ) -> Result<ToolOutput, ToolError> {
        let params = CallToolRequestParams::new(tool).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::with_timeout(LONG_CALL_TIMEOUT);
        let _asking = self.questions.during_call();
        let handle = match self.unless_over(self.peer.send_cancellable_request(request, options)).await {
            Ok(handle) => handle,
            Err(error) => return Err(ToolError::Ended(self.reason(error).await)),
        };
        let heard = watch::Sender::new(());
        let silent = silence(heard.subscribe(), self.questions.open());
        let call = Call {
            skill_name: skill_name.to_owned(),
            tool_call_id: context.tool_call_id.clone(),
            observer: context.observer.clone(),
            reports: 0,
            heard,
        };
        self.calls.begin(handle.progress_token.clone(), call);
        let mut under_way =
            UnderWay { connection: self, id: Some(handle.id.clone()), token: handle.progress_token.clone() };
        let late = |time: Duration| {
            self.doubted.store(true, Ordering::Relaxed);
            Err(ToolError::Ended(format!("it did not answer within {} s", time.as_secs())))
        };
        let answered = tokio::select! {
            answered = self.unless_over(handle.await_response()) => answered,
            () = silent => return late(CALL_TIMEOUT),
        };
        // It has been answered, or cancelled because of its time.
        under_way.id = None;
        match answered {
            Ok(ServerResult::CallToolResult(result)) => results::answer(result),
            Ok(ServerResult::EmptyResult(_)) => Ok(ToolOutput::default()),
            Ok(_) => Err(ToolError::Failed("its answer is not that of a tool".to_owned())),
            Err(ServiceError::McpError(error)) => {
                Err(ToolError::Failed(shortened(&format!("{} ({})", error.message, error.code.0), MAX_REASON)))
            }
            Err(ServiceError::Timeout { timeout }) => late(timeout),
            Err(error) => Err(ToolError::Ended(self.reason(error).await)),
        }
    }

    /// Waits for something, but no longer than we use the connection: rmcp may take a while to notice that we have ended it,
    /// with what the server still sends.
    async fn unless_over<T>(&self, work: impl Future<Output = Result<T, ServiceError>>) -> Result<T, ServiceError> {
        tokio::select! {
            done = work => done,
            () = self.budget.over() => Err(ServiceError::TransportClosed),
        }
    }

    /// Whether it can be used. A server that has let a call pass its time is asked whether it is still there.
    pub(crate) async fn is_alive(&self) -> bool {
        if self.is_closed() {
            return false;
        }
        if !self.doubted.load(Ordering::Relaxed) {
            return true;
        }
        let ping = self.peer.send_request(ClientRequest::PingRequest(PingRequest::default()));
        let answered = matches!(timeout(PING_TIMEOUT, ping).await, Ok(Ok(_) | Err(ServiceError::McpError(_))));
        self.doubted.store(!answered, Ordering::Relaxed);
        answered
    }

    /// Whether it has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.budget.reason().is_some()
            || self.peer.is_transport_closed()
            || *self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes it, and ends the server's process.
    pub(crate) async fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let life = self.life.lock().await.take();
        let closing = async {
            // What a native server still writes is read, until it has ended.
            end(life).await;
            drop(self.service.lock().await.close().await);
        };
        drop(timeout(CLOSE_TIMEOUT, closing).await);
    }

    /// What went wrong.
    async fn reason(&self, error: ServiceError) -> String {
        let is_over = matches!(error, ServiceError::TransportClosed | ServiceError::TransportSend(_));
        let why = if is_over { why_ended(&self.budget, self.life.lock().await.as_deref()).await } else { None };
        why.unwrap_or_else(|| match error {
            ServiceError::TransportClosed => "it has ended the connection".to_owned(),
            error => in_one_line(&error.to_string(), MAX_REASON),
        })
    }
}

/// Waits until nothing was heard of a call for as long as that may be. While the user is asked the time does not run.
async fn silence(mut heard: watch::Receiver<()>, mut open: watch::Receiver<usize>) {
    // Both are there for as long as the call.
    while open.wait_for(|open| *open == 0).await.is_ok() {
        tokio::select! {
            () = sleep(CALL_TIMEOUT) => return,
            Ok(()) = heard.changed() => {}
            Ok(()) = open.changed() => {}
        }
    }
}

/// Why a connection has ended, where that is known.
async fn why_ended(budget: &Budget, life: Option<&dyn Life>) -> Option<String> {
    if let Some(reason) = budget.reason() {
        return Some(reason.to_owned());
    }
    let status = timeout(REASON_TIMEOUT, life?.ended()).await.ok()?;
    Some(format!("it has ended: {status}"))
}

async fn end(life: Option<Box<dyn Life>>) {
    if let Some(life) = life {
        life.end().await;
    }
}

/// A call that is waited for. The server is told when it is no longer.
struct UnderWay<'a> {
    connection: &'a Connection,
    id: Option<RequestId>,
    token: ProgressToken,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.connection.calls.end(&self.token);
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else { return };
        let peer = self.connection.peer.clone();
        let gone = CancelledNotificationParam::new(Some(id), Some("nobody waits for it any more".to_owned()));
        runtime.spawn(async move { drop(peer.notify_cancelled(gone).await) });
    }
}
