//! What a worker offers, compiled from its capability document.
//!
//! [`Capabilities`] is what equal workers share (a profile's key); what changes while a worker runs
//! (health, models loaded) stands apart in [`ServiceState`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::constraint::{scalar, Label, Scalar};
use crate::requirements::{Hardware, RESOURCES};
use crate::symbols::{Symbol, SymbolSet, Symbols};

/// Which names a worker takes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Admits {
    /// Nothing was stated: everything is admitted, nothing is named.
    Unstated,
    /// The word "all".
    All,
    /// The worker's own list.
    These(SymbolSet),
}

impl Admits {
    pub(crate) fn admits(&self, symbol: Symbol) -> bool {
        match self {
            Self::Unstated | Self::All => true,
            Self::These(set) => set.contains(symbol),
        }
    }

    pub(crate) fn names(&self, symbol: Symbol) -> bool {
        matches!(self, Self::These(set) if set.contains(symbol))
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Service {
    pub(crate) name: Symbol,
    pub(crate) models: Admits,
    pub(crate) capacity: Option<u32>,
}

/// What of a service changes at run time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServiceState {
    pub(crate) healthy: bool,
    pub(crate) loaded: SymbolSet,
}

/// Everything that decides about a worker but its id, health, loaded models, load and held jobs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Capabilities {
    /// By name's symbol, so that the order in which they were sent does not matter.
    pub(crate) services: Box<[Service]>,
    pub(crate) service_names: SymbolSet,
    pub(crate) components: Admits,
    pub(crate) workflows: Admits,
    pub(crate) job_types: Admits,
    /// In the order of [`RESOURCES`].
    pub(crate) hardware: [Option<i64>; 5],
    pub(crate) gpu_model: Option<Symbol>,
    pub(crate) isolation: Option<u8>,
    pub(crate) allowed_customers: Option<SymbolSet>,
    pub(crate) denied_customers: SymbolSet,
    pub(crate) max_concurrent_customers: Option<u32>,
    pub(crate) slots: u32,
    pub(crate) quality_levels: Option<SymbolSet>,
    pub(crate) max_processing_time: Option<i64>,
    pub(crate) region: Option<Symbol>,
    /// What the region begins with, cut before each "-".
    pub(crate) region_parents: SymbolSet,
    pub(crate) compliance: Option<SymbolSet>,
    pub(crate) cost_tier: Option<u8>,
    pub(crate) rate_per_hour: Option<i64>,
    /// Sorted by key.
    pub(crate) labels: Box<[(Symbol, Label)]>,
    pub(crate) affinity: Affinity,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Affinity {
    pub(crate) preferred_types: SymbolSet,
    pub(crate) preferred_customers: SymbolSet,
    pub(crate) preferred_components: SymbolSet,
    pub(crate) avoided_types: SymbolSet,
    pub(crate) avoided_customers: SymbolSet,
    pub(crate) avoided_components: SymbolSet,
}

impl Capabilities {
    /// The place of a service in `services` and in a worker's states.
    pub(crate) fn service(&self, name: Symbol) -> Option<usize> {
        self.services.binary_search_by_key(&name, |service| service.name).ok()
    }

    pub(crate) fn label(&self, key: Symbol) -> Option<&Label> {
        let place = self.labels.binary_search_by_key(&key, |label| label.0).ok()?;
        Some(&self.labels[place].1)
    }

    /// Missing means standard.
    pub(crate) fn cost_tier(&self) -> u8 {
        self.cost_tier.unwrap_or(1)
    }

