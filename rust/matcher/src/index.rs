//! The index: what it is told (shapes, workers, log entries) and its sizes.
//! What it is asked stands in `proposals` and `explain`.

use hashbrown::{HashMap, HashSet};

use crate::capabilities::Capabilities;
use crate::entry::{decode, CustomerEntry, Entry, HeldEntry, LaneEntry, WorkerEntry};
use crate::error::Error;
use crate::lane::{LaneId, Lanes};
use crate::limits::Limits;
use crate::policy::{Order, Policy};
use crate::profile::Profiles;
use crate::rank::Member;
use crate::requirements::Requirements;
use crate::shape::{LaneName, Shapes};
use crate::shares::Shares;
use crate::symbols::{Symbol, Symbols};
use crate::worker::{Candidate, Offer, Standing, Worker};

/// All lanes and all workers of one data set.
pub struct Index {
    pub(crate) symbols: Symbols,
    pub(crate) shapes: Shapes,
    pub(crate) lanes: Lanes,
    pub(crate) profiles: Profiles,
    pub(crate) workers: HashMap<Symbol, Worker>,
    pub(crate) limits: Limits,
    pub(crate) policy: Policy,
    /// Kept while the order is `fair`.
    pub(crate) shares: Option<Shares>,
    pub(crate) jobs: u64,
    pub(crate) filled_lanes: usize,
}

/// What one batch of entries changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Lanes whose count rose and that hold jobs now, best head first.
    pub grown: Vec<String>,
    /// Bases of this batch's lanes that hold jobs and whose document is not known yet, sorted.
    pub missing_shapes: Vec<String>,
    /// Workers of this batch that name newer capabilities than those known here, sorted.
    pub stale_workers: Vec<String>,
    /// The number of the last entry, 0 for an empty batch.
    pub last_number: u64,
}

/// Sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Queued jobs.
    pub jobs: u64,
    /// Lanes that hold jobs.
    pub lanes: usize,
    /// Shape documents.
    pub shapes: usize,
    /// Different capabilities.
    pub profiles: usize,
    /// Workers not offline.
    pub workers: usize,
}

