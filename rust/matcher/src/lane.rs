//! Lanes: one customer's jobs of one shape, of which only the head and the count are known.
//!
//! A lane takes 64 bytes and about 10 in the table that finds it.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::rank::Member;
use crate::shape::ShapeId;
use crate::symbols::Symbol;

/// An emptied lane keeps its number until this many later numbers have passed.
pub(crate) const KEPT_NUMBERS: u64 = 10_000;
/// Lanes are kept in chunks, so that growing never copies them.
const CHUNK: usize = 1024;
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LaneId(u32);

impl LaneId {
    fn place(self) -> (usize, usize) {
        let place = self.0 as usize;
        (place / CHUNK, place % CHUNK)
    }
}

#[derive(Debug)]
pub(crate) struct Lane {
    /// The number of the last entry taken.
    pub(crate) number: u64,
    pub(crate) rank: u64,
    pub(crate) member: Member,
    pub(crate) shape: ShapeId,
    pub(crate) customer: Symbol,
    /// 0: emptied, kept for its number.
    pub(crate) count: u32,
    /// Where it stands in its shape's heap.
    position: u32,
}

impl Lane {
    /// Better heads come first.
    pub(crate) fn compare_heads(&self, other: &Self) -> Ordering {
        (self.rank.cmp(&other.rank)).then_with(|| self.member.cmp(&other.member))
    }

    pub(crate) fn is_forgotten(&self, highest: u64) -> bool {
        self.count == 0 && self.number + KEPT_NUMBERS <= highest
    }
}

/// All lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    chunks: Vec<Vec<Lane>>,
    free: Vec<LaneId>,
    table: HashTable<LaneId>,
    hasher: DefaultHashBuilder,
    /// Lanes as they were emptied, with the number that emptied them.
    emptied: VecDeque<(u64, LaneId)>,
    /// The highest number that any entry had.
    pub(crate) highest: u64,
}

impl Lanes {
    pub(crate) fn get(&self, lane: LaneId) -> &Lane {
        let (chunk, place) = lane.place();
        &self.chunks[chunk][place]
    }

    pub(crate) fn get_mut(&mut self, lane: LaneId) -> &mut Lane {
        let (chunk, place) = lane.place();
        &mut self.chunks[chunk][place]
    }

    pub(crate) fn find(&self, shape: ShapeId, customer: Symbol) -> Option<LaneId> {
        let hash = self.hasher.hash_one((shape, customer));
        let is_it = |&known: &LaneId| {
            let lane = self.get(known);
            lane.shape == shape && lane.customer == customer
        };
        self.table.find(hash, is_it).copied()
    }

    /// The lane, made empty where it is not known yet.
    pub(crate) fn find_or_add(&mut self, shape: ShapeId, customer: Symbol) -> (LaneId, bool) {
        if let Some(known) = self.find(shape, customer) {
            return (known, false);
        }
        let lane = self.store(Lane {
            number: 0,
            rank: 0,
            member: Member::none(),
            shape,
            customer,
            count: 0,
            position: NOWHERE,
        });
        let (chunks, hasher) = (&self.chunks, &self.hasher);
        self.table.insert_unique(hasher.hash_one((shape, customer)), lane, |known| {
            let (chunk, place) = known.place();
            let lane = &chunks[chunk][place];
            hasher.hash_one((lane.shape, lane.customer))
        });
        (lane, true)
    }

