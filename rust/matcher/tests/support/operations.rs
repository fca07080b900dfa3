//! What can happen to an index, for the proptest beside the scan and for the fuzz target.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::{
    any_avoided, any_capabilities, any_document, any_held, any_pauses, any_policy, any_rank,
    any_share, Document, Held, Pause, Policy, Share, CUSTOMERS, WORKERS,
};

/// More than two blocks of shapes, so that blocks are skipped.
pub const SHAPES: usize = 150;
/// How many numbers pass at once now and then, so that emptied lanes are forgotten.
pub const LEAP: u64 = u64::MAX;

#[derive(Clone, Debug)]
pub enum Operation {
    AddShape(usize, Document),
    SetWorker(usize, i64, Value),
    SetLoad(usize, i64),
    RemoveWorker(usize),
    LaneEntry {
        late: u64,
        lane: Place,
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
    Pause(u64, Vec<Pause>),
    Customer(u64, Vec<Share>),
    Configure(Policy),
    Propose(usize, usize),
    Offer(Place),
    Reset,
}

/// Shape, avoided workers, customer.
pub type Place = (usize, Vec<&'static str>, usize);

fn any_place() -> impl Strategy<Value = Place> {
    (any_shape(), any_avoided(), 0..CUSTOMERS.len())
}

/// Some have many lanes, most have few.
fn any_shape() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 0..3_usize, 1 => 0..20_usize, 1 => 0..SHAPES]
}

fn any_lateness() -> impl Strategy<Value = u64> {
    prop_oneof![10 => 0..3_u64, 1 => Just(LEAP)]
}

pub fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => any_question_or_document(),
        20 => any_lane_entry(),
        4 => any_worker_entry(),
        2 => (any_lateness(), any_pauses()).prop_map(|(late, it)| Operation::Pause(late, it)),
        3 => (any_lateness(), proptest::collection::vec(any_share(), 1..3))
            .prop_map(|(late, it)| Operation::Customer(late, it)),
        2 => any_policy().prop_map(Operation::Configure),
    ]
}

fn any_question_or_document() -> impl Strategy<Value = Operation> {
    let worker = || 0..WORKERS.len();
    prop_oneof![
        60 => (any_shape(), any_document()).prop_map(|(shape, it)| Operation::AddShape(shape, it)),
        20 => (worker(), 0..3_i64, any_capabilities())
            .prop_map(|(worker, version, it)| Operation::SetWorker(worker, version, it)),
        10 => (worker(), -10..120_i64).prop_map(|(worker, it)| Operation::SetLoad(worker, it)),
        10 => worker().prop_map(Operation::RemoveWorker),
        60 => (worker(), 0..12_usize).prop_map(|(worker, limit)| Operation::Propose(worker, limit)),
        40 => any_place().prop_map(Operation::Offer),
        1 => Just(Operation::Reset),
    ]
}

fn any_lane_entry() -> impl Strategy<Value = Operation> {
    let head = (any_rank(), any::<bool>(), select(vec![0, 1, 1, 2, 5]));
    (any_lateness(), any_place(), head).prop_map(|(late, lane, (rank, is_text, count))| {
        Operation::LaneEntry { late, lane, rank, is_text, count }
    })
}

fn any_worker_entry() -> impl Strategy<Value = Operation> {
    let state = select(vec!["online", "online", "online", "online", "draining", "offline"]);
    (any_lateness(), 0..WORKERS.len(), state, 0..3_i64, any_held()).prop_map(
        |(late, worker, state, idle_since_ms, held)| Operation::WorkerEntry {
            late,
            worker,
            state,
            idle_since_ms,
            held,
        },
    )
}