/// What a batch touched, to be told at its end.
#[derive(Default)]
struct Changes<'a> {
    grown: Vec<LaneId>,
    touched: HashMap<&'a str, Vec<LaneId>>,
    stale: HashSet<&'a str>,
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    /// An empty index.
    pub fn new() -> Self {
        Self {
            symbols: Symbols::new(),
            shapes: Shapes::default(),
            lanes: Lanes::default(),
            profiles: Profiles::default(),
            workers: HashMap::new(),
            limits: Limits::default(),
            policy: Policy::default(),
            shares: None,
            jobs: 0,
            filled_lanes: 0,
        }
    }

    /// The policies: order fifo, score or fair; fit `best_fit` or headroom; seven weights that sum to
    /// 100 (service, hardware, load, isolation, performance, location, cost). At any time; O(lanes).
    ///
    /// # Errors
    /// [`Error::Policy`] for anything else; nothing is changed then.
    pub fn configure(&mut self, order: &str, fit: &str, weights: &[i64]) -> Result<(), Error> {
        let policy = Policy::parse(order, fit, weights)?;
        if policy.fit != self.policy.fit {
            self.profiles.clear_scores();
        }
        if policy.order != Order::Fair {
            self.shares = None;
        } else if self.shares.is_none() {
            self.shares = Some(self.fresh_shares());
        }
        self.policy = policy;
        Ok(())
    }

    fn fresh_shares(&self) -> Shares {
        let mut shares = Shares::default();
        for (_, lane) in self.lanes.iter().filter(|(_, lane)| lane.count > 0) {
            shares.enter(lane.customer, self.limits.virtual_time(lane.customer));
        }
        shares
    }

    /// Makes a shape known; a second call for the same base changes nothing. O(document).
    ///
    /// # Errors
    /// [`Error::Shape`] where the document is malformed.
    pub fn add_shape(&mut self, base: &str, document: &[u8]) -> Result<(), Error> {
        if self.shapes.is_known(base) {
            return Ok(());
        }
        let requirements = Requirements::compile(document, &mut self.symbols)
            .map_err(|reason| Error::Shape { base: base.into(), reason })?;
        self.shapes.show(base, requirements, &self.lanes);
        Ok(())
    }

    /// Sets a worker's capabilities; an older version than the known one changes nothing. O(document).
    ///
    /// # Errors
    /// [`Error::Capabilities`] where the document is malformed.
    pub fn set_worker(&mut self, id: &str, version: i64, document: &[u8]) -> Result<(), Error> {
        let (capabilities, services) = Capabilities::compile(document, &mut self.symbols)
            .map_err(|reason| Error::Capabilities { worker_id: id.into(), reason })?;
        let worker = self.worker_or_new(id);
        if worker.offer.as_ref().is_some_and(|it| version < it.version) {
            return Ok(());
        }
        let before = worker.offer.take();
        // Joined before the old one is left, so that an unchanged profile keeps its verdicts.
        let profile = self.profiles.join(capabilities);
        if let Some(before) = before {
            self.profiles.leave(before.profile);
        }
        self.worker_or_new(id).offer = Some(Offer { version, profile, services });
        Ok(())
    }

    /// The last heartbeat's load, 0..=100 each. Unknown workers are ignored. O(1).
    pub fn set_load(&mut self, id: &str, cpu_percent: i64, memory_percent: i64, gpu_percent: i64) {
        let busiest = cpu_percent.max(memory_percent).max(gpu_percent);
        let known = self.symbols.find(id);
        if let Some(worker) = known.and_then(|it| self.workers.get_mut(&it)) {
            worker.busiest_percent = u8::try_from(busiest.clamp(0, 100)).unwrap_or(100);
        }
    }

    /// Forgets a worker, its documents and its state. O(1).
    pub fn remove_worker(&mut self, id: &str) {
        let known = self.symbols.find(id);
        let removed = known.and_then(|it| self.workers.remove(&it));
        if let Some(offer) = removed.and_then(|worker| worker.offer) {
            self.profiles.leave(offer.profile);
        }
    }

    /// Applies entries in the order given; each lane, worker and customer, and the list of pauses,
    /// takes only what is newer than it is.
    ///
    /// # Errors
    /// [`Error::Entry`] where one is malformed; nothing of the batch is applied then.
    pub fn apply(&mut self, entries: &[&[u8]]) -> Result<Applied, Error> {
        let read = (entries.iter().enumerate())
            .map(|(place, bytes)| decode(bytes).map_err(|reason| Error::Entry { place, reason }))
            .collect::<Result<Vec<Entry<'_>>, Error>>()?;
        let mut changes = Changes::default();
        for entry in &read {
            self.lanes.highest = self.lanes.highest.max(entry.number);
            for lane in &entry.lanes {
                self.take_lane(entry.number, lane, &mut changes);
            }
            for worker in &entry.workers {
                if self.take_worker(entry.number, worker) {
                    changes.stale.insert(worker.worker_id);
                }
            }
            if let Some(pauses) = &entry.pauses {
                self.limits.take_pauses(entry.number, pauses, &mut self.symbols);
            }
            for customer in &entry.customers {
                self.take_customer(entry.number, customer);
            }
        }
        let applied = self.tell(changes, read.last().map_or(0, |it| it.number));
        self.lanes.sweep();
        Ok(applied)
    }

    /// Forgets every lane, every worker's state, pauses and customers; shapes, capabilities, loads
    /// and policies stay.
    pub fn reset(&mut self) {
        self.lanes.clear();
        self.shapes.clear_lanes();
        self.profiles.clear_verdicts();
        self.limits.clear();
        self.shares = self.shares.take().map(|_| Shares::default());
        self.jobs = 0;
        self.filled_lanes = 0;
        for worker in self.workers.values_mut() {
            worker.standing = None;
        }
    }

    /// Sizes. O(workers).
    pub fn figures(&self) -> Figures {
        Figures {
            jobs: self.jobs,
            lanes: self.filled_lanes,
            shapes: self.shapes.documents(),
            profiles: self.profiles.len(),
            workers: self.workers.values().filter(|it| !it.is_offline()).count(),
        }
    }

    /// The worker where it takes part: not offline, its capabilities known.
    pub(crate) fn candidate<'a>(
        worker: &'a Worker,
        profiles: &'a Profiles,
    ) -> Option<Candidate<'a>> {
        let (offer, standing) = (worker.offer.as_ref()?, worker.standing.as_ref()?);
        (!worker.is_offline()).then(|| Candidate {
            id: worker.id,
            profile: offer.profile,
            capabilities: &profiles.get(offer.profile).capabilities,
            services: &offer.services,
            busiest_percent: worker.busiest_percent,
            standing,
        })
    }

    pub(crate) fn lane_id(&self, lane: LaneId) -> String {
        let lane = self.lanes.get(lane);
        let shape = &self.shapes.get(lane.shape).id;
        let customer = self.symbols.text(lane.customer);
        let mut id = String::with_capacity(shape.len() + 1 + customer.len());
        id.push_str(shape);
        id.push(':');
        id.push_str(customer);
        id
    }

    fn worker_or_new(&mut self, id: &str) -> &mut Worker {
        let id = self.symbols.intern(id);
        self.workers.entry(id).or_insert_with(|| Worker::new(id))
    }

    fn take_lane<'a>(&mut self, number: u64, entry: &LaneEntry<'a>, changes: &mut Changes<'a>) {
        let LaneName { base, customer, .. } = entry.name;
        let customer = self.symbols.intern(customer);
        let shape = self.shapes.find_or_add(entry.name, &mut self.symbols);
        let (id, is_new) = self.lanes.find_or_add(shape, customer);
        if self.shapes.requirements(shape).is_none() {
            changes.touched.entry(base).or_default().push(id);
        }
        let highest = self.lanes.highest;
        let lane = self.lanes.get_mut(id);
        if !is_new && number <= lane.number && !lane.is_forgotten(highest) {
            return;
        }
        let before = std::mem::replace(&mut lane.count, entry.count);
        lane.number = number;
        lane.rank = entry.rank;
        lane.member = Member::parse(entry.member);
        self.jobs = self.jobs + u64::from(entry.count) - u64::from(before);
        match (before, entry.count) {
            (0, 1..) => {
                self.filled_lanes += 1;
                if let Some(shares) = &mut self.shares {
                    shares.enter(customer, self.limits.virtual_time(customer));
                }
            }
            (1.., 0) => {
                self.filled_lanes -= 1;
                if let Some(shares) = &mut self.shares {
                    shares.leave(customer);
                }
            }
            _ => {}
        }
        self.shapes.settle(id, &mut self.lanes);
        if entry.count > before {
            changes.grown.push(id);
        }
        if entry.count == 0 {
            self.lanes.note_emptied(number, id);
        }
    }

    fn take_customer(&mut self, number: u64, entry: &CustomerEntry<'_>) {
        let taken = self.limits.take_customer(number, entry, &mut self.symbols);
        if let (Some((customer, virtual_time)), Some(shares)) = (taken, &mut self.shares) {
            shares.advance(customer, virtual_time);
        }
    }

    /// Takes a worker's entry where it is newer; whether its capabilities are to be fetched.
    fn take_worker(&mut self, number: u64, entry: &WorkerEntry<'_>) -> bool {
        let held = self.standing_of(number, entry);
        let worker = self.worker_or_new(entry.worker_id);
        let last = worker.standing.as_ref().map_or(0, |it| it.number);
        if number <= last {
            return false;
        }
        worker.standing = Some(held);
        worker.is_stale()
    }

    fn standing_of(&mut self, number: u64, entry: &WorkerEntry<'_>) -> Standing {
        let mut standing = Standing {
            number,
            version: entry.version,
            state: entry.state,
            idle_since_ms: entry.idle_since_ms,
            held: entry.held.len(),
            held_services: Vec::new(),
            customers: Vec::new(),
            strict_customers: Vec::new(),
        };
        for &HeldEntry { customer, service, strict } in &entry.held {
            let customer = self.symbols.intern(customer);
            add_once(&mut standing.customers, customer);
            if strict {
                add_once(&mut standing.strict_customers, customer);
            }
            if !service.is_empty() {
                standing.held_services.push(self.symbols.intern(service));
            }
        }
        standing
    }

    fn tell(&self, changes: Changes<'_>, last_number: u64) -> Applied {
        let mut grown = changes.grown;
        grown.sort_unstable();
        grown.dedup();
        grown.retain(|&lane| self.lanes.get(lane).count > 0);
        grown.sort_by(|&one, &other| self.compare_lanes(one, other));
        let holds_jobs = |lanes: &[LaneId]| lanes.iter().any(|&it| self.lanes.get(it).count > 0);
        let mut missing_shapes: Vec<String> = (changes.touched.iter())
            .filter(|(_, lanes)| holds_jobs(lanes))
            .map(|(&base, _)| base.to_owned())
            .collect();
        missing_shapes.sort_unstable();
        let mut stale: Vec<String> = changes.stale.into_iter().map(str::to_owned).collect();
        stale.sort_unstable();
        Applied {
            grown: grown.into_iter().map(|it| self.lane_id(it)).collect(),
            missing_shapes,
            stale_workers: stale,
            last_number,
        }
    }
}

fn add_once(symbols: &mut Vec<Symbol>, symbol: Symbol) {
    if !symbols.contains(&symbol) {
        symbols.push(symbol);
    }
}
