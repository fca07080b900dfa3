//! The index beside a linear scan: after every operation both answer the same, and the index is
//! consistent.
//!
//! The scan keeps lanes in a map and judges every pair anew; it asks `explain` of an index that
//! knows no lanes, so it shares the rules with the index under test, but nothing of its structure.

mod support;

use std::collections::BTreeMap;

use empq_matcher::{Index, Proposal};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use support::{
    any_avoided, any_capabilities, any_document, any_held, lane_entry, lane_id, member,
    worker_entry, Document, Held, CUSTOMERS, WORKERS,
};

/// More than two blocks of shapes, so that blocks are skipped.
const SHAPES: usize = 150;

#[derive(Clone, Debug)]
enum Operation {
    AddShape(usize, Document),
    SetWorker(usize, i64, Value),
    RemoveWorker(usize),
    LaneEntry {
        late: u64,
        lane: (usize, Vec<&'static str>, usize),
        rank: u64,
        is_text: bool,
        count: u64,
    },
    WorkerEntry {
        late: u64,
        worker: usize,
        state: &'static str,
        idle_since_ms: i64,
        held: Vec<Held>,
    },
    Propose(usize, usize),
    Offer(usize, Vec<&'static str>, usize),
    Reset,
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let lane = || (0..SHAPES, any_avoided(), 0..CUSTOMERS.len());
    let worker = || 0..WORKERS.len();
    // Now and then a number is far beyond the last, so that emptied lanes are forgotten.
    let lateness = || prop_oneof![10 => 0..3_u64, 1 => Just(u64::MAX)];
    let state = select(vec!["online", "online", "online", "online", "draining", "offline"]);
    prop_oneof![
        6 => (0..SHAPES, any_document()).prop_map(|(shape, document)| {
            Operation::AddShape(shape, document)
        }),
        2 => (worker(), 0..3_i64, any_capabilities()).prop_map(|(worker, version, document)| {
            Operation::SetWorker(worker, version, document)
        }),
        1 => worker().prop_map(Operation::RemoveWorker),
        20 => (lateness(), lane(), 0..20_u64, any::<bool>(), select(vec![0, 1, 1, 2, 5])).prop_map(
            |(late, lane, rank, is_text, count)| {
                Operation::LaneEntry { late, lane, rank, is_text, count }
            }
        ),
        4 => (lateness(), worker(), state, 0..3_i64, any_held()).prop_map(
            |(late, worker, state, idle_since_ms, held)| {
                Operation::WorkerEntry { late, worker, state, idle_since_ms, held }
            }
        ),
        6 => (worker(), 0..12_usize).prop_map(|(worker, limit)| Operation::Propose(worker, limit)),
        4 => lane().prop_map(|(shape, avoided, customer)| {
            Operation::Offer(shape, avoided, customer)
        }),
        1 => prop_oneof![9 => Just(Operation::Propose(0, 1)), 1 => Just(Operation::Reset)],
    ]
}

#[derive(Clone)]
struct ScannedLane {
    shape: usize,
    avoided: Vec<&'static str>,
    customer: &'static str,
    number: u64,
    rank: u64,
    member: String,
    count: u64,
}

/// The slow twin.
struct Scan {
    /// Knows workers only; answers for rules and scores.
    rules: Index,
    documents: BTreeMap<usize, Document>,
    lanes: BTreeMap<String, ScannedLane>,
    idle_since_ms: BTreeMap<String, (u64, i64, &'static str)>,
    highest: u64,
}

impl Scan {
    fn new() -> Self {
        Self {
            rules: Index::new(),
            documents: BTreeMap::new(),
            lanes: BTreeMap::new(),
            idle_since_ms: BTreeMap::new(),
            highest: 0,
        }
    }

    fn score(
        &mut self,
        shape: usize,
        avoided: &[&str],
        customer: &str,
        worker: &str,
    ) -> Option<i64> {
        let document = self.documents.get(&shape)?;
        let verdicts = self.rules.explain(document.0.as_bytes(), customer, avoided).unwrap();
        verdicts.into_iter().find(|it| it.worker_id == worker)?.score
    }

    fn take(&mut self, lane: ScannedLane) {
        self.highest = self.highest.max(lane.number);
        let id = lane_id(lane.shape, &lane.avoided, lane.customer);
        let keeps = self.lanes.get(&id).is_some_and(|known| {
            let is_forgotten = known.count == 0 && known.number + 10_000 <= self.highest;
            lane.number <= known.number && !is_forgotten
        });
        if !keeps {
            self.lanes.insert(id, lane);
        }
    }

    fn propose(&mut self, worker: &str, limit: usize) -> Vec<Proposal> {
        let mut filled: Vec<(String, ScannedLane)> =
            (self.lanes.clone().into_iter()).filter(|(_, lane)| lane.count > 0).collect();
        filled.sort_by_key(|(id, lane)| (lane.rank, lane.member.clone(), id.clone()));
        let mut proposals = Vec::new();
        for (id, lane) in filled {
            let score = self.score(lane.shape, &lane.avoided, lane.customer, worker);
            if let Some(score) = score.filter(|_| proposals.len() < limit) {
                proposals.push(Proposal { lane: id, rank: lane.rank, member: lane.member, score });
            }
        }
        proposals
    }

    fn offer(&mut self, shape: usize, avoided: &[&str], customer: &str) -> Vec<String> {
        let mut able = Vec::new();
        for worker in WORKERS {
            if let Some(score) = self.score(shape, avoided, customer, worker) {
                able.push((-score, self.idle_since_ms[worker].1, worker.to_owned()));
            }
        }
        able.sort();
        able.into_iter().map(|(_, _, worker)| worker).collect()
    }
}

/// The index under test, its twin, and the log's last number.
struct Pair {
    index: Index,
    scan: Scan,
    number: u64,
}

impl Pair {
    fn number(&mut self, late: u64) -> u64 {
        self.number += if late == u64::MAX { 11_000 } else { 1 };
        self.number.saturating_sub(late % 3)
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::AddShape(shape, document) => {
                let base = format!("base{shape}");
                self.index.add_shape(&base, document.0.as_bytes()).unwrap();
                self.scan.documents.entry(shape).or_insert(document);
            }
            Operation::SetWorker(worker, version, document) => {
                for index in [&mut self.index, &mut self.scan.rules] {
                    let document = document.to_string();
                    index.set_worker(WORKERS[worker], version, document.as_bytes()).unwrap();
                }
            }
            Operation::RemoveWorker(worker) => {
                self.index.remove_worker(WORKERS[worker]);
                self.scan.rules.remove_worker(WORKERS[worker]);
                self.scan.idle_since_ms.remove(WORKERS[worker]);
            }
            Operation::LaneEntry { late, lane, rank, is_text, count } => {
                let number = self.number(late);
                self.take_lane(number, lane, rank, is_text, count);
            }
            Operation::WorkerEntry { late, worker, state, idle_since_ms, held } => {
                let number = self.number(late);
                self.take_worker(number, WORKERS[worker], state, idle_since_ms, &held);
            }
            Operation::Propose(worker, limit) => {
                let worker = WORKERS[worker];
                let expected = self.scan.propose(worker, limit);
                assert_eq!(self.index.propose(worker, limit), expected);
            }
            Operation::Offer(shape, avoided, customer) => {
                let lane = lane_id(shape, &avoided, CUSTOMERS[customer]);
                let expected = self.scan.offer(shape, &avoided, CUSTOMERS[customer]);
                assert_eq!(self.index.offer(&lane, &WORKERS).unwrap(), expected);
            }
            Operation::Reset => self.reset(),
        }
    }

    fn take_lane(
        &mut self,
        number: u64,
        (shape, avoided, customer): (usize, Vec<&'static str>, usize),
        rank: u64,
        is_text: bool,
        count: u64,
    ) {
        let customer = CUSTOMERS[customer];
        let id = lane_id(shape, &avoided, customer);
        let member = member(self.number, is_text);
        let entry = lane_entry(number, &id, rank, &member, count);
        self.index.apply(&[&entry]).unwrap();
        self.scan.take(ScannedLane { shape, avoided, customer, number, rank, member, count });
    }

    fn take_worker(
        &mut self,
        number: u64,
        worker: &'static str,
        state: &'static str,
        idle_since_ms: i64,
        held: &[Held],
    ) {
        let entry = worker_entry(number, worker, 1, state, idle_since_ms, held);
        for index in [&mut self.index, &mut self.scan.rules] {
            index.apply(&[&entry]).unwrap();
        }
        self.scan.highest = self.scan.highest.max(number);
        let last = self.scan.idle_since_ms.get(worker).map_or(0, |it| it.0);
        if number > last {
            let known = (number, idle_since_ms, state);
            self.scan.idle_since_ms.insert(worker.to_owned(), known);
        }
    }

    fn reset(&mut self) {
        self.index.reset();
        self.scan.rules.reset();
        self.scan.lanes.clear();
        self.scan.idle_since_ms.clear();
        self.scan.highest = 0;
    }

    fn compare(&mut self) {
        assert_eq!(self.index.check(), Vec::<String>::new());
        let figures = self.index.figures();
        let filled = || self.scan.lanes.values().filter(|it| it.count > 0);
        assert_eq!(figures.jobs, filled().map(|it| it.count).sum::<u64>());
        assert_eq!(figures.lanes, filled().count());
        assert_eq!(figures.shapes, self.scan.documents.len());
        let alive = self.scan.idle_since_ms.values().filter(|it| it.2 != "offline");
        assert_eq!(figures.workers, alive.count());
        for worker in WORKERS {
            let expected = self.scan.propose(worker, 3);
            assert_eq!(self.index.propose(worker, 3), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_answers_as_a_linear_scan_does(operations in vec(any_operation(), 1..250)) {
        let mut pair = Pair { index: Index::new(), scan: Scan::new(), number: 0 };

        for operation in operations {
            pair.run(operation);
            pair.compare();
        }
    }
}
