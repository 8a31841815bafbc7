//! Keeps the score of games between an Expert and its user, for the whole workspace.

/// Keeps the score of games.
#[perstack::skill]
mod scoreboard {
    use perstack::ToolError;
    use perstack::state::{Error, State};

    /// How a game ended.
    #[perstack::data]
    #[derive(Clone, Copy)]
    #[serde(rename_all = "kebab-case")]
    pub enum Outcome {
        /// The Expert won.
        ExpertWon,
        /// Nobody won.
        Draw,
        /// The user won.
        UserWon,
    }

    /// The score of all games of one kind.
    #[perstack::data]
    #[derive(Debug, Default, PartialEq, Eq)]
    #[serde(deny_unknown_fields)]
    pub struct Totals {
        /// Games that the Expert won.
        pub expert_won: u32,
        /// Games that nobody won.
        pub drawn: u32,
        /// Games that the user won.
        pub user_won: u32,
    }

    /// Records how a game ended, and gives the score of all games of that kind.
    #[tool(title = "Record a game")]
    fn record(
        /// The kind of game, such as `chess`.
        #[arg(min = 1, max = 64)]
        game: String,
        /// How it ended.
        result: Outcome,
    ) -> Result<Totals, ToolError> {
        let mut totals = read(&game)?;
        let count = match result {
            Outcome::ExpertWon => &mut totals.expert_won,
            Outcome::Draw => &mut totals.drawn,
            Outcome::UserWon => &mut totals.user_won,
        };
        *count = count.saturating_add(1);
        State::workspace().set_json(&key(&game), &totals).map_err(unavailable)?;
        Ok(totals)
    }

    /// Gives the score of all games of one kind.
    #[tool(read_only, idempotent, title = "Read the score")]
    fn totals(
        /// The kind of game, such as `chess`.
        #[arg(min = 1, max = 64)]
        game: String,
    ) -> Result<Totals, ToolError> {
        read(&game)
    }

    fn read(game: &str) -> Result<Totals, ToolError> {
        Ok(State::workspace().get_json(&key(game)).map_err(unavailable)?.unwrap_or_default())
    }

    fn key(game: &str) -> String {
        format!("score/{game}")
    }

    fn unavailable(error: Error) -> ToolError {
        ToolError::Failed(format!("the score is not available: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use perstack::ToolError;
    use perstack::state::State;
    use perstack::testing::{call, limit_state};

    use super::scoreboard::{Outcome, Skill, Totals, record, totals};

    #[test]
    fn keeps_each_game_apart() {
        record("chess".into(), Outcome::UserWon).unwrap();
        record("chess".into(), Outcome::Draw).unwrap();
        let chess = record("chess".into(), Outcome::ExpertWon).unwrap();
        assert_eq!(chess, Totals { expert_won: 1, drawn: 1, user_won: 1 });
        assert_eq!(totals("chess".into()), Ok(chess));
        assert_eq!(totals("go".into()), Ok(Totals::default()));
    }

    #[test]
    fn answers_with_data() {
        let output = call::<Skill>("record", r#"{"game":"go","result":"expert-won"}"#).unwrap();
        assert_eq!(output.structured.as_deref(), Some(r#"{"expert_won":1,"drawn":0,"user_won":0}"#));
    }

    #[test]
    fn refuses_what_is_not_a_game() {
        let long = format!(r#"{{"game":"{}"}}"#, "x".repeat(65));
        for arguments in [r#"{"game":""}"#, &long, "{}", r#"{"game":7}"#, r#"{"game":"go","result":"draw"}"#] {
            assert!(matches!(call::<Skill>("totals", arguments), Err(ToolError::InvalidArguments(_))), "{arguments}");
        }
        assert_eq!(
            call::<Skill>("totals", r#"{"game":""}"#),
            Err(ToolError::InvalidArguments("the argument `game` must have at least 1 character, not 0".into()))
        );
        let unknown = call::<Skill>("record", r#"{"game":"go","result":"won"}"#);
        assert!(matches!(unknown, Err(ToolError::InvalidArguments(text)) if text.contains("`result`")));
    }

    #[test]
    fn says_so_when_the_stored_score_is_corrupt() {
        let hostile: [&[u8]; 6] = [
            b"",
            b"\xff\xfe",
            b"[]",
            br#"{"expert_won":-1,"drawn":0,"user_won":0}"#,
            br#"{"expert_won":1,"drawn":0,"user_won":99999999999}"#,
            br#"{"expert_won":1,"drawn":0,"user_won":0,"more":1}"#,
        ];
        for stored in hostile {
            State::workspace().set("score/go", stored).unwrap();
            let error = record("go".into(), Outcome::Draw).unwrap_err();
            assert!(error.to_string().starts_with("the score is not available: the state under `score/go`"), "{error}");
            assert_eq!(State::workspace().get("score/go").unwrap().as_deref(), Some(stored), "left as it was");
        }
    }

    #[test]
    fn a_full_count_stays_full() {
        State::workspace().set("score/go", br#"{"expert_won":4294967295,"drawn":0,"user_won":0}"#).unwrap();
        assert_eq!(record("go".into(), Outcome::ExpertWon).unwrap().expert_won, u32::MAX);
    }

    #[test]
    fn says_so_when_the_state_is_full() {
        limit_state(10);
        let error = record("go".into(), Outcome::Draw).unwrap_err();
        assert_eq!(
            error,
            ToolError::Failed("the score is not available: the skill holds as much state as it is allowed to".into())
        );
    }
}
