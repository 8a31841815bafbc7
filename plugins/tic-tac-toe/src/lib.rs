//! An Expert that plays tic-tac-toe with the user, without a model, and never loses.

mod game;

use game::{Board, Player, Standing};
use perstack::json::{self, json};
use perstack::{Input, tools, user};

/// The kind of game, for the scoreboard.
const GAME: &str = "tic-tac-toe";

/// The interactive tool that asks for a move.
const ASK_MOVE: &str = "askMove";

/// The scoreboard's tool that records a game.
const RECORD: &str = "record";

/// A query with one of these lets the Expert start.
const EXPERT_STARTS: [&str; 4] = ["you start", "you first", "you go first", "you begin"];

/// Answers that end the game.
const RESIGN: [&str; 4] = ["q", "quit", "exit", "resign"];

/// Characters of a wrong answer that are repeated to the user: enough to recognise it.
const SHOWN_ANSWER: usize = 20;

/// Plays one game, records it, and says how all games stand.
#[perstack::expert]
fn play(input: Input) -> Result<String, String> {
    let (end, board) = play_game(&input.query)?;
    let (announcement, result) = match end {
        End::Resigned => ("You resigned, so I won.", "expert-won"),
        End::Won(Player::Expert) => ("I won.", "expert-won"),
        End::Won(Player::User) => ("You won.", "user-won"),
        End::Draw => ("Draw.", "draw"),
    };
    let score = match record(result) {
        Ok(score) => score,
        Err(reason) => format!("The score of all games is not known: {reason}"),
    };
    Ok(format!("{announcement}\n\n{board}\n\n{score}"))
}

/// How a game ended.
enum End {
    Resigned,
    Draw,
    Won(Player),
}

fn play_game(query: &str) -> Result<(End, Board), String> {
    let mut board = Board::default();
    let query = query.to_lowercase();
    let mut remark = "I am O. You start.";
    if EXPERT_STARTS.iter().any(|words| query.contains(words)) {
        remark = "I am O, and I start.";
        board = expert_moves(board);
    }
    loop {
        user::say(&format!("{remark}\n\n{board}"));
        let Some(number) = ask_move(&board)? else {
            return Ok((End::Resigned, board));
        };
        board = board.with(number, Player::User);
        if let Some(end) = end(&board) {
            return Ok((end, board));
        }
        board = expert_moves(board);
        if let Some(end) = end(&board) {
            return Ok((end, board));
        }
        remark = "My move:";
    }
}

fn expert_moves(board: Board) -> Board {
    board.best_move(Player::Expert).map_or(board, |number| board.with(number, Player::Expert))
}

fn end(board: &Board) -> Option<End> {
    match board.standing() {
        Standing::Open => None,
        Standing::Draw => Some(End::Draw),
        Standing::Won(player) => Some(End::Won(player)),
    }
}

/// Asks until the answer is a free square; `None` where the user resigns.
fn ask_move(board: &Board) -> Result<Option<usize>, String> {
    let free = board.free();
    let mut question = "Your move".to_owned();
    loop {
        let arguments = json!({ "question": question, "board": board.compact(), "free": free });
        let answer = user::ask(ASK_MOVE, &arguments).map_err(|error| format!("cannot ask for a move: {error}"))?;
        match read_move(board, &answer) {
            Move::To(number) => return Ok(Some(number)),
            Move::Resign => return Ok(None),
            Move::Wrong(reason) => question = format!("{reason}. Your move (free: {})", list(&free)),
        }
    }
}

/// What the user answered.
#[derive(Debug, PartialEq, Eq)]
enum Move {
    To(usize),
    Resign,
    Wrong(String),
}

fn read_move(board: &Board, answer: &str) -> Move {
    let answer = answer.trim();
    if RESIGN.iter().any(|word| answer.eq_ignore_ascii_case(word)) {
        return Move::Resign;
    }
    if answer.is_empty() {
        return Move::Wrong("Please give a number from 1 to 9, or q to resign".to_owned());
    }
    match answer.parse::<usize>() {
        Ok(number) if board.is_free(number) => Move::To(number),
        Ok(number @ 1..=game::SQUARES) => Move::Wrong(format!("{number} is taken")),
        _ => {
            let shown: String = answer.chars().take(SHOWN_ANSWER).collect();
            Move::Wrong(format!("`{shown}` is not a number from 1 to 9"))
        }
    }
}

/// What the scoreboard answers.
#[perstack::data]
struct Score {
    expert_won: u32,
    drawn: u32,
    user_won: u32,
}

