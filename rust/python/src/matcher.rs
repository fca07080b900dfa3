//! The one class: each method releases the GIL, locks the index, calls it and converts the answer.

use std::ops::Deref;

use empq_matcher::{Guarded, Index};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyInt;

use crate::convert;

/// The index of all lanes and all workers of one data set. See the stub.
#[pyclass(frozen, module = "empq.matching._rust")]
pub(crate) struct RustMatcher {
    index: Guarded,
}

impl RustMatcher {
    /// The lock is taken without the GIL and let go before the GIL is asked for again, so that the
    /// two never wait for each other.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Index) -> T + Send,
    ) -> PyResult<T> {
        py.detach(|| self.index.run(work)).map_err(|it| convert::panicked(&it))
    }
}

#[pymethods]
impl RustMatcher {
    #[new]
    fn new() -> Self {
        Self { index: Guarded::default() }
    }

    fn configure(&self, py: Python<'_>, order: &str, fit: &str, weights: Vec<i64>) -> PyResult<()> {
        self.run(py, |index| index.configure(order, fit, &weights))?
            .map_err(|error| convert::refusal(&error))
    }

    fn add_shape(&self, py: Python<'_>, base: &str, document: &[u8]) -> PyResult<()> {
        self.run(py, |index| index.add_shape(base, document))?
            .map_err(|error| convert::refusal(&error))
    }

    fn set_worker(
        &self,
        py: Python<'_>,
        worker_id: &str,
        version: i64,
        document: &[u8],
    ) -> PyResult<()> {
        self.run(py, |index| index.set_worker(worker_id, version, document))?
            .map_err(|error| convert::refusal(&error))
    }

    fn set_load(
        &self,
        py: Python<'_>,
        worker_id: &str,
        cpu_percent: i64,
        memory_percent: i64,
        gpu_percent: i64,
    ) -> PyResult<()> {
        self.run(py, |index| {
            index.set_load(worker_id, cpu_percent, memory_percent, gpu_percent);
        })
    }

    fn remove_worker(&self, py: Python<'_>, worker_id: &str) -> PyResult<()> {
        self.run(py, |index| index.remove_worker(worker_id))
    }

    fn apply<'py>(
        &self,
        py: Python<'py>,
        entries: Vec<PyBackedBytes>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let applied = self
            .run(py, |index| index.apply(&borrowed(&entries)))?
            .map_err(|error| convert::refusal(&error))?;
        convert::applied(py, applied)
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, Index::reset)
    }

    fn propose<'py>(
        &self,
        py: Python<'py>,
        worker_id: &str,
        limit: &Bound<'py, PyInt>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        // Any integer is a limit: below 0 is none, and what does not fit is all.
        let limit = match limit.extract::<usize>() {
            Ok(limit) => limit,
            Err(_) if limit.lt(0)? => 0,
            Err(_) => usize::MAX,
        };
        let proposals = self.run(py, |index| index.propose(worker_id, limit))?;
        let proposals = proposals.into_iter();
        proposals.map(|it| convert::proposal(py, it)).collect()
    }

    fn offer(
        &self,
        py: Python<'_>,
        lane: &str,
        waiting: Vec<PyBackedStr>,
    ) -> PyResult<Vec<String>> {
        self.run(py, |index| index.offer(lane, &borrowed(&waiting)))?
            .map_err(|error| convert::refusal(&error))
    }

    fn explain<'py>(
        &self,
        py: Python<'py>,
        document: &[u8],
        customer: &str,
        avoided: Vec<PyBackedStr>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let avoided = borrowed(&avoided);
        let verdicts = self
            .run(py, |index| index.explain(document, customer, &avoided))?
            .map_err(|error| convert::refusal(&error))?;
        let verdicts = verdicts.into_iter();
        verdicts.map(|it| convert::verdict(py, it)).collect()
    }

    fn explain_worker(
        &self,
        py: Python<'_>,
        worker_id: &str,
    ) -> PyResult<Vec<(String, u32, Vec<String>)>> {
        let verdicts = self.run(py, |index| index.explain_worker(worker_id))?;
        Ok(verdicts.into_iter().map(convert::lane_verdict).collect())
    }

    fn unserved(&self, py: Python<'_>) -> PyResult<Vec<(String, u32)>> {
        self.run(py, |index| index.unserved())
    }

    fn figures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let figures = self.run(py, |index| index.figures())?;
        convert::figures(py, figures)
    }

    /// Panics inside the index's lock, so that a test sees what becomes of it.
    #[cfg(feature = "panic-probe")]
    #[pyo3(signature = (message = "probe"))]
    fn panic_for_test(&self, py: Python<'_>, message: &str) -> PyResult<()> {
        self.run(py, |_| panic!("{message}"))
    }

    fn check(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.run(py, |index| index.check())
    }
}

fn borrowed<T: ?Sized, B: Deref<Target = T>>(items: &[B]) -> Vec<&T> {
    items.iter().map(Deref::deref).collect()
}
