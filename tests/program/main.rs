//! Whole-program tests: they run the binary as its users do, and look at what it prints and keeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod agent;
mod anthropic;
mod bad_input;
mod base;
mod conformance;
mod dependencies;
mod disk;
mod docs;
mod doctor;
mod doors;
mod events;
mod exec;
mod extism;
mod game;
mod hardened;
mod harness;
mod inspect;
mod interrupt;
mod kill;
mod languages;
mod log;
mod logic;
mod mcp;
mod mcp_install;
mod mcp_remote;
mod mcp_serve;
mod mcp_servers;
mod models;
mod network;
mod plugins;
mod policy;
mod recordings;
mod resume;
mod skill_author;
mod tracer;
mod typed;
