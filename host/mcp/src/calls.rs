//! What a server may ask and say while it runs: where the workspace is, what only the user knows, how far a call has come, and that
//! its tools changed. Nothing else was declared to it, so everything else is refused.

#![expect(
    deprecated,
    reason = "roots are what servers of today ask for; newer versions of the protocol leave them out"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use perstack_core::{Observation, Observer};
use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability,
    ErrorData, FormElicitationCapability, Implementation, ListRootsResult, ProgressNotificationParam, ProgressToken,
    ProtocolVersion, Root,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, RoleClient};
use tokio::sync::watch;

use crate::harmless::in_one_line;
use crate::limits::{MAX_PROGRESS, MAX_PROGRESS_TEXT};
use crate::questions::Questions;

/// The calls under way, by what their progress is reported with.
#[derive(Default)]
pub(crate) struct Calls(Mutex<HashMap<ProgressToken, Call>>);

/// One call under way.
pub(crate) struct Call {
    pub(crate) skill_name: String,
    pub(crate) tool_call_id: String,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) reports: usize,
    /// Changes with each report.
    pub(crate) heard: watch::Sender<()>,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProgressToken, Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, token: ProgressToken, call: Call) {
        self.lock().insert(token, call);
    }

    pub(crate) fn end(&self, token: &ProgressToken) {
        self.lock().remove(token);
    }

    /// A server tells how far a call is.
    pub(crate) fn report(&self, said: &ProgressNotificationParam) {
        let (observer, observation) = {
            let mut calls = self.lock();
            let Some(call) = calls.get_mut(&said.progress_token) else { return };
            call.heard.send_replace(());
            call.reports += 1;
            if call.reports > MAX_PROGRESS {
                return;
            }
            let observation = Observation::Progress {
                skill_name: call.skill_name.clone(),
                tool_call_id: call.tool_call_id.clone(),
                message: message(said),
                fraction: fraction(said),
            };
            (call.observer.clone(), observation)
        };
        // Progress that cannot be kept stops nothing.
        drop(observer.observe(observation));
    }
}

fn message(said: &ProgressNotificationParam) -> String {
    match (&said.message, said.total) {
        (Some(message), _) => in_one_line(message, MAX_PROGRESS_TEXT),
        (None, Some(total)) => format!("{} of {total}", said.progress),
        (None, None) => said.progress.to_string(),
    }
}

fn fraction(said: &ProgressNotificationParam) -> Option<f32> {
    let share = said.progress / said.total.filter(|total| *total > 0.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "a share, for people")]
    share.is_finite().then(|| share.clamp(0.0, 1.0) as f32)
}

/// This side of a connection.
pub(crate) struct Client {
    /// The workspace as a URI, for servers on this machine.
    pub(crate) root: Option<String>,
    /// Whether the server said that its tools changed.
    pub(crate) changed: Arc<AtomicBool>,
    pub(crate) questions: Arc<Questions>,
}

impl Client {
    pub(crate) fn new(root: Option<String>, questions: Arc<Questions>) -> Self {
        Self { root, changed: Arc::default(), questions }
    }
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.root.is_some() {
            capabilities.roots = Some(rmcp::model::RootsCapabilities::default());
        }
        if self.questions.has_user() {
            let form = FormElicitationCapability::new().with_schema_validation(true);
            capabilities.elicitation = Some(ElicitationCapability::new().with_form(form));
        }
        let own = Implementation::new("perstack", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(capabilities, own).with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(self.root.iter().map(|root| Root::new(root.clone()).with_name("workspace")).collect()))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        tokio::select! {
            answer = self.questions.ask(request) => Ok(answer),
            () = context.ct.cancelled() => Ok(ElicitResult::new(ElicitationAction::Cancel)),
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.store(true, Ordering::Relaxed);
    }
}
