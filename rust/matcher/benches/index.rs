//! What a match and an entry cost. `cargo bench -p empq-matcher`; the rows are those of the bars.

// criterion's macros make public functions without documentation.
#![allow(missing_docs)]

mod fixture;

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, BatchSize, Criterion};
use empq_matcher::Index;
use fixture::{base, customer_entry, lane_entry, moves, queue, scattered, worker_entry};

fn matches(c: &mut Criterion) {
    let mut group = c.benchmark_group("match");
    let mut half = queue(1_000, 1, 1_000, 2);
    assert_eq!(half.propose("w", 1).len(), 1);
    group.bench_function("1,000 shapes of 1,000 jobs, fits half", |b| {
        b.iter(|| half.propose(black_box("w"), 1));
    });
    group.bench_function("1,000 shapes of 1,000 jobs, fits half, best 16", |b| {
        b.iter(|| half.propose(black_box("w"), 16));
    });
    drop(half);
    let mut hundredth = queue(1_000, 100, 10, 100);
    group.bench_function("100,000 lanes in 1,000 shapes, fits 1 %", |b| {
        b.iter(|| hundredth.propose(black_box("w"), 1));
    });
    drop(hundredth);
    let mut own = queue(100_000, 1, 1, 100);
    group.bench_function("100,000 lanes, each its own shape, fits 1 %", |b| {
        b.iter(|| own.propose(black_box("w"), 1));
    });
    drop(own);
    let mut million = queue(1_000_000, 1, 1, 1_000);
    group.bench_function("1,000,000 lanes of one job, each its own shape, fits 0.1 %", |b| {
        b.iter(|| million.propose(black_box("w"), 1));
    });
    drop(million);
    let mut customers = queue(10, 10_000, 1, 2);
    group.bench_function("100,000 lanes of 10,000 customers, all admitted", |b| {
        b.iter(|| customers.propose(black_box("w"), 1));
    });
    let capabilities = br#"{"services": [{"name": "comfyui", "models": "all"}],
        "hardware": {"gpu_memory_gb": 24576, "ram_gb": 65536},
        "allowed_customers": ["customer-77"]}"#;
    customers.set_worker("w", 2, capabilities).unwrap();
    assert_eq!(customers.propose("w", 1).len(), 1);
    group.bench_function("100,000 lanes of 10,000 customers, one admitted", |b| {
        b.iter(|| customers.propose(black_box("w"), 1));
    });
    group.finish();
}

const WEIGHTS: [i64; 7] = [35, 25, 15, 10, 5, 5, 5];

fn orders(c: &mut Criterion) {
    let mut group = c.benchmark_group("order");
    let mut half = queue(1_000, 1, 1_000, 2);
    half.configure("score", "best_fit", &WEIGHTS).unwrap();
    group.bench_function("score: 1,000 shapes of 1,000 jobs, fits half", |b| {
        b.iter(|| half.propose(black_box("w"), 1));
    });
    drop(half);
    let mut own = queue(100_000, 1, 1, 100);
    own.configure("score", "best_fit", &WEIGHTS).unwrap();
    group.bench_function("score: 100,000 lanes, each its own shape, fits 1 %", |b| {
        b.iter(|| own.propose(black_box("w"), 1));
    });
    own.configure("fair", "best_fit", &WEIGHTS).unwrap();
    group.bench_function("fair: 100,000 lanes, each its own shape, fits 1 %", |b| {
        b.iter(|| own.propose(black_box("w"), 1));
    });
    drop(own);
    let mut million = queue(1_000, 1_000, 1, 2);
    million.configure("score", "best_fit", &WEIGHTS).unwrap();
    group.bench_function("score: 1,000,000 lanes in 1,000 shapes, fits half", |b| {
        b.iter(|| million.propose(black_box("w"), 1));
    });
    million.configure("fair", "best_fit", &WEIGHTS).unwrap();
    group.bench_function("fair: 1,000,000 lanes of 1,000 customers, all equal", |b| {
        b.iter(|| million.propose(black_box("w"), 1));
    });
    let mut number = 20_000_000;
    let mut turn = |million: &mut Index| {
        number += 1;
        let customer = format!("customer-{}", scattered(number) % 1_000);
        let entry = customer_entry(number, &customer, scattered(number) % 1_000_000);
        million.apply(&[&entry]).unwrap();
    };
    for _ in 0..10_000 {
        turn(&mut million);
    }
    group.bench_function("fair: 1,000,000 lanes of 1,000 customers, each its share", |b| {
        b.iter(|| million.propose(black_box("w"), 1));
    });
    group.bench_function("fair: one customer's share changes", |b| b.iter(|| turn(&mut million)));
    group.finish();
}

fn explanations(c: &mut Criterion) {
    let mut index = Index::new();
    for worker in 0..1_000 {
        let capabilities = format!(
            r#"{{"services": [{{"name": "comfyui", "models": "all"}}], "region": "us-east-{worker}",
                "hardware": {{"gpu_memory_gb": {}}}}}"#,
            worker * 100
        );
        let name = format!("worker-{worker}");
        index.set_worker(&name, 1, capabilities.as_bytes()).unwrap();
        index.apply(&[&worker_entry(worker + 1, &name)]).unwrap();
    }
    let document = br#"{"type": "image", "service": "comfyui", "models": ["m"], "region": ["us"],
        "hardware": {"gpu_memory_gb": 50000}}"#;
    let mut group = c.benchmark_group("explain");
    group.bench_function("one job against 1,000 workers", |b| {
        b.iter(|| index.explain(black_box(document), "x", &[]));
    });
    group.finish();
}

fn entries(c: &mut Criterion) {
    let mut group = c.benchmark_group("apply");
    let mut index = queue(1_000, 1_000, 1, 1_000);
    let mut number = 1_000_002;
    group.bench_function("add one lane to 1,000,000", |b| {
        let new_lane = || {
            number += 1;
            let lane = format!("{}:new-{number}", base(number % 1_000));
            lane_entry(number, &lane, scattered(number), 1)
        };
        b.iter_batched(new_lane, |it| index.apply(&[&it]), BatchSize::SmallInput);
    });
    number = 10_000_000;
    group.bench_function("1,000 entries, 1,000,000 lanes", |b| {
        let batch = || moves(&mut number, 1_000, 1_000);
        b.iter_batched(batch, |it| apply(&mut index, &it), BatchSize::LargeInput);
    });
    drop(index);
    let mut index = queue(1_000, 1, 1_000, 2);
    group.bench_function("1,000 entries, 1,000 lanes", |b| {
        let batch = || moves(&mut number, 1_000, 1);
        b.iter_batched(batch, |it| apply(&mut index, &it), BatchSize::LargeInput);
    });
    group.finish();
}

fn apply(index: &mut Index, batch: &[Vec<u8>]) {
    let batch: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
    index.apply(&batch).unwrap();
}

criterion_group!(benches, matches, orders, entries, explanations);
criterion_main!(benches);
