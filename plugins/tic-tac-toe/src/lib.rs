//! Expert: plays tic-tac-toe and never loses.
