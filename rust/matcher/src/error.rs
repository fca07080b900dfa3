//! What can be wrong with what the index is told.

use std::fmt;

/// A refused call; nothing was changed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A shape document that is not one: whose, and why.
    Shape {
        /// The base, or `"(explain)"` for a document that was only asked about.
        base: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A capability document that is not one: whose, and why.
    Capabilities {
        /// The worker.
        worker_id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An index entry that is not one: the how manieth of its batch, and why.
    Entry {
        /// Its place in the batch, from 0.
        place: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a lane id: why.
    Lane(String),
    /// Policies that are none: why.
    Policy(String),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { base, reason } => write!(out, "shape document of {base}: {reason}"),
            Self::Capabilities { worker_id, reason } => {
                write!(out, "capability document of {worker_id}: {reason}")
            }
            Self::Entry { place, reason } => write!(out, "index entry {place}: {reason}"),
            Self::Lane(reason) | Self::Policy(reason) => out.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}
