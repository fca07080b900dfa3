//! Queues and fleets that chance makes. Fuzz targets include this module by its path.

// Each test binary uses its own part of this module.
#![allow(dead_code)]

pub mod entries;
pub mod operations;
pub mod pair;
pub mod scan;

use empq_matcher::Index;
use entries::{customers_entry, lane_entry, pauses_entry, worker_entry};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{json, Value};

pub const CUSTOMERS: [&str; 9] = ["", "x", "y:1", "a", "b", "c", "d", "e", "f"];
pub const SERVICES: [&str; 2] = ["comfyui", "a1111"];
pub const WORKERS: [&str; 4] = ["w1", "w2", "w3", "w4"];
pub const ORDERS: [&str; 3] = ["fifo", "score", "fair"];

/// As many cases as `PROPTEST_CASES` says (`make fuzz`), else `usual`.
pub fn cases(usual: u32) -> ProptestConfig {
    let told = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let is_told = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig { cases: if is_told { told.cases } else { usual }, ..told }
}

/// A shape document.
#[derive(Clone, Debug)]
pub struct Document(pub String);

/// A lane that holds jobs.
#[derive(Clone, Debug)]
pub struct FilledLane {
    pub shape: usize,
    pub avoided: Vec<&'static str>,
    pub customer: String,
    pub rank: u64,
    pub member: String,
    pub count: u64,
}

impl FilledLane {
    pub fn id(&self) -> String {
        lane_id(self.shape, &self.avoided, &self.customer)
    }
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub documents: Vec<Document>,
    pub lanes: Vec<FilledLane>,
    pub policy: Policy,
    pub pauses: Vec<Pause>,
    pub shares: Vec<Share>,
}

/// What `configure` takes.
#[derive(Clone, Debug)]
pub struct Policy {
    pub order: &'static str,
    pub fit: &'static str,
    pub weights: [i64; 7],
}

