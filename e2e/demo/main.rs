//! `make demo` and `make demo-down`: shows Keelson at work on a real control plane and real servers.
//!
//! `up` starts `serve` in the background, which holds every part and tells the story into a file; `up` shows the file
//! and ends with the story, while the parts go on until `down`.

mod background;
mod booted;
mod sandboxed;
mod story;

use std::process::ExitCode;

use anyhow::bail;

const USAGE: &str = "usage: demo up | down";

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some("up") => background::up().await,
        Some("down") => background::down().await,
        Some("serve") => {
            background::serve(tell).await?;
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!(USAGE),
    }
}

/// Starts the parts and tells the story; the parts live as long as what this returns.
async fn tell(folder: std::path::PathBuf) -> anyhow::Result<Box<dyn std::any::Any>> {
    let possible = if std::env::var_os("KEELSON_DEMO_NODES").is_some_and(|nodes| nodes == "processes") {
        Err("KEELSON_DEMO_NODES=processes asks for processes".to_owned())
    } else {
        keelson_e2e::sandbox::can_boot_nodes().await
    };
    match possible {
        Ok(()) => Ok(Box::new(booted::tell(&folder).await?)),
        Err(reason) => {
            story::say(&format!("No servers are booted: {reason}."));
            story::say(
                "The same agents run as ordinary processes instead, each with a folder of its own as its server.",
            );
            Ok(Box::new(sandboxed::tell(&folder).await?))
        }
    }
}
