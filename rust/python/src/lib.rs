//! The Python module `empq.matching._rust`: converts, calls, maps errors; decides nothing.
//! Its manual is the stub, `python/empq/matching/_rust.pyi`.

#![deny(unsafe_op_in_unsafe_fn)]

mod convert;
mod matcher;

use pyo3::prelude::*;

/// The matching index of empq, in Rust.
#[pymodule(gil_used = false)]
mod _rust {
    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use super::matcher::RustMatcher;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DEBUG_BUILD", cfg!(debug_assertions))
    }
}
