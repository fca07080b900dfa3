//! Shapes: a base (one document of demands) and the workers that its jobs avoid.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::heads::Heads;
use crate::lane::{LaneHeap, LaneId, Lanes};
use crate::requirements::Requirements;
use crate::symbols::{Symbol, Symbols};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ShapeId(u32);

impl ShapeId {
    pub(crate) fn at(place: usize) -> Self {
        Self(u32::try_from(place).expect("fewer than 2^32 shapes"))
    }

    pub(crate) fn place(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct BaseId(u32);

/// One document's digest and what it demands, `None` while lanes name it and nobody has shown it.
pub(crate) struct Base {
    pub(crate) name: Box<str>,
    pub(crate) requirements: Option<Requirements>,
    shapes: Vec<ShapeId>,
}

pub(crate) struct Shape {
    /// `base`, or `base!w1,w2`
    pub(crate) id: Box<str>,
    pub(crate) base: BaseId,
    pub(crate) avoided: Box<[Symbol]>,
    pub(crate) lanes: LaneHeap,
}

/// A lane's id, taken apart. A customer may hold any character, so the first ":" counts.
#[derive(Clone, Copy)]
pub(crate) struct LaneName<'a> {
    pub(crate) shape: &'a str,
    pub(crate) base: &'a str,
    /// Worker ids with commas between them.
    avoided: Option<&'a str>,
    pub(crate) customer: &'a str,
}

impl<'a> LaneName<'a> {
    pub(crate) fn parse(lane: &'a str) -> Result<Self, String> {
        let refusal = || format!("{lane:?} is not a lane id (<base>[!w1,w2]:<customer>)");
        let (shape, customer) = lane.split_once(':').ok_or_else(refusal)?;
        let (base, avoided) = match shape.split_once('!') {
            Some((base, avoided)) => (base, Some(avoided)),
            None => (shape, None),
        };
        if base.is_empty() || avoided.is_some_and(str::is_empty) {
            return Err(refusal());
        }
        Ok(Self { shape, base, avoided, customer })
    }

    pub(crate) fn avoided(self) -> impl Iterator<Item = &'a str> {
        self.avoided.into_iter().flat_map(|it| it.split(','))
    }
}

/// All bases and shapes, and the order of the shapes' heads.
#[derive(Default)]
pub(crate) struct Shapes {
    bases: Vec<Base>,
    base_table: HashTable<BaseId>,
    all: Vec<Shape>,
    shape_table: HashTable<ShapeId>,
    hasher: DefaultHashBuilder,
    pub(crate) heads: Heads,
    documents: usize,
}

impl Shapes {
    pub(crate) fn get(&self, shape: ShapeId) -> &Shape {
        &self.all[shape.place()]
    }

    pub(crate) fn base(&self, base: BaseId) -> &Base {
        &self.bases[base.0 as usize]
    }

    pub(crate) fn requirements(&self, shape: ShapeId) -> Option<&Requirements> {
        self.base(self.get(shape).base).requirements.as_ref()
    }

    /// How many documents are known.
    pub(crate) fn documents(&self) -> usize {
        self.documents
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ShapeId, &Shape)> {
        (0..).map(ShapeId).zip(&self.all)
    }

    pub(crate) fn find_base(&self, name: &str) -> Option<BaseId> {
        let hash = self.hasher.hash_one(name);
        let is_it = |&known: &BaseId| &*self.base(known).name == name;
        self.base_table.find(hash, is_it).copied()
    }

    fn find_or_add_base(&mut self, name: &str) -> BaseId {
        if let Some(known) = self.find_base(name) {
            return known;
        }
        let base = BaseId(u32::try_from(self.bases.len()).expect("fewer than 2^32 bases"));
        self.bases.push(Base { name: name.into(), requirements: None, shapes: Vec::new() });
        let (bases, hasher) = (&self.bases, &self.hasher);
        self.base_table.insert_unique(hasher.hash_one(name), base, |known| {
            hasher.hash_one(&*bases[known.0 as usize].name)
        });
        base
    }

    pub(crate) fn is_known(&self, base: &str) -> bool {
        self.find_base(base).is_some_and(|it| self.base(it).requirements.is_some())
    }

    /// Makes a base known; its lanes take part from now on. O(its shapes).
    pub(crate) fn show(&mut self, base: &str, requirements: Requirements, lanes: &Lanes) {
        let id = self.find_or_add_base(base);
        let base = &mut self.bases[id.0 as usize];
        if base.requirements.is_none() {
            base.requirements = Some(requirements);
            self.documents += 1;
            for shape in base.shapes.clone() {
                self.refresh(shape, lanes);
            }
        }
    }

    pub(crate) fn find_or_add(&mut self, name: LaneName<'_>, symbols: &mut Symbols) -> ShapeId {
        let hash = self.hasher.hash_one(name.shape);
        let is_it = |known: &ShapeId| &*self.get(*known).id == name.shape;
        if let Some(&known) = self.shape_table.find(hash, is_it) {
            return known;
        }
        let base = self.find_or_add_base(name.base);
        let shape = ShapeId::at(self.all.len());
        self.all.push(Shape {
            id: name.shape.into(),
            base,
            avoided: name.avoided().map(|it| symbols.intern(it)).collect(),
            lanes: LaneHeap::default(),
        });
        self.heads.push();
        self.bases[base.0 as usize].shapes.push(shape);
        let (all, hasher) = (&self.all, &self.hasher);
        self.shape_table
            .insert_unique(hash, shape, |known| hasher.hash_one(&*all[known.place()].id));
        shape
    }

    /// Puts a changed lane into its place, and its shape into the order of heads.
    pub(crate) fn settle(&mut self, lane: LaneId, lanes: &mut Lanes) {
        let shape = lanes.get(lane).shape;
        self.all[shape.place()].lanes.settle(lane, lanes);
        self.refresh(shape, lanes);
    }

    fn refresh(&mut self, shape: ShapeId, lanes: &Lanes) {
        let first = self.get(shape).lanes.first();
        let known = self.requirements(shape).is_some();
        let rank = first.filter(|_| known).map(|it| lanes.get(it).rank);
        self.heads.set(shape.place(), rank);
    }

    /// Forgets all shapes that lanes made; documents stay.
    pub(crate) fn clear_lanes(&mut self) {
        self.all.clear();
        self.shape_table.clear();
        self.heads = Heads::default();
        for base in &mut self.bases {
            base.shapes.clear();
        }
    }
}
