//! HTTP through the gate: to what was granted, on record, within bounds; secrets stay with the host.

use std::time::Duration;

use perstack_core::{CallOutcome, Limits, Observation};
use perstack_sandbox::{EgressConfig, Grants, NetworkGrants, SecretGrant, Skill};
use serde_json::json;

use crate::harness::{Host, SHORT, ended, failed, guests, sandbox_on, still_works, text};
use crate::server::{HOST, OTHER, Server, UNPROVEN};

const VALUE: &str = "sk-live/Value+0123456789";

/// The test guests on an operator's network, with grants and limits.
async fn skill(egress: EgressConfig, network: NetworkGrants, limits: Limits) -> Skill {
    let grants = Grants { network, ..Grants::default() };
    Skill::load(&sandbox_on(egress), "cases", &guests(), grants, limits).await.unwrap()
}

fn granted(destinations: &[String]) -> NetworkGrants {
    let destinations = destinations.iter().map(|pattern| pattern.parse().unwrap()).collect();
    NetworkGrants { destinations, ..NetworkGrants::default() }
}

/// A secret for one host, on a network of two.
fn with_secret(server: &Server) -> NetworkGrants {
    let secret = SecretGrant { name: "KEY".into(), value: VALUE.into(), hosts: vec![HOST.parse().unwrap()] };
    NetworkGrants { secrets: vec![secret], ..granted(&[server.pattern(HOST), server.pattern(OTHER)]) }
}

async fn fetch(host: &Host, skill: &Skill, url: &str, headers: &[&str], body: &str) -> CallOutcome {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let arguments =
        json!({ "method": method, "url": url, "headers": headers, "body": body, "times": 1, "together": false });
    host.call(skill, "sandbox_fetch", arguments).await
}

/// What was recorded of access: host, port, and why it was denied.
fn accesses(host: &Host) -> Vec<(String, u16, Option<String>)> {
    let access = |observation: &Observation| match observation {
        Observation::NetworkAccess { skill_name, host, port, denied } => {
            assert_eq!(skill_name, "cases");
            (host.clone(), *port, denied.clone())
        }
        other => panic!("not about access: {other:?}"),
    };
    host.observed.lock().unwrap().iter().map(access).collect()
}

#[tokio::test]
pub(crate) async fn sandbox_fetch() {
    let server = Server::start().await;
    let skill = skill(server.egress(), granted(&[server.pattern(HOST)]), Limits::default()).await;
    let host = Host::default();
    let url = server.url("API.Example.com", "/a?b=c");
    let answer = text(fetch(&host, &skill, &url, &["x-key: one", "accept: */*"], "the body").await);
    assert!(answer.starts_with("200\n") && answer.contains("x-echo: one") && answer.ends_with("0\r\n\r\n"), "{answer}");
    let request = server.last_request();
    assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n") && request.contains("the body"), "{request}");
    // Where it is for is said by the host, once, as it was checked.
    let authority = format!("host: {HOST}:{}\r\n", server.address.port());
    assert!(request.contains(&authority) && request.to_lowercase().matches("host:").count() == 1, "{request}");
    assert_eq!(accesses(&host), [(HOST.to_owned(), server.address.port(), None)]);
}

