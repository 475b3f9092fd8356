use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};

use semver::Version;

use super::*;
use crate::status::Daemon;
use crate::update::service::ServiceError;

/// A machine in memory. Its programs are files that hold a version, and behind it how their daemon behaves.
struct Machine {
    _folder: tempfile::TempDir,
    installation: Installation,
    /// What the daemon's process was started from, and its number; nothing while it is down.
    running: RefCell<Option<(String, u32)>>,
    processes: Cell<u32>,
    guarded: RefCell<Option<(PathBuf, PathBuf)>>,
    guard_fails: bool,
    waited: Cell<Duration>,
}

impl Machine {
    /// `1.0.0` runs and is connected, and another program is staged.
    fn offered(staged: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let installation = Installation::of(&folder.path().join("keelson-agent"));
        fs::write(installation.program(), "1.0.0").unwrap();
        fs::write(installation.staged(), staged).unwrap();
        let machine = Self {
            _folder: folder,
            installation,
            running: RefCell::default(),
            processes: Cell::new(100),
            guarded: RefCell::default(),
            guard_fails: false,
            waited: Cell::default(),
        };
        machine.restart().unwrap();
        machine
    }

    fn trial(&self) -> Trial {
        let text = fs::read_to_string(self.installation.staged()).unwrap_or_default();
        let to = text.split(' ').next().unwrap().to_owned();
        Trial { from: "1.0.0".into(), to, state: "/nonexistent".into() }
    }

    fn run(&self) -> Result<(), String> {
        run(&self.installation, self, &self.trial()).map_err(|error| error.to_string())
    }

    fn installed(&self) -> String {
        fs::read_to_string(self.installation.program()).unwrap()
    }

    /// The version that runs and is connected, and the trial that is left.
    fn stands(&self) -> (Option<String>, Option<Trial>) {
        let daemon = self.daemon().filter(|daemon| daemon.connected);
        (daemon.map(|daemon| daemon.version), self.installation.trial().unwrap())
    }
}

impl Service for Machine {
    fn restart(&self) -> Result<(), ServiceError> {
        let text = fs::read_to_string(self.installation.program()).unwrap();
        self.processes.set(self.processes.get() + 1);
        let runs = !text.contains("exits");
        self.running.replace(runs.then(|| (text, self.processes.get())));
        Ok(())
    }

    fn guard(&self, previous: &Path, program: &Path) -> Result<(), ServiceError> {
        if self.guard_fails {
            return Err(ServiceError::Silent("systemd-run".into()));
        }
        self.guarded.replace(Some((previous.to_owned(), program.to_owned())));
        Ok(())
    }

    fn daemon(&self) -> Option<Daemon> {
        let running = self.running.borrow().clone();
        running.map(|(text, pid)| {
            let flaps = text.contains("flaps") && self.waited.get().subsec_millis() == 0;
            let version = text.split(' ').next().unwrap().to_owned();
            Daemon { pid, version, connected: !text.contains("hangs") && !flaps }
        })
    }

    fn version_of(&self, program: &Path) -> Result<Version, ServiceError> {
        let text = fs::read_to_string(program).unwrap();
        Ok(Version::parse(text.split(' ').next().unwrap()).unwrap())
    }

    fn pause(&self, time: Duration) {
        self.waited.set(self.waited.get() + time);
    }
}

#[test]
fn a_program_that_connects_stays_and_the_previous_one_is_kept() {
    let machine = Machine::offered("1.1.0");
    machine.run().unwrap();
    assert_eq!(machine.stands(), (Some("1.1.0".into()), None));
    assert_eq!(fs::read_to_string(machine.installation.previous()).unwrap(), "1.0.0");
    let guarded = machine.guarded.borrow().clone().unwrap();
    assert_eq!(guarded, (machine.installation.previous(), machine.installation.program().to_owned()));
    assert!(machine.waited.get() < Duration::from_secs(10), "{:?}", machine.waited.get());
}