    fn store(&mut self, lane: Lane) -> LaneId {
        if let Some(free) = self.free.pop() {
            *self.get_mut(free) = lane;
            return free;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("one was just pushed");
        chunk.push(lane);
        LaneId(u32::try_from(full + chunk.len() - 1).expect("fewer than 2^32 lanes"))
    }

    /// Notes that a lane is empty now, so that its memory is freed in time.
    pub(crate) fn note_emptied(&mut self, number: u64, lane: LaneId) {
        self.emptied.push_back((number, lane));
    }

    /// Frees emptied lanes that [`Lane::is_forgotten`]; whether they are looked up never depends on it.
    pub(crate) fn sweep(&mut self) {
        while let Some(&(number, id)) = self.emptied.front() {
            if number + KEPT_NUMBERS > self.highest {
                break;
            }
            self.emptied.pop_front();
            let lane = self.get(id);
            if lane.number != number || lane.count != 0 {
                continue;
            }
            let hash = self.hasher.hash_one((lane.shape, lane.customer));
            if let Ok(entry) = self.table.find_entry(hash, |&known| known == id) {
                entry.remove();
                self.free.push(id);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Every lane in the table, emptied ones too, in no useful order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LaneId, &Lane)> {
        self.table.iter().map(|&id| (id, self.get(id)))
    }
}

/// One shape's lanes that hold jobs: a binary heap, best head at the root.
#[derive(Default)]
pub(crate) struct LaneHeap(Vec<LaneId>);

impl LaneHeap {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn first(&self) -> Option<LaneId> {
        self.0.first().copied()
    }

    pub(crate) fn as_slice(&self) -> &[LaneId] {
        &self.0
    }

    /// Puts a lane where its head and count want it: in, out or elsewhere. O(log lanes).
    pub(crate) fn settle(&mut self, lane: LaneId, lanes: &mut Lanes) {
        let Lane { count, position, .. } = *lanes.get(lane);
        match (count, position) {
            (0, NOWHERE) => {}
            (0, _) => self.remove(lane, position as usize, lanes),
            (_, NOWHERE) => {
                self.0.push(lane);
                self.rise(self.0.len() - 1, lanes);
            }
            _ => {
                let place = self.rise(position as usize, lanes);
                self.sink(place, lanes);
            }
        }
    }

    fn remove(&mut self, lane: LaneId, place: usize, lanes: &mut Lanes) {
        self.0.swap_remove(place);
        lanes.get_mut(lane).position = NOWHERE;
        if place < self.0.len() {
            let place = self.rise(place, lanes);
            self.sink(place, lanes);
        }
    }

    fn rise(&mut self, mut place: usize, lanes: &mut Lanes) -> usize {
        let lane = self.0[place];
        while place > 0 {
            let parent = (place - 1) / 2;
            if !comes_before(lane, self.0[parent], lanes) {
                break;
            }
            self.put(self.0[parent], place, lanes);
            place = parent;
        }
        self.put(lane, place, lanes);
        place
    }

    fn sink(&mut self, mut place: usize, lanes: &mut Lanes) {
        let lane = self.0[place];
        loop {
            let mut child = 2 * place + 1;
            if child >= self.0.len() {
                break;
            }
            if child + 1 < self.0.len() && comes_before(self.0[child + 1], self.0[child], lanes) {
                child += 1;
            }
            if !comes_before(self.0[child], lane, lanes) {
                break;
            }
            self.put(self.0[child], place, lanes);
            place = child;
        }
        self.put(lane, place, lanes);
    }

    fn put(&mut self, lane: LaneId, place: usize, lanes: &mut Lanes) {
        self.0[place] = lane;
        lanes.get_mut(lane).position = u32::try_from(place).expect("fewer than 2^32 lanes");
    }

    /// What is wrong with the heap's order or with the lanes' knowledge of it.
    pub(crate) fn faults(&self, lanes: &Lanes) -> Vec<String> {
        let mut faults = Vec::new();
        for (place, &lane) in self.0.iter().enumerate() {
            if lanes.get(lane).position as usize != place {
                faults.push(format!("{lane:?} stands at {place} of its heap and does not know it"));
            }
            if lanes.get(lane).count == 0 {
                faults.push(format!("{lane:?} is empty and yet in its heap"));
            }
            if place > 0 && comes_before(lane, self.0[(place - 1) / 2], lanes) {
                faults.push(format!("{lane:?} at {place} is better than its parent"));
            }
        }
        faults
    }
}

fn comes_before(one: LaneId, other: LaneId, lanes: &Lanes) -> bool {
    lanes.get(one).compare_heads(lanes.get(other)).is_lt()
}
