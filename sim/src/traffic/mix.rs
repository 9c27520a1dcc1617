//! What happens, and how often.

use rand::RngExt;
use rand::rngs::StdRng;

/// One kind of happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    StoryReply,
    Message,
    MediaMessage,
    InlineReply,
    AdMessage,
    Unsupported,
    StoryMention,
    Reaction,
    Unreact,
    QuickReply,
    Postback,
    Referral,
    Seen,
    Edit,
    Unsend,
    Comment,
    LiveComment,
    OwnComment,
    Mention,
    StoryInsights,
    PhoneEcho,
    SelfEcho,
    ThreadTaken,
    ThreadReturned,
    Stop,
    Perhaps,
    Start,
    UnknownField,
    UnknownAccount,
    StringMessage,
    CurlTest,
    BrokenJson,
}

/// Shares in thousandths; together 1000.
const MIX: [(Happening, u32); 32] = [
    (Happening::StoryReply, 180),
    (Happening::Message, 190),
    (Happening::MediaMessage, 40),
    (Happening::InlineReply, 20),
    (Happening::AdMessage, 10),
    (Happening::Unsupported, 5),
    (Happening::StoryMention, 30),
    (Happening::Reaction, 130),
    (Happening::Unreact, 15),
    (Happening::QuickReply, 60),
    (Happening::Postback, 40),
    (Happening::Referral, 15),
    (Happening::Seen, 60),
    (Happening::Edit, 12),
    (Happening::Unsend, 10),
    (Happening::Comment, 90),
    (Happening::LiveComment, 25),
    (Happening::OwnComment, 8),
    (Happening::Mention, 15),
    (Happening::StoryInsights, 5),
    (Happening::PhoneEcho, 8),
    (Happening::SelfEcho, 2),
    (Happening::ThreadTaken, 4),
    (Happening::ThreadReturned, 3),
    (Happening::Stop, 10),
    (Happening::Perhaps, 2),
    (Happening::Start, 3),
    (Happening::UnknownField, 3),
    (Happening::UnknownAccount, 2),
    (Happening::StringMessage, 1),
    (Happening::CurlTest, 1),
    (Happening::BrokenJson, 1),
];

impl Happening {
    pub(super) fn draw(rng: &mut StdRng) -> Self {
        let mut draw = rng.random_range(0..1000u32);
        for (happening, share) in MIX {
            if draw < share {
                return happening;
            }
            draw -= share;
        }
        Happening::StoryReply // not reached while the shares sum to 1000; see the test
    }
}

/// Whether something with this chance happens.
pub(super) fn chance(rng: &mut StdRng, thousandths: u32) -> bool {
    rng.random_range(0..1000u32) < thousandths
}

/// One of a list.
pub(super) fn one_of<'a, T: ?Sized>(rng: &mut StdRng, list: &[&'a T]) -> &'a T {
    list[rng.random_range(0..list.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_a_thousand() {
        assert_eq!(MIX.iter().map(|(_, share)| share).sum::<u32>(), 1000);
    }
}