#[test]
fn a_program_that_does_not_stay_up_or_connected_gives_way_to_the_previous_one() {
    for (behaviour, why, limit) in [
        ("exits", "does not stay up", 30),
        ("hangs", "not connected within 120 s", 130),
        ("flaps", "not connected", 130),
    ] {
        let machine = Machine::offered(&format!("1.1.0 {behaviour}"));
        let error = machine.run().unwrap_err();
        assert!(error.contains(why) && error.contains("the previous version runs again, 1.0.0"), "{error}");
        assert_eq!(machine.stands(), (Some("1.0.0".into()), None));
        assert!(machine.waited.get() < Duration::from_secs(limit), "{behaviour}: {:?}", machine.waited.get());
    }
}

#[test]
fn a_daemon_that_is_not_connected_is_not_replaced() {
    let machine = Machine::offered("1.1.0");
    fs::write(machine.installation.program(), "1.0.0 hangs").unwrap();
    machine.restart().unwrap();
    let error = machine.run().unwrap_err();
    assert!(error.contains("not updated") && error.contains("keelson-agent status"), "{error}");
    assert_eq!((machine.installed().as_str(), machine.installation.trial().unwrap()), ("1.0.0 hangs", None));
}

#[test]
fn nothing_is_replaced_where_nobody_could_watch_over_it() {
    let machine = Machine { guard_fails: true, ..Machine::offered("1.1.0") };
    let error = machine.run().unwrap_err();
    assert!(error.contains("not updated: systemd-run did not answer"), "{error}");
    assert_eq!(machine.stands(), (Some("1.0.0".into()), None));
    assert_eq!((machine.installed().as_str(), machine.processes.get()), ("1.0.0", 101));
}

#[test]
fn an_update_that_cannot_begin_does_not_bring_back_the_program_of_an_earlier_one() {
    let machine = Machine::offered("1.1.0");
    fs::remove_file(machine.installation.program()).unwrap();
    fs::write(machine.installation.previous(), "0.9.0").unwrap();
    let error = machine.run().unwrap_err();
    assert!(error.contains("not updated: cannot keep a copy"), "{error}");
    assert!(!machine.installation.program().exists());
}

#[test]
fn a_previous_version_that_does_not_connect_either_is_told() {
    let machine = Machine::offered("1.1.0 exits");
    let (installation, trial) = (&machine.installation, machine.trial());
    begin(installation, &machine, &trial).unwrap();
    fs::write(installation.previous(), "1.0.0 hangs").unwrap();
    let error = put_back(installation, &machine, &trial, "it is broken".into()).to_string();
    assert!(error.contains("1.0.0, is not connected: it was started again, and keeps trying"), "{error}");
}

/// What may have been done when the watcher died, in order.
fn begun(machine: &Machine, stages: usize) {
    let (installation, trial) = (&machine.installation, machine.trial());
    let stages_in_order: [&dyn Fn(); 6] = [
        &|| installation.begin(&trial).unwrap(),
        &|| installation.swap().unwrap(),
        &|| machine.restart().unwrap(),
        &|| installation.put_back().unwrap(),
        &|| machine.restart().unwrap(),
        &|| installation.end().unwrap(),
    ];
    for stage in stages_in_order.iter().take(stages) {
        stage();
    }
}

#[test]
fn wherever_the_watcher_dies_a_working_agent_is_left() {
    for behaviour in ["", "exits", "hangs"] {
        for stages in 0..=6 {
            let machine = Machine::offered(&format!("1.1.0 {behaviour}"));
            begun(&machine, stages);
            let recovered = recover(&machine.installation, &machine).map_err(|error| error.to_string());
            let (runs, trial) = machine.stands();
            let kept = if behaviour.is_empty() && stages == 3 { "1.1.0" } else { "1.0.0" };
            assert_eq!(runs.as_deref(), Some(kept), "{behaviour:?} after {stages} stages: {recovered:?}");
            assert_eq!(trial, None, "{behaviour:?} after {stages} stages");
            assert!(machine.installed().starts_with(kept), "{behaviour:?} after {stages} stages");
        }
    }
}

#[test]
fn wherever_the_power_goes_the_previous_agent_starts_after_it() {
    for stages in 0..=6 {
        let machine = Machine::offered("1.1.0 hangs");
        begun(&machine, stages);
        let in_trial = (1..6).contains(&stages);
        assert_eq!(give_up(&machine.installation).unwrap(), in_trial, "{stages}");
        machine.restart().unwrap();
        assert_eq!(machine.stands(), (Some("1.0.0".into()), None), "after {stages} stages");
    }
}
