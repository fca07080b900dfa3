//! Log entries as the hub receives them.

use rmp::encode::{write_array_len, write_sint, write_str, write_uint};
use serde_json::{json, Value};

use super::{Held, Pause, Share};

/// A lane as it is afterwards.
pub fn lane_entry(number: u64, lane: &str, rank: u64, member: &str, count: u64) -> Vec<u8> {
    packed(&json!([number, [[lane, rank, member, count]], []]))
}

/// A worker as it is afterwards.
pub fn worker_entry(
    number: u64,
    worker: &str,
    version: i64,
    state: &str,
    idle_since_ms: i64,
    held: &[Held],
) -> Vec<u8> {
    let held: Vec<Value> = (held.iter())
        .map(|(customer, service, strict)| json!([customer, service, u8::from(*strict)]))
        .collect();
    packed(&json!([number, [], [[worker, version, state, idle_since_ms, held]]]))
}

/// All pauses that there are.
pub fn pauses_entry(number: u64, pauses: &[Pause]) -> Vec<u8> {
    packed(&json!([number, [], [], pauses, []]))
}

/// Customers as they are afterwards; pauses unchanged.
pub fn customers_entry(number: u64, shares: &[Share]) -> Vec<u8> {
    let customers: Vec<Value> = (shares.iter())
        .map(|it| json!([it.customer, 1, it.max_active, it.active, it.virtual_time]))
        .collect();
    packed(&json!([number, [], [], 0, customers]))
}

/// msgpack of lists, strings and integers.
pub fn packed(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack(value, &mut bytes);
    bytes
}

fn pack(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            write_array_len(bytes, u32::try_from(items.len()).unwrap()).unwrap();
            for item in items {
                pack(item, bytes);
            }
        }
        Value::String(text) => write_str(bytes, text).unwrap(),
        Value::Number(number) => match number.as_u64() {
            Some(number) => write_uint(bytes, number).map(drop).unwrap(),
            None => write_sint(bytes, number.as_i64().unwrap()).map(drop).unwrap(),
        },
        other => panic!("{other} has no place in an entry"),
    }
}
