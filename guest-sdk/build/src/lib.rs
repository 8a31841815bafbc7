//! Builds guest crates into components from a build script.
