//! Why a pair does not match: every rule that speaks against it, and the score where none does.

use std::ops::ControlFlow::Continue;

use crate::eligibility::{requirement_rules, worker_rules};
use crate::error::Error;
use crate::index::Index;
use crate::lane::Lane;
use crate::requirements::Requirements;
use crate::rule::Rule;
use crate::symbols::Symbol;
use crate::worker::Candidate;

/// One worker's answer to one set of requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The worker.
    pub worker_id: String,
    /// Every rule that it breaks, in the order of the table and of the contract; empty = eligible.
    pub rules: Vec<String>,
    /// The total, 0..=10000, where it is eligible.
    pub score: Option<i64>,
    /// service, hardware, load, isolation, performance, location, cost, preferences; unweighted.
    pub dimensions: Option<[i64; 8]>,
}

/// What one worker answers to one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneVerdict {
    /// The lane's id.
    pub lane: String,
    /// How many jobs it holds.
    pub count: u32,
    /// The rules that keep the worker away.
    pub rules: Vec<String>,
}

impl Index {
    /// Every worker that takes part, by id, with all rules that it breaks. O(workers).
    ///
    /// # Errors
    /// [`Error::Shape`] where the document is malformed.
    pub fn explain(
        &mut self,
        document: &[u8],
        customer: &str,
        avoided: &[&str],
    ) -> Result<Vec<Verdict>, Error> {
        let mark = self.symbols.mark();
        let compiled = Requirements::compile(document, &mut self.symbols);
        let customer = self.symbols.intern(customer);
        let avoided: Vec<Symbol> = avoided.iter().filter_map(|it| self.symbols.find(it)).collect();
        let verdicts = compiled.map(|wants| {
            (self.workers_by_id().into_iter())
                .map(|worker| self.verdict(&wants, customer, &avoided, &worker))
                .collect()
        });
        self.symbols.rewind(mark);
        verdicts.map_err(|reason| Error::Shape { base: "(explain)".into(), reason })
    }

    /// Every lane that holds jobs and whose shape is known, by id, with the rules that keep the
    /// worker away. Empty where the worker takes no part. O(lanes).
    pub fn explain_worker(&self, worker_id: &str) -> Vec<LaneVerdict> {
        let known = self.symbols.find(worker_id);
        let worker = known.and_then(|it| self.workers.get(&it));
        let Some(worker) = worker.and_then(|it| Self::candidate(it, &self.profiles)) else {
            return Vec::new();
        };
        let filled = self.lanes.iter().filter(|(_, lane)| lane.count > 0);
        let mut verdicts: Vec<LaneVerdict> = filled
            .filter_map(|(id, lane)| {
                Some(LaneVerdict {
                    lane: self.lane_id(id),
                    count: lane.count,
                    rules: self.rules_of_lane(lane, &worker)?,
                })
            })
            .collect();
        verdicts.sort_unstable_by(|one, other| one.lane.cmp(&other.lane));
        verdicts
    }

    fn rules_of_lane(&self, lane: &Lane, worker: &Candidate<'_>) -> Option<Vec<String>> {
        let wants = self.shapes.requirements(lane.shape)?;
        let avoided = &self.shapes.get(lane.shape).avoided;
        Some(self.broken_rules(wants, lane.customer, avoided, worker))
    }

    fn verdict(
        &self,
        wants: &Requirements,
        customer: Symbol,
        avoided: &[Symbol],
        worker: &Candidate<'_>,
    ) -> Verdict {
        let rules = self.broken_rules(wants, customer, avoided, worker);
        let score = rules.is_empty().then(|| self.fresh_score(wants, customer, worker));
        Verdict {
            worker_id: self.symbols.text(worker.id).to_owned(),
            rules,
            score: score.map(|it| it.total),
            dimensions: score.map(|it| it.dimensions),
        }
    }

    fn broken_rules(
        &self,
        wants: &Requirements,
        customer: Symbol,
        avoided: &[Symbol],
        worker: &Candidate<'_>,
    ) -> Vec<String> {
        let mut rules = Vec::new();
        let mut note = |rule: Rule| {
            rules.push(rule.to_string());
            Continue(())
        };
        // Neither breaks off, as the sink never asks for it.
        let _ = requirement_rules(wants, worker.capabilities, &mut note);
        let _ = worker_rules(wants, customer, worker, &self.limits, &mut note);
        if self.is_avoided(wants, customer, avoided, worker.id) {
            rules.push(Rule::AvoidedWorker.to_string());
        }
        rules
    }

    fn workers_by_id(&self) -> Vec<Candidate<'_>> {
        let mut workers: Vec<Candidate<'_>> =
            (self.workers.values()).filter_map(|it| Self::candidate(it, &self.profiles)).collect();
        workers.sort_unstable_by_key(|it| self.symbols.text(it.id));
        workers
    }
}
