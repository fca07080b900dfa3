//! Workers: the capabilities they share through a profile, and what is their own.

use crate::capabilities::{Capabilities, ServiceState};
use crate::profile::ProfileId;
use crate::symbols::Symbol;

/// One worker as far as it is known: documents and entries come independently of each other.
pub(crate) struct Worker {
    pub(crate) id: Symbol,
    /// `None` until `set_worker`.
    pub(crate) offer: Option<Offer>,
    /// The largest of the last heartbeat's three loads, 0..=100.
    pub(crate) busiest_percent: u8,
    /// `None` until an entry names it.
    pub(crate) standing: Option<Standing>,
}

/// What the worker's capability document says.
pub(crate) struct Offer {
    pub(crate) version: i64,
    pub(crate) profile: ProfileId,
    /// In the order of the profile's services.
    pub(crate) services: Box<[ServiceState]>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Online,
    Draining,
    Offline,
}

/// What the last entry that the worker took says.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) number: u64,
    pub(crate) version: i64,
    pub(crate) state: State,
    pub(crate) idle_since_ms: i64,
    /// How many jobs are held.
    pub(crate) held: usize,
    /// The services of the held jobs that have one, with repetition.
    pub(crate) held_services: Vec<Symbol>,
    /// The customers of the held jobs, each once.
    pub(crate) customers: Vec<Symbol>,
    /// The customers of the held strict jobs, each once.
    pub(crate) strict_customers: Vec<Symbol>,
}

impl Standing {
    pub(crate) fn held_of(&self, service: Symbol) -> usize {
        self.held_services.iter().filter(|&&it| it == service).count()
    }
}

impl Worker {
    pub(crate) fn new(id: Symbol) -> Self {
        Self { id, offer: None, busiest_percent: 0, standing: None }
    }

    /// Whether an entry names a version that is newer than the document known here.
    pub(crate) fn is_stale(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| {
            self.offer.as_ref().is_none_or(|offer| offer.version < standing.version)
        })
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.standing.as_ref().is_none_or(|it| it.state == State::Offline)
    }
}

/// A worker that takes part, put together for judging: not offline, and its capabilities known.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) id: Symbol,
    pub(crate) profile: ProfileId,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) services: &'a [ServiceState],
    pub(crate) busiest_percent: u8,
    pub(crate) standing: &'a Standing,
}

impl Candidate<'_> {
    pub(crate) fn is_full(&self) -> bool {
        self.standing.held >= self.capabilities.slots as usize
    }

    /// Whether it asks for jobs at all.
    pub(crate) fn is_taking(&self) -> bool {
        self.standing.state == State::Online && !self.is_full()
    }
}
