//! The game itself: nine squares, and play that never loses.

use std::fmt;

/// Squares of the board.
pub(crate) const SQUARES: usize = 9;

/// The rows, columns and diagonals, as indices of squares.
const LINES: [[usize; 3]; 8] = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]];

/// Squares from the most to the least useful, so that of equal moves the natural one is played.
const PREFERENCE: [usize; SQUARES] = [4, 0, 2, 6, 8, 1, 3, 5, 7];

/// Who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Player {
    /// The user, who is X.
    User,
    /// The Expert, who is O.
    Expert,
}

impl Player {
    fn other(self) -> Self {
        match self {
            Self::User => Self::Expert,
            Self::Expert => Self::User,
        }
    }

    fn mark(self) -> char {
        match self {
            Self::User => 'X',
            Self::Expert => 'O',
        }
    }
}

/// Where a game stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Open,
    Draw,
    Won(Player),
}

/// The board. Squares are numbered from 1 to 9, as people read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Board {
    squares: [Option<Player>; SQUARES],
}

impl Board {
    /// Numbers of the free squares.
    pub(crate) fn free(&self) -> Vec<usize> {
        (1..=SQUARES).filter(|number| self.is_free(*number)).collect()
    }

    /// Whether a number is that of a free square.
    pub(crate) fn is_free(&self, number: usize) -> bool {
        (1..=SQUARES).contains(&number) && self.squares[number - 1].is_none()
    }

    /// The board after a move to a free square.
    pub(crate) fn with(mut self, number: usize, player: Player) -> Self {
        debug_assert!(self.is_free(number), "{number} is not free");
        self.squares[number - 1] = Some(player);
        self
    }

    /// Where the game stands.
    pub(crate) fn standing(&self) -> Standing {
        for [first, second, third] in LINES {
            if let Some(player) = self.squares[first]
                && self.squares[second] == Some(player)
                && self.squares[third] == Some(player)
            {
                return Standing::Won(player);
            }
        }
        if self.squares.contains(&None) { Standing::Open } else { Standing::Draw }
    }

    /// The best move for a player; none where the board is full.
    pub(crate) fn best_move(&self, player: Player) -> Option<usize> {
        let mut best = None;
        for number in self.moves() {
            let value = -self.with(number, player).value(player.other());
            if best.is_none_or(|(best_value, _)| value > best_value) {
                best = Some((value, number));
            }
        }
        best.map(|(_, number)| number)
    }

    fn moves(&self) -> impl Iterator<Item = usize> {
        PREFERENCE.into_iter().map(|square| square + 1).filter(|number| self.is_free(*number))
    }

    /// What the board is worth to the player whose turn it is, when both play their best: above 0 a win, the sooner
    /// the better; below 0 a loss, the later the better.
    fn value(&self, player: Player) -> i32 {
        // More free squares are left, the sooner the game ends.
        let weight = 1 + self.squares.iter().filter(|square| square.is_none()).count() as i32;
        match self.standing() {
            Standing::Won(winner) if winner == player => weight,
            Standing::Won(_) => -weight,
            Standing::Draw => 0,
            Standing::Open => {
                let values = self.moves().map(|number| -self.with(number, player).value(player.other()));
                values.max().unwrap_or(0)
            }
        }
    }

    /// The board as nine characters, `X`, `O` or `.`, row by row.
    pub(crate) fn compact(&self) -> String {
        self.squares.iter().map(|square| square.map_or('.', Player::mark)).collect()
    }
}

/// Three rows, with the numbers of free squares.
impl fmt::Display for Board {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, square) in self.squares.iter().enumerate() {
            formatter.write_str(match index {
                0 => "     ",
                3 | 6 => "\n    ───┼───┼───\n     ",
                _ => " │ ",
            })?;
            match square {
                Some(player) => write!(formatter, "{}", player.mark())?,
                None => write!(formatter, "{}", index + 1)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(text: &str) -> Board {
        let mut board = Board::default();
        for (square, mark) in board.squares.iter_mut().zip(text.chars()) {
            *square = match mark {
                'X' => Some(Player::User),
                'O' => Some(Player::Expert),
                _ => None,
            };
        }
        board
    }

    /// Plays every game that a user can play, and counts how they end: won, drawn, lost by the Expert.
    fn play_out(board: Board, turn: Player, ends: &mut [u32; 3]) {
        match board.standing() {
            Standing::Won(Player::Expert) => ends[0] += 1,
            Standing::Draw => ends[1] += 1,
            Standing::Won(Player::User) => ends[2] += 1,
            Standing::Open if turn == Player::Expert => {
                let number = board.best_move(turn).expect("an open board has a move");
                play_out(board.with(number, turn), turn.other(), ends);
            }
            Standing::Open => {
                for number in board.free() {
                    play_out(board.with(number, turn), turn.other(), ends);
                }
            }
        }
    }

    #[test]
    fn never_loses_whatever_the_user_plays() {
        for first in [Player::User, Player::Expert] {
            let mut ends = [0; 3];
            play_out(Board::default(), first, &mut ends);
            assert_eq!(ends[2], 0, "{first:?} starts: {ends:?}");
            assert!(ends[0] > 0 && ends[1] > 0, "some games are won and some drawn: {ends:?}");
        }
    }

    #[test]
    fn takes_the_win_before_it_blocks() {
        assert_eq!(board("XX.OO.X..").best_move(Player::Expert), Some(6));
    }

    #[test]
    fn blocks() {
        assert_eq!(board("XX..O....").best_move(Player::Expert), Some(3));
    }

    #[test]
    fn has_no_move_on_a_full_board() {
        let full = board("XOXXOOOXX");
        assert_eq!((full.best_move(Player::Expert), full.standing()), (None, Standing::Draw));
    }

    #[test]
    fn knows_every_line() {
        for line in LINES {
            let mut board = Board::default();
            for square in line {
                assert_eq!(board.standing(), Standing::Open);
                board = board.with(square + 1, Player::User);
            }
            assert_eq!(board.standing(), Standing::Won(Player::User));
        }
    }

    #[test]
    fn numbers_outside_the_board_are_not_free() {
        assert!(![0, 10, usize::MAX].into_iter().any(|number| Board::default().is_free(number)));
    }

    #[test]
    fn is_drawn_with_the_numbers_of_free_squares() {
        let expected = "     1 │ 2 │ 3\n    ───┼───┼───\n     4 │ X │ 6\n    ───┼───┼───\n     7 │ 8 │ O";
        assert_eq!(board("....X...O").to_string(), expected);
        assert_eq!(board("....X...O").compact(), "....X...O");
    }
}
