//! One worker's search for its best lanes: blocks of shapes, then shapes, then lanes, each left out
//! as soon as it cannot win any more. What is best, a [`Plan`] says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::eligibility::{at_capacity, breaks_isolation, denies, exceeds_customers, is_unhealthy};
use crate::heads::{BLOCK, HIGHEST_RANK};
use crate::index::Index;
use crate::lane::{Lane, LaneId};
use crate::limits::Limits;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::rank::Member;
use crate::requirements::Requirements;
use crate::shape::{Shape, ShapeId};
use crate::symbols::{Symbol, SymbolSet};
use crate::worker::Candidate;

pub(crate) struct Search<'a, P: Plan> {
    index: &'a Index,
    profile: &'a Profile,
    worker: Candidate<'a>,
    plan: &'a P,
    /// The only customers whose jobs the worker may take, where that is a short list.
    customers: Option<&'a [Symbol]>,
    /// `None` where nothing is paused and nobody is at a quota.
    limits: Option<&'a Limits>,
    limit: usize,
    /// The best lanes so far with their keys, best first, at most `limit`.
    found: Vec<(P::Key, LaneId)>,
    /// No key above this can win.
    worst: P::Key,
}

impl<'a, P: Plan> Search<'a, P> {
    pub(crate) fn new(
        index: &'a Index,
        profile: &'a Profile,
        worker: Candidate<'a>,
        plan: &'a P,
        customers: Option<&'a [Symbol]>,
        limit: usize,
    ) -> Self {
        Self {
            index,
            profile,
            worker,
            plan,
            customers,
            limits: Some(&index.limits).filter(|it| it.is_felt()),
            limit,
            found: Vec::new(),
            worst: P::key(HIGHEST_RANK, 0),
        }
    }

