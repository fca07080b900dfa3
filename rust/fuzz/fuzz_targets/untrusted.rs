//! Any bytes as an entry, a shape and capabilities: refused or taken, never a panic, and the index
//! stays consistent.

#![no_main]

use empq_matcher::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut index = Index::new();
    let _ = index.set_worker("w", 1, bytes);
    let _ = index.add_shape("b", bytes);
    let _ = index.apply(&[bytes]);
    let _ = index.explain(bytes, "", &["w"]);
    let _ = index.propose("w", 3);
    let _ = index.explain_worker("w");
    assert_eq!(index.check(), Vec::<String>::new());
});
