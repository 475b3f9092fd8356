//! The demo's life in the background: started by `up`, ended by `down`, one at a time.

use std::any::Any;
use std::fs::{self, File};
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use keelson_e2e::assets;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// How often the story's file is looked at for more.
const GLANCE: Duration = Duration::from_millis(200);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the demo keeps kubeconfig, logs and the archive.
fn folder() -> PathBuf {
    assets::project().join("target/demo")
}

fn pid_file() -> PathBuf {
    folder().join("pid")
}

/// Starts the demo and shows its story; the exit code says whether everything converged.
pub async fn up() -> anyhow::Result<ExitCode> {
    if running().is_some() {
        println!("The demo is running already. Stop it with: make demo-down");
        return Ok(ExitCode::FAILURE);
    }
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to clear {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let log = folder.join("story");
    let output = File::create(&log)?;
    let mut server = Command::new(std::env::current_exe()?)
        .arg("serve")
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output)
        .process_group(0)
        .spawn()?;
    fs::write(pid_file(), server.id().to_string())?;
    let mut story = File::open(&log)?;
    loop {
        let ended = server.try_wait()?.is_some();
        show_more(&mut story)?;
        if let Ok(verdict) = fs::read_to_string(folder.join("verdict")) {
            show_more(&mut story)?;
            return Ok(if verdict == "converged" { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if ended {
            bail!("the demo ended before its time; its logs are in {}", folder.display());
        }
        tokio::time::sleep(GLANCE).await;
    }
}

fn show_more(story: &mut File) -> anyhow::Result<()> {
    let mut text = Vec::new();
    story.read_to_end(&mut text)?;
    let mut screen = std::io::stdout().lock();
    screen.write_all(&text)?;
    screen.flush()?;
    Ok(())
}

/// Stops the demo and all its parts.
pub async fn down() -> anyhow::Result<ExitCode> {
    let Some(pid) = running() else {
        println!("The demo is not running.");
        return Ok(ExitCode::SUCCESS);
    };
    kill_process(pid, Signal::TERM)?;
    let stopped = keelson_e2e::wait::eventually(STOP_TIMEOUT, "the demo to stop", || async {
        Ok(test_kill_process(pid).is_err().then_some(()))
    });
    stopped.await?;
    fs::remove_file(pid_file())?;
    println!("The demo is stopped. Its logs stay in {}.", folder().canonicalize()?.display());
    Ok(ExitCode::SUCCESS)
}

fn running() -> Option<Pid> {
    let pid = Pid::from_raw(fs::read_to_string(pid_file()).ok()?.trim().parse().ok()?)?;
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    command.windows(5).any(|word| word == b"serve").then_some(pid)
}

/// Tells the story, says how it ended, and keeps the parts until told to stop.
pub async fn serve<F, T>(tell: F) -> anyhow::Result<()>
where
    F: FnOnce(PathBuf) -> T,
    T: Future<Output = anyhow::Result<Box<dyn Any>>>,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let folder = folder().canonicalize()?;
    let parts = tokio::select! {
        _ = terminate.recv() => return Ok(()),
        told = tell(folder.clone()) => told,
    };
    match parts {
        Ok(parts) => {
            fs::write(folder.join("verdict"), "converged")?;
            terminate.recv().await;
            drop(parts);
        }
        Err(error) => {
            println!("\nThe demo failed: {error:#}\nLogs are in {}.", folder.display());
            fs::write(folder.join("verdict"), "failed")?;
        }
    }
    Ok(())
}