/// Scope and name.
pub type Pause = (&'static str, String);

/// A customer's quota (-1: none), active jobs and virtual time.
#[derive(Clone, Debug)]
pub struct Share {
    pub customer: String,
    pub max_active: i64,
    pub active: i64,
    pub virtual_time: u64,
}

/// The priority that a rank stands for, 0 the highest.
pub fn level(rank: u64) -> u64 {
    rank >> 46
}

/// A job that a worker holds: customer, service or "", strict.
pub type Held = (String, &'static str, bool);

#[derive(Clone, Debug)]
pub struct Fellow {
    pub id: String,
    pub capabilities: Value,
    pub idle_since_ms: i64,
    pub held: Vec<Held>,
}

impl Fellow {
    /// The same worker where customers have other names.
    pub fn with_customers(&self, rename: impl Fn(&str) -> String) -> Self {
        let mut renamed = self.clone();
        for list in [
            "/allowed_customers",
            "/denied_customers",
            "/affinity/preferred_customers",
            "/affinity/avoided_customers",
        ] {
            let names = renamed.capabilities.pointer_mut(list);
            for name in names.and_then(Value::as_array_mut).into_iter().flatten() {
                *name = json!(rename(name.as_str().unwrap()));
            }
        }
        for (customer, _, _) in &mut renamed.held {
            *customer = rename(customer);
        }
        renamed
    }
}

pub fn lane_id(shape: usize, avoided: &[&str], customer: &str) -> String {
    let mark = if avoided.is_empty() { "" } else { "!" };
    format!("base{shape}{mark}{}:{customer}", avoided.join(","))
}

/// Members of both forms, the packed and the other, in one order.
pub fn member(number: u64, is_text: bool) -> String {
    let tail = if is_text { "job" } else { "0195a3c2-7d3e-7b4a-9f10-1234567890ab" };
    format!("{number:016x}{tail}")
}

pub fn any_document() -> impl Strategy<Value = Document> {
    let demands = (
        option::of(select(SERVICES.to_vec())),
        select(vec![0, 10, 24, 48]),
        select(vec![0, 0, 0, 1, 2]),
        option::of(select(vec!["us", "us-east"])),
        option::of(select(vec!["m1", "m2"])),
        option::of(select(vec!["fast", "quality"])),
        option::of(select(WORKERS.to_vec())),
        option::of(select(vec![10, 48])),
    );
    demands.prop_map(|(service, memory, isolation, region, model, quality, worker, too_much)| {
        let mut document = json!({"type": "image", "isolation": isolation});
        if let Some(service) = service {
            document["service"] = json!(service);
            document["models"] = json!(model.into_iter().collect::<Vec<_>>());
        }
        if memory > 0 {
            document["hardware"] = json!({"gpu_memory_gb": memory});
        }
        if let Some(region) = region {
            document["region"] = json!([region]);
        }
        if let Some(quality) = quality {
            document["quality_level"] = json!(quality);
        }
        if let Some(worker) = worker {
            document["prefer"] =
                json!([{"key": "worker_id", "op": "eq", "value": worker, "weight": 30}]);
        }
        if let Some(ram) = too_much {
            document["not"] = json!({"hardware": {"ram_gb": ram}, "region": ["eu"]});
        }
        Document(document.to_string())
    })
}

pub fn any_capabilities() -> impl Strategy<Value = Value> {
    let services = subsequence(SERVICES.to_vec(), 0..=2);
    let customers = || subsequence(CUSTOMERS.to_vec(), 0..=2);
    let offers = (
        (services, any::<bool>(), option::weighted(0.3, 1..3_u32)),
        (select(vec![10, 24, 48]), select(vec![5, 10, 48])),
        (0..3_u8, option::weighted(0.2, customers()), customers()),
        (1..4_u32, option::weighted(0.3, 1..3_u32)),
        option::of(select(vec!["us", "us-east-1", "eu"])),
        subsequence(vec!["m1", "m2"], 0..=2),
        (customers(), customers()),
    );
    offers.prop_map(|(services, hardware, customers, limits, region, loaded, liking)| {
        let (services, healthy, capacity) = services;
        let (isolation, allowed, denied) = customers;
        let services: Vec<Value> = (services.iter())
            .map(|name| {
                json!({"name": name, "models": ["m1", "m2"], "loaded": loaded,
                        "healthy": healthy || *name == "comfyui", "capacity": capacity})
            })
            .collect();
        json!({"services": services, "isolation": isolation, "region": region,
                "hardware": {"gpu_memory_gb": hardware.0, "ram_gb": hardware.1},
                "allowed_customers": allowed, "denied_customers": denied,
                "concurrent_jobs": limits.0, "max_concurrent_customers": limits.1,
                "quality_levels": ["fast"], "affinity": {
                    "preferred_customers": liking.0, "avoided_customers": liking.1}})
    })
}

pub fn any_held() -> impl Strategy<Value = Vec<Held>> {
    let customer = select(CUSTOMERS.to_vec()).prop_map(str::to_owned);
    let service = select(vec!["comfyui", "a1111", ""]);
    vec((customer, service, proptest::bool::weighted(0.2)), 0..3)
}

pub fn any_avoided() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        4 => Just(Vec::new()),
        1 => subsequence(WORKERS.to_vec(), 1..=4),
    ]
}

/// Few priorities, few ranks within each, so that ranks repeat.
pub fn any_rank() -> impl Strategy<Value = u64> {
    (0..3_u64, 0..3_u64).prop_map(|(level, place)| level << 46 | place)
}

pub fn any_policy() -> impl Strategy<Value = Policy> {
    let weights = select(vec![
        [35, 25, 15, 10, 5, 5, 5],
        [0, 100, 0, 0, 0, 0, 0],
        [0, 0, 0, 40, 30, 20, 10],
        [100, 0, 0, 0, 0, 0, 0],
    ]);
    (select(ORDERS.to_vec()), select(vec!["best_fit", "headroom"]), weights)
        .prop_map(|(order, fit, weights)| Policy { order, fit, weights })
}

