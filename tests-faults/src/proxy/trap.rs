//! What a connection is watched for, and where exactly it is cut.

use std::collections::HashMap;

use super::Direction;

/// What springs the trap, counted and sought on each connection by itself, from the moment it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// So many bytes have passed.
    Bytes(usize),
    /// These bytes pass, however they are split into pieces.
    Pattern(Vec<u8>),
}

/// How the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both sides at once, before the last byte of what was seen goes on: a request is not made, an answer not given.
    Before,
    /// Once what was seen has gone on: bytes up to the last one, a pattern with the piece that it ends in, so that the
    /// request around it is whole. Towards the server, that side is closed in good order, so that the server reads and
    /// does what it was asked, and the answer goes nowhere.
    After,
}

/// A trap that is set.
#[derive(Debug)]
pub(super) struct Trap {
    direction: Direction,
    seen: Seen,
    cut: Cut,
    /// For each connection: how many bytes have passed, and the last of them, for a pattern that is split.
    passed: HashMap<u64, (usize, Vec<u8>)>,
}

impl Trap {
    pub(super) fn new(direction: Direction, seen: Seen, cut: Cut) -> Self {
        Self {
            direction,
            seen,
            cut,
            passed: HashMap::new(),
        }
    }

    /// When it springs: how much of the piece may pass, and how to cut.
    pub(super) fn inspect(
        &mut self,
        direction: Direction,
        connection: u64,
        piece: &[u8],
    ) -> Option<(usize, Cut)> {
        if direction != self.direction {
            return None;
        }
        let (count, tail) = self.passed.entry(connection).or_default();
        match &self.seen {
            Seen::Bytes(bytes) => {
                *count += piece.len();
                let beyond = count.checked_sub(*bytes)?;
                let pass = piece.len().saturating_sub(beyond);
                Some(match self.cut {
                    Cut::Before => (pass.saturating_sub(1), Cut::Before),
                    Cut::After => (pass, Cut::After),
                })
            }
            Seen::Pattern(pattern) => {
                let known = tail.len();
                tail.extend_from_slice(piece);
                let found = tail
                    .windows(pattern.len().max(1))
                    .position(|window| window == pattern);
                let Some(start) = found else {
                    let keep = pattern.len().saturating_sub(1).min(tail.len());
                    tail.drain(..tail.len() - keep);
                    return None;
                };
                Some(match self.cut {
                    Cut::Before => (start.saturating_sub(known), Cut::Before),
                    Cut::After => (piece.len(), Cut::After),
                })
            }
        }
    }
}
