//! The slow twin of the index: it keeps all in maps and judges every pair anew.
//!
//! It asks `explain` of an index that knows no lanes, so it shares the rules with the index under
//! test, but nothing of its structure; pauses and quotas it judges itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use empq_matcher::{Index, Proposal, Verdict};

use super::operations::Place;
use super::{lane_id, level, Document, Pause, Policy, Share, CUSTOMERS, WORKERS};

#[derive(Clone)]
pub struct ScannedLane {
    pub place: Place,
    pub number: u64,
    pub rank: u64,
    pub member: String,
    pub count: u64,
}

impl ScannedLane {
    fn customer(&self) -> &'static str {
        CUSTOMERS[self.place.2]
    }
}

pub struct Scan {
    /// Knows workers and limits only; answers for rules and scores.
    pub rules: Index,
    pub documents: BTreeMap<usize, Document>,
    pub lanes: BTreeMap<String, ScannedLane>,
    /// Number, idle since, state.
    pub standings: BTreeMap<String, (u64, i64, &'static str)>,
    pub pauses: Option<(u64, Vec<Pause>)>,
    pub shares: BTreeMap<String, (u64, Share)>,
    pub order: &'static str,
    pub highest: u64,
    /// What `rules` said; to be emptied whenever it is told something.
    verdicts: BTreeMap<Place, Vec<Verdict>>,
}

impl Scan {
    pub fn new() -> Self {
        Self {
            rules: Index::new(),
            documents: BTreeMap::new(),
            lanes: BTreeMap::new(),
            standings: BTreeMap::new(),
            pauses: None,
            shares: BTreeMap::new(),
            order: "fifo",
            highest: 0,
            verdicts: BTreeMap::new(),
        }
    }

    /// The index that answers for the rules, about to be told something.
    pub fn rules_to_tell(&mut self) -> &mut Index {
        self.verdicts.clear();
        &mut self.rules
    }

    pub fn take_lane(&mut self, lane: ScannedLane) {
        self.highest = self.highest.max(lane.number);
        let (shape, avoided, _) = &lane.place;
        let id = lane_id(*shape, avoided, lane.customer());
        let keeps = self.lanes.get(&id).is_some_and(|known| {
            let is_forgotten = known.count == 0 && known.number + 10_000 <= self.highest;
            lane.number <= known.number && !is_forgotten
        });
        if !keeps {
            self.lanes.insert(id, lane);
        }
    }

    pub fn take_pauses(&mut self, number: u64, pauses: Vec<Pause>) {
        self.highest = self.highest.max(number);
        if self.pauses.as_ref().is_none_or(|&(last, _)| number > last) {
            self.pauses = Some((number, pauses));
        }
    }

    pub fn take_share(&mut self, number: u64, share: Share) {
        self.highest = self.highest.max(number);
        let known = self.shares.get(&share.customer);
        if known.is_none_or(|&(last, _)| number > last) {
            self.shares.insert(share.customer.clone(), (number, share));
        }
    }

    pub fn configure(&mut self, policy: &Policy) {
        self.order = policy.order;
        let Policy { order, fit, weights } = policy;
        self.rules_to_tell().configure(order, fit, weights).unwrap();
    }

    pub fn reset(&mut self) {
        self.rules_to_tell().reset();
        self.lanes.clear();
        self.standings.clear();
        self.pauses = None;
        self.shares.clear();
        self.highest = 0;
    }

    fn score(&mut self, place: &Place, worker: &str) -> Option<i64> {
        let (shape, avoided, customer) = place;
        let document = &self.documents.get(shape)?.0;
        if !self.verdicts.contains_key(place) {
            let customer = CUSTOMERS[*customer];
            let verdicts = self.rules.explain(document.as_bytes(), customer, avoided).unwrap();
            self.judge_limits(document, customer, &verdicts);
            self.verdicts.insert(place.clone(), verdicts);
        }
        self.verdicts[place].iter().find(|it| it.worker_id == worker)?.score
    }

    /// Whether the verdicts tell of pauses and of the quota what the scan itself thinks of them.
    fn judge_limits(&self, document: &str, customer: &str, verdicts: &[Verdict]) {
        let wants: serde_json::Value = serde_json::from_str(document).unwrap();
        let share = self.shares.get(customer).map(|(_, share)| share);
        let is_exhausted = share.is_some_and(|it| (0..=it.active).contains(&it.max_active));
        for verdict in verdicts {
            let mut pauses = self.pauses.iter().flat_map(|(_, pauses)| pauses);
            let is_paused = pauses.any(|(scope, name)| match *scope {
                "worker" => *name == verdict.worker_id,
                "customer" => name == customer,
                // Their names are those of the document's keys.
                stated => wants[stated] == name.as_str(),
            });
            let says = |rule: &str| verdict.rules.iter().any(|it| it == rule);
            assert_eq!(says("paused"), is_paused);
            assert_eq!(says("customer_quota"), is_exhausted);
        }
    }

    fn virtual_time(&self, customer: &str) -> u64 {
        self.shares.get(customer).map_or(0, |(_, share)| share.virtual_time)
    }

    pub fn propose(&mut self, worker: &str, limit: usize) -> Vec<Proposal> {
        let filled: Vec<(String, ScannedLane)> =
            (self.lanes.clone().into_iter()).filter(|(_, lane)| lane.count > 0).collect();
        let mut able = Vec::new();
        for (id, lane) in filled {
            let Some(score) = self.score(&lane.place, worker) else {
                continue;
            };
            let level = level(lane.rank);
            let key = match self.order {
                "fifo" => (0, Reverse(0), 0),
                "score" => (level, Reverse(score), 0),
                _ => (level, Reverse(0), self.virtual_time(lane.customer())),
            };
            let ScannedLane { rank, member, .. } = lane;
            let head = (rank, member.clone(), id.clone());
            able.push((key, head, Proposal { lane: id, rank, member, score }));
        }
        able.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        able.into_iter().map(|(_, _, proposal)| proposal).take(limit).collect()
    }

    pub fn offer(&mut self, place: &Place) -> Vec<String> {
        let mut able = Vec::new();
        for worker in WORKERS {
            if let Some(score) = self.score(place, worker) {
                able.push((-score, self.standings[worker].1, worker.to_owned()));
            }
        }
        able.sort();
        able.into_iter().map(|(_, _, worker)| worker).collect()
    }
}