#[tokio::test]
async fn what_is_not_granted_is_denied_and_on_record() {
    let server = Server::start().await;
    let port = server.address.port();
    let wide = granted(&[server.pattern(HOST), format!("https://*.wild.example.com:{port}")]);
    let skill = skill(server.egress(), wide, Limits::default()).await;
    for url in [
        format!("http://{HOST}:{port}/"),
        format!("https://{HOST}/"),
        format!("https://{OTHER}:{port}/"),
        format!("https://x.{HOST}:{port}/"),
        format!("https://{HOST}.evil.org:{port}/"),
        format!("https://wild.example.com:{port}/"),
        format!("https://badwild.example.com:{port}/"),
        format!("https://{HOST}.:{port}/"),
        format!("https://user:hunter2@{HOST}:{port}/"),
        format!("https://{HOST}@evil.org:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://127.1:{port}/"),
        format!("https://0x7f000001:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://localhost:{port}/"),
        format!("ftp://{HOST}:{port}/"),
    ] {
        let host = Host::default();
        let reason = failed(fetch(&host, &skill, &url, &[], "").await);
        assert!(reason.starts_with("ErrorCode::HttpRequestDenied (network access to "), "{url}: {reason}");
        let denied = accesses(&host);
        assert!(matches!(denied.as_slice(), [(_, _, Some(_))]), "{url}: {denied:?}");
        assert!(!format!("{denied:?}").contains("hunter2"), "{denied:?}");
        still_works(&skill).await;
    }
    for method in ["CONNECT", "TRACE"] {
        let arguments = json!({ "method": method, "url": server.url(HOST, "/"), "headers": [], "body": "", "times": 1, "together": false });
        failed(Host::default().call(&skill, "sandbox_fetch", arguments).await);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn nothing_is_granted_by_default() {
    let server = Server::start().await;
    let skill = skill(server.egress(), NetworkGrants::default(), Limits::default()).await;
    let host = Host::default();
    let reason = failed(fetch(&host, &skill, &server.url(HOST, "/"), &[], "").await);
    assert!(reason.contains("not granted to skill `cases`"), "{reason}");
    assert_eq!((accesses(&host).len(), server.connections()), (1, 0));
}

#[tokio::test]
async fn access_that_cannot_be_recorded_is_not_given() {
    let server = Server::start().await;
    let skill = skill(server.egress(), granted(&[server.pattern(HOST)]), Limits::default()).await;
    let host = Host { broken: true, ..Host::default() };
    let reason = failed(fetch(&host, &skill, &server.url(HOST, "/"), &[], "").await);
    assert!(reason.contains("the disk is gone"), "{reason}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_guest_does_not_speak_for_the_connection() {
    let server = Server::start().await;
    let skill = skill(server.egress(), granted(&[server.pattern(HOST)]), Limits::default()).await;
    for header in [
        "host: evil.org",
        "connection: upgrade",
        "transfer-encoding: chunked",
        "proxy-authorization: Basic eDp5",
        "upgrade: websocket",
        "te: trailers",
        "trailer: x-key",
        "expect: 100-continue",
        "x: a\r\nhost: evil.org",
        "x: a\0b",
    ] {
        let reason = failed(fetch(&Host::default(), &skill, &server.url(HOST, "/"), &[header], "").await);
        assert!(reason.starts_with("header "), "{header}: {reason}");
    }
    let long = format!("/{}", "x".repeat(20_000));
    let reason = failed(fetch(&Host::default(), &skill, &server.url(HOST, &long), &[], "").await);
    assert!(reason.contains("UriTooLong"), "{reason}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn no_redirect_is_followed_for_a_guest() {
    let server = Server::start().await;
    let skill = skill(server.egress(), granted(&[server.pattern(HOST)]), Limits::default()).await;
    let url = server.url(HOST, &format!("/redirect?{}", server.url(OTHER, "/")));
    let answer = text(fetch(&Host::default(), &skill, &url, &["authorization: Bearer x"], "").await);
    assert!(answer.starts_with("302\n"), "{answer}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_server_proves_who_it_is() {
    let server = Server::start().await;
    let destinations = granted(&[server.pattern(HOST), server.pattern(UNPROVEN)]);
    let strangers = skill(server.egress(), destinations.clone(), Limits::default()).await;
    let reason = failed(fetch(&Host::default(), &strangers, &server.url(UNPROVEN, "/"), &[], "").await);
    assert!(reason.contains("TlsCertificateError"), "{reason}");
    // Nor is an authority trusted that nobody named.
    let mut egress = EgressConfig::default();
    egress.pin(HOST, vec![server.address.ip()]);
    let skill = skill(egress, destinations, Limits::default()).await;
    let reason = failed(fetch(&Host::default(), &skill, &server.url(HOST, "/"), &[], "").await);
    assert!(reason.contains("TlsCertificateError"), "{reason}");
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_sent_and_received_is_bounded() {
    let server = Server::start().await;
    let limits = Limits { upload: 10_000, download: 200_000, ..Limits::default() };
    let skill = skill(server.egress(), granted(&[server.pattern(HOST)]), limits).await;
    let sent = |path: &str, body: usize| {
        let (url, body) = (server.url(HOST, path), "x".repeat(body));
        let skill = &skill;
        async move { fetch(&Host::default(), skill, &url, &[], &body).await }
    };
    text(sent("/", 9_000).await);
    let reason = failed(sent("/", 30_000).await);
    assert!(reason.contains("(it sent more than 10000B over the network (`limits.upload`))"), "{reason}");
    let reason = failed(sent("/endless", 0).await);
    assert!(reason.contains("(it received more than 200000B over the network (`limits.download`))"), "{reason}");
    // All requests of a call together.
    let url = server.url(HOST, "/");
    let arguments =
        json!({ "method": "POST", "url": url, "headers": [], "body": "x".repeat(4_000), "times": 3, "together": true });
    let reason = failed(Host::default().call(&skill, "sandbox_fetch", arguments).await);
    assert!(reason.contains("limits.upload"), "{reason}");
    still_works(&skill).await;
}

#[tokio::test]
async fn servers_that_misbehave_end_nothing_but_their_request() {
    let server = Server::start().await;
    let skill =
        skill(server.egress(), granted(&[server.pattern(HOST)]), Limits { timeout: SHORT, ..Limits::default() }).await;
    for (path, expected) in
        [("/headers", "HttpProtocolError"), ("/cut", "incomplete HTTP response"), ("/nonsense", "HttpProtocolError")]
    {
        let reason = failed(fetch(&Host::default(), &skill, &server.url(HOST, path), &[], "").await);
        assert!(reason.contains(expected), "{path}: {reason}");
    }
    for path in ["/silent", "/slow"] {
        let reason = ended(fetch(&Host::default(), &skill, &server.url(HOST, path), &[], "").await);
        assert!(reason.contains("time limit of 1 s"), "{path}: {reason}");
    }
    still_works(&skill).await;
}

#[tokio::test]
async fn requests_of_a_call_are_counted() {
    let server = Server::start().await;
    let timeout = Duration::from_secs(5);
    let skill = skill(server.egress(), granted(&[server.pattern(HOST)]), Limits { timeout, ..Limits::default() }).await;
    let many = |url: String, times: usize, together: bool| json!({ "method": "GET", "url": url, "headers": [], "body": "", "times": times, "together": together });
    let host = Host::default();
    let outcome = host.call(&skill, "sandbox_fetch", many(server.url(HOST, "/silent"), 40, true)).await;
    let reason = ended(outcome);
    assert!(reason.contains("more than 16 requests over the network under way"), "{reason}");
    assert!(server.connections() <= 16, "{}", server.connections());
    let host = Host::default();
    failed(host.call(&skill, "sandbox_fetch", many("https://evil.org/".into(), 1_100, false)).await);
    assert_eq!(accesses(&host).len(), 1_000);
}

#[tokio::test]
async fn a_secret_is_used_and_never_seen() {
    let server = Server::start().await;
    let skill = skill(server.egress(), with_secret(&server), Limits::default()).await;
    let host = Host::default();
    let seen = text(host.call(&skill, "sandbox_env", json!({})).await);
    assert!(seen.contains("\"KEY\"=\"perstack_secret_") && !seen.contains(VALUE), "{seen}");
    assert_ne!(seen, text(host.call(&skill, "sandbox_env", json!({})).await));

    let headers = ["x-key: Bearer $KEY", "content-type: application/json"];
    let outcome = fetch(&host, &skill, &server.url(HOST, "/$KEY?k=$KEY"), &headers, "{\"k\":\"$KEY\"}").await;
    let answer = text(outcome);
    let request = server.last_request();
    let encoded = "sk-live%2FValue%2B0123456789";
    assert!(request.starts_with(&format!("POST /{encoded}?k={encoded} HTTP/1.1")), "{request}");
    assert!(request.contains(&format!("x-key: Bearer {VALUE}\r\n")), "{request}");
    assert!(request.ends_with(&format!("{{\"k\":\"{VALUE}\"}}")), "{request}");
    // The server sent all of that back.
    assert_eq!(answer.matches("perstack_secret_").count(), 5, "{answer}");
    assert!(!answer.contains("Value"), "{answer}");
    assert!(!answer.split("\n\n").next().unwrap().contains("content-length"), "{answer}");
    assert!(!format!("{:?}", host.observed.lock().unwrap()).contains("Value"));
}

#[tokio::test]
async fn a_secret_goes_to_its_hosts_alone() {
    let server = Server::start().await;
    let skill = skill(server.egress(), with_secret(&server), Limits::default()).await;
    for (url, header, body) in [
        (server.url(OTHER, "/"), "x-key: $KEY", ""),
        (server.url(OTHER, "/?k=$KEY"), "x-key: none", ""),
        (server.url(OTHER, "/"), "x-key: none", "k=$KEY"),
        (server.url(HOST, "/").replace("https", "http"), "x-key: $KEY", ""),
        ("https://$KEY.evil.org/".to_owned(), "x-key: $KEY", ""),
    ] {
        let host = Host::default();
        let reason = failed(fetch(&host, &skill, &url, &[header], body).await);
        assert!(reason.contains("Denied") && reason.contains("denied: "), "{url}: {reason}");
        assert!(matches!(accesses(&host).as_slice(), [(_, _, Some(_))]), "{url}");
    }
    assert_eq!(server.connections(), 0);
    // Without it, the other host may be asked.
    text(fetch(&Host::default(), &skill, &server.url(OTHER, "/"), &[], "").await);
}

#[tokio::test]
async fn answers_in_which_a_value_could_hide_are_refused() {
    let server = Server::start().await;
    let skill = skill(server.egress(), with_secret(&server), Limits::default()).await;
    for (path, expected) in [("/gzip", "HttpResponseContentCoding"), ("/part", "HttpResponseIncomplete")] {
        let reason = failed(fetch(&Host::default(), &skill, &server.url(HOST, path), &["range: bytes=0-0"], "").await);
        assert!(reason.contains(expected), "{path}: {reason}");
        assert!(!server.last_request().contains("range:"));
    }
}
