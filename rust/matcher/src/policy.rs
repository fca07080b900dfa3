//! What an operator may choose: the order of equal priorities, how hardware fits, the score's weights.

use crate::error::Error;

/// What orders jobs of equal priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Order {
    /// The lowest rank.
    #[default]
    Fifo,
    /// The highest score of the worker that asks, then the lowest rank.
    Score,
    /// The customer with the lowest virtual time, then the lowest rank.
    Fair,
}

/// Which worker suits a job's demands on hardware best.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Fit {
    /// The smallest that suffices.
    #[default]
    Best,
    /// The largest.
    Headroom,
}

/// Weights of service, hardware, load, isolation, performance, location, cost.
pub(crate) type Weights = [i64; 7];

/// All policies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Policy {
    pub(crate) order: Order,
    pub(crate) fit: Fit,
    pub(crate) weights: Weights,
}

impl Default for Policy {
    fn default() -> Self {
        Self { order: Order::Fifo, fit: Fit::Best, weights: [35, 25, 15, 10, 5, 5, 5] }
    }
}

impl Policy {
    pub(crate) fn parse(order: &str, fit: &str, weights: &[i64]) -> Result<Self, Error> {
        let refusal = |reason: String| Err(Error::Policy(reason));
        let order = match order {
            "fifo" => Order::Fifo,
            "score" => Order::Score,
            "fair" => Order::Fair,
            other => return refusal(format!("order {other:?} is not fifo, score or fair")),
        };
        let fit = match fit {
            "best_fit" => Fit::Best,
            "headroom" => Fit::Headroom,
            other => return refusal(format!("fit {other:?} is not best_fit or headroom")),
        };
        match Weights::try_from(weights) {
            Ok(weights) if is_split_of_100(&weights) => Ok(Self { order, fit, weights }),
            _ => refusal(format!("weights {weights:?} are not seven of 0 to 100 that sum to 100")),
        }
    }
}

fn is_split_of_100(weights: &Weights) -> bool {
    weights.iter().all(|it| (0..=100).contains(it)) && weights.iter().sum::<i64>() == 100
}
