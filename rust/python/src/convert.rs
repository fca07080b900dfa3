//! Plain results to the named tuples of `empq.matching.interface`, errors to exceptions.

use empq_matcher::{Applied, Error, Figures, LaneVerdict, Panicked, Proposal, Verdict};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

/// A named tuple of the interface, imported once.
struct NamedTuple {
    name: &'static str,
    class: PyOnceLock<Py<PyType>>,
}

static APPLIED: NamedTuple = NamedTuple::called("Applied");
static PROPOSAL: NamedTuple = NamedTuple::called("Proposal");
static VERDICT: NamedTuple = NamedTuple::called("Verdict");
static INDEX_FIGURES: NamedTuple = NamedTuple::called("IndexFigures");
/// `tuple.__new__`, which fills a named tuple in less time than the class's own constructor.
static TUPLE_NEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

impl NamedTuple {
    const fn called(name: &'static str) -> Self {
        Self { name, class: PyOnceLock::new() }
    }

    fn of<'py>(
        &self,
        py: Python<'py>,
        fields: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let class = self.class.import(py, "empq.matching.interface", self.name)?;
        let new = TUPLE_NEW.get_or_try_init(py, || {
            let tuple = py.get_type::<PyTuple>();
            tuple.getattr("__new__").map(Bound::unbind)
        })?;
        new.bind(py).call1((class, fields.into_pyobject(py)?))
    }
}

pub(crate) fn proposal(py: Python<'_>, it: Proposal) -> PyResult<Bound<'_, PyAny>> {
    PROPOSAL.of(py, (it.lane, it.rank, it.member, it.score))
}

pub(crate) fn applied(py: Python<'_>, it: Applied) -> PyResult<Bound<'_, PyAny>> {
    let fields = (it.grown, it.missing_shapes, it.stale_workers, it.last_number);
    APPLIED.of(py, fields)
}

pub(crate) fn verdict(py: Python<'_>, it: Verdict) -> PyResult<Bound<'_, PyAny>> {
    let dimensions = it.dimensions.map(|it| PyTuple::new(py, it)).transpose()?;
    VERDICT.of(py, (it.worker_id, it.rules, it.score, dimensions))
}

pub(crate) fn figures(py: Python<'_>, it: Figures) -> PyResult<Bound<'_, PyAny>> {
    INDEX_FIGURES.of(py, (it.jobs, it.lanes, it.shapes, it.profiles, it.workers))
}

pub(crate) fn lane_verdict(it: LaneVerdict) -> (String, u32, Vec<String>) {
    (it.lane, it.count, it.rules)
}

pub(crate) fn refusal(error: &Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}

pub(crate) fn panicked(panicked: &Panicked) -> PyErr {
    PyRuntimeError::new_err(panicked.to_string())
}
