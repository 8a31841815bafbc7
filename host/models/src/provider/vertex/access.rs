//! Tokens of Google Cloud, for which credentials are exchanged. One is kept until shortly before it ends.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use perstack_core::ModelError;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use rig_core::ProviderError;
use rig_core::http_client::Request;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::credentials::{Credentials, Kind};
use crate::provider::credential::{Credential, Token};
use crate::provider::failure::{one_line, transient};
use crate::provider::transport::Transport;

/// What the token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long what a service signs counts: the longest that Google takes.
const SIGNED_FOR: Duration = Duration::from_secs(3600);
/// How long before its end a token is not used any more: a request may take some time to arrive.
const SPARE: Duration = Duration::from_secs(120);
/// How long a token counts if it is not said, and at the most.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long it may take to get one.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Gets tokens.
pub(crate) struct Access {
    credentials: Credentials,
    transport: Transport,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

impl Access {
    pub(super) fn new(credentials: Credentials, transport: Transport) -> Self {
        Self { credentials, transport }
    }

    /// Sees to it that there is a token. Two that ask at once may each get one, which does no harm.
    pub(crate) async fn renew(&self, credential: &Credential) -> Result<(), ModelError> {
        if credential.token.get().is_some_and(|token| token.until > Instant::now()) {
            return Ok(());
        }
        let asked = Instant::now();
        let form = self.form(credential)?;
        let url = &self.credentials.token_url;
        let mut request =
            Request::post(url).body(Bytes::from(form)).map_err(|_| fatal("a bad `token_uri`", credential))?;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let late = |_| transient("Google gave out no token in time".to_owned(), None);
        let body = tokio::time::timeout(TIMEOUT, self.transport.exchange(request)).await.map_err(late)?;
        let body = body.map_err(|error| refused(&ProviderError::from(error), credential))?;
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| transient("what Google gave out is no token".to_owned(), None))?;
        if granted.access_token.is_empty() || HeaderValue::from_str(&granted.access_token).is_err() {
            return Err(transient("what Google gave out is no token".to_owned(), None));
        }
        let lasts = granted.expires_in.map_or(LONGEST, Duration::from_secs).min(LONGEST);
        credential.token.put(Token { text: granted.access_token, until: asked + lasts.saturating_sub(SPARE) });
        Ok(())
    }

    fn form(&self, credential: &Credential) -> Result<String, ModelError> {
        let fields = match &self.credentials.kind {
            Kind::Service { email, key_id, private_key } => {
                let signed = signed(email, key_id.as_deref(), private_key, &self.credentials.token_url)
                    .map_err(|reason| fatal(reason, credential))?;
                vec![("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()), ("assertion", signed)]
            }
            Kind::Person { client_id, client_secret, refresh_token } => vec![
                ("grant_type", "refresh_token".to_owned()),
                ("client_id", client_id.clone()),
                ("client_secret", client_secret.clone()),
                ("refresh_token", refresh_token.clone()),
            ],
        };
        // Nothing but its query is made use of.
        let mut url = reqwest::Url::parse("form:").map_err(|_| fatal("no form", credential))?;
        url.query_pairs_mut().extend_pairs(fields);
        Ok(url.query().unwrap_or_default().to_owned())
    }
}

/// A claim to be somebody, as RFC 7523 has it, signed with RS256.
fn signed(email: &str, key_id: Option<&str>, private_key: &str, audience: &str) -> Result<String, &'static str> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the clock of this machine is wrong")?;
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(key_id) = key_id {
        header["kid"] = key_id.into();
    }
    let claims = json!({
        "iss": email, "scope": SCOPE, "aud": audience,
        "iat": now.as_secs(), "exp": (now + SIGNED_FOR).as_secs(),
    });
    let encode = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(|_| "the `private_key` is not PEM")?;
    let key = any_supported_type(&key).map_err(|_| "the `private_key` cannot be used")?;
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or("the `private_key` is not of RSA")?;
    let signature = signer.sign(text.as_bytes()).map_err(|_| "the `private_key` signs nothing")?;
    Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

/// There was an answer, and no token in it. Of that only the code and the description are told.
fn refused(error: &ProviderError, credential: &Credential) -> ModelError {
    let Some(response) = error.provider_response() else {
        let reason = one_line(&credential.hidden_in(&error.to_string()));
        return transient(format!("Google gave out no token: {reason}"), None);
    };
    let status = response.status.map_or(0, |status| status.as_u16());
    let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
    let said = ["error", "error_description"].map(|field| body.get(field).and_then(Value::as_str).unwrap_or_default());
    let said = one_line(&credential.hidden_in(&said.join(" ")));
    let message = format!("Google answered {status} when it was asked for a token: {said}");
    match status {
        408 | 429 | 500.. => transient(message, None),
        _ => fatal(&message, credential),
    }
}

fn fatal(message: &str, credential: &Credential) -> ModelError {
    ModelError::Fatal { message: format!("{message}; check {}", credential.named()) }
}
