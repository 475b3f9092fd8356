//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use semver::Version;

use crate::version::version;

/// Makes this server a node of Keelson: enrols it and runs what the control plane sends.
#[derive(Debug, Parser)]
#[command(name = "keelson-agent", version = version(), disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// Folder for identity, journal and runs.
    #[arg(long, global = true, env = "KEELSON_STATE_DIR", default_value = "/var/lib/keelson")]
    pub state_dir: PathBuf,
    /// How much to log: error, warn, info, debug or trace.
    #[arg(long, global = true, env = "KEELSON_LOG_LEVEL", default_value = "info")]
    pub log_level: tracing::Level,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run the agent until it is stopped; documents that run go on and are found again.
    Run(RunArguments),
    /// Make this server a node, by the code of an Activation.
    Enrol(EnrolArguments),
    /// Say how the agent stands; exit code 0: connected, 3: not enrolled, 4: not connected.
    Status,
    /// Replace this agent by the one that the gateway has; the previous one comes back if the new one does not work.
    Update(UpdateArguments),
    /// End the enrolment: remove the node from the control plane and the identity from this server.
    Unenrol(UnenrolArguments),
    /// Run the document of one run folder (the agent starts this itself).
    #[command(hide = true)]
    Worker {
        /// The run's folder.
        directory: PathBuf,
    },
    /// Put a new program somewhere (an update starts this itself).
    #[command(hide = true)]
    FetchAgent(FetchArguments),
    /// End an update whose watcher died (systemd starts this).
    #[command(hide = true)]
    Recover(RecoverArguments),
    /// Fetch what the environment names for a step that downloads (a worker starts this itself).
    #[command(hide = true)]
    Fetch,
    /// Print the version.
    Version,
}

/// How the daemon treats runs.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// The most MiB kept of each output stream of a step.
    #[arg(long, env = "KEELSON_OUTPUT_CAP_MIB", default_value_t = 1024)]
    pub output_cap_mib: u64,
    /// Hours for which the folder of a reported run stays.
    #[arg(long, env = "KEELSON_KEEP_HOURS", default_value_t = 24)]
    pub keep_hours: u64,
    /// The most MiB that folders of reported runs take together; the oldest go first.
    #[arg(long, env = "KEELSON_KEEP_MIB", default_value_t = 2048)]
    pub keep_mib: u64,
    /// What reboots this server when a document asks for it with exit code 194; empty: nothing does.
    #[arg(long, env = "KEELSON_REBOOT_COMMAND", default_value = "/sbin/shutdown -r +1")]
    pub reboot_command: String,
}

/// Where the right to enrol comes from.
#[derive(Debug, Args)]
pub struct EnrolArguments {
    /// JSON from the Activation's Secret: namespace, activation, code, ca and addresses; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "ca_file", "code", "namespace", "activation"],
          required_unless_present_all = ["server", "ca_file", "code", "namespace", "activation"])]
    pub from: Option<PathBuf>,
    /// Address of a gateway, host:port; may be given several times.
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Vec<String>,
    /// PEM file of the CA that signs the gateway's certificate.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The Activation's code. Other users can see it while the command runs: prefer `--from`.
    #[arg(long)]
    pub code: Option<String>,
    /// Namespace of the Activation.
    #[arg(long)]
    pub namespace: Option<String>,
    /// Name of the Activation.
    #[arg(long)]
    pub activation: Option<String>,
    /// HTTP proxy to reach the gateway through.
    #[arg(long, value_name = "http://HOST:PORT")]
    pub proxy: Option<String>,
    /// Become another node, with a new key, although this server is one already.
    #[arg(long)]
    pub force: bool,
}

/// How to leave.
#[derive(Debug, Args)]
pub struct UnenrolArguments {
    /// Remove the identity from this server without telling the control plane.
    #[arg(long)]
    pub local_only: bool,
}

/// What to update to.
#[derive(Debug, Clone, Args)]
pub struct UpdateArguments {
    /// Take the program from this file or URL instead of the gateway; `#sha256=DIGITS` behind it makes sure which.
    #[arg(long, value_name = "FILE|URL")]
    pub source: Option<String>,
    /// Install an older version, too.
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Install the same version again, too.
    #[arg(long)]
    pub force: bool,
}

/// What to fetch, and when not to.
#[derive(Debug, Clone, Args)]
pub struct FetchArguments {
    /// Where to put the program.
    #[arg(long)]
    pub to: PathBuf,
    /// The version that is installed.
    #[arg(long)]
    pub installed: Version,
    /// This version and no other.
    #[arg(long)]
    pub target_version: Option<Version>,
    /// As for `update`.
    #[arg(long)]
    pub source: Option<String>,
    /// As for `update`.
    #[arg(long)]
    pub allow_downgrade: bool,
}

/// Whose update to end.
#[derive(Debug, Clone, Args)]
pub struct RecoverArguments {
    /// The installed program.
    pub program: PathBuf,
    /// Only look whether an update is left that nobody watches over; the daemon is started next.
    #[arg(long)]
    pub at_start: bool,
}
