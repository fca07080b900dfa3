//! The bars of the matching issue, each beside what was measured: median and p99 of single calls, and memory.
//! `cargo bench -p empq-matcher --bench bars`; with `-- --test` a hundredth of each size, to see that it runs.

// A table is printed, and times are shown to a hundredth.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

mod fixture;

use std::hint::black_box;
use std::time::Instant;

use fixture::{base, held_entry, lane_entry, moves, queue, scattered, worker_entry};

/// The process's resident memory in bytes; 0 where the system does not tell.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|it| it.parse::<f64>().ok());
    pages.unwrap_or(0.0) * 4096.0
}

/// Median and p99 of `calls` single calls, in us; each includes about 0.03 us of clock.
fn timed(calls: usize, mut call: impl FnMut()) -> (f64, f64) {
    for _ in 0..=calls / 10 {
        call();
    }
    let mut taken: Vec<u64> = (0..calls)
        .map(|_| {
            let begun = Instant::now();
            call();
            u64::try_from(begun.elapsed().as_nanos()).unwrap()
        })
        .collect();
    taken.sort_unstable();
    (taken[calls / 2] as f64 / 1e3, taken[calls * 99 / 100] as f64 / 1e3)
}

fn row(what: &str, (median, p99): (f64, f64), bar: &str) {
    println!("{what:<72} {median:>10.2} {p99:>10.2}   {bar}");
}

fn main() {
    let size = if std::env::args().any(|it| it == "--test") { 100 } else { 1 };
    memory(size); // first: later ones would find memory that was used before
    println!("{:<72} {:>10} {:>10}   bar (us)", "work", "median us", "p99 us");
    plain_matches(size);
    customers(size);
    profiles(size);
    entries(size);
    explanations(size);
}

fn plain_matches(size: u64) {
    let mut half = queue(1_000 / size, 1, 1_000, 2);
    let what = "match: 1,000,000 jobs, 1,000 shapes, fits half";
    row(what, timed(200_000, || drop(black_box(half.propose("w", 1)))), "<= 1, p99 <= 3");
    drop(half);
    let mut hundredth = queue(100_000 / size, 1, 1, 100);
    let what = "match: 100,000 lanes, each its own shape, fits 1 %";
    row(what, timed(20_000, || drop(black_box(hundredth.propose("w", 1)))), "<= 15");
    drop(hundredth);
    let mut million = queue(1_000_000 / size, 1, 1, 1_000);
    let what = "match: 1,000,000 lanes of one job, each its own shape, fits 0.1 %";
    row(what, timed(5_000, || drop(black_box(million.propose("w", 1)))), "<= 150");
    let mut number = 20_000_000;
    let mut next: Vec<u8> = Vec::new();
    let mut taken = Vec::new();
    for _ in 0..20_000 {
        number += 1;
        let lane = format!("{}:new-{number}", base(number % (1_000_000 / size)));
        next.clone_from(&lane_entry(number, &lane, scattered(number), 1));
        let begun = Instant::now();
        million.apply(&[&next]).unwrap();
        taken.push(u64::try_from(begun.elapsed().as_nanos()).unwrap());
    }
    taken.sort_unstable();
    let spread = (taken[10_000] as f64 / 1e3, taken[19_800] as f64 / 1e3);
    row("  add one lane to them", spread, "<= 1");
}

/// Workers that may take few customers' jobs, among lanes of 100,000 customers.
fn customers(size: u64) {
    let mut index = queue(1, 100_000 / size, 1, 1);
    let plain = timed(50_000, || drop(black_box(index.propose("w", 1))));
    row("match: one shape, lanes of 100,000 customers, all admitted", plain, "");
    index.apply(&[&held_entry(30_000_000, "w", &["customer-77"])]).unwrap();
    let strict = timed(50_000, || drop(black_box(index.propose("w", 1))));
    row("  while a strict job is held", strict, &format!("<= {:.2}", plain.0 * 10.0));
    let capabilities = br#"{"services": [{"name": "comfyui", "models": "all"}],
        "hardware": {"gpu_memory_gb": 24576, "ram_gb": 65536}, "concurrent_jobs": 4,
        "allowed_customers": ["customer-77", "customer-78"]}"#;
    index.set_worker("w", 2, capabilities).unwrap();
    index.apply(&[&worker_entry(30_000_001, "w")]).unwrap();
    assert_eq!(index.propose("w", 9).len(), 2);
    let allowed = timed(50_000, || drop(black_box(index.propose("w", 1))));
    row("  with two allowed customers", allowed, &format!("<= {:.2}", plain.0 * 10.0));
}

