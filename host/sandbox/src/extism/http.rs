//! Requests of a plugin. They pass the same gate as those of every skill.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use wasmtime::Caller;
use wasmtime_wasi_http::{WasiBody, WasiHttpHooks};

use super::store::PluginStore;
use crate::error::{Ended, printable};

/// A request as a plugin writes it.
#[derive(Deserialize)]
struct Wanted {
    url: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default, alias = "header")]
    headers: BTreeMap<String, String>,
}

/// What came with the latest answer.
#[derive(Default)]
pub(super) struct Response {
    pub(super) status: u16,
    headers: BTreeMap<String, String>,
}

impl Response {
    /// As JSON: one text for each name.
    pub(super) fn headers(&self) -> String {
        serde_json::json!(self.headers).to_string()
    }
}

/// Makes a request, and waits for all of its answer: the block that it is in.
pub(super) async fn request(mut plugin: Caller<'_, PluginStore>, request: u64, body: u64) -> wasmtime::Result<u64> {
    let store = plugin.data_mut();
    store.response = Response::default();
    let wanted = store.take(request)?;
    let body = if body == 0 { Box::default() } else { store.take(body)? };
    let request = read(store, &wanted, body)?;
    let done = Box::new(std::future::ready(Ok(())));
    let sent = store.gate.send_request(request, None, done);
    let (response, _) = Box::into_pin(sent).await.map_err(|error| failed(&error))?;
    let (parts, mut body) = response.into_parts();
    let mut received = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        let limiter = &mut plugin.data_mut().limiter;
        // Its block is counted again below: for a moment the bytes are there twice.
        if !limiter.take(data.len() as u64) {
            return Err(limiter.hit.clone().unwrap_or_else(|| failed(&"its answer is too large")).into());
        }
        received.extend_from_slice(&data);
    }
    let store = plugin.data_mut();
    let block = store.give(&received)?;
    store.limiter.give_back(received.len() as u64);
    let texts = parts.headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())));
    store.response = Response { status: parts.status.as_u16(), headers: texts.collect() };
    Ok(block)
}

fn read(store: &mut PluginStore, wanted: &[u8], body: Box<[u8]>) -> Result<Request<WasiBody>, Ended> {
    let wanted: Wanted = serde_json::from_slice(wanted).map_err(|error| failed(&error))?;
    let method = wanted.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|error| failed(&error))?;
    *request.uri_mut() = wanted.url.parse().map_err(|error| failed(&error))?;
    for (name, value) in &wanted.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| failed(&error))?;
        if store.gate.is_forbidden_header(&name) {
            return Err(failed(&format!("the header `{name}` is the host's to set")));
        }
        let value = HeaderValue::from_str(value).map_err(|error| failed(&error))?;
        // The body is there as a whole, and its length known.
        if name != header::CONTENT_LENGTH {
            request.headers_mut().insert(name, value);
        }
    }
    Ok(request)
}

/// A plugin cannot be told that a request failed: its call ends.
fn failed(error: &dyn std::fmt::Display) -> Ended {
    Ended::Request(printable(&error.to_string()))
}
