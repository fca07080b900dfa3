//! What a job demands, compiled from its shape document.

use serde::Deserialize;
use serde_json::Value;

use crate::capabilities::{level, model, optional_set, HardwareDocument};
use crate::constraint::{Operator, Test};
use crate::forbidden::{self, Forbidden, ForbiddenDocument};
use crate::symbols::{Symbol, SymbolSet, Symbols};

/// A numeric resource.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Hardware {
    GpuMemory,
    GpuCount,
    CpuCores,
    Ram,
    Storage,
}

/// The numeric resources in the order of matching.md.
pub(crate) const RESOURCES: [Hardware; 5] =
    [Hardware::GpuMemory, Hardware::GpuCount, Hardware::CpuCores, Hardware::Ram, Hardware::Storage];

/// One shape's demands. Equal documents of different order are equal demands, but explain names the
/// places of `constraints` and `not` as they were sent.
#[derive(Clone, Debug)]
pub(crate) struct Requirements {
    pub(crate) job_type: Option<Symbol>,
    pub(crate) service: Option<Symbol>,
    pub(crate) component: Option<Symbol>,
    pub(crate) workflow: Option<Symbol>,
    pub(crate) models: SymbolSet,
    /// In the order of [`RESOURCES`]; 0 demands nothing.
    pub(crate) hardware: [i64; 5],
    pub(crate) gpu_models: SymbolSet,
    pub(crate) isolation: u8,
    pub(crate) regions: SymbolSet,
    pub(crate) compliance: SymbolSet,
    pub(crate) quality_level: Option<Symbol>,
    pub(crate) quality_required: bool,
    pub(crate) cost_tier: Option<u8>,
    pub(crate) timeout: Option<i64>,
    pub(crate) constraints: Box<[Constraint]>,
    /// In the order in which explain reports them.
    pub(crate) not: Box<[Forbidden]>,
    pub(crate) prefer: Box<[Preference]>,
}

/// A hard rule over a label.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Constraint {
    pub(crate) key: Symbol,
    pub(crate) test: Test,
}

/// A soft rule over a label or an attribute.
#[derive(Clone, Debug)]
pub(crate) struct Preference {
    pub(crate) attribute: Attribute,
    pub(crate) test: Test,
    pub(crate) weight: i64,
}

/// What `prefer` can look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attribute {
    Label(Symbol),
    Hardware(Hardware),
    GpuModel,
    Region,
    Compliance,
    CostTier,
    RatePerHour,
    QualityLevels,
    Isolation,
    Services,
    Components,
    Workflows,
    WorkerId,
}

impl Requirements {
    pub(crate) const STRICT: u8 = 2;

    pub(crate) fn is_strict(&self) -> bool {
        self.isolation == Self::STRICT
    }

    pub(crate) fn compile(document: &[u8], symbols: &mut Symbols) -> Result<Self, String> {
        let sent: Document = serde_json::from_slice(document).map_err(|error| error.to_string())?;
        let hardware = sent.hardware.unwrap_or_default().in_order();
        let mut text = |sent: Option<String>| sent.map(|it| symbols.intern(&it));
        Ok(Self {
            job_type: text(sent.job_type),
            service: text(sent.service),
            component: text(sent.component),
            workflow: text(sent.workflow),
            quality_level: text(sent.quality_level),
            models: sent.models.unwrap_or_default().iter().map(|it| model(it, symbols)).collect(),
            hardware: hardware.map(Option::unwrap_or_default),
            gpu_models: sent
                .gpu_model
                .unwrap_or_default()
                .iter()
                .map(|it| symbols.intern(&it.to_ascii_lowercase()))
                .collect(),
            isolation: level(sent.isolation, "isolation")?.unwrap_or(0),
            regions: optional_set(sent.region, symbols),
            compliance: optional_set(sent.compliance, symbols),
            quality_required: sent.quality_required.unwrap_or(false),
            cost_tier: level(sent.cost_tier, "cost_tier")?,
            timeout: sent.timeout_minutes,
            constraints: constraints(sent.constraints.unwrap_or_default(), symbols)?.into(),
            not: match sent.not {
                Some(not) => forbidden::compile(not, symbols)?.into(),
                None => Box::default(),
            },
            prefer: sent
                .prefer
                .unwrap_or_default()
                .into_iter()
                .map(|preference| preference.compile(symbols))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The document as it travels; unknown keys are refused, so that no rule is lost unseen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "type")]
    job_type: Option<String>,
    service: Option<String>,
    component: Option<String>,
    workflow: Option<String>,
    models: Option<Vec<String>>,
    hardware: Option<HardwareDocument>,
    gpu_model: Option<Vec<String>>,
    isolation: Option<u8>,
    region: Option<Vec<String>>,
    compliance: Option<Vec<String>>,
    quality_level: Option<String>,
    quality_required: Option<bool>,
    cost_tier: Option<u8>,
    timeout_minutes: Option<i64>,
    constraints: Option<Vec<ConstraintDocument>>,
    not: Option<ForbiddenDocument>,
    prefer: Option<Vec<PreferenceDocument>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConstraintDocument {
    key: String,
    op: Operator,
    value: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreferenceDocument {
    key: String,
    op: Operator,
    value: Option<Value>,
    weight: i64,
}

impl PreferenceDocument {
    fn compile(self, symbols: &mut Symbols) -> Result<Preference, String> {
        let attribute = attribute(&self.key, symbols);
        let lower = attribute == Attribute::GpuModel;
        Ok(Preference {
            attribute,
            test: Test::compile(self.op, self.value.as_ref(), lower, symbols)?,
            weight: self.weight,
        })
    }
}

fn attribute(key: &str, symbols: &mut Symbols) -> Attribute {
    match key {
        "hardware.gpu_memory_gb" => Attribute::Hardware(Hardware::GpuMemory),
        "hardware.gpu_count" => Attribute::Hardware(Hardware::GpuCount),
        "hardware.cpu_cores" => Attribute::Hardware(Hardware::CpuCores),
        "hardware.ram_gb" => Attribute::Hardware(Hardware::Ram),
        "hardware.storage_gb" => Attribute::Hardware(Hardware::Storage),
        "hardware.gpu_model" => Attribute::GpuModel,
        "location.region" => Attribute::Region,
        "location.compliance" => Attribute::Compliance,
        "cost.tier" => Attribute::CostTier,
        "cost.rate_per_hour" => Attribute::RatePerHour,
        "performance.quality_levels" => Attribute::QualityLevels,
        "customer_access.isolation" => Attribute::Isolation,
        "services" => Attribute::Services,
        "components" => Attribute::Components,
        "workflows" => Attribute::Workflows,
        "worker_id" => Attribute::WorkerId,
        label => Attribute::Label(symbols.intern(label)),
    }
}

pub(crate) fn constraints(
    sent: Vec<ConstraintDocument>,
    symbols: &mut Symbols,
) -> Result<Vec<Constraint>, String> {
    sent.into_iter()
        .map(|it| {
            Ok(Constraint {
                key: symbols.intern(&it.key),
                test: Test::compile(it.op, it.value.as_ref(), false, symbols)?,
            })
        })
        .collect()
}