/// Records the game, and gives the score of all games as a sentence.
fn record(result: &str) -> Result<String, String> {
    let answer = tools::call(RECORD, &json!({ "game": GAME, "result": result })).into_result()?;
    let Score { expert_won, drawn, user_won } =
        json::from_str(&answer).map_err(|error| format!("the scoreboard's answer does not fit: {error}"))?;
    Ok(format!("Score of all games: {expert_won} won, {drawn} drawn, {user_won} lost"))
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use perstack::testing;

    use super::*;

    /// A scoreboard that has seen three games, this one included.
    fn scoreboard() {
        testing::on_tool_call(|name, arguments| {
            assert_eq!((name, &arguments["game"]), ("record", &json!("tic-tac-toe")));
            let result = arguments["result"].as_str().unwrap().to_owned();
            perstack::user::say(&format!("recorded {result}"));
            Ok(r#"{"expert_won":1,"drawn":2,"user_won":0}"#.to_owned())
        });
    }

    fn questions() -> Vec<String> {
        testing::asked().into_iter().map(|(_, arguments)| arguments["question"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_draw() {
        scoreboard();
        testing::answer(["5", "9", "2", "7", "6"]);
        let answer = play("Let's play!".into()).unwrap();
        let (first, rest) = answer.split_once("\n\n").unwrap();
        let (board, score) = rest.split_once("\n\n").unwrap();
        assert_eq!(first, "Draw.");
        assert_eq!(board.lines().count(), 5);
        assert_eq!(score, "Score of all games: 1 won, 2 drawn, 0 lost");
        assert!(testing::said()[0].starts_with("I am O. You start.\n\n     1 │ 2 │ 3\n"));
        assert_eq!(testing::said().last().unwrap(), "recorded draw");
    }

    #[test]
    fn the_expert_wins_against_a_careless_user() {
        scoreboard();
        testing::answer(["1", "2", "4"]);
        assert!(play("".into()).unwrap().starts_with("I won.\n\n"));
        assert_eq!(testing::said().last().unwrap(), "recorded expert-won");
    }

    #[test]
    fn the_expert_starts_when_asked_to() {
        scoreboard();
        testing::answer(["quit"]);
        play("This time YOU START, please".into()).unwrap();
        assert!(testing::said()[0].starts_with("I am O, and I start."));
        let (tool, arguments) = testing::asked().remove(0);
        assert_eq!(tool, "askMove");
        assert_eq!(
            arguments,
            json!({ "question": "Your move", "board": "....O....", "free": [1, 2, 3, 4, 6, 7, 8, 9] })
        );
    }

    #[test]
    fn wrong_answers_are_asked_again_with_the_reason() {
        scoreboard();
        let long = "9".repeat(400);
        testing::answer(["five", "0", "10", "-1", "", &long, "  5 ", "5", " Q "]);
        assert!(play("go".into()).unwrap().starts_with("You resigned, so I won."));
        let free = "Your move (free: 1, 2, 3, 4, 5, 6, 7, 8, 9)";
        assert_eq!(
            questions(),
            [
                "Your move".to_owned(),
                format!("`five` is not a number from 1 to 9. {free}"),
                format!("`0` is not a number from 1 to 9. {free}"),
                format!("`10` is not a number from 1 to 9. {free}"),
                format!("`-1` is not a number from 1 to 9. {free}"),
                format!("Please give a number from 1 to 9, or q to resign. {free}"),
                format!("`{}` is not a number from 1 to 9. {free}", "9".repeat(20)),
                "Your move".to_owned(),
                "5 is taken. Your move (free: 2, 3, 4, 6, 7, 8, 9)".to_owned(),
            ]
        );
    }

    #[test]
    fn without_the_scoreboard_the_outcome_is_still_told() {
        testing::on_tool_call(|_, _| Err("the state is full".to_owned()));
        testing::answer(["q"]);
        let answer = play("go".into()).unwrap();
        assert!(answer.starts_with("You resigned, so I won."));
        assert!(answer.ends_with("The score of all games is not known: the state is full"), "{answer}");

        testing::on_tool_call(|_, _| Ok("no JSON".to_owned()));
        testing::answer(["q"]);
        let answer = play("go".into()).unwrap();
        assert!(answer.contains("not known: the scoreboard's answer does not fit: "), "{answer}");
    }

    #[test]
    fn says_why_it_cannot_ask() {
        testing::refuse_to_ask(perstack::user::AskError::UnknownTool("askMove".to_owned()));
        assert_eq!(
            play("go".into()),
            Err("cannot ask for a move: the Expert has no interactive tool `askMove`".to_owned())
        );
    }
}
