//! Under `fair`: the customers that have jobs queued, in the order of their virtual times.

use std::collections::{btree_set, BTreeSet};

use hashbrown::HashMap;

use crate::symbols::Symbol;

/// Kept only while the order is `fair`.
#[derive(Default)]
pub(crate) struct Shares {
    /// By customer: how many lanes hold jobs, and the virtual time under which `by_time` has it.
    queued: HashMap<Symbol, (u32, u64)>,
    by_time: BTreeSet<(u64, Symbol)>,
}

impl Shares {
    /// One more lane of the customer holds jobs.
    pub(crate) fn enter(&mut self, customer: Symbol, virtual_time: u64) {
        let (lanes, time) = self.queued.entry(customer).or_insert((0, virtual_time));
        *lanes += 1;
        if *lanes == 1 {
            self.by_time.insert((*time, customer));
        }
    }

    /// One lane of the customer was emptied.
    pub(crate) fn leave(&mut self, customer: Symbol) {
        let Some((lanes, time)) = self.queued.get_mut(&customer) else {
            return;
        };
        *lanes -= 1;
        if *lanes == 0 {
            self.by_time.remove(&(*time, customer));
            self.queued.remove(&customer);
        }
    }

    /// The customer's virtual time changed.
    pub(crate) fn advance(&mut self, customer: Symbol, virtual_time: u64) {
        if let Some((_, time)) = self.queued.get_mut(&customer) {
            let before = std::mem::replace(time, virtual_time);
            self.by_time.remove(&(before, customer));
            self.by_time.insert((virtual_time, customer));
        }
    }

    pub(crate) fn by_time(&self) -> btree_set::Iter<'_, (u64, Symbol)> {
        self.by_time.iter()
    }

    /// The lowest virtual time of all that have jobs queued.
    pub(crate) fn least(&self) -> u64 {
        self.by_time.first().map_or(0, |&(time, _)| time)
    }

    /// Both halves as plain data, for a comparison with what they should be.
    pub(crate) fn is_consistent(&self, expected: &HashMap<Symbol, (u32, u64)>) -> bool {
        let times = self.queued.iter().map(|(&customer, &(_, time))| (time, customer));
        self.queued == *expected && times.collect::<BTreeSet<_>>() == self.by_time
    }
}
