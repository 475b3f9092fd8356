use super::*;

const CREATED: &str = "2026-11-23T10:00:00Z";
const GATHER: Duration = Duration::from_secs(15);

fn at(text: &str) -> Timestamp {
    let whole = if text.len() <= 8 { format!("2026-11-23T{text}Z") } else { text.to_owned() };
    whole.parse().unwrap()
}

fn hourly() -> Schedule {
    Schedule::parse("rate(1 hour)").unwrap()
}

/// An Association that ran at its creation, with nothing going on.
fn idle<'a>(schedule: Option<&'a Schedule>, now: &str) -> Facts<'a> {
    Facts {
        now: at(now),
        created: at(CREATED),
        schedule,
        only_at_ticks: false,
        suspended: false,
        hash: "a",
        applied_hash: Some("a"),
        requested: None,
        handled_request: None,
        last_tick: None,
        live: Live::Nothing,
        gathered: None,
        refreshing: false,
        gather: GATHER,
    }
}

fn runs(cause: Cause, tick: Option<&str>) -> Decision {
    Decision::Run { cause, tick: tick.map(at) }
}

fn waits(decision: Decision) -> bool {
    matches!(decision, Decision::Wait(_))
}

#[test]
fn a_new_association_runs_at_once_with_or_without_a_schedule() {
    let schedule = hourly();
    for schedule in [None, Some(&schedule)] {
        let new = Facts { applied_hash: None, ..idle(schedule, "10:00:01") };
        assert_eq!(decide(&new), runs(Cause::First, None));
    }
}

#[test]
fn a_tick_of_a_cron_before_the_creation_is_not_due() {
    let daily = Schedule::parse("cron(0 2 * * ? *)").unwrap();
    assert!(waits(decide(&idle(Some(&daily), "10:30:00"))));
    assert_eq!(
        decide(&idle(Some(&daily), "2026-11-24T02:00:00Z")),
        runs(Cause::Tick, Some("2026-11-24T02:00:00Z"))
    );
    let past = Schedule::parse("at(2026-11-23T09:00:00)").unwrap();
    assert!(waits(decide(&idle(Some(&past), "10:30:00"))));
    assert_eq!(next_tick(&idle(Some(&past), "10:30:00")), None);
}

#[test]
fn a_rate_ticks_once_an_interval_from_the_creation() {
    let schedule = hourly();
    assert!(waits(decide(&idle(Some(&schedule), "10:59:59"))));
    assert_eq!(decide(&idle(Some(&schedule), "11:00:00")), runs(Cause::Tick, Some("11:00:00")));
    let ran = Facts { last_tick: Some(at("11:00:00")), ..idle(Some(&schedule), "11:00:01") };
    assert!(waits(decide(&ran)));
    assert_eq!(next_tick(&ran), Some(at("12:00:00")));
}

#[test]
fn it_looks_at_the_clock_each_minute_and_right_at_a_tick() {
    let schedule = hourly();
    assert_eq!(decide(&idle(Some(&schedule), "10:10:00")), Decision::Wait(Duration::from_secs(60)));
    assert_eq!(decide(&idle(Some(&schedule), "10:59:48")), Decision::Wait(Duration::from_secs(12)));
    assert_eq!(decide(&idle(None, "10:10:00")), Decision::Wait(Duration::from_secs(60)));
}

#[test]
fn a_tick_that_falls_due_during_a_run_is_left_out() {
    let schedule = hourly();
    let running = Facts { live: Live::Run, ..idle(Some(&schedule), "11:00:00") };
    assert_eq!(decide(&running), Decision::SkipTick(at("11:00:00")));
    let skipped = Facts { last_tick: Some(at("11:00:00")), ..running };
    assert!(waits(decide(&skipped)));
    let ended = Facts { live: Live::Nothing, now: at("11:20:00"), ..skipped };
    assert!(waits(decide(&ended)), "a tick that was left out does not come back");
}

#[test]
fn a_catch_up_delays_a_tick_but_does_not_take_its_place() {
    let schedule = hourly();
    let catching_up = Facts { live: Live::CatchUp, ..idle(Some(&schedule), "11:00:00") };
    assert!(waits(decide(&catching_up)));
    let ended = Facts { live: Live::Nothing, now: at("11:00:20"), ..catching_up };
    assert_eq!(decide(&ended), runs(Cause::Tick, Some("11:00:00")));
}

#[test]
fn ticks_that_were_missed_run_once() {
    let schedule = hourly();
    let away = Facts { last_tick: Some(at("11:00:00")), ..idle(Some(&schedule), "17:25:00") };
    assert_eq!(decide(&away), runs(Cause::Tick, Some("17:00:00")));
    assert!(waits(decide(&Facts { last_tick: Some(at("17:00:00")), ..away })));
}

#[test]
fn a_clock_that_goes_back_an_hour_fires_nothing_until_it_is_past_the_last_tick() {
    let schedule = hourly();
    for now in ["11:30:00", "12:00:00", "12:29:59"] {
        let back = Facts { last_tick: Some(at("12:00:00")), ..idle(Some(&schedule), now) };
        assert!(waits(decide(&back)), "{now}");
        assert_eq!(next_tick(&back), Some(at("13:00:00")));
    }
    let before_creation = idle(Some(&schedule), "09:00:00");
    assert!(waits(decide(&before_creation)));
}

