//! From an order to its end: the steps in their order, and how far they came in the run's folder.

use std::thread;
use std::time::{Duration, Instant};

use keelson_core::status::StepStatus;
use keelson_document::{Decision, Document, Ended, Flow, PlannedStep, Platform, plan};
use serde_json::Value;

use super::control::Control;
use super::output::StepOutput;
use super::texts;
use crate::clock;
use crate::files::Durability;
use crate::plugin::{self, Place, StepContext};
use crate::run_directory::{CurrentStep, Order, Progress, RunDirectory, RunDirectoryError, StepRecord};

/// How long a disk that is full may stay so before the outcome of a run is lost.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// How often the outcome is tried to be written meanwhile.
const WRITE_PAUSE: Duration = Duration::from_secs(1);

/// Whether a run that has come so far goes on after a reboot.
pub fn waits_for_reboot(progress: &Progress) -> bool {
    progress.finished && progress.status == StepStatus::SuccessAndReboot
}

/// Does the run of `directory` and leaves its outcome there. `earlier` is how far it came before a reboot.
///
/// # Errors
/// When the folder cannot be written; whatever is wrong with the order is the run's outcome.
pub fn execute(directory: &RunDirectory, earlier: Option<Progress>) -> Result<(), RunDirectoryError> {
    let mut run = Run::new(directory, earlier);
    match run.steps() {
        Ok(status) => run.progress.status = status,
        Err(reason) => {
            run.progress.status = StepStatus::Failed;
            run.progress.message = reason;
        }
    }
    run.finish()
}

struct Run<'a> {
    directory: &'a RunDirectory,
    progress: Progress,
    /// The record of the step that asked for the reboot which is over now.
    rebooted: Option<StepRecord>,
    started: Instant,
    earlier_ms: u64,
}

impl<'a> Run<'a> {
    fn new(directory: &'a RunDirectory, earlier: Option<Progress>) -> Self {
        let started = Instant::now();
        let mut progress = earlier.unwrap_or_else(|| Progress {
            steps: Vec::new(),
            current: None,
            finished: false,
            status: StepStatus::InProgress,
            message: String::new(),
            started_unix_ms: clock::unix_ms(),
            ended_unix_ms: 0,
            duration_ms: 0,
        });
        let rebooted = progress.steps.pop_if(|last| last.status == StepStatus::SuccessAndReboot);
        progress.finished = false;
        progress.status = StepStatus::InProgress;
        let earlier_ms = progress.duration_ms;
        Self { directory, progress, rebooted, started, earlier_ms }
    }

    /// Does the steps that are left and returns the document's status, or why it cannot be run at all.
    fn steps(&mut self) -> Result<StepStatus, String> {
        let order = self.directory.order().map_err(|error| error.to_string())?;
        let order = order.ok_or("the daemon wrote no order")?;
        let control = Control::open(self.directory).map_err(|error| error.to_string())?;
        let document = plugin::document_from_json(&order.document)?;
        let planned = plan(&document, &order.parameters, Platform::Linux, &plugin::support);
        let planned = planned.map_err(|errors| errors.to_string())?;
        let flow = Flow::new(planned).failing_fast(order.fail_fast);
        let mut ended: Vec<Ended> = self.progress.steps.iter().map(ended_of).collect();
        while let Some(turn) = flow.next(&ended) {
            let record = match turn.decision {
                Decision::Skip(message) => decided(turn.step, StepStatus::Skipped, 0, message),
                Decision::Fail(message) => decided(turn.step, StepStatus::Failed, 1, message),
                Decision::Run(_) if control.is_cancelled() => self.cancel_step(turn.step),
                Decision::Run(inputs) => {
                    let site = Site { order: &order, document: &document, control: &control, flow: &flow };
                    self.run_step(&site, turn.step, &inputs)
                }
            };
            ended.push(ended_of(&record));
            self.progress.steps.push(record);
        }
        Ok(flow.status(&ended))
    }

