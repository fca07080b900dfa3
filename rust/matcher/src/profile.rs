//! Profiles: workers of equal capabilities share one, and with it verdicts and static scores.
//!
//! A pair of a profile and a shape is judged when a match first meets it, and never again: shapes do
//! not change, and other capabilities are another profile. Two bits a pair.

use std::cell::{Cell, RefCell};
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::capabilities::Capabilities;
use crate::eligibility::profile_refuses;
use crate::heads::BLOCK;
use crate::policy::Fit;
use crate::requirements::Requirements;
use crate::score::StaticScore;
use crate::shape::BaseId;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ProfileId(u32);

pub(crate) struct Profile {
    pub(crate) capabilities: Capabilities,
    workers: usize,
    /// What is computed at a question is cached behind it, so that asking needs no `&mut`.
    accepted: Vec<Cell<u64>>,
    refused: Vec<Cell<u64>>,
    scores: RefCell<HashMap<BaseId, StaticScore>>,
}

impl Profile {
    /// Makes room for the verdicts on this many blocks of shapes.
    pub(crate) fn grow(&mut self, blocks: usize) {
        self.accepted.resize(blocks, Cell::new(0));
        self.refused.resize(blocks, Cell::new(0));
    }

    /// The shapes of a block that were judged and accepted.
    pub(crate) fn accepted(&self, block: usize) -> u64 {
        self.accepted[block].get()
    }

    /// The shapes of a block that were judged.
    pub(crate) fn judged(&self, block: usize) -> u64 {
        self.accepted[block].get() | self.refused[block].get()
    }

    /// Judges a shape and remembers it.
    pub(crate) fn judge(&self, shape: usize, wants: &Requirements) {
        let verdicts = if profile_refuses(wants, &self.capabilities) {
            &self.refused[shape / BLOCK]
        } else {
            &self.accepted[shape / BLOCK]
        };
        verdicts.set(verdicts.get() | 1 << (shape % BLOCK));
    }

    /// The part of the score that all workers of the profile share; computed at the first question.
    pub(crate) fn score(&self, base: BaseId, wants: &Requirements, fit: Fit) -> StaticScore {
        *(self.scores.borrow_mut().entry(base))
            .or_insert_with(|| StaticScore::of(wants, &self.capabilities, fit))
    }

    /// The part of the score as far as it is remembered.
    pub(crate) fn remembered_score(&self, base: BaseId) -> Option<StaticScore> {
        self.scores.borrow().get(&base).copied()
    }

    /// What was judged about a shape so far.
    pub(crate) fn verdict(&self, shape: usize) -> Option<bool> {
        let (block, bit) = (shape / BLOCK, 1 << (shape % BLOCK));
        let says =
            |verdicts: &[Cell<u64>]| verdicts.get(block).is_some_and(|it| it.get() & bit != 0);
        match (says(&self.accepted), says(&self.refused)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// All profiles that some worker has.
#[derive(Default)]
pub(crate) struct Profiles {
    places: Vec<Option<Profile>>,
    free: Vec<ProfileId>,
    table: HashTable<ProfileId>,
    hasher: DefaultHashBuilder,
}

impl Profiles {
    pub(crate) fn get(&self, profile: ProfileId) -> &Profile {
        (self.places[profile.0 as usize].as_ref()).expect("a worker's profile is kept")
    }

    pub(crate) fn get_mut(&mut self, profile: ProfileId) -> &mut Profile {
        (self.places[profile.0 as usize].as_mut()).expect("a worker's profile is kept")
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many workers all profiles have together.
    pub(crate) fn users(&self) -> usize {
        self.places.iter().flatten().map(|it| it.workers).sum()
    }

    /// The profile of these capabilities, for one more worker.
    pub(crate) fn join(&mut self, capabilities: Capabilities) -> ProfileId {
        let hash = self.hasher.hash_one(&capabilities);
        let is_it = |&known: &ProfileId| self.get(known).capabilities == capabilities;
        if let Some(&known) = self.table.find(hash, is_it) {
            self.get_mut(known).workers += 1;
            return known;
        }
        let profile = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            ProfileId(u32::try_from(self.places.len() - 1).expect("fewer than 2^32 profiles"))
        });
        self.places[profile.0 as usize] = Some(Profile {
            capabilities,
            workers: 1,
            accepted: Vec::new(),
            refused: Vec::new(),
            scores: RefCell::default(),
        });
        let (places, hasher) = (&self.places, &self.hasher);
        self.table.insert_unique(hash, profile, |known| {
            let profile = places[known.0 as usize].as_ref();
            hasher.hash_one(&profile.expect("a worker's profile is kept").capabilities)
        });
        profile
    }

    /// One worker leaves; the last one takes the profile along.
    pub(crate) fn leave(&mut self, profile: ProfileId) {
        let left = self.get_mut(profile);
        left.workers -= 1;
        if left.workers > 0 {
            return;
        }
        let hash = self.hasher.hash_one(&self.get(profile).capabilities);
        if let Ok(entry) = self.table.find_entry(hash, |&known| known == profile) {
            entry.remove();
        }
        self.places[profile.0 as usize] = None;
        self.free.push(profile);
    }

    /// Forgets the scores: hardware is about to fit otherwise.
    pub(crate) fn clear_scores(&mut self) {
        for profile in self.places.iter_mut().flatten() {
            profile.scores.get_mut().clear();
        }
    }

    /// Forgets the verdicts: shapes are about to be counted anew. Scores stay, bases do not change.
    pub(crate) fn clear_verdicts(&mut self) {
        for profile in self.places.iter_mut().flatten() {
            profile.accepted.clear();
            profile.refused.clear();
        }
    }
}
