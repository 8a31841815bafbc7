//! Runs out of stack.

use std::hint::black_box;

/// What is on the stack is used after the call too, so that no compiler makes a loop of it.
#[expect(unconditional_recursion, reason = "this is the case")]
pub(crate) fn run(depth: u64) -> u64 {
    let frame = [black_box(depth); 16];
    let deeper = run(black_box(&frame)[0] + 1);
    black_box(&frame)[15].wrapping_add(deeper)
}
