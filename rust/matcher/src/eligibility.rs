//! The hard rules, in the order of matching.md and contract.md.
//!
//! [`requirement_rules`] and [`lacks_type`] depend on capabilities alone, so a profile answers them
//! once per shape; the rest is judged per worker ([`worker_rules`]) and customer.
//! A sink that answers `Break` stops at the first rule; one that always continues hears all.

use std::ops::ControlFlow;

use crate::capabilities::Capabilities;
use crate::forbidden::Leaf;
use crate::limits::Limits;
use crate::requirements::{Constraint, Hardware, Requirements};
use crate::rule::{Path, Rule};
use crate::symbols::Symbol;
use crate::worker::{Candidate, Standing, State};

/// Whether some rule speaks, asked of a function that reports rules to a sink.
pub(crate) fn refused(
    report: impl FnOnce(&mut dyn FnMut(Rule) -> ControlFlow<()>) -> ControlFlow<()>,
) -> bool {
    report(&mut |_| ControlFlow::Break(())).is_break()
}

/// Everything that a profile decides about a shape: the requirements and the job's type.
pub(crate) fn profile_refuses(wants: &Requirements, has: &Capabilities) -> bool {
    lacks_type(wants, has) || refused(|sink| requirement_rules(wants, has, sink))
}

/// A row of the table: its path, and whether the worker is what the job demands there.
type Row = (Path, fn(&Requirements, &Capabilities) -> bool);

/// The table of matching.md, in its order.
const TABLE: [Row; 16] = [
    (Path::ServiceType, |wants, has| every(wants.service, |it| has.service(it).is_some())),
    (Path::Component, |wants, has| every(wants.component, |it| has.components.admits(it))),
    (Path::Workflow, |wants, has| every(wants.workflow, |it| has.workflows.admits(it))),
    (Path::Models, has_models),
    (Path::Hardware(Hardware::GpuMemory), |wants, has| has_enough(wants, has, 0)),
    (Path::Hardware(Hardware::GpuCount), |wants, has| has_enough(wants, has, 1)),
    (Path::Hardware(Hardware::CpuCores), |wants, has| has_enough(wants, has, 2)),
    (Path::Hardware(Hardware::Ram), |wants, has| has_enough(wants, has, 3)),
    (Path::Hardware(Hardware::Storage), |wants, has| has_enough(wants, has, 4)),
    (Path::GpuModel, has_gpu_model),
    (Path::CustomerIsolation, |wants, has| has.isolation.unwrap_or(0) >= wants.isolation),
    (Path::GeographicRegion, is_in_a_region),
    (Path::Compliance, complies_with_all),
    (Path::QualityLevel, has_required_quality),
    (Path::CostTier, |wants, has| wants.cost_tier.is_none_or(|it| has.cost_tier() <= it)),
    (Path::TimeoutMinutes, is_in_time),
];

/// The table's rows, then `constraints`, then `not`.
pub(crate) fn requirement_rules(
    wants: &Requirements,
    has: &Capabilities,
    sink: &mut dyn FnMut(Rule) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for (path, holds) in TABLE {
        if !holds(wants, has) {
            sink(Rule::Requirement(path))?;
        }
    }
    for (place, constraint) in (0..).zip(&wants.constraints) {
        if !satisfies(has, constraint) {
            sink(Rule::Constraint(place))?;
        }
    }
    for forbidden in &wants.not {
        if holds_alone(&forbidden.leaf, wants, has) {
            sink(Rule::Not(forbidden.path(), forbidden.place))?;
        }
    }
    ControlFlow::Continue(())
}

/// The rules after the paths but for `avoided_worker`, which looks at other workers.
pub(crate) fn worker_rules(
    wants: &Requirements,
    customer: Symbol,
    worker: &Candidate<'_>,
    limits: &Limits,
    sink: &mut dyn FnMut(Rule) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let standing = worker.standing;
    let rules = [
        (worker.is_full() || at_capacity(wants, worker), Rule::Slots),
        (standing.state == State::Draining, Rule::Draining),
        (is_paused(wants, customer, worker, limits), Rule::Paused),
        (is_unhealthy(wants, worker), Rule::ServiceHealth),
        (breaks_isolation(wants, customer, standing), Rule::IsolationHeld),
        (denies(worker.capabilities, customer), Rule::CustomerAccess),
        (limits.is_exhausted(customer), Rule::CustomerQuota),
        (exceeds_customers(worker, customer), Rule::MaxConcurrentCustomers),
        (lacks_type(wants, worker.capabilities), Rule::JobTypes),
    ];
    for (broken, rule) in rules {
        if broken {
            sink(rule)?;
        }
    }
    ControlFlow::Continue(())
}

/// A pause of the worker, of the job's service or type, or of the customer; told once.
fn is_paused(
    wants: &Requirements,
    customer: Symbol,
    worker: &Candidate<'_>,
    limits: &Limits,
) -> bool {
    limits.pauses_worker(worker.id)
        || limits.pauses_shape(wants)
        || limits.pauses_customer(customer)
}

/// As many held jobs of the job's service as its capacity; a job without service ignores capacity.
pub(crate) fn at_capacity(wants: &Requirements, worker: &Candidate<'_>) -> bool {
    let Some(name) = wants.service else {
        return false;
    };
    let capacity = worker
        .capabilities
        .service(name)
        .and_then(|place| worker.capabilities.services[place].capacity);
    capacity.is_some_and(|capacity| worker.standing.held_of(name) >= capacity as usize)
}

