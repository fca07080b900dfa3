//! The index beside a linear scan: after every operation both answer the same, and the index is
//! consistent.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::operations::any_operation;
use support::pair::Pair;

proptest! {
    #![proptest_config(support::cases(800))]

    #[test]
    fn the_index_answers_as_a_linear_scan_does(operations in vec(any_operation(), 1..250)) {
        let mut pair = Pair::new();

        for operation in operations {
            pair.run(operation);
            pair.compare();
        }
    }
}
