//! Index entries in msgpack, everything absolute: `[number, lanes, workers]`, or
//! `[number, lanes, workers, pauses, customers]`.

use rmp::decode::{read_array_len, read_int, read_str_from_slice};

use crate::shape::LaneName;
use crate::worker::State;

/// The index part of one log entry.
pub(crate) struct Entry<'a> {
    pub(crate) number: u64,
    pub(crate) lanes: Vec<LaneEntry<'a>>,
    pub(crate) workers: Vec<WorkerEntry<'a>>,
    /// `None`: unchanged.
    pub(crate) pauses: Option<Vec<PauseEntry<'a>>>,
    pub(crate) customers: Vec<CustomerEntry<'a>>,
}

/// A lane as it is afterwards; count 0 = empty.
pub(crate) struct LaneEntry<'a> {
    pub(crate) name: LaneName<'a>,
    pub(crate) rank: u64,
    pub(crate) member: &'a str,
    pub(crate) count: u32,
}

/// A worker as it is afterwards.
pub(crate) struct WorkerEntry<'a> {
    pub(crate) worker_id: &'a str,
    pub(crate) version: i64,
    pub(crate) state: State,
    pub(crate) idle_since_ms: i64,
    pub(crate) held: Vec<HeldEntry<'a>>,
}

/// One job that a worker holds; service "" for one that asks for none.
pub(crate) struct HeldEntry<'a> {
    pub(crate) customer: &'a str,
    pub(crate) service: &'a str,
    pub(crate) strict: bool,
}

/// One pause of all that there are.
pub(crate) struct PauseEntry<'a> {
    pub(crate) scope: PauseScope,
    pub(crate) name: &'a str,
}

/// What a pause names.
#[derive(Clone, Copy)]
pub(crate) enum PauseScope {
    Worker,
    Service,
    Type,
    Customer,
}

/// A customer as it is afterwards. Its weight is in its virtual time already.
pub(crate) struct CustomerEntry<'a> {
    pub(crate) customer: &'a str,
    /// `None`: no quota.
    pub(crate) max_active: Option<u64>,
    pub(crate) active: u64,
    pub(crate) virtual_time: u64,
}

/// Decodes one entry, all of its bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Entry<'_>, String> {
    let mut reader = Reader(bytes);
    let is_long = match reader.length("entry")? {
        3 => false,
        5 => true,
        found => return Err(format!("entry has {found} elements, not 3 or 5")),
    };
    let number = reader.natural("number")?;
    let lanes = reader.list("lanes", Reader::lane)?;
    let workers = reader.list("workers", Reader::worker)?;
    let (pauses, customers) = if is_long {
        (reader.pauses()?, reader.list("customers", Reader::customer)?)
    } else {
        (None, Vec::new())
    };
    if !reader.0.is_empty() {
        return Err(format!("{} bytes after its end", reader.0.len()));
    }
    Ok(Entry { number, lanes, workers, pauses, customers })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn lane(&mut self) -> Result<LaneEntry<'a>, String> {
        self.tuple("lane", 4)?;
        Ok(LaneEntry {
            name: LaneName::parse(self.text("lane id")?)?,
            rank: self.natural("rank")?,
            member: self.text("member")?,
            count: self.integer("count")?,
        })
    }

    fn worker(&mut self) -> Result<WorkerEntry<'a>, String> {
        self.tuple("worker", 5)?;
        Ok(WorkerEntry {
            worker_id: self.text("worker id")?,
            version: self.integer("version")?,
            state: match self.text("state")? {
                "online" => State::Online,
                "draining" => State::Draining,
                "offline" => State::Offline,
                other => return Err(format!("state {other:?} is not online, draining or offline")),
            },
            idle_since_ms: self.integer("idle_since_ms")?,
            held: self.list("held", Reader::held)?,
        })
    }

    fn held(&mut self) -> Result<HeldEntry<'a>, String> {
        self.tuple("held job", 3)?;
        Ok(HeldEntry {
            customer: self.text("customer")?,
            service: self.text("service")?,
            strict: match self.integer::<u64>("strict")? {
                0 => false,
                1 => true,
                other => return Err(format!("strict {other} is not 0 or 1")),
            },
        })
    }

    /// 0 = unchanged, else the whole list.
    fn pauses(&mut self) -> Result<Option<Vec<PauseEntry<'a>>>, String> {
        let is_list = matches!(self.0.first(), Some(0x90..=0x9f | 0xdc | 0xdd));
        if is_list {
            return self.list("pauses", Reader::pause).map(Some);
        }
        match read_int(&mut self.0) {
            Ok(0_u64) => Ok(None),
            _ => Err("pauses is neither 0 nor a list".into()),
        }
    }

    fn pause(&mut self) -> Result<PauseEntry<'a>, String> {
        self.tuple("pause", 2)?;
        Ok(PauseEntry {
            scope: match self.text("scope")? {
                "worker" => PauseScope::Worker,
                "service" => PauseScope::Service,
                "type" => PauseScope::Type,
                "customer" => PauseScope::Customer,
                other => {
                    let known = "worker, service, type or customer";
                    return Err(format!("scope {other:?} is not {known}"));
                }
            },
            name: self.text("name")?,
        })
    }

    fn customer(&mut self) -> Result<CustomerEntry<'a>, String> {
        self.tuple("customer", 5)?;
        let customer = self.text("customer")?;
        self.natural("weight")?;
        Ok(CustomerEntry {
            customer,
            max_active: match self.integer::<i64>("max_active")? {
                -1 => None,
                most => Some(
                    u64::try_from(most)
                        .map_err(|_| format!("max_active {most} is out of range"))?,
                ),
            },
            active: self.natural("active")?,
            virtual_time: self.natural("virtual_time")?,
        })
    }

    fn length(&mut self, what: &str) -> Result<u32, String> {
        read_array_len(&mut self.0).map_err(|_| format!("{what} is not a list"))
    }

    fn tuple(&mut self, what: &str, length: u32) -> Result<(), String> {
        match self.length(what)? {
            found if found == length => Ok(()),
            found => Err(format!("{what} has {found} elements, not {length}")),
        }
    }

    /// A length is a claim, not a promise: nothing is reserved beyond the bytes that are there.
    fn list<T>(
        &mut self,
        what: &str,
        read: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let length = self.length(what)? as usize;
        let mut items = Vec::with_capacity(length.min(self.0.len()));
        for _ in 0..length {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn integer<T: TryFrom<i64>>(&mut self, what: &str) -> Result<T, String> {
        let wide: i64 = read_int(&mut self.0).map_err(|_| format!("{what} is not an integer"))?;
        T::try_from(wide).map_err(|_| format!("{what} {wide} is out of range"))
    }

    /// 0..2^63
    fn natural(&mut self, what: &str) -> Result<u64, String> {
        self.integer(what)
    }

    fn text(&mut self, what: &str) -> Result<&'a str, String> {
        let (text, rest) =
            read_str_from_slice(self.0).map_err(|_| format!("{what} is not a string"))?;
        self.0 = rest;
        Ok(text)
    }
}
