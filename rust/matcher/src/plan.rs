//! What is best, for each order: the key that a search ranks a lane by, and bounds for what it has
//! not looked at.

use std::collections::btree_set;

use crate::limits::Limits;
use crate::policy::Policy;
use crate::profile::Profile;
use crate::requirements::Requirements;
use crate::score::Liking;
use crate::shape::BaseId;
use crate::shares::Shares;
use crate::symbols::{Symbol, SymbolSet};
use crate::worker::Candidate;

/// The bits of a rank below its priority.
const PRIORITY_SHIFT: u32 = 46;
const HIGHEST_SCORE: i64 = 10_000;

/// An order of lanes: by key, then by head. A lane's value is what the order asks of its shape and its
/// customer; the lower the better.
pub(crate) trait Plan {
    /// Grows with the rank and with the value.
    type Key: Ord + Copy;

    fn key(rank: u64, value: u64) -> Self::Key;

    /// No lane of the shape has a lower value.
    fn least(&self, base: BaseId, wants: &Requirements) -> u64;

    fn value(&self, base: BaseId, wants: &Requirements, customer: Symbol) -> u64;

    /// Where values within a shape differ for few customers: those.
    fn apart(&self) -> Option<&SymbolSet> {
        None
    }

    /// The value of all customers that are not apart.
    fn least_of_others(&self, base: BaseId, wants: &Requirements) -> u64 {
        self.least(base, wants)
    }

    /// Where values depend on nothing but the customer: all that have jobs queued, best first.
    fn by_value(&self) -> Option<btree_set::Iter<'_, (u64, Symbol)>> {
        None
    }
}

/// The lowest rank.
pub(crate) struct FirstCome;

impl Plan for FirstCome {
    type Key = u64;

    fn key(rank: u64, _: u64) -> u64 {
        rank
    }

    fn least(&self, _: BaseId, _: &Requirements) -> u64 {
        0
    }

    fn value(&self, _: BaseId, _: &Requirements, _: Symbol) -> u64 {
        0
    }
}

/// Priority, value, rank.
type Levelled = (u64, u64, u64);

fn levelled(rank: u64, value: u64) -> Levelled {
    (rank >> PRIORITY_SHIFT, value, rank)
}

/// The highest score; a value is what lacks to the highest possible one.
pub(crate) struct BestScore<'a> {
    profile: &'a Profile,
    worker: Candidate<'a>,
    policy: &'a Policy,
    liked: SymbolSet,
}

impl<'a> BestScore<'a> {
    pub(crate) fn new(profile: &'a Profile, worker: Candidate<'a>, policy: &'a Policy) -> Self {
        let affinity = &worker.capabilities.affinity;
        let lists = [&affinity.preferred_customers, &affinity.avoided_customers];
        let liked = lists.iter().flat_map(|it| it.as_slice()).copied().collect();
        Self { profile, worker, policy, liked }
    }

    fn lacking(&self, base: BaseId, wants: &Requirements, liking: Liking) -> u64 {
        let score = self.profile.score(base, wants, self.policy.fit);
        let score = score.complete(wants, liking, &self.worker, &self.policy.weights);
        (HIGHEST_SCORE - score.total).unsigned_abs()
    }
}

impl Plan for BestScore<'_> {
    type Key = Levelled;

    fn key(rank: u64, value: u64) -> Levelled {
        levelled(rank, value)
    }

    fn least(&self, base: BaseId, wants: &Requirements) -> u64 {
        self.lacking(base, wants, Liking::BEST)
    }

    fn value(&self, base: BaseId, wants: &Requirements, customer: Symbol) -> u64 {
        self.lacking(base, wants, Liking::of(self.worker.capabilities, customer))
    }

    fn apart(&self) -> Option<&SymbolSet> {
        Some(&self.liked)
    }

    fn least_of_others(&self, base: BaseId, wants: &Requirements) -> u64 {
        self.lacking(base, wants, Liking::NONE)
    }
}

/// The customer with the lowest virtual time.
pub(crate) struct FairShare<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) shares: &'a Shares,
}

impl Plan for FairShare<'_> {
    type Key = Levelled;

    fn key(rank: u64, value: u64) -> Levelled {
        levelled(rank, value)
    }

    fn least(&self, _: BaseId, _: &Requirements) -> u64 {
        self.shares.least()
    }

    fn value(&self, _: BaseId, _: &Requirements, customer: Symbol) -> u64 {
        self.limits.virtual_time(customer)
    }

    fn by_value(&self) -> Option<btree_set::Iter<'_, (u64, Symbol)>> {
        Some(self.shares.by_time())
    }
}
