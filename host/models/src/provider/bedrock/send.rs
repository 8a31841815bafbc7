//! How requests are sent to Bedrock: signed as AWS wants it, or with a key of Bedrock's own.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use perstack_core::ModelError;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use rig_core::ProviderError;
use rig_core::http_client::{HttpClientExt, Request, StreamingResponse};
use serde_json::Value;

use crate::provider::credential::Credential;
use crate::provider::failure::failure;
use crate::provider::transport::Transport;

/// What signatures name the service.
const SERVICE: &str = "bedrock";

/// What shows who asks.
pub(super) enum Proof {
    /// Signatures with a key of AWS.
    Signing(Credentials),
    /// A key of Bedrock's own.
    Bearer(String),
}

/// Sends requests of one model.
pub(super) struct Sender {
    pub(super) transport: Transport,
    pub(super) url: String,
    pub(super) region: String,
    pub(super) proof: Proof,
}

impl Proof {
    pub(super) fn signing(key_id: String, secret_key: String, session_token: Option<String>) -> Self {
        Self::Signing(Credentials::new(key_id, secret_key, session_token, None, "environment"))
    }
}

impl Sender {
    pub(super) async fn send(&self, body: &Value, credential: &Credential) -> Result<StreamingResponse, ModelError> {
        let request = self.request(body).map_err(|reason| {
            let reason = credential.hidden_in(&reason);
            ModelError::Fatal {
                message: format!("the request cannot be signed: {reason}; check {}", credential.named()),
            }
        })?;
        self.transport.send_streaming(request).await.map_err(|error| {
            let error = failure(&ProviderError::from(error), credential);
            match &error {
                ModelError::Transient { message, .. } if is_unknown_host(message) => ModelError::Fatal {
                    message: format!(
                        "there is no Bedrock in region `{}` ({message}); check `AWS_REGION` or `region`",
                        self.region
                    ),
                },
                _ => error,
            }
        })
    }

    fn request(&self, body: &Value) -> Result<Request<Bytes>, String> {
        let mut request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/vnd.amazon.eventstream")
            .body(Bytes::from(body.to_string()))
            .map_err(|error| error.to_string())?;
        match &self.proof {
            Proof::Signing(credentials) => {
                signed(&mut request, credentials, &self.region, SERVICE, SystemTime::now())?;
            }
            Proof::Bearer(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| error.to_string())?;
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
            }
        }
        Ok(request)
    }
}

fn signed(
    request: &mut Request<Bytes>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Result<(), String> {
    let identity = credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let url = request.uri().to_string();
    let headers: Vec<(&str, &str)> =
        request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), &url, headers.into_iter(), body)
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

/// Whether nobody has this name; not that nobody could be asked for it, which passes.
fn is_unknown_host(message: &str) -> bool {
    let passes = ["Temporary failure", "Try again"].iter().any(|words| message.contains(words));
    message.contains("failed to lookup address information") && !passes
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 2015-08-30 12:36:00 UTC, at which AWS's published examples are signed.
    const THEN: u64 = 1_440_938_160;

    fn signature(request: Request<&'static str>, token: Option<&str>) -> (String, Option<String>) {
        let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", key, token.map(str::to_owned), None, "test");
        let (parts, body) = request.into_parts();
        let mut request = Request::from_parts(parts, Bytes::from_static(body.as_bytes()));
        let now = UNIX_EPOCH + Duration::from_secs(THEN);
        signed(&mut request, &credentials, "us-east-1", "service", now).unwrap();
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (header("authorization").unwrap(), header("x-amz-security-token"))
    }

    /// Examples of AWS's test suite of Signature Version 4.
    #[test]
    fn signatures_are_those_that_aws_publishes() {
        let request = Request::post("https://example.amazonaws.com/").body("").unwrap();
        let (vanilla, _) = signature(request, None);
        assert_eq!(
            vanilla,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        let request = Request::post("https://example.amazonaws.com/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("Param1=value1")
            .unwrap();
        let (encoded, _) = signature(request, None);
        assert!(
            encoded.ends_with("Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
            "{encoded}"
        );
    }

    #[test]
    fn a_session_token_is_signed_too() {
        let request = || Request::post("https://example.amazonaws.com/").body("").unwrap();
        let (authorization, token) = signature(request(), Some("a-token"));
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"), "{authorization}");
        assert_eq!(token.as_deref(), Some("a-token"));
    }

    #[test]
    fn an_unknown_host_is_told_from_one_that_cannot_be_asked_for() {
        assert!(is_unknown_host("failed to lookup address information: Name or service not known"));
        assert!(!is_unknown_host("failed to lookup address information: Temporary failure in name resolution"));
        assert!(!is_unknown_host("connection refused"));
    }
}
