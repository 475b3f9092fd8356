//! Waits for something outside this process to become so, and says what was seen last when it does not.

use std::{fmt::Write, future::Future, time::Duration};

use anyhow::bail;
use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Asks `check` until it answers `Some`, at growing intervals of 20 to 500 ms.
///
/// An error counts as "not yet": what is waited for is often a server that is not up. The last one is part of the
/// failure. `what` completes the sentence "waited 5 s for …".
pub async fn eventually<T, F, Fut>(timeout: Duration, what: &str, mut check: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<Option<T>>>,
{
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut attempts = 0_u32;
    let mut last_error;
    loop {
        attempts += 1;
        // A check that hangs must not outlive the time given.
        match tokio::time::timeout_at(started + timeout, check()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last_error = None,
            Ok(Err(error)) => last_error = Some(error),
            Err(_) => last_error = Some(anyhow::anyhow!("the last check did not answer")),
        }
        if started.elapsed() + pause > timeout {
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let mut message =
        format!("waited {:.1} s for {what}, in vain ({attempts} checks)", timeout.as_secs_f64());
    if let Some(error) = last_error {
        write!(message, "; the last one failed: {error:#}")?;
    }
    bail!(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_error_before_the_value_is_not_a_failure() {
        let mut calls = 0;
        let value = eventually(Duration::from_secs(5), "a value", || {
            calls += 1;
            let call = calls;
            async move {
                match call {
                    1 => Err(anyhow::anyhow!("connection refused")),
                    2 => Ok(None),
                    _ => Ok(Some(call)),
                }
            }
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_says_what_was_waited_for_and_the_last_error() {
        let error = eventually::<(), _, _>(Duration::from_secs(5), "the node to be Online", || async {
            Err(anyhow::anyhow!("connection refused"))
        });
        let message = error.await.unwrap_err().to_string();
        assert!(message.contains("waited 5.0 s for the node to be Online"), "{message}");
        assert!(message.contains("connection refused"), "{message}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_does_not_outlive_the_timeout() {
        let error = eventually::<(), _, _>(Duration::from_secs(1), "an answer", std::future::pending);
        assert!(error.await.unwrap_err().to_string().contains("did not answer"));
    }
}