fn profiles(size: u64) {
    let mut index = queue(10_000 / size, 1, 1, 2);
    let mut version = 1;
    let what = "a new profile against 10,000 shapes: set, and the first match";
    let spread = timed(200, || {
        version += 1;
        let capabilities = format!(
            r#"{{"services": [{{"name": "comfyui", "models": "all"}}], "labels": {{"v": {version}}},
                "hardware": {{"gpu_memory_gb": 24576, "ram_gb": 65536}}}}"#
        );
        index.set_worker("w", version, capabilities.as_bytes()).unwrap();
        drop(black_box(index.propose("w", 1)));
    });
    row(what, spread, "<= 5000");
    let mut percent = 0;
    let spread = timed(100_000, || {
        percent = (percent + 1) % 100;
        index.set_load("w", percent, 50, 50);
    });
    row("a heartbeat that changes load only", spread, "<= 2");
}

fn entries(size: u64) {
    for (what, customers) in [
        ("1,000 log entries in one batch, 1,000 lanes", 1),
        ("1,000 log entries in one batch, 1,000,000 lanes", 1_000),
    ] {
        let mut index = queue(1_000 / size, customers, 1, 2);
        let mut number = 40_000_000;
        let mut taken: Vec<f64> = (0..200)
            .map(|_| {
                let batch = moves(&mut number, 1_000 / size, customers);
                let batch: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
                let begun = Instant::now();
                index.apply(&batch).unwrap();
                begun.elapsed().as_nanos() as f64 / 1e3 / 1_000.0
            })
            .collect();
        taken.sort_by(f64::total_cmp);
        row(&format!("{what}, each"), (taken[100], taken[198]), "<= 0.3");
    }
}

fn explanations(size: u64) {
    let mut index = queue(1_000 / size, 1, 100, 2);
    for worker in 0..1_000 / size {
        let name = format!("worker-{worker}");
        let capabilities = format!(
            r#"{{"services": [{{"name": "comfyui", "models": "all"}}], "region": "us-east-{worker}",
                "hardware": {{"gpu_memory_gb": {}}}}}"#,
            worker * 100
        );
        index.set_worker(&name, 1, capabilities.as_bytes()).unwrap();
        index.apply(&[&worker_entry(50_000_000 + worker, &name)]).unwrap();
    }
    let document = br#"{"type": "image", "service": "comfyui", "models": ["m"], "region": ["us"],
        "hardware": {"gpu_memory_gb": 50000}}"#;
    let spread = timed(500, || drop(black_box(index.explain(document, "x", &[]))));
    row("explain one job against 1,000 workers", spread, "<= 2000");
    let spread = timed(500, || drop(black_box(index.explain_worker("worker-7"))));
    row("explain one worker against 100,000 jobs of 1,000 shapes", spread, "<= 20000");
    let spread = timed(200, || drop(black_box(index.unserved())));
    row("what nobody of 1,000 workers can serve, of 1,000 shapes", spread, "<= 20000");
}

fn memory(size: u64) {
    let before = resident();
    let deep = queue(1_000, 1, 1_000, 2);
    let megabytes = (resident() - before) / 1e6;
    assert_eq!(deep.figures().jobs, 1_000_000);
    println!("memory: {megabytes:.1} MB for 1,000,000 jobs in 1,000 shapes   (bar: <= 10 MB)");
    let before = resident();
    let lanes = queue(1_000, 1_000 / size, 1, 2); // its 1,000 shapes weigh what was just seen, at most
    let jobs = f64::from(u32::try_from(lanes.figures().jobs).unwrap());
    let each = (resident() - before - megabytes * 1e6) / jobs;
    println!("memory: {each:.0} bytes a job in lanes of one, shapes apart   (bar: <= 100)");
}
