//! `afterglow migrate`: brings the database's schema up to date.

use std::process::ExitCode;

use afterglow_runtime::Settings;
use afterglow_store::SCHEMA_VERSION;

use crate::installation::open_store;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = open_store(settings).await?;
    let before = store.schema_version().await?;
    store.migrate().await?;
    store.check_schema().await?;
    let engine = store.engine_name();
    crate::output::line(match before {
        SCHEMA_VERSION => format!("{engine}: the schema is at version {SCHEMA_VERSION}, nothing to do"),
        _ => format!("{engine}: the schema went from version {before} to {SCHEMA_VERSION}"),
    })?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
