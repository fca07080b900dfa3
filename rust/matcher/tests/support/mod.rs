//! Queues and fleets that chance makes, and log entries as the hub receives them.

// Each test binary uses its own part of this module.
#![allow(dead_code)]

use empq_matcher::Index;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rmp::encode::{write_array_len, write_sint, write_str, write_uint};
use serde_json::{json, Value};

pub const CUSTOMERS: [&str; 3] = ["", "x", "y:1"];
pub const SERVICES: [&str; 2] = ["comfyui", "a1111"];
pub const WORKERS: [&str; 4] = ["w1", "w2", "w3", "w4"];

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
        for list in ["/allowed_customers", "/denied_customers", "/affinity/preferred_customers"] {
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
        customers(),
    );
    offers.prop_map(|(services, hardware, customers, limits, region, loaded, preferred)| {
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
                "quality_levels": ["fast"], "affinity": {"preferred_customers": preferred}})
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

/// Lanes of different names and different heads; ranks repeat.
pub fn any_queue() -> impl Strategy<Value = Queue> {
    let place = (0..6_usize, any_avoided(), 0..CUSTOMERS.len());
    let lane = (place, 0..5_u64, any::<bool>(), 1..4_u64);
    (vec(any_document(), 6), vec(lane, 0..40)).prop_map(|(documents, sent)| {
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
        Queue { documents, lanes }
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
    index
}

/// `[number, [[lane, rank, member, count]], []]`
pub fn lane_entry(number: u64, lane: &str, rank: u64, member: &str, count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_array_len(&mut bytes, 3).unwrap();
    write_uint(&mut bytes, number).unwrap();
    write_array_len(&mut bytes, 1).unwrap();
    write_array_len(&mut bytes, 4).unwrap();
    write_str(&mut bytes, lane).unwrap();
    write_uint(&mut bytes, rank).unwrap();
    write_str(&mut bytes, member).unwrap();
    write_uint(&mut bytes, count).unwrap();
    write_array_len(&mut bytes, 0).unwrap();
    bytes
}

/// `[number, [], [[worker, version, state, idle_since_ms, held]]]`
pub fn worker_entry(
    number: u64,
    worker: &str,
    version: i64,
    state: &str,
    idle_since_ms: i64,
    held: &[Held],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_array_len(&mut bytes, 3).unwrap();
    write_uint(&mut bytes, number).unwrap();
    write_array_len(&mut bytes, 0).unwrap();
    write_array_len(&mut bytes, 1).unwrap();
    write_array_len(&mut bytes, 5).unwrap();
    write_str(&mut bytes, worker).unwrap();
    write_sint(&mut bytes, version).unwrap();
    write_str(&mut bytes, state).unwrap();
    write_sint(&mut bytes, idle_since_ms).unwrap();
    write_array_len(&mut bytes, u32::try_from(held.len()).unwrap()).unwrap();
    for (customer, service, strict) in held {
        write_array_len(&mut bytes, 3).unwrap();
        write_str(&mut bytes, customer).unwrap();
        write_str(&mut bytes, service).unwrap();
        write_uint(&mut bytes, u64::from(*strict)).unwrap();
    }
    bytes
}
