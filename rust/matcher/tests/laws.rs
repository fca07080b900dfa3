//! Laws of the answers, on queues and fleets that chance makes.

mod support;

use empq_matcher::Proposal;
use proptest::prelude::*;
use support::entries::{customers_entry, lane_entry, pauses_entry};
use support::{any_document, any_fleet, any_queue, build, level, Queue, Share, CUSTOMERS};

/// What the queue's policy orders proposals by.
fn key(it: &Proposal, queue: &Queue) -> (u64, i64, u64, u64, String) {
    let customer = it.lane.split_once(':').unwrap().1;
    let told = queue.shares.iter().rev().find(|share| share.customer == customer);
    let time = told.map_or(0, |share| share.virtual_time);
    let (level, score, time) = match queue.policy.order {
        "fifo" => (0, 0, 0),
        "score" => (level(it.rank), -it.score, 0),
        _ => (level(it.rank), 0, time),
    };
    (level, score, time, it.rank, it.member.clone())
}

proptest! {
    #![proptest_config(support::cases(64))]

    /// What is told first changes nothing.
    #[test]
    fn the_order_of_telling_changes_nothing(queue in any_queue(), fleet in any_fleet()) {
        let mut one = build(&queue, &fleet);
        let turned = Queue { lanes: queue.lanes.iter().rev().cloned().collect(), ..queue.clone() };
        let fleet_turned: Vec<_> = fleet.iter().rev().cloned().collect();
        let mut other = build(&turned, &fleet_turned);

        for worker in &fleet {
            prop_assert_eq!(one.propose(&worker.id, 9), other.propose(&worker.id, 9));
        }
    }

    /// A longer list begins with the shorter one, and is in order.
    #[test]
    fn a_longer_answer_begins_with_the_shorter(queue in any_queue(), fleet in any_fleet()) {
        let mut index = build(&queue, &fleet);

        for worker in &fleet {
            let all = index.propose(&worker.id, 1_000);
            for limit in 0..all.len() {
                prop_assert_eq!(&index.propose(&worker.id, limit)[..], &all[..limit]);
            }
            let keys: Vec<_> = all.iter().map(|it| key(it, &queue)).collect();
            prop_assert!(keys.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }

    /// A job that nobody can do changes no answer.
    #[test]
    fn an_unservable_job_changes_no_answer(queue in any_queue(), fleet in any_fleet()) {
        let mut index = build(&queue, &fleet);
        let before: Vec<_> = fleet.iter().map(|it| index.propose(&it.id, 9)).collect();

        index.add_shape("impossible", br#"{"service": "nowhere"}"#).unwrap();
        let entry = lane_entry(1_000_000, "impossible:x", 0, "0", 7);
        index.apply(&[&entry]).unwrap();

        let after: Vec<_> = fleet.iter().map(|it| index.propose(&it.id, 9)).collect();
        prop_assert_eq!(before, after);
    }

    /// A job of lower priority changes no order among the others.
    #[test]
    fn a_job_of_lower_priority_changes_no_order(
        queue in any_queue(), fleet in any_fleet(), document in any_document(),
    ) {
        let mut index = build(&queue, &fleet);
        let before: Vec<_> = fleet.iter().map(|it| index.propose(&it.id, 1_000)).collect();

        index.add_shape("later", document.0.as_bytes()).unwrap();
        index.apply(&[&lane_entry(1_000_000, "later:x", 9 << 46, "0", 7)]).unwrap();

        for (worker, before) in fleet.iter().zip(before) {
            let after = index.propose(&worker.id, 1_000);
            prop_assert_eq!(&after[..before.len()], &before[..]);
            prop_assert!(after[before.len()..].iter().all(|it| it.lane == "later:x"));
        }
    }

    /// Where nothing is paused and nobody has a quota, no rule says so; a pause of all types and a
    /// quota of none leave nothing to propose.
    #[test]
    fn pauses_and_quotas_leave_nothing(queue in any_queue(), fleet in any_fleet(), by_quota: bool) {
        let mut index = build(&queue, &fleet);
        let last = if by_quota {
            let none = |it: &&str| Share {
                customer: (*it).to_owned(), max_active: 0, active: 0, virtual_time: 0,
            };
            customers_entry(1_000_000, &CUSTOMERS.iter().map(none).collect::<Vec<_>>())
        } else {
            pauses_entry(1_000_000, &[("type", "image".to_owned())])
        };
        index.apply(&[&last]).unwrap();
        let rule = if by_quota { "customer_quota" } else { "paused" };

        for worker in &fleet {
            prop_assert_eq!(index.propose(&worker.id, 9), vec![]);
            for verdict in index.explain_worker(&worker.id) {
                prop_assert!(verdict.rules.iter().any(|it| it == rule));
            }
        }
    }

    /// Pull, offer and both explanations agree on every pair.
    #[test]
    fn all_questions_agree(queue in any_queue(), fleet in any_fleet()) {
        let mut index = build(&queue, &fleet);
        let ids: Vec<&str> = fleet.iter().map(|it| it.id.as_str()).collect();

        for worker in &fleet {
            let proposals = index.propose(&worker.id, 1_000);
            let proposed: Vec<&str> = proposals.iter().map(|it| it.lane.as_str()).collect();
            for verdict in index.explain_worker(&worker.id) {
                let takes = verdict.rules.is_empty();
                prop_assert_eq!(proposed.contains(&verdict.lane.as_str()), takes);
                let offered = index.offer(&verdict.lane, &ids).unwrap();
                prop_assert_eq!(offered.contains(&worker.id), takes);
            }
        }
    }

    /// The best worker of an offer has the highest score that explain gives.
    #[test]
    fn an_offer_goes_to_the_highest_score(queue in any_queue(), fleet in any_fleet()) {
        let mut index = build(&queue, &fleet);
        let ids: Vec<&str> = fleet.iter().map(|it| it.id.as_str()).collect();

        for lane in &queue.lanes {
            let document = &queue.documents[lane.shape].0;
            let verdicts = index.explain(document.as_bytes(), &lane.customer, &lane.avoided).unwrap();
            let best = verdicts.iter().filter_map(|it| it.score).max();
            let offered = index.offer(&lane.id(), &ids).unwrap();
            let first = offered.first().map(|first| {
                verdicts.iter().find(|it| it.worker_id == *first).unwrap().score
            });
            prop_assert_eq!(first.flatten(), best);
        }
    }

    /// Other names for customers change nothing but the names.
    #[test]
    fn renaming_customers_changes_nothing(queue in any_queue(), fleet in any_fleet()) {
        let rename = |name: &str| format!("renamed-{name}");
        let mut renamed_queue = queue.clone();
        for lane in &mut renamed_queue.lanes {
            lane.customer = rename(&lane.customer);
        }
        for share in &mut renamed_queue.shares {
            share.customer = rename(&share.customer);
        }
        for (_, name) in renamed_queue.pauses.iter_mut().filter(|it| it.0 == "customer") {
            *name = rename(name);
        }
        let renamed_fleet: Vec<_> = fleet.iter().map(|it| it.with_customers(rename)).collect();
        let mut one = build(&queue, &fleet);
        let mut other = build(&renamed_queue, &renamed_fleet);

        for worker in &fleet {
            let heads = |index: &mut empq_matcher::Index| -> Vec<_> {
                let proposals = index.propose(&worker.id, 9).into_iter();
                proposals.map(|it| (it.member, it.score)).collect()
            };
            prop_assert_eq!(heads(&mut one), heads(&mut other));
        }
    }
}
