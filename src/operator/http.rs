//! `/metrics`, `/healthz` and `/readyz`, in plain HTTP for the cluster's own probes and scrapers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// Whether the process can do its work; set once its caches are filled.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves until the process ends.
pub async fn serve(address: SocketAddr, metrics: Metrics, readiness: Readiness) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state((metrics, readiness));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("failed to listen on {address} (--http-address): {error}"))?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn readyz(State((_, readiness)): State<(Metrics, Readiness)>) -> impl IntoResponse {
    if readiness.get() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the caches are not filled yet")
    }
}

async fn metrics_text(State((metrics, _)): State<(Metrics, Readiness)>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.text())
}
