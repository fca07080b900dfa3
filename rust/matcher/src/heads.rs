//! The best head of every shape, in blocks of 64 with the best of each block.
//!
//! A match reads the blocks' bests and looks into those alone that can still win.

pub(crate) const BLOCK: usize = 64;
const NONE: u64 = u64::MAX;
/// Above every rank that a head can have, and below that of a shape without one.
pub(crate) const HIGHEST_RANK: u64 = NONE - 1;

/// Ranks by shape; shapes without jobs, or without a known document, have none.
#[derive(Default)]
pub(crate) struct Heads {
    ranks: Vec<u64>,
    /// Per block: the lowest rank in it.
    bests: Vec<u64>,
    /// Per block: which of its shapes have a head.
    filled: Vec<u64>,
}

impl Heads {
    /// Makes room for one more shape.
    pub(crate) fn push(&mut self) {
        if self.ranks.len().is_multiple_of(BLOCK) {
            self.bests.push(NONE);
            self.filled.push(0);
        }
        self.ranks.push(NONE);
    }

    pub(crate) fn rank(&self, shape: usize) -> u64 {
        self.ranks[shape]
    }

    /// O(1) where the rank improves, else at most one look at 64 ranks.
    pub(crate) fn set(&mut self, shape: usize, rank: Option<u64>) {
        let block = shape / BLOCK;
        let before = std::mem::replace(&mut self.ranks[shape], rank.unwrap_or(NONE));
        let now = self.ranks[shape];
        let bit = 1 << (shape % BLOCK);
        if rank.is_some() {
            self.filled[block] |= bit;
        } else {
            self.filled[block] &= !bit;
        }
        if now <= self.bests[block] {
            self.bests[block] = now;
        } else if before == self.bests[block] {
            self.bests[block] = self.lowest(block);
        }
    }

    fn lowest(&self, block: usize) -> u64 {
        let first = block * BLOCK;
        let end = self.ranks.len().min(first + BLOCK);
        self.ranks[first..end].iter().copied().min().unwrap_or(NONE)
    }

    pub(crate) fn blocks(&self) -> usize {
        self.bests.len()
    }

    pub(crate) fn bests(&self) -> &[u64] {
        &self.bests
    }

    pub(crate) fn filled(&self, block: usize) -> u64 {
        self.filled[block]
    }

    /// Blocks whose best or whose bits are not what the ranks say.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for block in 0..self.blocks() {
            if self.bests[block] != self.lowest(block) {
                faults.push(format!("block {block} does not know its best head"));
            }
        }
        for (shape, &rank) in self.ranks.iter().enumerate() {
            let bit = self.filled[shape / BLOCK] >> (shape % BLOCK) & 1 == 1;
            if bit != (rank != NONE) {
                faults.push(format!("shape {shape} is filled in one place and not in the other"));
            }
        }
        faults
    }
}