    pub(crate) fn run(mut self) -> Vec<LaneId> {
        let heads = &self.index.shapes.heads;
        if self.limit > 0 {
            for (block, &best) in heads.bests().iter().enumerate() {
                if P::key(best, 0) <= self.worst {
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
            let best = index.shapes.heads.rank(place);
            if P::key(best, 0) > self.worst {
                continue;
            }
            let shape = index.shapes.get(ShapeId::at(place));
            let wants = index.shapes.base(shape.base).requirements.as_ref();
            let Some(wants) = wants else { continue };
            let least = self.plan.least(shape.base, wants);
            if P::key(best, least) <= self.worst && self.admits_shape(wants) {
                self.search_shape(ShapeId::at(place), shape, wants, least);
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

    fn search_shape(&mut self, id: ShapeId, shape: &'a Shape, wants: &'a Requirements, least: u64) {
        let few = |customers: usize| customers < shape.lanes.len();
        if let Some(customers) = self.customers.filter(|it| few(it.len())) {
            return self.look_up(customers, id, shape, wants);
        }
        match self.plan.apart().filter(|it| !it.is_empty() && few(it.as_slice().len())) {
            // All the others rank alike, so the first of them that is admitted is their best.
            Some(apart) => {
                self.look_up(apart.as_slice(), id, shape, wants);
                let least = self.plan.least_of_others(shape.base, wants);
                self.walk(shape, wants, least, Some(apart));
            }
            None => self.walk_both_ways(id, shape, wants, least),
        }
    }

    /// Looks at a few customers' lanes of a shape.
    fn look_up(
        &mut self,
        customers: &[Symbol],
        id: ShapeId,
        shape: &'a Shape,
        wants: &Requirements,
    ) {
        for &customer in customers {
            self.look_up_one(customer, id, shape, wants);
        }
    }

    fn look_up_one(
        &mut self,
        customer: Symbol,
        id: ShapeId,
        shape: &'a Shape,
        wants: &Requirements,
    ) {
        let lanes = &self.index.lanes;
        let found = lanes.find(id, customer);
        if let Some(lane) = found.filter(|&lane| lanes.get(lane).count > 0) {
            self.weigh(lane, shape, wants);
        }
    }

    /// Goes through a shape's lanes but for those of some customers.
    fn walk(
        &mut self,
        shape: &'a Shape,
        wants: &Requirements,
        least: u64,
        but: Option<&SymbolSet>,
    ) {
        let mut walk = Walk::of(shape, least);
        while let Some(lane) = self.next(&walk) {
            let customer = self.index.lanes.get(lane).customer;
            if !but.is_some_and(|it| it.contains(customer)) {
                self.weigh(lane, shape, wants);
            }
            self.advance(&mut walk);
        }
    }

    /// Goes through a shape's lanes by their heads and, where the plan can, at the same time by their
    /// customers, until one way comes to its end: if many customers are equal, the first does soon,
    /// else the second.
    fn walk_both_ways(&mut self, id: ShapeId, shape: &'a Shape, wants: &Requirements, least: u64) {
        let Some(customers) = self.plan.by_value() else {
            return self.walk(shape, wants, least, None);
        };
        let best = self.index.shapes.heads.rank(id.place());
        let mut walk = Walk::of(shape, least);
        for &(value, customer) in customers {
            if P::key(best, value) > self.worst {
                return;
            }
            self.look_up_one(customer, id, shape, wants);
            let Some(lane) = self.next(&walk) else {
                return;
            };
            self.weigh(lane, shape, wants);
            self.advance(&mut walk);
        }
    }

    /// Where the walk stands, until no lane of it can win any more.
    fn next(&self, walk: &Walk<'a>) -> Option<LaneId> {
        let lane = walk.heap[walk.place?];
        (!self.is_beyond(lane, walk.least)).then_some(lane)
    }

    /// The step comes after the lane is weighed: most often nothing is left that can win then.
    fn advance(&self, walk: &mut Walk<'a>) {
        let Some(place) = walk.place else { return };
        // Neither child is better than its parent, so the frontier always holds the next best.
        let children = walk.heap.iter().enumerate().skip(2 * place + 1).take(2);
        for (child, &lane) in children {
            let lane = self.index.lanes.get(lane);
            if P::key(lane.rank, walk.least) <= self.worst {
                walk.frontier.push(Reverse((lane.rank, &lane.member, child)));
            }
        }
        walk.place = walk.frontier.pop().map(|Reverse((_, _, place))| place);
    }

    /// Whether neither this lane nor one of a worse head can win.
    fn is_beyond(&self, lane: LaneId, least: u64) -> bool {
        let lanes = &self.index.lanes;
        let lane = lanes.get(lane);
        self.found.len() == self.limit
            && self.found.last().is_some_and(|&(worst, last)| {
                let order = P::key(lane.rank, least).cmp(&worst);
                order.then_with(|| lane.compare_heads(lanes.get(last))).is_gt()
            })
    }

    /// Keeps the lane if it can win and the worker may take it.
    fn weigh(&mut self, lane: LaneId, shape: &Shape, wants: &Requirements) {
        let &Lane { rank, customer, .. } = self.index.lanes.get(lane);
        let key = P::key(rank, self.plan.value(shape.base, wants, customer));
        if key <= self.worst && self.admits(customer, shape, wants) {
            self.add(key, lane);
        }
    }

    /// What of the rules depends on the worker's state and on pauses, but not on the customer.
    fn admits_shape(&self, wants: &Requirements) -> bool {
        !is_unhealthy(wants, &self.worker)
            && !at_capacity(wants, &self.worker)
            && !self.limits.is_some_and(|it| it.pauses_shape(wants))
    }

    fn admits(&self, customer: Symbol, shape: &Shape, wants: &Requirements) -> bool {
        let is_held_back = |it: &Limits| it.pauses_customer(customer) || it.is_exhausted(customer);
        !(self.limits.is_some_and(is_held_back)
            || breaks_isolation(wants, customer, self.worker.standing)
            || denies(self.worker.capabilities, customer)
            || exceeds_customers(&self.worker, customer)
            || (self.index).is_avoided(wants, customer, &shape.avoided, self.worker.id))
    }

    fn add(&mut self, key: P::Key, lane: LaneId) {
        let index = self.index;
        let place = self.found.partition_point(|&(known_key, known)| {
            known_key.cmp(&key).then_with(|| index.compare_lanes(known, lane)).is_lt()
        });
        // Two ways through a shape meet some lanes twice.
        let is_known = self.plan.by_value().is_some()
            && self.found.get(place).is_some_and(|&(_, known)| known == lane);
        if place < self.limit && !is_known {
            self.found.truncate(self.limit - 1);
            self.found.insert(place, (key, lane));
        }
        if self.found.len() == self.limit {
            self.worst = self.found[self.limit - 1].0;
        }
    }
}

/// A way through a shape's lanes, best head first.
struct Walk<'a> {
    heap: &'a [LaneId],
    frontier: BinaryHeap<Reverse<(u64, &'a Member, usize)>>,
    place: Option<usize>,
    /// No lane's value is lower.
    least: u64,
}

impl<'a> Walk<'a> {
    fn of(shape: &'a Shape, least: u64) -> Self {
        let heap = shape.lanes.as_slice();
        let place = (!heap.is_empty()).then_some(0);
        Self { heap, frontier: BinaryHeap::new(), place, least }
    }
}

/// A held strict job, a full bound on customers or `allowed_customers` leave few to look at.
pub(crate) fn only_customers(worker: &Candidate<'_>) -> Option<Vec<Symbol>> {
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
