//! Operations that a fuzzer chooses, on the index and on the linear scan side by side; the same ones
//! that proptest chooses in `rust/matcher/tests/against_scan.rs`.

#![no_main]

#[path = "../../matcher/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::operations::any_operation;
use support::pair::Pair;

/// About what one operation takes of the input; what is missing is read as zeros.
const BYTES_PER_OPERATION: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let rng = TestRng::from_seed(RngAlgorithm::PassThrough, bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut pair = Pair::new();
    for _ in 0..=bytes.len() / BYTES_PER_OPERATION {
        let Ok(operation) = any_operation().new_tree(&mut runner) else {
            return;
        };
        pair.run(operation.current());
        pair.compare();
    }
});
