//! A server that gives the replies that it was given, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    /// Null where it is no JSON.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: String,
    pieces: Vec<Vec<u8>>,
}

impl Reply {
    /// Server-sent events, a piece each.
    pub(crate) fn events(events: &[(&str, Value)]) -> Self {
        let line = |(name, data): &(&str, Value)| {
            let text = match *name {
                "" => format!("data: {data}\n\n"),
                name => format!("event: {name}\ndata: {data}\n\n"),
            };
            text.into_bytes()
        };
        Self {
            status: 200,
            headers: "content-type: text/event-stream\r\n".into(),
            pieces: events.iter().map(line).collect(),
        }
    }

    /// JSON values, a line each.
    pub(crate) fn lines(lines: &[Value]) -> Self {
        let pieces = lines.iter().map(|line| format!("{line}\n").into_bytes()).collect();
        Self { status: 200, headers: "content-type: application/x-ndjson\r\n".into(), pieces }
    }

    pub(crate) fn failure(status: u16, headers: &str, body: &Value) -> Self {
        let headers = format!("content-type: application/json\r\n{headers}");
        Self { status, headers, pieces: vec![body.to_string().into_bytes()] }
    }

    /// A whole JSON value.
    pub(crate) fn json(body: &Value) -> Self {
        Self::failure(200, "", body)
    }

    /// Bytes, a piece each.
    #[cfg(feature = "bedrock")]
    pub(crate) fn bytes(media_type: &str, pieces: Vec<Vec<u8>>) -> Self {
        Self { status: 200, headers: format!("content-type: {media_type}\r\n"), pieces }
    }

    /// The same with some words in place of others.
    pub(crate) fn instead(mut self, these: &str, those: &str) -> Self {
        let swap = |piece: &Vec<u8>| String::from_utf8_lossy(piece).replace(these, those).into_bytes();
        self.pieces = self.pieces.iter().map(swap).collect();
        self
    }

    /// The same with more at its end.
    pub(crate) fn and(mut self, piece: &str) -> Self {
        self.pieces.push(piece.as_bytes().to_vec());
        self
    }
}

/// The server.
pub(crate) struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        tokio::spawn(async move {
            for reply in replies {
                let (stream, _) = listener.accept().await.unwrap();
                let request = serve(stream, reply).await;
                kept.lock().unwrap().push(request);
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The one request.
    pub(crate) fn request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1);
        requests[0].clone()
    }
}

async fn serve(stream: TcpStream, reply: Reply) -> Request {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let target = line.split(' ').nth(1).unwrap().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let head = format!("HTTP/1.1 {} Reply\r\n{}connection: close\r\n\r\n", reply.status, reply.headers);
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in &reply.pieces {
        // Who has read enough goes away.
        if stream.write_all(piece).await.and(stream.flush().await).is_err() {
            break;
        }
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    Request { target, headers, body: serde_json::from_slice(&body).unwrap_or_default(), text }
}
