//! The scheduler: takes queries, cuts them into stages and tasks, hands these to executors.

use crate::functions::session_state;
use anyhow::Result;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::start_server;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    port: u16,
}

/// Seconds without a heartbeat after which an executor counts as lost. Ballista's own default is
/// 180: right for a data centre, long for a reader who waits.
const LOST_AFTER: u64 = 5;

/// Serves until the owner ends.
pub async fn serve(arguments: Arguments) -> Result<()> {
    let address = format!("127.0.0.1:{}", arguments.port).parse()?;
    let mut config = SchedulerConfig::default()
        .with_hostname("127.0.0.1")
        .with_port(arguments.port)
        .with_task_distribution(TaskDistributionPolicy::RoundRobin)
        .with_no_executors_grace_period_seconds(LOST_AFTER)
        .with_override_session_builder(Arc::new(session_state));
    config.executor_timeout_seconds = LOST_AFTER;
    config.expire_dead_executor_interval_seconds = 1;
    let cluster = BallistaCluster::new_from_config(&config).await?;
    start_server(cluster, address, Arc::new(config)).await?;
    Ok(())
}
