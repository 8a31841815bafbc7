//! Sends requests, as a client does that follows nothing by itself. `$NAME` in what is sent is a variable's value.

use wasip2::http::outgoing_handler::{self, FutureIncomingResponse};
use wasip2::http::types::{Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// Bytes of a body that are written, or read, at once.
const CHUNK: usize = 4096;

/// What is sent.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

pub(crate) fn run(request: &Request, times: u32, together: bool) -> Result<String, String> {
    let receive = |sent: Result<FutureIncomingResponse, String>| sent.and_then(|future| receive(&future));
    let answers: Vec<_> = if together {
        let pending: Vec<_> = (0..times).map(|_| send(request)).collect();
        pending.into_iter().map(receive).collect()
    } else {
        (0..times).map(|_| receive(send(request))).collect()
    };
    answers.into_iter().reduce(|first, next| first.and(next)).unwrap_or(Err("nothing was sent".into()))
}

fn send(Request { method, url, headers, body }: &Request) -> Result<FutureIncomingResponse, String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let fields = Fields::new();
    for header in headers {
        let (name, value) = header.split_once(": ").ok_or("no header")?;
        fields.append(name, filled(value).as_bytes()).map_err(|error| format!("header {name}: {error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let refused = |what: &str| format!("{what} refused");
    request.set_method(&Method::Other(method.clone())).map_err(|()| refused("method"))?;
    request.set_scheme(Some(&scheme)).map_err(|()| refused("scheme"))?;
    request.set_authority(Some(&filled(authority))).map_err(|()| refused("authority"))?;
    request.set_path_with_query(Some(&filled(path))).map_err(|()| refused("path"))?;
    let outgoing = request.body().map_err(|()| refused("body"))?;
    let future = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    if let Err(error) = write(outgoing, filled(body).as_bytes()) {
        return match receive(&future) {
            Err(reason) => Err(reason),
            Ok(_) => Err(error),
        };
    }
    Ok(future)
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), String> {
    let stream = body.write().map_err(|()| "no stream")?;
    for chunk in bytes.chunks(CHUNK) {
        stream.blocking_write_and_flush(chunk).map_err(|error| format!("writing: {error:?}"))?;
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| format!("{error:?}"))
}

fn receive(future: &FutureIncomingResponse) -> Result<String, String> {
    let response = loop {
        match future.get() {
            Some(response) => break response,
            None => future.subscribe().block(),
        }
    };
    let response = response.map_err(|()| "taken twice")?.map_err(|error| format!("{error:?}"))?;
    let headers = response.headers().entries();
    let mut headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
    headers.sort();
    let status = response.status();
    let body = response.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut text = Vec::new();
    let mut received = 0_usize;
    loop {
        match stream.blocking_read(CHUNK as u64) {
            Ok(read) => {
                received += read.len();
                if text.len() < CHUNK {
                    text.extend(read);
                }
            }
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(format!("{} after {received} bytes", error.to_debug_string()));
            }
        }
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    Ok(format!("{status}\n{}\n\n{}", headers.join("\n"), String::from_utf8_lossy(&text)))
}

/// The text with the values of variables.
fn filled(text: &str) -> String {
    let mut filled = text.to_owned();
    for (name, value) in std::env::vars() {
        filled = filled.replace(&format!("${name}"), &value);
    }
    filled
}
