//! Demand that nobody meets: what waits, however long, while the fleet stays as it is.

use hashbrown::{HashMap, HashSet};

use crate::capabilities::Capabilities;
use crate::eligibility::{denies, profile_refuses};
use crate::index::Index;
use crate::lane::Lane;
use crate::profile::{Profile, ProfileId};
use crate::requirements::Requirements;
use crate::shape::ShapeId;

/// Whose jobs of a shape somebody may take one day.
enum Served<'a> {
    Everybody,
    /// Those whom one of these admits.
    AdmittedBy(Vec<&'a Capabilities>),
}

impl Index {
    /// Every lane of a known shape that holds jobs and that each worker taking part refuses by a rule
    /// that neither time nor an operator lifts (requirements, type, customers): (lane id, count), by
    /// lane id. O(lanes + shapes x profiles); what a match has judged is not judged again.
    pub fn unserved(&self) -> Vec<(String, u32)> {
        let profiles = self.profiles_taking_part();
        let mut known = HashMap::new();
        let mut unserved: Vec<(String, u32)> = (self.lanes.iter())
            .filter(|(_, lane)| lane.count > 0)
            .filter_map(|(id, lane)| Some((id, lane, self.shapes.requirements(lane.shape)?)))
            .filter(|(_, lane, wants)| {
                let served = known
                    .entry(lane.shape)
                    .or_insert_with(|| served_by(&profiles, lane.shape, wants));
                !serves(served, lane)
            })
            .map(|(id, lane, _)| (self.lane_id(id), lane.count))
            .collect();
        unserved.sort_unstable();
        unserved
    }

    fn profiles_taking_part(&self) -> Vec<&Profile> {
        let workers = self.workers.values();
        let profiles: HashSet<ProfileId> = workers
            .filter_map(|it| Self::candidate(it, &self.profiles))
            .map(|it| it.profile)
            .collect();
        profiles.into_iter().map(|it| self.profiles.get(it)).collect()
    }
}

fn served_by<'a>(profiles: &[&'a Profile], shape: ShapeId, wants: &Requirements) -> Served<'a> {
    let mut able = Vec::new();
    for profile in profiles {
        let has = &profile.capabilities;
        let accepts =
            profile.verdict(shape.place()).unwrap_or_else(|| !profile_refuses(wants, has));
        if accepts && has.allowed_customers.is_none() && has.denied_customers.is_empty() {
            return Served::Everybody;
        }
        if accepts {
            able.push(has);
        }
    }
    Served::AdmittedBy(able)
}

fn serves(served: &Served<'_>, lane: &Lane) -> bool {
    match served {
        Served::Everybody => true,
        Served::AdmittedBy(able) => able.iter().any(|has| !denies(has, lane.customer)),
    }
}
