//! HTTP with SSE, as it was before: one stream of events for all that the server says, and an address to post to, which it names
//! first.

use std::sync::Arc;

use http::{HeaderMap, Method, Uri};
use rmcp::RoleClient;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::time::timeout;

use super::events::Events;
use super::request::{EVENTS, JSON, Web, WebError};
use crate::guard::Budget;
use crate::limits::LIST_TIMEOUT;

/// A connection of the older kind.
pub(crate) struct Legacy {
    web: Web,
    events: Option<Events>,
    budget: Arc<Budget>,
    /// Where messages are posted to.
    path: String,
}

impl Legacy {
    /// Opens the stream, and waits for the address.
    pub(crate) async fn open(web: &Web, path: &str) -> Result<Self, String> {
        let opening = async {
            let answer = web.send(Method::GET, path, EVENTS, HeaderMap::new(), Vec::new()).await?;
            if !answer.status.is_success() || !answer.is(EVENTS) {
                return Err(WebError::Status(answer.status.as_u16()));
            }
            let mut events = Events::new(answer.body);
            while let Some(event) = events.next().await? {
                if event.event.as_deref() == Some("endpoint") {
                    return Ok(Some((events, event.data.unwrap_or_default())));
                }
                if !web.budget().unasked() {
                    break;
                }
            }
            Ok(None)
        };
        let opened = timeout(LIST_TIMEOUT, opening).await;
        let opened = opened.map_err(|_| "it does not say where to post to".to_owned())?;
        let Some((events, named)) = opened.map_err(|error| error.to_string())? else {
            return Err("it does not say where to post to".to_owned());
        };
        let post = within(web.authority(), path, named.trim())?;
        Ok(Self { web: web.clone(), events: Some(events), budget: web.budget().clone(), path: post })
    }
}

/// The path that an address has on the same server; one on another is refused.
fn within(authority: &str, path: &str, named: &str) -> Result<String, String> {
    let elsewhere = || "it names an address elsewhere to post to".to_owned();
    let absolute = if named.contains("://") {
        named.to_owned()
    } else if named.starts_with("//") {
        return Err(elsewhere());
    } else if named.starts_with('/') {
        format!("https://{authority}{named}")
    } else {
        let folder =
            path.split(['?', '#']).next().unwrap_or_default().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("https://{authority}{folder}/{named}")
    };
    let uri: Uri = absolute.parse().map_err(|_| elsewhere())?;
    let same = uri.authority().is_some_and(|named| named.as_str().eq_ignore_ascii_case(authority));
    if uri.scheme_str() != Some("https") || !same {
        return Err(elsewhere());
    }
    Ok(uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string))
}

impl Transport<RoleClient> for Legacy {
    type Error = WebError;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), WebError>> + Send + 'static {
        let (web, path) = (self.web.clone(), self.path.clone());
        async move {
            // What we make is always JSON.
            let json = serde_json::to_vec(&item).unwrap_or_default();
            let answer = web.send(Method::POST, &path, JSON, HeaderMap::new(), json).await?;
            if answer.status.is_success() { Ok(()) } else { Err(WebError::Status(answer.status.as_u16())) }
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let event = match self.events.as_mut()?.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return None,
                Err(error) => {
                    self.budget.end(error.to_string());
                    return None;
                }
            };
            let is_message = event.event.as_deref().is_none_or(|kind| kind == "message");
            let message = event.data.filter(|_| is_message).and_then(|data| serde_json::from_str(&data).ok());
            if message.is_some() {
                return message;
            }
            if !self.budget.unasked() {
                return None;
            }
        }
    }

    async fn close(&mut self) -> Result<(), WebError> {
        self.events = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_posted_to_the_same_server_only() {
        let within = |named: &str| within("mcp.example.com", "/a/sse?x=1", named);
        assert_eq!(within("/messages?id=1").unwrap(), "/messages?id=1");
        assert_eq!(within("messages").unwrap(), "/a/messages");
        assert_eq!(within("https://MCP.example.com/m").unwrap(), "/m");
        for elsewhere in [
            "https://evil.example.com/m",
            "http://mcp.example.com/m",
            "//evil.example.com/m",
            "https://mcp.example.com@evil.example.com/",
            "https://mcp.example.com:444/",
            "https://mcp.example.com.evil.example/",
        ] {
            within(elsewhere).unwrap_err();
        }
    }
}
