//! The operators over labels and, for `prefer`, over a worker's attributes.

use serde::Deserialize;
use serde_json::Value;

use crate::symbols::{Symbol, SymbolSet, Symbols};

/// A bool, number or string: three types, never equal across types. Numbers are scaled integers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Scalar {
    Bool(bool),
    Number(i64),
    Text(Symbol),
}

/// What a worker states under a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offered<'a> {
    One(Scalar),
    Many(&'a SymbolSet),
}

/// A label's value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Label {
    One(Scalar),
    Many(SymbolSet),
}

impl Label {
    pub(crate) fn offered(&self) -> Offered<'_> {
        match self {
            Self::One(scalar) => Offered::One(*scalar),
            Self::Many(set) => Offered::Many(set),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operator {
    Eq,
    Ne,
    In,
    NotIn,
    Gt,
    Ge,
    Lt,
    Le,
    Exists,
    NotExists,
    ContainsAll,
}

/// What an operator compares with; a list is sorted and without repetition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Operand {
    Nothing,
    One(Scalar),
    Many(Box<[Scalar]>),
}

/// An operator and its operand; the key is kept by whoever asks.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Test {
    operator: Operator,
    operand: Operand,
}

impl Test {
    /// `lower`: the key is `hardware.gpu_model`, which alone is compared after ASCII lower-casing.
    pub(crate) fn compile(
        operator: Operator,
        value: Option<&Value>,
        lower: bool,
        symbols: &mut Symbols,
    ) -> Result<Self, String> {
        use Operator::{ContainsAll, Exists, Ge, Gt, In, Le, Lt, NotExists, NotIn};
        let operand = match value {
            _ if matches!(operator, Exists | NotExists) => Operand::Nothing,
            None | Some(Value::Null) => return Err(format!("op {operator:?} needs a value")),
            Some(Value::Array(items)) => {
                let mut all = items
                    .iter()
                    .map(|item| scalar(item, lower, symbols))
                    .collect::<Result<Vec<_>, _>>()?;
                all.sort_unstable();
                all.dedup();
                Operand::Many(all.into_boxed_slice())
            }
            Some(one) => Operand::One(scalar(one, lower, symbols)?),
        };
        match (operator, &operand) {
            (In | NotIn | ContainsAll, Operand::Many(_))
            | (Gt | Ge | Lt | Le, Operand::One(Scalar::Number(_))) => {}
            (In | NotIn | ContainsAll | Gt | Ge | Lt | Le, _) => {
                return Err(format!("op {operator:?} does not take this value"))
            }
            _ => {}
        }
        Ok(Self { operator, operand })
    }

    /// Whether it holds for what a worker states, `None` where it states nothing.
    pub(crate) fn holds(&self, offered: Option<Offered<'_>>) -> bool {
        match self.operator {
            Operator::Exists => offered.is_some(),
            Operator::NotExists => offered.is_none(),
            Operator::Ne => !offered.is_some_and(|it| self.equals(it)),
            Operator::NotIn => !offered.is_some_and(|it| self.has_any(it)),
            _ => offered.is_some_and(|it| self.holds_for(it)),
        }
    }

    fn holds_for(&self, offered: Offered<'_>) -> bool {
        match self.operator {
            Operator::Eq => self.equals(offered),
            Operator::In => self.has_any(offered),
            Operator::ContainsAll => self.all_in(offered),
            _ => match (offered, &self.operand) {
                (Offered::One(Scalar::Number(has)), Operand::One(Scalar::Number(wants))) => {
                    match self.operator {
                        Operator::Gt => has > *wants,
                        Operator::Ge => has >= *wants,
                        Operator::Lt => has < *wants,
                        Operator::Le => has <= *wants,
                        _ => false,
                    }
                }
                _ => false,
            },
        }
    }

    fn equals(&self, offered: Offered<'_>) -> bool {
        match (offered, &self.operand) {
            (Offered::One(has), Operand::One(wants)) => has == *wants,
            (Offered::Many(has), Operand::Many(wants)) => {
                has.as_slice().len() == wants.len() && self.all_in(offered)
            }
            _ => false,
        }
    }

    fn has_any(&self, offered: Offered<'_>) -> bool {
        let Operand::Many(wants) = &self.operand else {
            return false;
        };
        match offered {
            Offered::One(has) => wants.binary_search(&has).is_ok(),
            Offered::Many(has) => has
                .as_slice()
                .iter()
                .any(|&symbol| wants.binary_search(&Scalar::Text(symbol)).is_ok()),
        }
    }

    /// A scalar is a list of one here.
    fn all_in(&self, offered: Offered<'_>) -> bool {
        let Operand::Many(wants) = &self.operand else {
            return false;
        };
        wants.iter().all(|want| match (offered, want) {
            (Offered::One(has), want) => has == *want,
            (Offered::Many(has), Scalar::Text(symbol)) => has.contains(*symbol),
            (Offered::Many(_), _) => false,
        })
    }
}

/// A scalar of a document; a fraction is refused, quantities arrive scaled.
pub(crate) fn scalar(value: &Value, lower: bool, symbols: &mut Symbols) -> Result<Scalar, String> {
    match value {
        Value::Bool(bool) => Ok(Scalar::Bool(*bool)),
        Value::Number(number) => number
            .as_i64()
            .map(Scalar::Number)
            .ok_or_else(|| format!("{number} is not a scaled integer")),
        Value::String(text) if lower => {
            Ok(Scalar::Text(symbols.intern(&text.to_ascii_lowercase())))
        }
        Value::String(text) => Ok(Scalar::Text(symbols.intern(text))),
        other => Err(format!("{other} is not a bool, number or string")),
    }
}
