//! Skill: keeps the score of games.
