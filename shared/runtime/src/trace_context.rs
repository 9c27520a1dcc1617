//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>, level 1), carried from the webhook to the send.

use std::fmt;

/// One step of a traced piece of work: version 00 of the `traceparent` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    sampled: bool,
}

impl TraceContext {
    /// The beginning of a trace. Random numbers are passed in; zero is not a valid id and becomes one.
    pub const fn begin(trace: u128, span: u64) -> Self {
        Self { trace: if trace == 0 { 1 } else { trace }, span: if span == 0 { 1 } else { span }, sampled: true }
    }

    /// The beginning of a trace with ids drawn from the system; if it has none to give, ids made of `fallback`.
    pub fn random(fallback: u64) -> Self {
        use rand::TryRng as _;
        let mut random = rand::rngs::SysRng;
        let mut draw = || random.try_next_u64().unwrap_or(fallback);
        Self::begin(u128::from(draw()) << 64 | u128::from(draw()), draw())
    }

    /// Reads a `traceparent` header; `None` if it is none of version 00.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_ascii() || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths = [version.len(), trace.len(), span.len(), flags.len()];
        if parts.next().is_some() || lengths != [2, 32, 16, 2] || version != "00" {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// Whether whoever began the trace wants it recorded.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    pub(crate) const fn ids(&self) -> (u128, u64) {
        (self.trace, self.span)
    }

    /// The id that all steps of the work share; for logs.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_the_recommendation_shows() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(text).unwrap();
        assert_eq!((context.to_string().as_str(), context.trace_id().len()), (text, 32));
        for wrong in [
            "",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-+bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace: u128, span: u64) {
            let context = TraceContext::begin(trace, span);
            prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
        }

        #[test]
        fn nothing_panics(text in ".{0,80}") {
            let _ = TraceContext::parse(&text);
        }
    }
}
