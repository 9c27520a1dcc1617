//! What people write. The labels are the scenario's: no matcher is asked.

/// Answers to a Story. Some hold words that a careless matcher takes for a stop.
pub(super) const REPLIES: &[&str] = &[
    "Love this! 😍",
    "Is this still available?",
    "Which size are you wearing?",
    "Wow, prachtig ❤️",
    "Wat kost deze?",
    "Wo kann ich das kaufen?",
    "Größe M noch da?",
    "C'est trop beau 🔥",
    "¿Para cuándo llega?",
    "Quanto custa?",
    "Bellissimo!!",
    "🔥🔥🔥",
    "I can't stop looking at this dress, where can I buy it",
    "Does the sale end today? I get paid tomorrow",
    "素敵です",
    "Do you ship to Norway?",
];

/// Direct messages.
pub(super) const MESSAGES: &[&str] = &[
    "Hi! Do you have this in blue?",
    "Thanks a lot 🙏",
    "Hoi, wanneer gaat de winkel open?",
    "Hallo, gibt es das auch in grün?",
    "Bonjour, livrez-vous en Suisse ?",
    "¿Hacen envíos a México?",
    "Buongiorno, avete la taglia 42?",
    "ok",
    "Can I return it within 14 days?",
    "https://example.com/wishlist/17",
];

/// Direct messages that a person of the brand has to answer.
pub(super) const FOR_A_PERSON: &[&str] = &[
    "My order 10293 has not arrived yet",
    "Can I talk to a human please?",
    "I want my money back",
    "Kan ik een medewerker spreken?",
    "Kann ich mit einem Mitarbeiter sprechen?",
    "Je voudrais parler à un conseiller",
];

/// Public comments.
pub(super) const COMMENTS: &[&str] =
    &["Nice", "Need this 😭", "Price?", "Prachtig!", "Wann wieder da?", "Trop bien", "😍😍", "Info please"];

/// No more messages, in several languages and manners.
pub(super) const STOPS: &[&str] = &[
    "STOP",
    "Stop.",
    "stop!!",
    "Stop please",
    "Stop. Thank you",
    "UNSUBSCRIBE",
    "Afmelden",
    "Afmelden aub",
    "Abmelden",
    "Bitte abmelden",
    "Stopp",
    "Arrêtez svp",
    "Désabonner",
    "Baja",
    "Por favor, no más mensajes",
    "Sair",
    "Basta!",
    "Cancellami",
];

/// Perhaps no more messages.
pub(super) const PERHAPS: &[&str] = &["can you stop this", "stop it"];

/// Messages again.
pub(super) const STARTS: &[&str] = &["START", "start", "Unstop", "Aanmelden", "Anmelden"];

/// What a person of the brand writes by phone.
pub(super) const BY_PHONE: &[&str] =
    &["Hi, this is Eva from the shop, I will look into it!", "Hoi! Ik kijk het even na.", "We sent it again today."];
