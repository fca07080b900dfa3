//! The integer score, dimension by dimension; every division rounds toward minus infinity.

use crate::capabilities::{Admits, Capabilities};
use crate::constraint::{Offered, Scalar};
use crate::eligibility::offers_quality;
use crate::policy::{Fit, Weights};
use crate::requirements::{Attribute, Requirements};
use crate::symbols::{Symbol, SymbolSet, ALL, COST_TIERS, ISOLATION_LEVELS};
use crate::worker::Candidate;

/// Places of the two dimensions that depend on the worker itself.
const SERVICE: usize = 0;
const LOAD: usize = 2;
const MODELS_LOADED: i64 = 3000;
/// What one affinity list weighs.
const AFFINITY: i64 = 50;

/// A worker's score for one job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Score {
    /// 0..=10000.
    pub(crate) total: i64,
    /// service, hardware, load, isolation, performance, location, cost, preferences; unweighted.
    pub(crate) dimensions: [i64; 8],
}

/// What of a score a (profile, shape) pair decides. The worker and the customer add the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StaticScore {
    /// Without the models loaded and without load.
    values: [i64; 7],
    preferences: Balance,
    /// Whether `prefer` names workers.
    asks_worker: bool,
}

/// Whether the worker's lists of customers name the job's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Liking {
    preferred: bool,
    avoided: bool,
}

impl Liking {
    /// No customer scores better than one that is liked like this.
    pub(crate) const BEST: Self = Self { preferred: true, avoided: false };
    /// A customer in neither list.
    pub(crate) const NONE: Self = Self { preferred: false, avoided: false };

    pub(crate) fn of(has: &Capabilities, customer: Symbol) -> Self {
        Self {
            preferred: has.affinity.preferred_customers.contains(customer),
            avoided: has.affinity.avoided_customers.contains(customer),
        }
    }
}

/// Weights of what holds, and of all that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Balance {
    holding: i64,
    counting: i64,
}

impl Balance {
    fn add(&mut self, weight: i64, holds: bool) {
        self.counting += weight.abs();
        if holds {
            self.holding += weight;
        }
    }

    fn value(self) -> i64 {
        if self.counting == 0 {
            0
        } else {
            (2000 * self.holding).div_euclid(self.counting)
        }
    }
}

impl StaticScore {
    pub(crate) fn of(wants: &Requirements, has: &Capabilities, fit: Fit) -> Self {
        Self {
            values: [
                service(wants, has),
                hardware(wants, has, fit),
                0,
                isolation(wants, has),
                performance(wants, has),
                location(wants, has),
                cost(has),
            ],
            preferences: preferences(wants, has),
            asks_worker: wants.prefer.iter().any(|it| it.attribute == Attribute::WorkerId),
        }
    }

    /// Completes it for one worker and for customers of one liking.
    pub(crate) fn complete(
        &self,
        wants: &Requirements,
        liking: Liking,
        worker: &Candidate<'_>,
        weights: &Weights,
    ) -> Score {
        let mut values = self.values;
        if has_models_loaded(wants, worker) {
            values[SERVICE] += MODELS_LOADED;
        }
        values[LOAD] = load(worker);
        let preferences = self.balance(wants, liking, worker).value();
        let weighted: i64 = weights.iter().zip(&values).map(|(weight, it)| weight * it).sum();
        let [service, hardware, load, isolation, performance, location, cost] = values;
        Score {
            total: (weighted.div_euclid(100) + preferences).clamp(0, 10_000),
            dimensions: [
                service,
                hardware,
                load,
                isolation,
                performance,
                location,
                cost,
                preferences,
            ],
        }
    }

    /// The preferences, with those that look at the customer or at the worker's id.
    fn balance(&self, wants: &Requirements, liking: Liking, worker: &Candidate<'_>) -> Balance {
        let mut balance = self.preferences;
        let affinity = &worker.capabilities.affinity;
        add_list(&mut balance, AFFINITY, &affinity.preferred_customers, liking.preferred);
        add_list(&mut balance, -AFFINITY, &affinity.avoided_customers, liking.avoided);
        if self.asks_worker {
            let id = Some(Offered::One(Scalar::Text(worker.id)));
            for it in &wants.prefer {
                if it.attribute == Attribute::WorkerId {
                    balance.add(it.weight, it.test.holds(id));
                }
            }
        }
        balance
    }
}

fn service(wants: &Requirements, has: &Capabilities) -> i64 {
    let named = |asked: Option<Symbol>, own: &Admits| {
        i64::from(asked.is_some_and(|it| own.names(it))) * 1000
    };
    5000 + named(wants.component, &has.components) + named(wants.workflow, &has.workflows)
}

/// Every required model is loaded now; none required counts as that.
fn has_models_loaded(wants: &Requirements, worker: &Candidate<'_>) -> bool {
    let Some(name) = wants.service else {
        return true;
    };
    wants.models.is_empty()
        || worker
            .capabilities
            .service(name)
            .is_some_and(|place| wants.models.is_subset_of(&worker.services[place].loaded))
}

