//! What holds for statuses and counts whatever the steps and nodes do, tried on random ones.

use keelson_core::status::{Counts, StatusDetails, StepStatus, command_outcome, document_status};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn step() -> impl Strategy<Value = StepStatus> {
    select(StepStatus::ALL)
}

/// Statuses in two orders.
fn in_two_orders<T: Clone + std::fmt::Debug + 'static>(
    status: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    vec(status, 0..12).prop_flat_map(|statuses| (Just(statuses.clone()), Just(statuses).prop_shuffle()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn merging_parts_of_a_step_does_not_depend_on_their_order((one, other) in in_two_orders(step())) {
        let merged = |parts: &[StepStatus]| parts.iter().copied().reduce(StepStatus::merge);
        prop_assert_eq!(merged(&one), merged(&other));
        prop_assert!(merged(&one).is_none_or(|status| one.contains(&status)));
        for part in one {
            prop_assert_eq!(part.merge(part), part);
        }
    }

    #[test]
    fn a_document_takes_the_first_of_awss_list_that_a_step_has((one, other) in in_two_orders(step())) {
        use StepStatus::{Cancelled, Failed, InProgress, Skipped, Success, SuccessAndReboot, TimedOut};
        let status = document_status(one.iter().copied());
        prop_assert_eq!(status, document_status(other.into_iter()));
        let listed = [SuccessAndReboot, Failed, TimedOut, Cancelled].into_iter().find(|status| one.contains(status));
        let is_done = one.iter().all(|step| matches!(step, Success | Skipped));
        prop_assert_eq!(status, listed.unwrap_or(if is_done { Success } else { InProgress }));
    }

    #[test]
    fn counts_add_up_and_do_not_depend_on_the_order_of_nodes(
        (one, other) in in_two_orders(select(StatusDetails::ALL)), waiting in 0_u32..4, max_errors in 0_u32..4,
        cancelled in any::<bool>(),
    ) {
        let targets = u32::try_from(one.len()).unwrap() + waiting;
        let counts = Counts::tally(targets, one);
        prop_assert_eq!(counts, Counts::tally(targets, other));
        prop_assert_eq!(counts.total_accounted(), targets);
        let outcome = command_outcome(&counts, max_errors, cancelled);
        prop_assert_eq!(outcome.is_terminal(), counts.is_finished());
        if counts.is_finished() && outcome == StatusDetails::Success {
            prop_assert_eq!(counts.success, targets);
        }
    }
}