/// The job's service is unhealthy, or a job without service finds none healthy.
pub(crate) fn is_unhealthy(wants: &Requirements, worker: &Candidate<'_>) -> bool {
    match wants.service {
        Some(name) => {
            worker.capabilities.service(name).is_some_and(|place| !worker.services[place].healthy)
        }
        None => !worker.services.iter().any(|service| service.healthy),
    }
}

/// A strict job shares a worker with no other customer, whichever of the two came first.
pub(crate) fn breaks_isolation(
    wants: &Requirements,
    customer: Symbol,
    standing: &Standing,
) -> bool {
    standing.strict_customers.iter().any(|&held| held != customer)
        || wants.is_strict() && standing.customers.iter().any(|&held| held != customer)
}

/// Not in `allowed_customers`, or in `denied_customers`.
pub(crate) fn denies(has: &Capabilities, customer: Symbol) -> bool {
    has.denied_customers.contains(customer)
        || has.allowed_customers.as_ref().is_some_and(|it| !it.contains(customer))
}

/// Another customer would be one too many; one already held never is.
pub(crate) fn exceeds_customers(worker: &Candidate<'_>, customer: Symbol) -> bool {
    let held = &worker.standing.customers;
    let full = |most: u32| held.len() >= most as usize;
    worker.capabilities.max_concurrent_customers.is_some_and(full) && !held.contains(&customer)
}

/// The job's type is not in `job_types`; without a type the rule is skipped.
pub(crate) fn lacks_type(wants: &Requirements, has: &Capabilities) -> bool {
    wants.job_type.is_some_and(|it| !has.job_types.admits(it))
}

fn every(asked: Option<Symbol>, admits: impl Fn(Symbol) -> bool) -> bool {
    asked.is_none_or(admits)
}

/// Unstated counts as 0; a demand of 0 always holds.
fn has_enough(wants: &Requirements, has: &Capabilities, resource: usize) -> bool {
    has.hardware[resource].unwrap_or(0) >= wants.hardware[resource]
}

fn has_gpu_model(wants: &Requirements, has: &Capabilities) -> bool {
    let is_one = |it: Symbol| wants.gpu_models.contains(it);
    wants.gpu_models.is_empty() || has.gpu_model.is_some_and(is_one)
}

fn is_in_a_region(wants: &Requirements, has: &Capabilities) -> bool {
    let regions = wants.regions.as_slice();
    regions.is_empty() || regions.iter().any(|&it| is_in_region(has, it))
}

fn complies_with_all(wants: &Requirements, has: &Capabilities) -> bool {
    wants.compliance.as_slice().iter().all(|&it| complies(has, it))
}

fn has_required_quality(wants: &Requirements, has: &Capabilities) -> bool {
    let is_offered = |it: Symbol| offers_quality(has, it);
    !wants.quality_required || wants.quality_level.is_some_and(is_offered)
}

fn has_models(wants: &Requirements, has: &Capabilities) -> bool {
    wants.models.as_slice().iter().all(|&it| has_model(wants, has, it))
}

/// In the models of the job's own service; where that is absent, no.
fn has_model(wants: &Requirements, has: &Capabilities, model: Symbol) -> bool {
    wants
        .service
        .and_then(|name| has.service(name))
        .is_some_and(|place| has.services[place].models.admits(model))
}

fn is_in_region(has: &Capabilities, region: Symbol) -> bool {
    has.region == Some(region) || has.region_parents.contains(region)
}

fn complies(has: &Capabilities, with: Symbol) -> bool {
    has.compliance.as_ref().is_some_and(|it| it.contains(with))
}

/// Whether a quality level is among the worker's.
pub(crate) fn offers_quality(has: &Capabilities, level: Symbol) -> bool {
    has.quality_levels.as_ref().is_some_and(|it| it.contains(level))
}

fn is_in_time(wants: &Requirements, has: &Capabilities) -> bool {
    match (wants.timeout, has.max_processing_time) {
        (Some(wanted), Some(most)) => wanted <= most,
        _ => true,
    }
}

fn satisfies(has: &Capabilities, constraint: &Constraint) -> bool {
    let label = has.label(constraint.key);
    constraint.test.holds(label.map(|it| it.offered()))
}

/// Whether a leaf of `not` would hold as a positive requirement.
fn holds_alone(leaf: &Leaf, wants: &Requirements, has: &Capabilities) -> bool {
    match leaf {
        Leaf::Service(it) => has.service(*it).is_some(),
        Leaf::Component(it) => has.components.admits(*it),
        Leaf::Workflow(it) => has.workflows.admits(*it),
        Leaf::Model(it) => has_model(wants, has, *it),
        Leaf::Hardware(resource, least) => {
            let place = *resource as usize;
            has.hardware[place].unwrap_or(0) >= *least
        }
        Leaf::GpuModel(it) => has.gpu_model == Some(*it),
        Leaf::Region(it) => is_in_region(has, *it),
        Leaf::Compliance(it) => complies(has, *it),
        Leaf::QualityLevel(it) => offers_quality(has, *it),
        Leaf::CostTier(it) => has.cost_tier() == *it,
        Leaf::Constraint(it) => satisfies(has, it),
    }
}
