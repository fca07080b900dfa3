//! Is the index consistent? For tests and fuzzers; looks at everything.

use hashbrown::HashMap;

use crate::eligibility::profile_refuses;
use crate::index::Index;
use crate::policy::Order;
use crate::score::StaticScore;
use crate::symbols::Symbol;

impl Index {
    /// Inconsistencies, one sentence each; empty where all is well. O(everything).
    pub fn check(&self) -> Vec<String> {
        let mut faults = self.shapes.heads.faults();
        self.check_shapes(&mut faults);
        self.check_lanes(&mut faults);
        self.check_profiles(&mut faults);
        self.check_scores(&mut faults);
        self.check_shares(&mut faults);
        faults.extend(self.limits.faults());
        faults
    }

    fn check_shapes(&self, faults: &mut Vec<String>) {
        for (id, shape) in self.shapes.iter() {
            faults.extend(shape.lanes.faults(&self.lanes));
            let known = self.shapes.requirements(id).is_some();
            let first = shape.lanes.first().filter(|_| known);
            let rank = first.map_or(u64::MAX, |it| self.lanes.get(it).rank);
            if self.shapes.heads.rank(id.place()) != rank {
                faults.push(format!("shape {} stands at another head than its best", shape.id));
            }
        }
    }

    fn check_lanes(&self, faults: &mut Vec<String>) {
        let (mut jobs, mut filled) = (0, 0);
        for (id, lane) in self.lanes.iter() {
            jobs += u64::from(lane.count);
            filled += usize::from(lane.count > 0);
            if self.lanes.find(lane.shape, lane.customer) != Some(id) {
                faults.push(format!("lane {} is not found by its name", self.lane_id(id)));
            }
            let in_heap = self.shapes.get(lane.shape).lanes.as_slice().contains(&id);
            if in_heap != (lane.count > 0) {
                faults
                    .push(format!("lane {} is in its heap, or not, by mistake", self.lane_id(id)));
            }
        }
        if jobs != self.jobs || filled != self.filled_lanes {
            faults.push(format!(
                "{jobs} jobs in {filled} lanes are counted as {} in {}",
                self.jobs, self.filled_lanes
            ));
        }
    }

    fn check_profiles(&self, faults: &mut Vec<String>) {
        let mut users = 0;
        for worker in self.workers.values() {
            let Some(offer) = &worker.offer else { continue };
            users += 1;
            let profile = self.profiles.get(offer.profile);
            if profile.capabilities.services.len() != offer.services.len() {
                let id = self.symbols.text(worker.id);
                faults.push(format!("worker {id} has the services of another profile"));
            }
            for (shape, _) in self.shapes.iter() {
                let Some(wants) = self.shapes.requirements(shape) else {
                    continue;
                };
                let accepts = !profile_refuses(wants, &profile.capabilities);
                if profile.verdict(shape.place()).is_some_and(|it| it != accepts) {
                    let id = &self.shapes.get(shape).id;
                    faults.push(format!("a profile remembers another verdict on shape {id}"));
                }
            }
        }
        if users != self.profiles.users() {
            faults.push(format!(
                "{users} workers have capabilities, profiles count {}",
                self.profiles.users()
            ));
        }
    }

    fn check_scores(&self, faults: &mut Vec<String>) {
        let fit = self.policy.fit;
        for profile in self.workers.values().filter_map(|it| it.offer.as_ref()) {
            let profile = self.profiles.get(profile.profile);
            for (_, shape) in self.shapes.iter() {
                let wants = self.shapes.base(shape.base).requirements.as_ref();
                let remembered = profile.remembered_score(shape.base);
                let fresh = wants.map(|it| StaticScore::of(it, &profile.capabilities, fit));
                if remembered.is_some() && remembered != fresh {
                    faults.push(format!("a profile remembers another score of {}", shape.id));
                }
            }
        }
    }

    fn check_shares(&self, faults: &mut Vec<String>) {
        let mut expected: HashMap<Symbol, (u32, u64)> = HashMap::new();
        for (_, lane) in self.lanes.iter().filter(|(_, lane)| lane.count > 0) {
            let time = self.limits.virtual_time(lane.customer);
            expected.entry(lane.customer).or_insert((0, time)).0 += 1;
        }
        match &self.shares {
            Some(shares) if shares.is_consistent(&expected) => {}
            None if self.policy.order != Order::Fair => {}
            _ => faults.push("the customers in line are not those with lanes".into()),
        }
    }
}
