//! The words of Perstack: Experts, skills, tools, messages, events, checkpoints, and perstack.toml. No I/O.
