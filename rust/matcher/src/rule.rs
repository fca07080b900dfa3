//! The names of rules: numbers inside, words at the edge.

use std::fmt;

use crate::requirements::Hardware;

/// The path of a requirement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Path {
    ServiceType,
    Component,
    Workflow,
    Models,
    Hardware(Hardware),
    GpuModel,
    CustomerIsolation,
    GeographicRegion,
    Compliance,
    QualityLevel,
    CostTier,
    TimeoutMinutes,
    Constraints,
}

impl Path {
    fn name(self) -> &'static str {
        match self {
            Self::ServiceType => "service_type",
            Self::Component => "component",
            Self::Workflow => "workflow",
            Self::Models => "models",
            Self::Hardware(Hardware::GpuMemory) => "hardware.gpu_memory_gb",
            Self::Hardware(Hardware::GpuCount) => "hardware.gpu_count",
            Self::Hardware(Hardware::CpuCores) => "hardware.cpu_cores",
            Self::Hardware(Hardware::Ram) => "hardware.ram_gb",
            Self::Hardware(Hardware::Storage) => "hardware.storage_gb",
            Self::GpuModel => "hardware.gpu_model",
            Self::CustomerIsolation => "customer_isolation",
            Self::GeographicRegion => "geographic_region",
            Self::Compliance => "compliance",
            Self::QualityLevel => "quality_level",
            Self::CostTier => "cost_tier",
            Self::TimeoutMinutes => "timeout_minutes",
            Self::Constraints => "constraints",
        }
    }
}

/// Why a worker may not take a job. Within explain, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    Requirement(Path),
    /// `constraints[i]`
    Constraint(u32),
    /// `not.<path>`, with `[i]` where the path is a list
    Not(Path, Option<u32>),
    Slots,
    Draining,
    Paused,
    ServiceHealth,
    IsolationHeld,
    CustomerAccess,
    CustomerQuota,
    MaxConcurrentCustomers,
    JobTypes,
    AvoidedWorker,
}

impl Rule {
    /// Time alone may free such a worker for the job, so it counts as one that could take it.
    pub(crate) fn passes_by_itself(self) -> bool {
        matches!(
            self,
            Self::Slots | Self::IsolationHeld | Self::CustomerQuota | Self::MaxConcurrentCustomers
        )
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requirement(path) => out.write_str(path.name()),
            Self::Constraint(place) => write!(out, "constraints[{place}]"),
            Self::Not(path, Some(place)) => write!(out, "not.{}[{place}]", path.name()),
            Self::Not(path, None) => write!(out, "not.{}", path.name()),
            Self::Slots => out.write_str("slots"),
            Self::Draining => out.write_str("draining"),
            Self::Paused => out.write_str("paused"),
            Self::ServiceHealth => out.write_str("service_health"),
            Self::IsolationHeld => out.write_str("isolation_held"),
            Self::CustomerAccess => out.write_str("customer_access"),
            Self::CustomerQuota => out.write_str("customer_quota"),
            Self::MaxConcurrentCustomers => out.write_str("max_concurrent_customers"),
            Self::JobTypes => out.write_str("job_types"),
            Self::AvoidedWorker => out.write_str("avoided_worker"),
        }
    }
}
