//! Names come from strangers: nobody can prepare names that all fall into one bucket.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

#[test]
fn each_table_hashes_by_a_key_of_its_own() {
    let hashes: Vec<u64> =
        (0..8).map(|_| DefaultHashBuilder::default().hash_one("a name")).collect();

    assert!(hashes.iter().any(|it| *it != hashes[0]), "{hashes:?}");
}
