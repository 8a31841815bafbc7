//! Whether models of this machine can be reached. Nothing is said to them.

use std::time::Duration;

use perstack_core::config::HttpUrl;
use perstack_runtime::Environment;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::variable;

/// Where Ollama is said to be.
const VARIABLE: &str = "OLLAMA_BASE_URL";
/// Where it is by default.
const DEFAULT: &str = "localhost:11434";
/// What is running on this machine, or beside it, answers within a few; nobody wants to wait for what is not.
const PATIENCE: Duration = Duration::from_millis(300);

/// Its address, and why nobody answers there.
pub(super) async fn look(environment: &Environment) -> (String, Result<(), String>) {
    let address = match variable(environment, VARIABLE).map(address) {
        None => DEFAULT.to_owned(),
        Some(Some(address)) => address,
        // The text is not repeated: it may hold a password.
        Some(None) => return (format!("`{VARIABLE}`"), Err("it is no URL".to_owned())),
    };
    let reached = match timeout(PATIENCE, TcpStream::connect(&address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
    };
    (address, reached)
}

/// `host:port` of a URL.
fn address(url: &str) -> Option<String> {
    let url: HttpUrl = url.parse().ok()?;
    let authority = url.as_str().split("://").nth(1)?.split(['/', '?', '#']).next()?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = if url.is_https() { 443 } else { 80 };
    Some(if has_port { authority.to_owned() } else { format!("{authority}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_have_a_port() {
        for (url, expected) in [
            ("http://localhost:11434", Some("localhost:11434")),
            ("http://localhost:11434/api?x#y", Some("localhost:11434")),
            ("http://ollama.example/api", Some("ollama.example:80")),
            ("https://ollama.example", Some("ollama.example:443")),
            ("http://[::1]", Some("[::1]:80")),
            ("http://[::1]:1", Some("[::1]:1")),
            ("http://user:password@host", None),
            ("localhost:11434", None),
        ] {
            assert_eq!(address(url).as_deref(), expected, "{url}");
        }
    }
}
