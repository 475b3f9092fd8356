use super::StepStatus::{
    Cancelled, Failed, InProgress, NotStarted, PassedAndReboot, Skipped, Success, SuccessAndReboot, TimedOut,
};
use super::{Counts, InvocationStatus, StatusDetails, StepStatus, command_outcome, document_status};

/// The statuses that an Invocation can have.
const OF_A_NODE: [StatusDetails; 11] = [
    StatusDetails::Pending,
    StatusDetails::InProgress,
    StatusDetails::Success,
    StatusDetails::DeliveryTimedOut,
    StatusDetails::ExecutionTimedOut,
    StatusDetails::Failed,
    StatusDetails::Cancelled,
    StatusDetails::Undeliverable,
    StatusDetails::Terminated,
    StatusDetails::InvalidPlatform,
    StatusDetails::AccessDenied,
];

/// A fixed sequence of numbers that looks random: tests must do the same each time.
fn sequence(seed: u64) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(seed), |last| {
        Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
    })
    .map(|number| (number >> 40) as usize)
}

#[test]
fn names_are_aws_names_and_can_be_read_back() {
    for status in StepStatus::ALL {
        assert_eq!(status.to_string().parse::<StepStatus>().as_ref(), Ok(status));
    }
    for status in StatusDetails::ALL {
        assert_eq!(status.to_string().parse::<StatusDetails>().as_ref(), Ok(status));
    }
    assert_eq!(format!("[{:<12}]", InvocationStatus::TimedOut), "[TimedOut    ]");
    let error = "Sucess".parse::<InvocationStatus>().unwrap_err().to_string();
    assert!(
        error.starts_with("unknown InvocationStatus \"Sucess\": use one of Pending, InProgress"),
        "{error}"
    );
}

#[test]
fn the_worse_part_decides_a_step_in_aws_order() {
    let order = [
        Skipped,
        Success,
        SuccessAndReboot,
        PassedAndReboot,
        NotStarted,
        InProgress,
        Failed,
        Cancelled,
        TimedOut,
    ];
    for (rank, better) in order.iter().enumerate() {
        for worse in &order[rank..] {
            assert_eq!(better.merge(*worse), *worse);
            assert_eq!(worse.merge(*better), *worse);
        }
    }
}

#[test]
fn a_document_takes_the_status_that_weighs_most() {
    let status = |steps: &[StepStatus]| document_status(steps.iter().copied());
    assert_eq!(status(&[Failed, SuccessAndReboot, TimedOut]), SuccessAndReboot);
    assert_eq!(status(&[TimedOut, Success, Failed, Cancelled]), Failed);
    assert_eq!(status(&[Cancelled, TimedOut, InProgress]), TimedOut);
    assert_eq!(status(&[Success, Cancelled, NotStarted]), Cancelled);
    assert_eq!(status(&[Success, Skipped, Success]), Success);
    assert_eq!(status(&[Skipped]), Success);
    assert_eq!(status(&[]), Success);
    assert_eq!(status(&[Success, NotStarted]), StepStatus::InProgress);
    assert_eq!(status(&[Success, InProgress]), StepStatus::InProgress);
}

#[test]
fn a_document_that_timed_out_on_the_node_is_an_execution_timeout() {
    assert_eq!(StatusDetails::from(TimedOut), StatusDetails::ExecutionTimedOut);
    assert_eq!(StatusDetails::from(Skipped), StatusDetails::Success);
    assert_eq!(StatusDetails::from(SuccessAndReboot), StatusDetails::InProgress);
    for step in StepStatus::ALL {
        assert_eq!(StatusDetails::from(*step).is_terminal(), step.is_terminal(), "{step}");
    }
}

#[test]
fn only_failures_and_execution_timeouts_count_against_max_errors() {
    let errors: Vec<_> = StatusDetails::ALL.iter().filter(|details| details.counts_as_error()).collect();
    assert_eq!(errors, [&StatusDetails::ExecutionTimedOut, &StatusDetails::Failed]);
}

