//! An index for many threads, out of which no panic comes.

use std::any::Any;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use crate::index::Index;

/// An index behind a lock. After a panic it answers, but nobody knows what: build another then.
#[derive(Default)]
pub struct Guarded(Mutex<Index>);

/// What a panic said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked(String);

impl Guarded {
    /// Works on the index while nobody else does. A panic ends inside the lock and so does not
    /// poison it.
    ///
    /// # Errors
    /// [`Panicked`] where `work` panicked.
    pub fn run<T>(&self, work: impl FnOnce(&mut Index) -> T) -> Result<T, Panicked> {
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        catch_unwind(AssertUnwindSafe(|| work(&mut index)))
            .map_err(|payload| Panicked(said(&*payload)))
    }
}

fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

impl fmt::Display for Panicked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "matcher panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}
