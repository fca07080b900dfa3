//! The exact matching index of empq.
//!
//! Which queued jobs may a worker take, best head first? Which waiting worker suits a job best? Why
//! does a pair not match? The rules are the project's matching page; the index is a pure function of
//! what it was told: no I/O, no clock. Hash tables are keyed at random against crafted names, and
//! nothing ever depends on their order.
//!
//! # Layout
//!
//! * `index`: the public face: what is told and what is asked; `guard`: for many threads, without panics
//! * `proposals` (with `search` and `plan`), `explain`: what is asked
//! * `shape`, `lane`, `heads`: the queue: shapes, their lanes in a heap, the shapes' best heads in blocks
//! * `limits`, `shares`: pauses, customers' quotas and virtual times; `policy`: what an operator chooses
//! * `profile`, `worker`: workers, and what equal ones share: verdicts and static scores per shape
//! * `eligibility`, `forbidden`, `constraint`, `score`: the rules
//! * `requirements`, `capabilities`, `entry`: what documents and log entries say, compiled
//! * `rank`, `rule`, `symbols`, `error`: small vocabulary; `invariants`: is the index consistent?
//!
//! # Cost
//!
//! A match reads one number per block of 64 shapes, then looks into the blocks that can still win;
//! within a shape it walks the heap of lanes past those whose customer is not admitted. An entry costs
//! three look-ups and O(log lanes of its shape). Verdicts are computed once per (profile, shape), when
//! a match first meets the pair.

#![warn(missing_docs)]

mod capabilities;
mod constraint;
mod eligibility;
mod entry;
mod error;
mod explain;
mod forbidden;
mod guard;
mod heads;
mod index;
mod invariants;
mod lane;
mod limits;
mod plan;
mod policy;
mod profile;
mod proposals;
mod rank;
mod requirements;
mod rule;
mod score;
mod search;
mod shape;
mod shares;
mod symbols;
mod unserved;
mod worker;

pub use error::Error;
pub use explain::{LaneVerdict, Verdict};
pub use guard::{Guarded, Panicked};
pub use index::{Applied, Figures, Index};
pub use proposals::Proposal;
