//! The two questions of a match: which lanes may this worker take from, which worker suits this lane.

use std::cmp::{Ordering, Reverse};
use std::ops::ControlFlow::{Break, Continue};

use hashbrown::HashSet;

use crate::eligibility::{profile_refuses, refused, worker_rules};
use crate::error::Error;
use crate::index::Index;
use crate::lane::LaneId;
use crate::plan::{BestScore, FairShare, FirstCome};
use crate::policy::Order;
use crate::profile::Profile;
use crate::requirements::Requirements;
use crate::rule::Rule;
use crate::score::{Liking, Score, StaticScore};
use crate::search::{only_customers, Search};
use crate::shape::LaneName;
use crate::symbols::Symbol;
use crate::worker::Candidate;

/// One lane that a worker may take from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The lane's id.
    pub lane: String,
    /// The rank of its head.
    pub rank: u64,
    /// The member of its head.
    pub member: String,
    /// The worker's score for it, 0..=10000.
    pub score: i64,
}

impl Index {
    /// The lanes that the worker may take from now, best first, at most `limit`; exact.
    ///
    /// Empty where the worker is unknown, offline, draining, paused or full. O(blocks of shapes, plus the
    /// shapes and lanes that are better than the last one proposed).
    pub fn propose(&mut self, worker_id: &str, limit: usize) -> Vec<Proposal> {
        let known = self.symbols.find(worker_id);
        let Some(worker) = known.and_then(|it| self.workers.get(&it)) else {
            return Vec::new();
        };
        let Some(offer) = &worker.offer else {
            return Vec::new();
        };
        let blocks = self.shapes.heads.blocks();
        self.profiles.get_mut(offer.profile).grow(blocks);
        let profile = self.profiles.get(offer.profile);
        match Self::candidate(worker, &self.profiles) {
            Some(worker) if worker.is_taking() && !self.limits.pauses_worker(worker.id) => {
                let proposal = |lane| self.proposal(lane, worker);
                self.search(profile, worker, limit).into_iter().map(proposal).collect()
            }
            _ => Vec::new(),
        }
    }

    fn search(&self, profile: &Profile, worker: Candidate<'_>, limit: usize) -> Vec<LaneId> {
        let customers = only_customers(&worker);
        let customers = customers.as_deref();
        match (self.policy.order, &self.shares) {
            (Order::Score, _) => {
                let plan = BestScore::new(profile, worker, &self.policy);
                Search::new(self, profile, worker, &plan, customers, limit).run()
            }
            (Order::Fair, Some(shares)) => {
                let plan = FairShare { limits: &self.limits, shares };
                Search::new(self, profile, worker, &plan, customers, limit).run()
            }
            _ => Search::new(self, profile, worker, &FirstCome, customers, limit).run(),
        }
    }

    fn proposal(&self, id: LaneId, worker: Candidate<'_>) -> Proposal {
        let lane = self.lanes.get(id);
        let base = self.shapes.get(lane.shape).base;
        let wants = self.shapes.base(base).requirements.as_ref();
        let wants = wants.expect("a search finds lanes of known shapes");
        let score = self.profiles.get(worker.profile).score(base, wants, self.policy.fit);
        let liking = Liking::of(worker.capabilities, lane.customer);
        Proposal {
            lane: self.lane_id(id),
            rank: lane.rank,
            member: lane.member.to_string(),
            score: score.complete(wants, liking, &worker, &self.policy.weights).total,
        }
    }

    /// Those of the waiting workers that may take the lane's head: highest score, then longest idle,
    /// then id; each once. The lane need not hold jobs, its shape must be known. O(waiting).
    ///
    /// # Errors
    /// [`Error::Lane`] where `lane` is no lane id.
    pub fn offer(&mut self, lane: &str, waiting: &[&str]) -> Result<Vec<String>, Error> {
        let name = LaneName::parse(lane).map_err(Error::Lane)?;
        let mark = self.symbols.mark();
        let customer = self.symbols.intern(name.customer);
        let offered = self.rank_waiting(name, customer, waiting);
        self.symbols.rewind(mark);
        Ok(offered)
    }

    fn rank_waiting(&self, name: LaneName<'_>, customer: Symbol, waiting: &[&str]) -> Vec<String> {
        let base = self.shapes.find_base(name.base);
        let Some(wants) = base.and_then(|it| self.shapes.base(it).requirements.as_ref()) else {
            return Vec::new();
        };
        let avoided: Vec<Symbol> = name.avoided().filter_map(|it| self.symbols.find(it)).collect();
        let asked: HashSet<&str> = waiting.iter().copied().collect();
        let mut able: Vec<(Reverse<i64>, i64, &str)> = (asked.into_iter())
            .filter_map(|id| {
                let worker = self.workers.get(&self.symbols.find(id)?)?;
                let worker = Self::candidate(worker, &self.profiles)?;
                let score = self.score_of(wants, customer, &avoided, &worker)?;
                Some((Reverse(score.total), worker.standing.idle_since_ms, id))
            })
            .collect();
        able.sort_unstable();
        able.into_iter().map(|(_, _, id)| id.to_owned()).collect()
    }

    /// The worker's score where no rule speaks against it.
    fn score_of(
        &self,
        wants: &Requirements,
        customer: Symbol,
        avoided: &[Symbol],
        worker: &Candidate<'_>,
    ) -> Option<Score> {
        let has = worker.capabilities;
        let barred = profile_refuses(wants, has)
            || refused(|sink| worker_rules(wants, customer, worker, &self.limits, sink))
            || self.is_avoided(wants, customer, avoided, worker.id);
        (!barred).then(|| self.fresh_score(wants, customer, worker))
    }

    /// A score of which nothing is remembered.
    pub(crate) fn fresh_score(
        &self,
        wants: &Requirements,
        customer: Symbol,
        worker: &Candidate<'_>,
    ) -> Score {
        let score = StaticScore::of(wants, worker.capabilities, self.policy.fit);
        let liking = Liking::of(worker.capabilities, customer);
        score.complete(wants, liking, worker, &self.policy.weights)
    }

    /// The job was sent elsewhere for a while, and there is an elsewhere. O(workers) where it was.
    pub(crate) fn is_avoided(
        &self,
        wants: &Requirements,
        customer: Symbol,
        avoided: &[Symbol],
        worker: Symbol,
    ) -> bool {
        avoided.contains(&worker) && self.another_could_take(wants, customer, avoided)
    }

    fn another_could_take(
        &self,
        wants: &Requirements,
        customer: Symbol,
        avoided: &[Symbol],
    ) -> bool {
        let mut lasting = |rule: Rule| {
            if rule.passes_by_itself() {
                Continue(())
            } else {
                Break(())
            }
        };
        let others = (self.workers.values()).filter(|it| !avoided.contains(&it.id));
        others.filter_map(|it| Self::candidate(it, &self.profiles)).any(|other| {
            !profile_refuses(wants, other.capabilities)
                && worker_rules(wants, customer, &other, &self.limits, &mut lasting).is_continue()
        })
    }

    /// The order of lanes by their heads; equal heads, which no real queue has, by lane id.
    pub(crate) fn compare_lanes(&self, one: LaneId, other: LaneId) -> Ordering {
        (self.lanes.get(one).compare_heads(self.lanes.get(other)))
            .then_with(|| self.lane_id(one).cmp(&self.lane_id(other)))
    }
}
