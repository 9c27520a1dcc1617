//! What travels, and how it is settled.

use bytes::Bytes;

/// A message, as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// By which consumers know what they have seen. At most 255 bytes.
    pub id: String,
    /// W3C Trace Context, if the work is traced. At most 255 bytes.
    pub traceparent: Option<String>,
    /// JSON.
    pub body: Bytes,
}

/// A message, as delivered.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// 1 for the first delivery.
    pub attempt: u32,
    /// By which it is settled.
    pub tag: Tag,
}

/// Names a delivery to its consumer. A tag of a broken connection settles nothing: the message comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    pub(crate) generation: u64,
    pub(crate) number: u64,
    /// Which of the messages that came together; 0 for one that came alone.
    pub(crate) part: u8,
}

/// How much waits on a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages ready to be delivered. The embedded bus counts those with a consumer as well; RabbitMQ counts interactions
    /// that travel together as one.
    pub ready: u64,
    /// Dead letters.
    pub dead: u64,
}

/// A message that was given up.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The message.
    pub message: Message,
    /// Why.
    pub reason: String,
}
