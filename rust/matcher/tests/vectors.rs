//! The cases of `tests/vectors`, worked out by hand, as `tools/make_vectors.py` turned them into
//! documents; pytest runs the same ones.

mod support;

use empq_matcher::{Index, Verdict};
use serde::Deserialize;
use serde_json::{json, Value};
use support::entries::packed;

const CASES: &str = include_str!("../../../tests/vectors/documents/cases.json");
const WEIGHTS: [i64; 7] = [35, 25, 15, 10, 5, 5, 5];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    document: Value,
    capabilities: Value,
    #[serde(default)]
    customer: String,
    /// Customer, service or "", strict 0 or 1.
    #[serde(default)]
    held: Vec<(String, String, u8)>,
    state: Option<String>,
    #[serde(default)]
    load: (i64, i64, i64),
    #[serde(default)]
    avoided: Vec<String>,
    fit: Option<String>,
    weights: Option<[i64; 7]>,
    /// As in an index entry.
    #[serde(default)]
    pauses: Vec<(String, String)>,
    /// As in an index entry.
    #[serde(default)]
    customers: Vec<(String, i64, i64, i64, i64)>,
    rules: Vec<String>,
    score: Option<i64>,
    dimensions: Option<[i64; 8]>,
}

impl Case {
    fn verdict(&self) -> Verdict {
        let mut index = Index::new();
        let fit = self.fit.as_deref().unwrap_or("best_fit");
        index.configure("fifo", fit, &self.weights.unwrap_or(WEIGHTS)).unwrap();
        index.set_worker("w", 0, self.capabilities.to_string().as_bytes()).unwrap();
        let (cpu, memory, gpu) = self.load;
        index.set_load("w", cpu, memory, gpu);
        let state = self.state.as_deref().unwrap_or("online");
        let worker = json!(["w", 0, state, 0, self.held]);
        let entry = packed(&json!([1, [], [worker], self.pauses, self.customers]));
        index.apply(&[&entry]).unwrap();
        let avoided: Vec<&str> = self.avoided.iter().map(String::as_str).collect();
        let document = self.document.to_string();
        let mut verdicts = index.explain(document.as_bytes(), &self.customer, &avoided).unwrap();
        assert_eq!(verdicts.len(), 1, "{}", self.name);
        verdicts.remove(0)
    }
}

#[test]
fn every_case_comes_out_as_it_was_worked_out() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() >= 60);

    for case in cases {
        let verdict = case.verdict();

        assert_eq!(verdict.rules, case.rules, "{}", case.name);
        assert_eq!(verdict.score, case.score, "{}", case.name);
        assert_eq!(verdict.dimensions, case.dimensions, "{}", case.name);
    }
}