fn hardware(wants: &Requirements, has: &Capabilities, fit: Fit) -> i64 {
    match fit {
        Fit::Best => best_fit(wants, has),
        Fit::Headroom => 10_000 - best_fit(wants, has),
    }
}

fn best_fit(wants: &Requirements, has: &Capabilities) -> i64 {
    let (mut sum, mut count) = (0, 0);
    for (&wanted, offered) in wants.hardware.iter().zip(has.hardware) {
        // An eligible worker offers at least what is demanded, so this never divides by 0.
        if let Some(offered) = offered.filter(|_| wanted > 0) {
            sum += (10_000 * wanted).div_euclid(offered.max(1));
            count += 1;
        }
    }
    if count == 0 {
        5000
    } else {
        i64::div_euclid(sum, count)
    }
}

fn load(worker: &Candidate<'_>) -> i64 {
    let slots = i64::from(worker.capabilities.slots).max(1);
    let held = i64::try_from(worker.standing.held).unwrap_or(slots);
    let free = (slots - held).max(0);
    (7000 * free).div_euclid(slots) + 30 * (100 - i64::from(worker.busiest_percent))
}

fn isolation(wants: &Requirements, has: &Capabilities) -> i64 {
    match has.isolation.unwrap_or(0).saturating_sub(wants.isolation) {
        0 => 10_000,
        1 => 5000,
        _ => 2500,
    }
}

fn performance(wants: &Requirements, has: &Capabilities) -> i64 {
    if wants.quality_level.is_none_or(|it| offers_quality(has, it)) {
        10_000
    } else {
        5000
    }
}

fn location(wants: &Requirements, has: &Capabilities) -> i64 {
    if wants.regions.is_empty() {
        5000
    } else if has.region.is_some_and(|it| wants.regions.contains(it)) {
        10_000
    } else {
        7500
    }
}

fn cost(has: &Capabilities) -> i64 {
    [10_000, 6000, 3000][usize::from(has.cost_tier())]
}

/// The job's `prefer` but for worker ids, and the worker's affinity lists but for customers.
fn preferences(wants: &Requirements, has: &Capabilities) -> Balance {
    let mut balance = Balance::default();
    for it in &wants.prefer {
        if it.attribute != Attribute::WorkerId {
            balance.add(it.weight, it.test.holds(offered(it.attribute, has)));
        }
    }
    let affinity = &has.affinity;
    let mut add = |weight: i64, list: &SymbolSet, asked: Option<Symbol>| {
        add_list(&mut balance, weight, list, asked.is_some_and(|it| list.contains(it)));
    };
    add(AFFINITY, &affinity.preferred_components, wants.component);
    add(-AFFINITY, &affinity.avoided_components, wants.component);
    if wants.job_type.is_some() {
        add(AFFINITY, &affinity.preferred_types, wants.job_type);
        add(-AFFINITY, &affinity.avoided_types, wants.job_type);
    }
    balance
}

/// A non-empty list counts even where it does not hold.
fn add_list(balance: &mut Balance, weight: i64, list: &SymbolSet, holds: bool) {
    if !list.is_empty() {
        balance.add(weight, holds);
    }
}

/// What `prefer` sees; an unstated attribute is absent, "all" is the string "all".
fn offered(attribute: Attribute, has: &Capabilities) -> Option<Offered<'_>> {
    let text = |symbol: Symbol| Offered::One(Scalar::Text(symbol));
    let number = |number: i64| Offered::One(Scalar::Number(number));
    match attribute {
        Attribute::Label(key) => has.label(key).map(|it| it.offered()),
        Attribute::Hardware(resource) => has.hardware[resource as usize].map(number),
        Attribute::GpuModel => has.gpu_model.map(text),
        Attribute::Region => has.region.map(text),
        Attribute::Compliance => has.compliance.as_ref().map(Offered::Many),
        Attribute::CostTier => has.cost_tier.map(|it| text(COST_TIERS[usize::from(it)])),
        Attribute::RatePerHour => has.rate_per_hour.map(number),
        Attribute::QualityLevels => has.quality_levels.as_ref().map(Offered::Many),
        Attribute::Isolation => has.isolation.map(|it| text(ISOLATION_LEVELS[usize::from(it)])),
        Attribute::Services => Some(Offered::Many(&has.service_names)),
        Attribute::Components => names(&has.components),
        Attribute::Workflows => names(&has.workflows),
        // Judged per worker.
        Attribute::WorkerId => None,
    }
}

fn names(admits: &Admits) -> Option<Offered<'_>> {
    match admits {
        Admits::Unstated => None,
        Admits::All => Some(Offered::One(Scalar::Text(ALL))),
        Admits::These(set) => Some(Offered::Many(set)),
    }
}
