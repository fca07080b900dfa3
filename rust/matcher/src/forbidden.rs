//! The leaves of a job's `not`: what a worker must not have, each judged alone.

use hashbrown::HashSet;
use serde::Deserialize;

use crate::capabilities::{level, model};
use crate::requirements::{constraints, Constraint, ConstraintDocument, Hardware, RESOURCES};
use crate::rule::Path;
use crate::symbols::{Symbol, Symbols};

/// One leaf. `place` is its index as sent, the first of equal ones; `None` where the path is a scalar.
#[derive(Clone, Debug)]
pub(crate) struct Forbidden {
    pub(crate) leaf: Leaf,
    pub(crate) place: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Leaf {
    Service(Symbol),
    Component(Symbol),
    Workflow(Symbol),
    Model(Symbol),
    Hardware(Hardware, i64),
    GpuModel(Symbol),
    Region(Symbol),
    Compliance(Symbol),
    QualityLevel(Symbol),
    CostTier(u8),
    Constraint(Constraint),
}

impl Forbidden {
    pub(crate) fn path(&self) -> Path {
        match &self.leaf {
            Leaf::Service(_) => Path::ServiceType,
            Leaf::Component(_) => Path::Component,
            Leaf::Workflow(_) => Path::Workflow,
            Leaf::Model(_) => Path::Models,
            Leaf::Hardware(resource, _) => Path::Hardware(*resource),
            Leaf::GpuModel(_) => Path::GpuModel,
            Leaf::Region(_) => Path::GeographicRegion,
            Leaf::Compliance(_) => Path::Compliance,
            Leaf::QualityLevel(_) => Path::QualityLevel,
            Leaf::CostTier(_) => Path::CostTier,
            Leaf::Constraint(_) => Path::Constraints,
        }
    }
}

/// Leaf values come as lists in the order sent, those of scalar paths as lists of one (or bare).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForbiddenDocument {
    #[serde(default)]
    service: Leaves<String>,
    #[serde(default)]
    component: Leaves<String>,
    #[serde(default)]
    workflow: Leaves<String>,
    #[serde(default)]
    models: Leaves<String>,
    #[serde(default)]
    hardware: HardwareLeaves,
    #[serde(default)]
    gpu_model: Leaves<String>,
    #[serde(default)]
    region: Leaves<String>,
    #[serde(default)]
    compliance: Leaves<String>,
    #[serde(default)]
    quality_level: Leaves<String>,
    #[serde(default)]
    cost_tier: Leaves<u8>,
    constraints: Option<Vec<ConstraintDocument>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct HardwareLeaves {
    #[serde(default)]
    gpu_memory_gb: Leaves<i64>,
    #[serde(default)]
    gpu_count: Leaves<i64>,
    #[serde(default)]
    cpu_cores: Leaves<i64>,
    #[serde(default)]
    ram_gb: Leaves<i64>,
    #[serde(default)]
    storage_gb: Leaves<i64>,
}

impl HardwareLeaves {
    fn of(&self, resource: Hardware) -> &[i64] {
        match resource {
            Hardware::GpuMemory => &self.gpu_memory_gb,
            Hardware::GpuCount => &self.gpu_count,
            Hardware::CpuCores => &self.cpu_cores,
            Hardware::Ram => &self.ram_gb,
            Hardware::Storage => &self.storage_gb,
        }
        .as_slice()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Leaves<T> {
    List(Vec<T>),
    Bare(T),
    Nothing(()),
}

impl<T> Default for Leaves<T> {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl<T> Leaves<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::List(all) => all,
            Self::Bare(one) => std::slice::from_ref(one),
            Self::Nothing(()) => &[],
        }
    }
}

/// All leaves in the order of matching.md's table.
pub(crate) fn compile(
    sent: ForbiddenDocument,
    symbols: &mut Symbols,
) -> Result<Vec<Forbidden>, String> {
    let mut all = Collected::default();
    all.scalars(sent.service.as_slice(), |it| Leaf::Service(symbols.intern(it)));
    all.scalars(sent.component.as_slice(), |it| Leaf::Component(symbols.intern(it)));
    all.scalars(sent.workflow.as_slice(), |it| Leaf::Workflow(symbols.intern(it)));
    all.listed(sent.models.as_slice(), |it| Leaf::Model(model(it, symbols)));
    for resource in RESOURCES {
        all.scalars(sent.hardware.of(resource), |&it| Leaf::Hardware(resource, it));
    }
    all.listed(sent.gpu_model.as_slice(), |it| {
        Leaf::GpuModel(symbols.intern(&it.to_ascii_lowercase()))
    });
    all.listed(sent.region.as_slice(), |it| Leaf::Region(symbols.intern(it)));
    all.listed(sent.compliance.as_slice(), |it| Leaf::Compliance(symbols.intern(it)));
    all.scalars(sent.quality_level.as_slice(), |it| Leaf::QualityLevel(symbols.intern(it)));
    for &tier in sent.cost_tier.as_slice() {
        level(Some(tier), "not.cost_tier")?;
        all.scalars(&[tier], |&it| Leaf::CostTier(it));
    }
    let constraints = constraints(sent.constraints.unwrap_or_default(), symbols)?;
    all.listed(&constraints, |it| Leaf::Constraint(it.clone()));
    Ok(all.leaves)
}

#[derive(Default)]
struct Collected {
    leaves: Vec<Forbidden>,
    known: HashSet<Leaf>,
}

impl Collected {
    fn scalars<T>(&mut self, sent: &[T], mut leaf: impl FnMut(&T) -> Leaf) {
        for value in sent {
            self.add(leaf(value), None);
        }
    }

    fn listed<T>(&mut self, sent: &[T], mut leaf: impl FnMut(&T) -> Leaf) {
        for (place, value) in (0..).zip(sent) {
            self.add(leaf(value), Some(place));
        }
    }

    /// A repeated element is reported at its first place only.
    fn add(&mut self, leaf: Leaf, place: Option<u32>) {
        if self.known.insert(leaf.clone()) {
            self.leaves.push(Forbidden { leaf, place });
        }
    }
}
