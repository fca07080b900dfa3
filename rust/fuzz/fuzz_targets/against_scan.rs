//! Operations that a fuzzer chooses, on the index and on the linear scan side by side; the same ones
//! that proptest chooses in `rust/matcher/tests/against_scan.rs`.

#![no_main]

#[path = "../../matcher/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::operations::{any_operation, Operation};
use support::pair::Pair;

/// An operation is what its strategy makes of these bytes as a seed: a fuzzer then cuts, swaps and
/// joins whole operations. Bytes taken as choices themselves would not do, as some strategies draw
/// until they get something new, and zeros never are.
const BYTES_PER_OPERATION: usize = 8;
const SEED_BYTES: usize = 32;

fn operation(bytes: &[u8]) -> Option<Operation> {
    let mut seed = [0; SEED_BYTES];
    seed[..bytes.len()].copy_from_slice(bytes);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    Some(any_operation().new_tree(&mut runner).ok()?.current())
}

fuzz_target!(|bytes: &[u8]| {
    let mut pair = Pair::new();
    for operation in bytes.chunks(BYTES_PER_OPERATION).filter_map(operation) {
        pair.run(operation);
        pair.compare();
    }
});
