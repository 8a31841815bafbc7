/// Where tokens are given out.
pub(crate) const TOKEN_PATH: &str = "/token";