    /// A step that is not begun any more; one that a reboot interrupted keeps what it wrote before.
    fn cancel_step(&mut self, step: &PlannedStep) -> StepRecord {
        let record = decided(step, StepStatus::Cancelled, 1, String::new());
        match self.rebooted.take_if(|rebooted| rebooted.index == record.index) {
            Some(rebooted) => StepRecord {
                status: record.status,
                code: record.code,
                ended_unix_ms: record.ended_unix_ms,
                ..rebooted
            },
            None => record,
        }
    }

    fn run_step(&mut self, site: &Site<'_>, step: &PlannedStep, inputs: &Value) -> StepRecord {
        let mut record = decided(step, StepStatus::InProgress, 0, String::new());
        self.progress.current = Some(CurrentStep {
            index: record.index,
            name: record.name.clone(),
            action: record.action.clone(),
            started_unix_ms: record.started_unix_ms,
        });
        // A full disk loses only that the step has begun, which the outcome, tried again, says too.
        let _ = self.directory.write_progress(&self.progress, Durability::Atomic);
        let earlier = self.rebooted.take_if(|rebooted| rebooted.index == record.index);
        if let Some(earlier) = &earlier {
            record.started_unix_ms = earlier.started_unix_ms;
        }
        let cap = site.order.output_cap_bytes;
        let mut output = StepOutput::open(self.directory, record.index, cap, earlier.as_ref());
        site.run(self.directory, step, inputs, &mut output, &mut record);
        record.ended_unix_ms = clock::unix_ms();
        self.progress.current = None;
        record
    }

    /// Writes the outcome. The daemon journals it at once, so waiting for the disk twice would only be slow; a
    /// wish to reboot waits, because what comes next may be less gentle than it should.
    fn finish(mut self) -> Result<(), RunDirectoryError> {
        self.progress.current = None;
        self.progress.finished = true;
        self.progress.ended_unix_ms = clock::unix_ms();
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.duration_ms = self.earlier_ms.saturating_add(elapsed);
        let durability = match self.progress.status {
            StepStatus::SuccessAndReboot => Durability::Durable,
            _ => Durability::Atomic,
        };
        let give_up = Instant::now() + WRITE_PATIENCE;
        loop {
            match self.directory.write_progress(&self.progress, durability) {
                Err(_) if Instant::now() < give_up => thread::sleep(WRITE_PAUSE),
                done => return done,
            }
        }
    }
}

/// What all steps of a run share.
struct Site<'a> {
    order: &'a Order,
    document: &'a Document,
    control: &'a Control<'a>,
    flow: &'a Flow,
}

impl Site<'_> {
    /// Runs the step's plugin and fills the record with what came of it.
    fn run(
        &self,
        directory: &RunDirectory,
        step: &PlannedStep,
        inputs: &Value,
        output: &mut StepOutput,
        record: &mut StepRecord,
    ) {
        let context = StepContext {
            directory,
            order: self.order,
            document: self.document,
            values: &self.order.parameters,
            control: self.control,
            root: directory.path(),
            index: record.index,
            name: &record.name,
            element: 0,
            place: Place::default(),
        };
        let mut ended = plugin::run(&record.action, inputs, &context, output);
        if let Some(reason) = output.failure().map(ToString::to_string) {
            output.stderr.note_line(&reason);
            if ended.status == StepStatus::Success {
                ended = Ended { status: StepStatus::Failed, code: 1 };
            }
        }
        let conclusion = self.flow.conclude(step, ended);
        record.status = conclusion.ended.status;
        record.code = conclusion.ended.code;
        texts::fill(record, output, &conclusion);
    }
}

fn ended_of(record: &StepRecord) -> Ended {
    Ended { status: record.status, code: record.code }
}

/// The record of a step that ended without being run.
fn decided(step: &PlannedStep, status: StepStatus, code: i32, message: String) -> StepRecord {
    let now = clock::unix_ms();
    StepRecord {
        index: u32::try_from(step.index).unwrap_or(u32::MAX),
        name: step.name.clone(),
        action: step.action.clone(),
        status,
        code,
        output: message,
        standard_output: String::new(),
        standard_error: String::new(),
        started_unix_ms: now,
        ended_unix_ms: now,
        stdout: None,
        stderr: None,
        refresh_associations: None,
    }
}
