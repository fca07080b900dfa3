//! The index under test, its slow twin, and the log's last number.

use empq_matcher::Index;

use super::entries::{customers_entry, lane_entry, pauses_entry, worker_entry};
use super::operations::{Operation, Place, LEAP};
use super::scan::{Scan, ScannedLane};
use super::{lane_id, member, Held, CUSTOMERS, WORKERS};

pub struct Pair {
    index: Index,
    scan: Scan,
    number: u64,
}

impl Pair {
    pub fn new() -> Self {
        Self { index: Index::new(), scan: Scan::new(), number: 0 }
    }

    /// Does it to both; a question must get the same answer from both.
    pub fn run(&mut self, operation: Operation) {
        match operation {
            Operation::AddShape(shape, document) => {
                let base = format!("base{shape}");
                self.index.add_shape(&base, document.0.as_bytes()).unwrap();
                self.scan.documents.entry(shape).or_insert(document);
            }
            Operation::SetWorker(worker, version, document) => {
                for index in [&mut self.index, self.scan.rules_to_tell()] {
                    let document = document.to_string();
                    index.set_worker(WORKERS[worker], version, document.as_bytes()).unwrap();
                }
            }
            Operation::SetLoad(worker, load) => {
                for index in [&mut self.index, self.scan.rules_to_tell()] {
                    index.set_load(WORKERS[worker], load, 0, 7);
                }
            }
            Operation::RemoveWorker(worker) => {
                self.index.remove_worker(WORKERS[worker]);
                self.scan.rules_to_tell().remove_worker(WORKERS[worker]);
                self.scan.standings.remove(WORKERS[worker]);
            }
            Operation::LaneEntry { late, lane, rank, is_text, count } => {
                let number = self.number(late);
                self.take_lane(number, lane, rank, is_text, count);
            }
            Operation::WorkerEntry { late, worker, state, idle_since_ms, held } => {
                let number = self.number(late);
                self.take_worker(number, WORKERS[worker], state, idle_since_ms, &held);
            }
            Operation::Propose(worker, limit) => self.compare_proposals(WORKERS[worker], limit),
            Operation::Offer(place) => {
                let lane = lane_id(place.0, &place.1, CUSTOMERS[place.2]);
                let expected = self.scan.offer(&place);
                assert_eq!(self.index.offer(&lane, &WORKERS).unwrap(), expected);
            }
            other => self.limit(other),
        }
    }

    /// What concerns everybody.
    fn limit(&mut self, operation: Operation) {
        match operation {
            Operation::Pause(late, pauses) => {
                let number = self.number(late);
                self.apply_to_both(&pauses_entry(number, &pauses));
                self.scan.take_pauses(number, pauses);
            }
            Operation::Customer(late, shares) => {
                let number = self.number(late);
                self.apply_to_both(&customers_entry(number, &shares));
                for share in shares {
                    self.scan.take_share(number, share);
                }
            }
            Operation::Configure(policy) => {
                self.index.configure(policy.order, policy.fit, &policy.weights).unwrap();
                self.scan.configure(&policy);
            }
            Operation::Reset => {
                self.index.reset();
                self.scan.reset();
            }
            other => panic!("{other:?} is done elsewhere"),
        }
    }

    fn number(&mut self, late: u64) -> u64 {
        self.number += if late == LEAP { 11_000 } else { 1 };
        self.number.saturating_sub(late % 3)
    }

    fn apply_to_both(&mut self, entry: &[u8]) {
        for index in [&mut self.index, self.scan.rules_to_tell()] {
            index.apply(&[entry]).unwrap();
        }
    }

    fn take_lane(&mut self, number: u64, place: Place, rank: u64, is_text: bool, count: u64) {
        let id = lane_id(place.0, &place.1, CUSTOMERS[place.2]);
        let member = member(self.number, is_text);
        let entry = lane_entry(number, &id, rank, &member, count);
        self.index.apply(&[&entry]).unwrap();
        self.scan.take_lane(ScannedLane { place, number, rank, member, count });
    }

    fn take_worker(
        &mut self,
        number: u64,
        worker: &'static str,
        state: &'static str,
        idle_since_ms: i64,
        held: &[Held],
    ) {
        self.apply_to_both(&worker_entry(number, worker, 1, state, idle_since_ms, held));
        self.scan.highest = self.scan.highest.max(number);
        let last = self.scan.standings.get(worker).map_or(0, |it| it.0);
        if number > last {
            self.scan.standings.insert(worker.to_owned(), (number, idle_since_ms, state));
        }
    }

    fn compare_proposals(&mut self, worker: &str, limit: usize) {
        let expected = self.scan.propose(worker, limit);
        assert_eq!(self.index.propose(worker, limit), expected);
    }

    /// Whether the index is consistent, and answers as its twin does.
    pub fn compare(&mut self) {
        assert_eq!(self.index.check(), Vec::<String>::new());
        let figures = self.index.figures();
        let filled = || self.scan.lanes.values().filter(|it| it.count > 0);
        assert_eq!(figures.jobs, filled().map(|it| it.count).sum::<u64>());
        assert_eq!(figures.lanes, filled().count());
        assert_eq!(figures.shapes, self.scan.documents.len());
        let alive = self.scan.standings.values().filter(|it| it.2 != "offline");
        assert_eq!(figures.workers, alive.count());
        for worker in WORKERS {
            self.compare_proposals(worker, 3);
        }
    }
}