    /// Compiles a document; the services' states come in the order of `services`.
    pub(crate) fn compile(
        document: &[u8],
        symbols: &mut Symbols,
    ) -> Result<(Self, Box<[ServiceState]>), String> {
        let sent: Document = serde_json::from_slice(document).map_err(|error| error.to_string())?;
        let (services, states) = services(sent.services, symbols)?;
        let region = sent.region.as_deref();
        let parents = region.map(|it| parents(it, symbols)).unwrap_or_default();
        let affinity = sent.affinity.unwrap_or_default();
        let capabilities = Self {
            service_names: services.iter().map(|service| service.name).collect(),
            services,
            components: admits(sent.components, symbols)?,
            workflows: admits(sent.workflows, symbols)?,
            job_types: admits(sent.job_types, symbols)?,
            hardware: sent.hardware.unwrap_or_default().in_order(),
            gpu_model: sent.gpu_model.map(|model| symbols.intern(&model.to_ascii_lowercase())),
            isolation: level(sent.isolation, "isolation")?,
            allowed_customers: sent.allowed_customers.map(|it| set(it, symbols)),
            denied_customers: optional_set(sent.denied_customers, symbols),
            max_concurrent_customers: sent.max_concurrent_customers,
            slots: sent.concurrent_jobs.unwrap_or(1),
            quality_levels: sent.quality_levels.map(|it| set(it, symbols)),
            max_processing_time: sent.max_processing_time_minutes,
            region: region.map(|it| symbols.intern(it)),
            region_parents: parents,
            compliance: sent.compliance.map(|it| set(it, symbols)),
            cost_tier: level(sent.cost_tier, "cost_tier")?,
            rate_per_hour: sent.rate_per_hour,
            labels: labels(sent.labels.unwrap_or_default(), symbols)?,
            affinity: Affinity {
                preferred_types: optional_set(affinity.preferred_types, symbols),
                preferred_customers: optional_set(affinity.preferred_customers, symbols),
                preferred_components: optional_set(affinity.preferred_components, symbols),
                avoided_types: optional_set(affinity.avoided_types, symbols),
                avoided_customers: optional_set(affinity.avoided_customers, symbols),
                avoided_components: optional_set(affinity.avoided_components, symbols),
            },
        };
        Ok((capabilities, states))
    }
}

/// The document as it travels; unknown keys are refused, so that no rule is lost unseen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    services: Vec<ServiceDocument>,
    components: Option<Names>,
    workflows: Option<Names>,
    job_types: Option<Names>,
    hardware: Option<HardwareDocument>,
    gpu_model: Option<String>,
    isolation: Option<u8>,
    allowed_customers: Option<Vec<String>>,
    denied_customers: Option<Vec<String>>,
    max_concurrent_customers: Option<u32>,
    concurrent_jobs: Option<u32>,
    quality_levels: Option<Vec<String>>,
    max_processing_time_minutes: Option<i64>,
    region: Option<String>,
    compliance: Option<Vec<String>>,
    cost_tier: Option<u8>,
    rate_per_hour: Option<i64>,
    labels: Option<BTreeMap<String, Value>>,
    affinity: Option<AffinityDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceDocument {
    name: String,
    models: Option<Names>,
    loaded: Option<Vec<String>>,
    healthy: Option<bool>,
    capacity: Option<u32>,
}

/// The five numeric resources, as both documents state them.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct HardwareDocument {
    gpu_memory_gb: Option<i64>,
    gpu_count: Option<i64>,
    cpu_cores: Option<i64>,
    ram_gb: Option<i64>,
    storage_gb: Option<i64>,
}

