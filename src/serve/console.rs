//! `afterglow console`: where people work.

use std::net::SocketAddr;
use std::sync::Arc;

use afterglow_console::Console;
use afterglow_runtime::{Services, Settings};
use anyhow::bail;
use tokio_util::sync::CancellationToken;

use super::listen::{listen, serve};
use super::parts::Parts;
use crate::installation::{keyring, oidc};

impl Parts {
    pub(super) async fn start_console(
        &self,
        services: &mut Services,
        stop: &CancellationToken,
    ) -> anyhow::Result<SocketAddr> {
        let Settings { console: wanted, meta, .. } = &self.settings;
        if !wanted.listen.ip().is_loopback() && wanted.public_url.is_none() {
            bail!(
                "console.listen is {}, and the console answers under loopback names alone: set console.public_url to \
                 the address that people use",
                wanted.listen
            );
        }
        if self.store.engine_name() == "postgres" && self.store.brand_role().await?.is_none() {
            tracing::info!(
                "no role for brands in the database: every query names its brand, and no second wall is behind"
            );
        }
        let listener = listen(wanted.listen, "console.listen").await?;
        let address = listener.local_addr()?;
        let mut console = Console::new(self.store.clone(), Arc::clone(&self.clock));
        console.bus.clone_from(&self.bus);
        console.our_apps.clone_from(&meta.app_ids);
        console.public_url.clone_from(&wanted.public_url);
        console.stop = stop.clone();
        console.keyring = keyring(&self.settings).map(Arc::new).ok();
        let base = wanted.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        console.oidc = oidc(&self.settings, &base)?;
        tracing::info!("console at http://{address}/");
        let router = afterglow_console::router(console);
        services
            .spawn("console", serve(listener, router, self.settings.http.clone(), self.leaving.clone(), stop.clone()));
        Ok(address)
    }
}