#[test]
fn a_clock_that_jumps_ahead_fires_one_tick() {
    let minutely = Schedule::parse("rate(1 minute)").unwrap();
    let ahead = Facts { last_tick: Some(at("10:05:00")), ..idle(Some(&minutely), "11:05:30") };
    assert_eq!(decide(&ahead), runs(Cause::Tick, Some("11:05:00")));
    let back = Facts { last_tick: Some(at("11:05:00")), ..idle(Some(&minutely), "10:06:00") };
    assert!(waits(decide(&back)));
}

#[test]
fn a_change_runs_at_once_or_right_after_what_runs() {
    let changed = Facts { hash: "b", ..idle(None, "10:30:00") };
    assert_eq!(decide(&changed), runs(Cause::Change, None));
    for live in [Live::Run, Live::CatchUp] {
        assert!(waits(decide(&Facts { live, ..changed })));
    }
}

#[test]
fn a_request_runs_once() {
    let asked = Facts { requested: Some("now"), ..idle(None, "10:30:00") };
    assert_eq!(decide(&asked), runs(Cause::Request, None));
    assert!(waits(decide(&Facts { live: Live::Run, ..asked })));
    assert!(waits(decide(&Facts { handled_request: Some("now"), ..asked })));
    assert_eq!(
        decide(&Facts { handled_request: Some("now"), requested: Some("again"), ..asked }),
        runs(Cause::Request, None)
    );
    assert!(
        waits(decide(&Facts { requested: None, handled_request: Some("now"), ..asked })),
        "taking it back asks nothing"
    );
}

#[test]
fn several_reasons_make_one_run() {
    let schedule = hourly();
    let everything = Facts { requested: Some("now"), hash: "b", ..idle(Some(&schedule), "11:00:00") };
    assert_eq!(decide(&everything), runs(Cause::Tick, Some("11:00:00")));
}

#[test]
fn apply_only_at_cron_interval_runs_at_ticks_and_on_request_alone() {
    let daily = Schedule::parse("cron(0 12 * * ? *)").unwrap();
    let only = Facts { only_at_ticks: true, applied_hash: None, ..idle(Some(&daily), "11:00:00") };
    assert!(waits(decide(&only)));
    let changed = Facts { applied_hash: Some("a"), hash: "b", gathered: Some(GATHER), ..only };
    assert!(waits(decide(&changed)), "neither a change nor a new node runs it");
    assert_eq!(decide(&Facts { now: at("12:00:00"), ..only }), runs(Cause::Tick, Some("12:00:00")));
    assert_eq!(decide(&Facts { requested: Some("now"), ..only }), runs(Cause::Request, None));
}

#[test]
fn suspended_nothing_runs_and_what_was_missed_runs_once_afterwards() {
    let schedule = hourly();
    let suspended = Facts {
        suspended: true,
        hash: "b",
        requested: Some("now"),
        gathered: Some(GATHER),
        ..idle(Some(&schedule), "15:10:00")
    };
    assert!(waits(decide(&suspended)));
    assert!(waits(decide(&Facts { live: Live::Run, ..suspended })), "no tick is reported as left out");
    let resumed = Facts { suspended: false, ..suspended };
    assert_eq!(decide(&resumed), runs(Cause::Tick, Some("15:00:00")));
}

#[test]
fn nodes_that_missed_a_run_are_gathered_before_they_get_it() {
    let gathered = |seconds| Facts { gathered: Some(Duration::from_secs(seconds)), ..idle(None, "10:30:00") };
    assert_eq!(decide(&gathered(0)), Decision::Wait(GATHER));
    assert_eq!(decide(&gathered(14)), Decision::Wait(Duration::from_secs(1)));
    assert_eq!(decide(&gathered(15)), Decision::CatchUp { cause: Cause::CatchUp });
    assert!(waits(decide(&Facts { live: Live::Run, ..gathered(15) })), "what runs goes first");
}

#[test]
fn a_run_for_every_node_spares_the_catch_up() {
    let schedule = hourly();
    let both = Facts { gathered: Some(GATHER), ..idle(Some(&schedule), "11:00:00") };
    assert_eq!(decide(&both), runs(Cause::Tick, Some("11:00:00")));
    let soon = Facts { gathered: Some(Duration::ZERO), ..idle(Some(&schedule), "10:59:55") };
    assert_eq!(decide(&soon), Decision::Wait(Duration::from_secs(5)), "it looks again at the tick");
}

#[test]
fn before_the_first_run_nothing_can_have_been_missed() {
    let new = Facts { applied_hash: None, gathered: Some(GATHER), ..idle(None, "10:00:00") };
    assert_eq!(decide(&new), runs(Cause::First, None));
}

#[test]
fn what_a_run_has_asked_for_is_gathered_too_and_does_not_wait_for_a_tick() {
    let daily = Schedule::parse("cron(0 2 * * ? *)").unwrap();
    let asked = Facts { only_at_ticks: true, refreshing: true, ..idle(Some(&daily), "10:30:00") };
    assert_eq!(decide(&Facts { gathered: Some(Duration::ZERO), ..asked }), Decision::Wait(GATHER));
    let gathered = Facts { gathered: Some(GATHER), ..asked };
    assert_eq!(decide(&gathered), Decision::CatchUp { cause: Cause::Refresh });
    assert!(waits(decide(&Facts { refreshing: false, ..gathered })));
    assert!(waits(decide(&Facts { suspended: true, ..gathered })));
    assert!(waits(decide(&Facts { live: Live::Run, ..gathered })));
}