impl HardwareDocument {
    pub(crate) fn in_order(&self) -> [Option<i64>; 5] {
        RESOURCES.map(|resource| match resource {
            Hardware::GpuMemory => self.gpu_memory_gb,
            Hardware::GpuCount => self.gpu_count,
            Hardware::CpuCores => self.cpu_cores,
            Hardware::Ram => self.ram_gb,
            Hardware::Storage => self.storage_gb,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct AffinityDocument {
    preferred_types: Option<Vec<String>>,
    preferred_customers: Option<Vec<String>>,
    preferred_components: Option<Vec<String>>,
    avoided_types: Option<Vec<String>>,
    avoided_customers: Option<Vec<String>>,
    avoided_components: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    Word(String),
    List(Vec<String>),
}

fn admits(sent: Option<Names>, symbols: &mut Symbols) -> Result<Admits, String> {
    match sent {
        None => Ok(Admits::Unstated),
        Some(Names::List(names)) => Ok(Admits::These(set(names, symbols))),
        Some(Names::Word(word)) if word == "all" => Ok(Admits::All),
        Some(Names::Word(word)) => Err(format!("{word:?} is neither a list nor \"all\"")),
    }
}

/// What a document says of services, in two lists of one order.
type ServicesAndStates = (Box<[Service]>, Box<[ServiceState]>);

fn services(
    sent: Vec<ServiceDocument>,
    symbols: &mut Symbols,
) -> Result<ServicesAndStates, String> {
    let mut both = Vec::with_capacity(sent.len());
    for service in sent {
        let models = match service.models {
            // A service that names no models has none; only "all" has all.
            None => Admits::These(SymbolSet::default()),
            Some(Names::List(names)) => {
                Admits::These(names.iter().map(|it| model(it, symbols)).collect())
            }
            word => admits(word, symbols)?,
        };
        let loaded = service.loaded.unwrap_or_default();
        both.push((
            Service { name: symbols.intern(&service.name), models, capacity: service.capacity },
            ServiceState {
                healthy: service.healthy.unwrap_or(true),
                loaded: loaded.iter().map(|it| model(it, symbols)).collect(),
            },
        ));
    }
    both.sort_by_key(|(service, _)| service.name);
    if let Some(pair) = both.windows(2).find(|pair| pair[0].0.name == pair[1].0.name) {
        let name = symbols.text(pair[0].0.name);
        return Err(format!("service {name:?} is named twice"));
    }
    let (services, states): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    Ok((services.into_boxed_slice(), states.into_boxed_slice()))
}

/// One fleet mixes Windows and Linux, so both separators name the same model.
pub(crate) fn model(name: &str, symbols: &mut Symbols) -> Symbol {
    if name.contains('\\') {
        symbols.intern(&name.replace('\\', "/"))
    } else {
        symbols.intern(name)
    }
}

fn parents(region: &str, symbols: &mut Symbols) -> SymbolSet {
    region.match_indices('-').map(|(place, _)| symbols.intern(&region[..place])).collect()
}

fn labels(
    sent: BTreeMap<String, Value>,
    symbols: &mut Symbols,
) -> Result<Box<[(Symbol, Label)]>, String> {
    let mut labels = Vec::with_capacity(sent.len());
    for (key, value) in sent {
        let label = match &value {
            Value::Null => continue,
            Value::Array(items) => Label::Many(
                items
                    .iter()
                    .map(|item| match scalar(item, false, symbols)? {
                        Scalar::Text(symbol) => Ok(symbol),
                        _ => Err(format!("labels.{key}: {item} is not a string")),
                    })
                    .collect::<Result<_, String>>()?,
            ),
            one => Label::One(scalar(one, false, symbols)?),
        };
        labels.push((symbols.intern(&key), label));
    }
    labels.sort_by_key(|label| label.0);
    Ok(labels.into_boxed_slice())
}

/// An isolation level or cost tier: 0, 1 or 2.
pub(crate) fn level(sent: Option<u8>, field: &str) -> Result<Option<u8>, String> {
    match sent {
        Some(level @ 3..) => Err(format!("{field}: {level} is not 0, 1 or 2")),
        level => Ok(level),
    }
}

pub(crate) fn set(names: Vec<String>, symbols: &mut Symbols) -> SymbolSet {
    names.into_iter().map(|name| symbols.intern(&name)).collect()
}

pub(crate) fn optional_set(names: Option<Vec<String>>, symbols: &mut Symbols) -> SymbolSet {
    set(names.unwrap_or_default(), symbols)
}
