//! Keeps jobs, runs, checkpoints, events, journals and state in the local folder of a workspace.
