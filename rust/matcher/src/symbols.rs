//! Strings to small integers and back.
//!
//! Symbols are compared for equality only; their order is the order of interning and means nothing.
//! All text lies in one buffer: a symbol costs its bytes plus about 20.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use hashbrown::{DefaultHashBuilder, HashTable};

/// An interned string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Symbol(NonZeroU32);

impl Symbol {
    const fn nth(number: u32) -> Self {
        match NonZeroU32::new(number) {
            Some(number) => Self(number),
            None => panic!("symbols count from 1"),
        }
    }

    fn place(self) -> usize {
        self.0.get() as usize
    }
}

/// The words that the rules themselves use, interned first, in this order.
const WORDS: [&str; 7] = ["all", "none", "loose", "strict", "economy", "standard", "premium"];
/// `"all"`, as `prefer` sees an unrestricted list.
pub(crate) const ALL: Symbol = Symbol::nth(1);
/// The names of the isolation levels 0, 1, 2.
pub(crate) const ISOLATION_LEVELS: [Symbol; 3] = [Symbol::nth(2), Symbol::nth(3), Symbol::nth(4)];
/// The names of the cost tiers 0, 1, 2.
pub(crate) const COST_TIERS: [Symbol; 3] = [Symbol::nth(5), Symbol::nth(6), Symbol::nth(7)];

/// The interner.
pub(crate) struct Symbols {
    text: String,
    /// `ends[n - 1]..ends[n]` is the text of symbol n.
    ends: Vec<usize>,
    table: HashTable<Symbol>,
    hasher: DefaultHashBuilder,
}

impl Symbols {
    pub(crate) fn new() -> Self {
        let mut symbols = Self {
            text: String::new(),
            ends: vec![0],
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        for word in WORDS {
            symbols.intern(word);
        }
        symbols
    }

    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        slice(&self.text, &self.ends, symbol)
    }

    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        let hash = self.hasher.hash_one(text);
        self.table.find(hash, |&known| self.text(known) == text).copied()
    }

    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(known) = self.find(text) {
            return known;
        }
        let number = u32::try_from(self.ends.len()).expect("fewer than 2^32 symbols");
        let symbol = Symbol::nth(number);
        self.text.push_str(text);
        self.ends.push(self.text.len());
        let (all, ends, hasher) = (&self.text, &self.ends, &self.hasher);
        self.table.insert_unique(hasher.hash_one(text), symbol, |&known| {
            hasher.hash_one(slice(all, ends, known))
        });
        symbol
    }

    /// What is interned after this can be forgotten again with [`Symbols::rewind`].
    pub(crate) fn mark(&self) -> usize {
        self.ends.len()
    }

    /// Forgets every symbol interned since `mark`: a question may name strings that no job or worker has.
    pub(crate) fn rewind(&mut self, mark: usize) {
        while self.ends.len() > mark {
            let last = self.ends.len() - 1;
            let hash = self.hasher.hash_one(&self.text[self.ends[last - 1]..]);
            if let Ok(entry) = self.table.find_entry(hash, |known| known.place() == last) {
                entry.remove();
            }
            self.text.truncate(self.ends[last - 1]);
            self.ends.pop();
        }
    }
}

fn slice<'a>(text: &'a str, ends: &[usize], symbol: Symbol) -> &'a str {
    &text[ends[symbol.place() - 1]..ends[symbol.place()]]
}

/// A set of symbols: sorted, without repetition.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct SymbolSet(Box<[Symbol]>);

impl SymbolSet {
    pub(crate) fn contains(&self, symbol: Symbol) -> bool {
        self.0.binary_search(&symbol).is_ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[Symbol] {
        &self.0
    }

    pub(crate) fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().all(|&symbol| other.contains(symbol))
    }
}

impl FromIterator<Symbol> for SymbolSet {
    fn from_iter<I: IntoIterator<Item = Symbol>>(symbols: I) -> Self {
        let mut all: Vec<Symbol> = symbols.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        Self(all.into_boxed_slice())
    }
}
