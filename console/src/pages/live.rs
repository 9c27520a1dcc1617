//! News, as server-sent events: that something happened to a brand, not what. Pages then ask for themselves again, under the
//! same permissions as ever.

use std::convert::Infallible;
use std::time::Duration;

use afterglow_runtime::error_chain;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{Stream, unfold};

use crate::access::InBrand;

/// How often it is looked; half of the second within which a page is to show what a webhook told.
const LOOK: Duration = Duration::from_millis(400);
/// After so many looks a stream ends and the browser comes again, with a session that is looked at anew.
const LOOKS: u32 = 1_500;

pub(crate) async fn stream(room: InBrand) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stop = room.console.stop.clone();
    let news = unfold((room, None, 0), move |(room, mut known, mut looks)| {
        let stop = stop.clone();
        async move {
            while looks < LOOKS {
                looks += 1;
                match room.store().pulse().await {
                    Ok(pulse) if known == Some(pulse) => {}
                    Ok(pulse) => {
                        let first = known.replace(pulse).is_none();
                        let event = Event::default().event(if first { "hello" } else { "changed" }).data("1");
                        return Some((Ok(event), (room, known, looks)));
                    }
                    // The stream ends: the page says so, and the browser tries again.
                    Err(error) => {
                        tracing::warn!(error = %error_chain(&error), "no news can be read");
                        return None;
                    }
                }
                stop.run_until_cancelled(tokio::time::sleep(LOOK)).await?;
            }
            None
        }
    });
    Sse::new(news).keep_alive(KeepAlive::default())
}