#[test]
fn each_exact_status_has_aws_coarse_status() {
    assert_eq!(StatusDetails::DeliveryTimedOut.status(), InvocationStatus::TimedOut);
    assert_eq!(StatusDetails::Terminated.status(), InvocationStatus::Cancelled);
    assert_eq!(StatusDetails::Incomplete.status(), InvocationStatus::Failed);
    assert_eq!(StatusDetails::NoInstancesInTag.status(), InvocationStatus::Success);
    for details in StatusDetails::ALL {
        let open = matches!(details.status(), InvocationStatus::Pending | InvocationStatus::InProgress);
        assert_eq!(details.is_terminal(), !open, "{details}");
    }
}

#[test]
fn counts_add_up_to_the_targets_whatever_is_counted() {
    for (round, size) in sequence(7).take(500).enumerate() {
        let targets = u32::try_from(size % 40).unwrap();
        let known = sequence(round as u64).take(size % 60);
        let known = known.map(|pick| StatusDetails::ALL[pick % StatusDetails::ALL.len()]);
        let mut counts = Counts::tally(targets, known);
        assert_eq!(counts.total_accounted(), targets);
        for pick in sequence(round as u64 + 1).take(100) {
            let before = counts;
            let from = OF_A_NODE[pick % OF_A_NODE.len()];
            let to = StatusDetails::ALL[pick / 16 % StatusDetails::ALL.len()];
            let moved = counts.transition(from, to);
            assert!(moved || counts == before);
            assert_eq!(counts.total_accounted(), targets);
            assert_eq!(counts.is_finished(), counts.pending + counts.in_progress == 0);
        }
    }
}

fn outcome(known: &[(StatusDetails, u32)], max_errors: u32, cancelled: bool) -> StatusDetails {
    let each = known.iter().flat_map(|(details, count)| std::iter::repeat_n(*details, *count as usize));
    let targets = known.iter().map(|(_, count)| count).sum();
    command_outcome(&Counts::tally(targets, each), max_errors, cancelled)
}

#[test]
fn a_command_fails_when_one_error_more_than_allowed_has_come() {
    use StatusDetails::{ExecutionTimedOut, Failed, Incomplete, Success, Terminated};
    assert_eq!(outcome(&[(Success, 9), (Failed, 1)], 0, false), Failed);
    assert_eq!(outcome(&[(Success, 9), (Failed, 1)], 1, false), Incomplete);
    assert_eq!(outcome(&[(Success, 8), (Failed, 1), (ExecutionTimedOut, 1)], 1, false), Failed);
    assert_eq!(outcome(&[(Failed, 2), (Terminated, 8)], 1, false), Failed);
}

#[test]
fn nodes_that_were_not_reached_are_no_errors_but_no_success_either() {
    use StatusDetails::{DeliveryTimedOut, Failed, Incomplete, InvalidPlatform, Success, Undeliverable};
    assert_eq!(outcome(&[(Success, 3)], 0, false), Success);
    assert_eq!(outcome(&[(Success, 2), (DeliveryTimedOut, 1)], 0, false), Incomplete);
    assert_eq!(outcome(&[(Success, 2), (Undeliverable, 1)], 0, false), Incomplete);
    assert_eq!(outcome(&[(InvalidPlatform, 2)], 0, false), Incomplete);
    assert_eq!(outcome(&[(Undeliverable, 3)], 5, false), Failed);
    assert_eq!(outcome(&[(DeliveryTimedOut, 3)], 0, false), DeliveryTimedOut);
}

#[test]
fn a_cancel_decides_only_where_it_stopped_something() {
    use StatusDetails::{Cancelled, Failed, Success};
    assert_eq!(outcome(&[(Success, 1), (Cancelled, 2)], 0, true), Cancelled);
    assert_eq!(outcome(&[(Failed, 1), (Cancelled, 2)], 0, true), Cancelled);
    assert_eq!(outcome(&[(Success, 3)], 0, true), Success);
    assert_eq!(outcome(&[(Failed, 3)], 0, true), Failed);
}

#[test]
fn a_command_without_nodes_says_so_and_an_unfinished_one_is_not_judged() {
    use StatusDetails::{Failed, InProgress, NoInstancesInTag, Pending, Success};
    assert_eq!(outcome(&[], 0, false), NoInstancesInTag);
    assert_eq!(outcome(&[(Pending, 2)], 0, false), Pending);
    assert_eq!(outcome(&[(Success, 1), (Pending, 1)], 0, false), InProgress);
    assert_eq!(outcome(&[(Failed, 1), (InProgress, 1)], 0, false), InProgress);
}
