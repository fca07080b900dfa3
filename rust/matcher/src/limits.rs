//! What holds whatever a worker can do: pauses, and customers' quotas and shares.

use hashbrown::{HashMap, HashSet};

use crate::entry::{CustomerEntry, PauseEntry, PauseScope};
use crate::requirements::Requirements;
use crate::symbols::{Symbol, Symbols};

/// All pauses and all customers that some entry told of.
#[derive(Default)]
pub(crate) struct Limits {
    pauses: Pauses,
    customers: HashMap<Symbol, Customer>,
    /// How many customers are at their quota, so that most questions need not look for one.
    exhausted: usize,
}

/// The pauses of the last entry that named any.
#[derive(Default)]
struct Pauses {
    number: Option<u64>,
    workers: HashSet<Symbol>,
    services: HashSet<Symbol>,
    types: HashSet<Symbol>,
    customers: HashSet<Symbol>,
}

/// A customer as its last entry says.
#[derive(Clone, Copy)]
struct Customer {
    number: u64,
    virtual_time: u64,
    is_exhausted: bool,
}

impl Limits {
    /// Takes the whole list of pauses where it is newer than the last one.
    pub(crate) fn take_pauses(
        &mut self,
        number: u64,
        entries: &[PauseEntry<'_>],
        symbols: &mut Symbols,
    ) {
        if self.pauses.number.is_some_and(|last| number <= last) {
            return;
        }
        self.pauses = Pauses { number: Some(number), ..Pauses::default() };
        for pause in entries {
            let name = symbols.intern(pause.name);
            self.pauses.of(pause.scope).insert(name);
        }
    }

    /// Takes a customer where its entry is newer than the last one of this customer; if so, which
    /// and its virtual time.
    pub(crate) fn take_customer(
        &mut self,
        number: u64,
        entry: &CustomerEntry<'_>,
        symbols: &mut Symbols,
    ) -> Option<(Symbol, u64)> {
        let told = Customer {
            number,
            virtual_time: entry.virtual_time,
            is_exhausted: entry.max_active.is_some_and(|most| entry.active >= most),
        };
        let customer = symbols.intern(entry.customer);
        let known = self.customers.get(&customer);
        if known.is_some_and(|known| number <= known.number) {
            return None;
        }
        let was_exhausted = known.is_some_and(|it| it.is_exhausted);
        self.exhausted =
            self.exhausted + usize::from(told.is_exhausted) - usize::from(was_exhausted);
        self.customers.insert(customer, told);
        Some((customer, told.virtual_time))
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether anything is paused or anybody at a quota.
    pub(crate) fn is_felt(&self) -> bool {
        let Pauses { workers, services, types, customers, .. } = &self.pauses;
        let paused = [workers, services, types, customers];
        self.exhausted > 0 || paused.iter().any(|it| !it.is_empty())
    }

    pub(crate) fn pauses_worker(&self, worker: Symbol) -> bool {
        is_in(&self.pauses.workers, worker)
    }

    /// A pause of the job's service or of its type; what a job does not state is not paused.
    pub(crate) fn pauses_shape(&self, wants: &Requirements) -> bool {
        wants.service.is_some_and(|it| is_in(&self.pauses.services, it))
            || wants.job_type.is_some_and(|it| is_in(&self.pauses.types, it))
    }

    pub(crate) fn pauses_customer(&self, customer: Symbol) -> bool {
        is_in(&self.pauses.customers, customer)
    }

    /// As many active jobs as the quota allows, or more.
    pub(crate) fn is_exhausted(&self, customer: Symbol) -> bool {
        self.exhausted > 0 && self.customers.get(&customer).is_some_and(|it| it.is_exhausted)
    }

    /// In millionths of a slot-second; 0 for a customer that no entry told of.
    pub(crate) fn virtual_time(&self, customer: Symbol) -> u64 {
        self.customers.get(&customer).map_or(0, |it| it.virtual_time)
    }

    /// What is counted wrong.
    pub(crate) fn faults(&self) -> Vec<String> {
        let exhausted = self.customers.values().filter(|it| it.is_exhausted).count();
        if exhausted == self.exhausted {
            Vec::new()
        } else {
            vec![format!("{exhausted} customers are at their quota, {} counted", self.exhausted)]
        }
    }
}

impl Pauses {
    fn of(&mut self, scope: PauseScope) -> &mut HashSet<Symbol> {
        match scope {
            PauseScope::Worker => &mut self.workers,
            PauseScope::Service => &mut self.services,
            PauseScope::Type => &mut self.types,
            PauseScope::Customer => &mut self.customers,
        }
    }
}

/// Nothing is hashed where nothing is paused, which is nearly always.
fn is_in(names: &HashSet<Symbol>, name: Symbol) -> bool {
    !names.is_empty() && names.contains(&name)
}
