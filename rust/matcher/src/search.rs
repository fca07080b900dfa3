//! One worker's search for its best lanes: blocks of shapes, then shapes, then lanes, each left out
//! as soon as it cannot win any more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::eligibility::{at_capacity, breaks_isolation, denies, exceeds_customers, is_unhealthy};
use crate::heads::BLOCK;
use crate::index::Index;
use crate::lane::LaneId;
use crate::profile::Profile;
use crate::rank::Member;
use crate::requirements::Requirements;
use crate::shape::{Shape, ShapeId};
use crate::symbols::Symbol;
use crate::worker::Candidate;

pub(crate) struct Search<'a> {
    index: &'a Index,
    profile: &'a Profile,
    worker: Candidate<'a>,
    /// The only customers whose jobs the worker may take, where that is a short list.
    customers: Option<Vec<Symbol>>,
    limit: usize,
    /// The best lanes so far with their ranks, best first, at most `limit`.
    found: Vec<(u64, LaneId)>,
    /// No rank above this can win.
    worst: u64,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        index: &'a Index,
        profile: &'a Profile,
        worker: Candidate<'a>,
        limit: usize,
    ) -> Self {
        Self {
            index,
            profile,
            worker,
            customers: only_customers(&worker),
            limit,
            found: Vec::new(),
            worst: u64::MAX - 1,
        }
    }

    pub(crate) fn run(mut self) -> Vec<LaneId> {
        let heads = &self.index.shapes.heads;
        if self.limit > 0 {
            for (block, &best) in heads.bests().iter().enumerate() {
                if best <= self.worst {
                    self.search_block(block);
                }
            }
        }
        self.found.into_iter().map(|(_, lane)| lane).collect()
    }

    fn search_block(&mut self, block: usize) {
        let index = self.index;
        let mut left = self.accepted(block);
        while left != 0 {
            let place = block * BLOCK + left.trailing_zeros() as usize;
            left &= left - 1;
            if index.shapes.heads.rank(place) > self.worst {
                continue;
            }
            let shape = index.shapes.get(ShapeId::at(place));
            let wants = index.shapes.base(shape.base).requirements.as_ref();
            let Some(wants) = wants else { continue };
            if !is_unhealthy(wants, &self.worker) && !at_capacity(wants, &self.worker) {
                self.search_shape(ShapeId::at(place), shape, wants);
            }
        }
    }

    /// The shapes of a block that hold jobs and that the capabilities admit; new pairs are judged now,
    /// all of the block's, so that the next match need not look at the heads of those refused.
    fn accepted(&self, block: usize) -> u64 {
        let shapes = &self.index.shapes;
        let filled = shapes.heads.filled(block);
        let mut open = filled & !self.profile.judged(block);
        while open != 0 {
            let place = block * BLOCK + open.trailing_zeros() as usize;
            open &= open - 1;
            if let Some(wants) = shapes.requirements(ShapeId::at(place)) {
                self.profile.judge(place, wants);
            }
        }
        filled & self.profile.accepted(block)
    }

    fn search_shape(&mut self, id: ShapeId, shape: &'a Shape, wants: &Requirements) {
        let lanes = &self.index.lanes;
        match &self.customers {
            Some(customers) if customers.len() < shape.lanes.len() => {
                let found: Vec<LaneId> = (customers.iter())
                    .filter_map(|&customer| lanes.find(id, customer))
                    .filter(|&lane| lanes.get(lane).count > 0)
                    .collect();
                for lane in found {
                    if self.admits(lane, shape, wants) {
                        self.add(lane);
                    }
                }
            }
            _ => self.walk(shape, wants),
        }
    }

    /// Goes through a shape's lanes, best head first, until none can win any more.
    fn walk(&mut self, shape: &'a Shape, wants: &Requirements) {
        let index = self.index;
        let heap = shape.lanes.as_slice();
        let mut frontier: BinaryHeap<Reverse<(u64, &'a Member, usize)>> = BinaryHeap::new();
        let mut next = Some(0);
        while let Some(place) = next {
            let lane = heap[place];
            if self.is_beyond(lane) {
                return;
            }
            if self.admits(lane, shape, wants) {
                self.add(lane);
            }
            // Neither child is better than its parent, so the frontier always holds the next best.
            let children = heap.iter().enumerate().skip(2 * place + 1).take(2);
            for (child, &lane) in children {
                let lane = index.lanes.get(lane);
                if lane.rank <= self.worst {
                    frontier.push(Reverse((lane.rank, &lane.member, child)));
                }
            }
            next = frontier.pop().map(|Reverse((_, _, place))| place);
        }
    }

    /// Whether a head is worse than the last of enough others.
    fn is_beyond(&self, lane: LaneId) -> bool {
        let lanes = &self.index.lanes;
        self.found.len() == self.limit
            && self
                .found
                .last()
                .is_some_and(|&(_, last)| lanes.get(lane).compare_heads(lanes.get(last)).is_gt())
    }

    fn admits(&self, lane: LaneId, shape: &Shape, wants: &Requirements) -> bool {
        let customer = self.index.lanes.get(lane).customer;
        !(breaks_isolation(wants, customer, self.worker.standing)
            || denies(self.worker.capabilities, customer)
            || exceeds_customers(&self.worker, customer)
            || (self.index).is_avoided(wants, customer, &shape.avoided, self.worker.id))
    }

    fn add(&mut self, lane: LaneId) {
        let index = self.index;
        let rank = index.lanes.get(lane).rank;
        let place = self.found.partition_point(|&(known_rank, known)| {
            let order = known_rank.cmp(&rank);
            order.then_with(|| index.compare_lanes(known, lane)).is_lt()
        });
        if place < self.limit {
            self.found.truncate(self.limit - 1);
            self.found.insert(place, (rank, lane));
        }
        if self.found.len() == self.limit {
            self.worst = self.found[self.limit - 1].0;
        }
    }
}

/// A held strict job, a full bound on customers or `allowed_customers` leave few to look at.
fn only_customers(worker: &Candidate<'_>) -> Option<Vec<Symbol>> {
    let standing = worker.standing;
    if let Some(&customer) = standing.strict_customers.first() {
        return Some(vec![customer]);
    }
    let most = worker.capabilities.max_concurrent_customers;
    if most.is_some_and(|most| standing.customers.len() >= most as usize) {
        return Some(standing.customers.clone());
    }
    let allowed = worker.capabilities.allowed_customers.as_ref();
    allowed.map(|it| it.as_slice().to_vec())
}
