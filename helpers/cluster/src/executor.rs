//! An executor: runs tasks for the scheduler and keeps their results for the next stage.

use crate::functions;
use crate::journal::Journal;
use anyhow::Result;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    name: String,
    #[arg(long)]
    scheduler_port: u16,
    /// Where other executors and the client fetch results
    #[arg(long)]
    port: u16,
    /// Where the scheduler hands out tasks
    #[arg(long)]
    grpc_port: u16,
    /// How many tasks run at a time
    #[arg(long, default_value_t = 1)]
    cores: usize,
    /// For results between stages
    #[arg(long)]
    work: PathBuf,
    #[arg(long)]
    journal: PathBuf,
}

/// Works until the owner ends.
pub async fn serve(arguments: Arguments) -> Result<()> {
    let journal = Journal::open(&arguments.journal, &arguments.name)?;
    functions::introduce(&arguments.name, Some(journal));
    std::fs::create_dir_all(&arguments.work)?;
    let config = ExecutorProcessConfig {
        // A name of its own for each life: one that comes back must not be taken for the lost one.
        executor_id: format!("{}.{}", arguments.name, std::process::id()),
        external_host: Some("127.0.0.1".to_owned()),
        port: arguments.port,
        grpc_port: arguments.grpc_port,
        scheduler_host: "127.0.0.1".to_owned(),
        scheduler_port: arguments.scheduler_port,
        scheduler_connect_timeout_seconds: 20,
        vcores: arguments.cores,
        work_dir: Some(arguments.work.display().to_string()),
        executor_heartbeat_interval_seconds: 1,
        override_function_registry: Some(Arc::new(functions::registry()?)),
        ..ExecutorProcessConfig::default()
    };
    start_executor_process(Arc::new(config)).await?;
    Ok(())
}
