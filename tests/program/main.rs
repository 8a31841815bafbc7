//! Whole-program tests: they run the binary as its users do, and look at what it prints and keeps.

mod bad_input;
mod dependencies;
mod disk;
mod events;
mod game;
mod harness;
mod kill;
mod tracer;