pub fn any_pauses() -> impl Strategy<Value = Vec<Pause>> {
    let pause = prop_oneof![
        2 => select(WORKERS.to_vec()).prop_map(|it| ("worker", it.to_owned())),
        2 => select(vec!["comfyui", "a1111", "nowhere"]).prop_map(|it| ("service", it.to_owned())),
        1 => select(vec!["image", "video"]).prop_map(|it| ("type", it.to_owned())),
        2 => select(CUSTOMERS.to_vec()).prop_map(|it| ("customer", it.to_owned())),
    ];
    prop_oneof![2 => Just(Vec::new()), 1 => vec(pause, 1..3)]
}

pub fn any_share() -> impl Strategy<Value = Share> {
    let customer = select(CUSTOMERS.to_vec());
    (customer, select(vec![-1, -1, -1, 0, 1, 2]), 0..3_i64, 0..4_u64).prop_map(
        |(customer, max_active, active, virtual_time)| Share {
            customer: customer.to_owned(),
            max_active,
            active,
            virtual_time,
        },
    )
}

/// Lanes of different names and different heads.
pub fn any_queue() -> impl Strategy<Value = Queue> {
    let place = (0..6_usize, any_avoided(), 0..CUSTOMERS.len());
    let lane = (place, any_rank(), any::<bool>(), 1..4_u64);
    let limits = (any_policy(), any_pauses(), vec(any_share(), 0..4));
    let told = (vec(any_document(), 6), vec(lane, 0..40), limits);
    told.prop_map(|(documents, sent, (policy, pauses, shares))| {
        let mut lanes: Vec<FilledLane> = Vec::new();
        for (number, ((shape, avoided, customer), rank, is_text, count)) in (0..).zip(sent) {
            let lane = FilledLane {
                shape,
                avoided,
                customer: CUSTOMERS[customer].to_owned(),
                rank,
                member: member(number, is_text),
                count,
            };
            if lanes.iter().all(|known| known.id() != lane.id()) {
                lanes.push(lane);
            }
        }
        Queue { documents, lanes, policy, pauses, shares }
    })
}

pub fn any_fleet() -> impl Strategy<Value = Vec<Fellow>> {
    let fellow = (any_capabilities(), 0..3_i64, any_held());
    vec(fellow, 0..=WORKERS.len()).prop_map(|fellows| {
        let named = WORKERS.iter().zip(fellows);
        named
            .map(|(id, (capabilities, idle_since_ms, held))| Fellow {
                id: (*id).to_owned(),
                capabilities,
                idle_since_ms,
                held,
            })
            .collect()
    })
}

/// The index that has been told all of it.
pub fn build(queue: &Queue, fleet: &[Fellow]) -> Index {
    let mut index = Index::new();
    let mut number = 0;
    for fellow in fleet {
        number += 1;
        let document = fellow.capabilities.to_string();
        index.set_worker(&fellow.id, 1, document.as_bytes()).unwrap();
        let entry =
            worker_entry(number, &fellow.id, 1, "online", fellow.idle_since_ms, &fellow.held);
        index.apply(&[&entry]).unwrap();
    }
    for (shape, document) in queue.documents.iter().enumerate() {
        index.add_shape(&format!("base{shape}"), document.0.as_bytes()).unwrap();
    }
    for lane in &queue.lanes {
        number += 1;
        let entry = lane_entry(number, &lane.id(), lane.rank, &lane.member, lane.count);
        index.apply(&[&entry]).unwrap();
    }
    let Policy { order, fit, weights } = queue.policy;
    index.configure(order, fit, &weights).unwrap();
    // The last that a customer is told of counts.
    for share in &queue.shares {
        number += 1;
        index.apply(&[&customers_entry(number, std::slice::from_ref(share))]).unwrap();
    }
    index.apply(&[&pauses_entry(number + 1, &queue.pauses)]).unwrap();
    index
}
