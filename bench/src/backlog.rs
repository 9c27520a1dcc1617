//! Interactions that wait on the bus.

use afterglow_bus::{AmqpBus, Bus as _, Lane, Message as BusMessage};
use afterglow_domain::{
    Body, BrandId, Channel, DerivedId as _, Interaction, InteractionId, Message, Source, Timestamp, ViewerId,
};
use afterglow_sim::account::Account;

/// Messages that are published in one go.
const TOGETHER: u32 = 1_000;

/// Puts messages of as many viewers as there are tenths of them onto the lane of interactions.
pub(crate) async fn fill(bus: &AmqpBus, account: &Account, count: u32, at: Timestamp) -> anyhow::Result<()> {
    for from in (0..count).step_by(TOGETHER as usize) {
        let message = |n: u32| {
            let mid = format!("backlog-{n}");
            let interaction = Interaction {
                id: InteractionId::derive(&["message", account.id.as_str(), &mid]),
                brand: BrandId::new(account.brand.as_str()),
                account: account.id.clone(),
                viewer: Some(ViewerId::new(format!("waiting-{}", n / 10))),
                username: None,
                channel: Channel::Instagram,
                source: Source::Webhook,
                occurred: at,
                received: at,
                standby: false,
                body: Body::Message(Message { mid, text: Some("Hello".into()), ..Message::default() }),
                raw: None,
            };
            let body = interaction.to_cloudevent()?.into();
            anyhow::Ok(BusMessage { id: interaction.id.to_string(), traceparent: None, body })
        };
        let batch = (from..count.min(from + TOGETHER)).map(message).collect::<anyhow::Result<Vec<_>>>()?;
        bus.publish(Lane::Interactions, batch).await?;
    }
    Ok(())
}
