//! What a match and an entry cost. `cargo bench -p empq-matcher`; the rows are those of the bars.

// criterion's macros make public functions without documentation.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, BatchSize, Criterion};
use empq_matcher::Index;

/// A number that looks random and is the same in every run.
fn scattered(n: u64) -> u64 {
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

fn base(shape: u64) -> String {
    format!("{shape:022}")
}

fn member(number: u64) -> String {
    format!("{number:016x}0195a3c2-7d3e-7b4a-9f10-{number:012x}")
}

fn lane_entry(number: u64, lane: &str, rank: u64, count: u64) -> Vec<u8> {
    use rmp::encode::{write_array_len, write_str, write_uint};
    let mut bytes = Vec::new();
    write_array_len(&mut bytes, 3).unwrap();
    write_uint(&mut bytes, number).unwrap();
    write_array_len(&mut bytes, 1).unwrap();
    write_array_len(&mut bytes, 4).unwrap();
    write_str(&mut bytes, lane).unwrap();
    write_uint(&mut bytes, rank).unwrap();
    write_str(&mut bytes, &member(rank)).unwrap();
    write_uint(&mut bytes, count).unwrap();
    write_array_len(&mut bytes, 0).unwrap();
    bytes
}

/// `[number, [], [], 0, [[customer, 1, -1, 0, virtual_time]]]`
fn customer_entry(number: u64, customer: &str, virtual_time: u64) -> Vec<u8> {
    use rmp::encode::{write_array_len, write_sint, write_str, write_uint};
    let mut bytes = Vec::new();
    write_array_len(&mut bytes, 5).unwrap();
    write_uint(&mut bytes, number).unwrap();
    write_array_len(&mut bytes, 0).unwrap();
    write_array_len(&mut bytes, 0).unwrap();
    write_uint(&mut bytes, 0).unwrap();
    write_array_len(&mut bytes, 1).unwrap();
    write_array_len(&mut bytes, 5).unwrap();
    write_str(&mut bytes, customer).unwrap();
    write_uint(&mut bytes, 1).unwrap();
    write_sint(&mut bytes, -1).unwrap();
    write_uint(&mut bytes, 0).unwrap();
    write_uint(&mut bytes, virtual_time).unwrap();
    bytes
}

fn worker_entry(number: u64, worker: &str) -> Vec<u8> {
    use rmp::encode::{write_array_len, write_str, write_uint};
    let mut bytes = Vec::new();
    write_array_len(&mut bytes, 3).unwrap();
    write_uint(&mut bytes, number).unwrap();
    write_array_len(&mut bytes, 0).unwrap();
    write_array_len(&mut bytes, 1).unwrap();
    write_array_len(&mut bytes, 5).unwrap();
    write_str(&mut bytes, worker).unwrap();
    write_uint(&mut bytes, 1).unwrap();
    write_str(&mut bytes, "online").unwrap();
    write_uint(&mut bytes, 0).unwrap();
    write_array_len(&mut bytes, 0).unwrap();
    bytes
}

/// A queue of shapes with lanes for some customers; every `one_in`-th shape fits the worker "w".
fn queue(shapes: u64, customers: u64, jobs: u64, one_in: u64) -> Index {
    let mut index = Index::new();
    let capabilities = br#"{"services": [{"name": "comfyui", "models": "all"}],
        "hardware": {"gpu_memory_gb": 24576, "ram_gb": 65536}, "concurrent_jobs": 4,
        "labels": {"pool": "a"}}"#;
    index.set_worker("w", 1, capabilities).unwrap();
    index.apply(&[&worker_entry(1, "w")]).unwrap();
    for shape in 0..shapes {
        let memory = if shape % one_in == one_in / 2 { 16384 } else { 49152 };
        let document = format!(
            r#"{{"type": "image", "service": "comfyui", "models": ["m{shape}"], "isolation": 0,
                "hardware": {{"gpu_memory_gb": {memory}, "ram_gb": {shape}}}}}"#
        );
        index.add_shape(&base(shape), document.as_bytes()).unwrap();
        for customer in 0..customers {
            let number = shape * customers + customer;
            let lane = format!("{}:customer-{customer}", base(shape));
            let entry = lane_entry(number + 2, &lane, scattered(number), jobs);
            index.apply(&[&entry]).unwrap();
        }
    }
    index
}

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

/// Entries that give 1,000 lanes another head.
fn moves(number: &mut u64, shapes: u64, customers: u64) -> Vec<Vec<u8>> {
    let entry = |_| {
        *number += 1;
        let place = scattered(*number) % (shapes * customers);
        let lane = format!("{}:customer-{}", base(place / customers), place % customers);
        lane_entry(*number, &lane, scattered(*number), 1)
    };
    (0..1_000).map(entry).collect()
}

criterion_group!(benches, matches, orders, entries, explanations);
criterion_main!(benches);
