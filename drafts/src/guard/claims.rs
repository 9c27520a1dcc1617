//! Promises and pretences, by words of seven languages.
//!
//! A promise is allowed if some fact speaks of its kind at all; what it amounts to is checked as a number.

use afterglow_moderation::same_text_key;

use super::Refusal;

/// Kinds of promise, and the beginnings of words, folded, that make one.
const PROMISES: &[(&str, &[&str])] = &[
    (
        "discount",
        &[
            "discount",
            "korting",
            "rabatt",
            "nachlass",
            "remise",
            "reduction",
            "rabais",
            "ristourne",
            "descuento",
            "rebaja",
            "desconto",
            "sconto",
            "sconti",
            "coupon",
            "voucher",
            "promo code",
            "code promo",
            "gutschein",
            "cupon",
            "cupom",
            "buono",
            "half price",
            "half off",
            "halve prijs",
            "halber preis",
            "zum halben preis",
            "moitie prix",
            "mitad de precio",
            "metade do preco",
            "meta prezzo",
            "cheaper",
            "goedkoper",
            "guenstiger",
            "gunstiger",
            "moins cher",
            "mas barato",
            "mais barato",
            "piu economico",
            "bogo",
            "special price",
            "special offer",
            "best price",
            "on the house",
            "cashback",
        ],
    ),
    (
        "gift",
        &[
            "free",
            "for nothing",
            "complimentary",
            "gratis",
            "kostenlos",
            "umsonst",
            "gratuit",
            "offert",
            "gratuito",
            "gratuita",
            "de graca",
            "cadeautje",
            "geschenkt",
            "regalado",
            "omaggio",
            "no cost",
            "no charge",
            "at our expense",
            "giveaway",
        ],
    ),
    (
        "refund",
        &[
            "refund",
            "money back",
            "geld terug",
            "terugbetal",
            "geld zuruck",
            "erstatt",
            "ruckerstatt",
            "rembours",
            "reembols",
            "devolver el dinero",
            "devolveremos",
            "estorno",
            "rimbors",
            "reimburs",
            "compensat",
            "schadeloos",
            "entschadig",
            "dedommag",
            "indemni",
            "risarci",
        ],
    ),
    (
        "guarantee",
        &[
            "guarantee",
            "warrant",
            "garant",
            "gegarandeerd",
            "we promise",
            "i promise",
            "ik beloof",
            "wij beloven",
            "versprech",
            "je promets",
            "nous promettons",
            "prometo",
            "prometemos",
            "prometto",
            "promettiamo",
        ],
    ),
    (
        "deed",
        &[
            "has been cancelled",
            "have cancelled",
            "ive cancelled",
            "has been shipped",
            "have shipped",
            "is on its way",
            "has been refunded",
            "have changed your",
            "has been changed",
            "have forwarded",
            "have asked",
            "is geannuleerd",
            "heb geannuleerd",
            "is verzonden",
            "is onderweg",
            "heb doorgegeven",
            "wurde storniert",
            "habe storniert",
            "wurde verschickt",
            "ist unterwegs",
            "habe weitergeleitet",
            "a ete annule",
            "jai annule",
            "a ete expedie",
            "est en route",
            "jai transmis",
            "ha sido cancelado",
            "he cancelado",
            "ha sido enviado",
            "esta en camino",
            "foi cancelado",
            "cancelei",
            "foi enviado",
            "esta a caminho",
            "e stato annullato",
            "ho annullato",
            "e stato spedito",
            "e in arrivo",
        ],
    ),
    (
        "delivery date",
        &[
            "tomorrow",
            "tonight",
            "within the hour",
            "morgen in huis",
            "vanavond",
            "morgen bei dir",
            "heute noch",
            "des demain",
            "demain",
            "manana",
            "amanha",
            "domani",
            "same day",
            "next day",
            "overnight",
        ],
    ),
];

const PERSON: &[&str] = &[
    "i am human",
    "im human",
    "i am a human",
    "im a human",
    "i am a real person",
    "im a real person",
    "i am a person",
    "im a person",
    "not a bot",
    "not a robot",
    "not automated",
    "ik ben een mens",
    "ik ben een echt persoon",
    "geen bot",
    "geen robot",
    "ich bin ein mensch",
    "bin ein echter mensch",
    "kein bot",
    "kein roboter",
    "je suis humain",
    "je suis une vraie personne",
    "je suis une personne",
    "pas un robot",
    "pas un bot",
    "soy humano",
    "soy una persona",
    "no soy un bot",
    "no soy un robot",
    "sou humano",
    "sou humana",
    "sou uma pessoa",
    "nao sou um robo",
    "nao sou um bot",
    "sono umano",
    "sono una persona",
    "non sono un bot",
    "non sono un robot",
];

const INSTRUCTIONS_TALK: &[&str] = &[
    "system prompt",
    "my instructions",
    "these instructions",
    "my prompt",
    "developer mode",
    "jailbr",
    "viewer message",
    "as an ai language model",
    "i was instructed",
    "i was told to",
    "mijn instructies",
    "meine anweisungen",
    "mes instructions",
    "mis instrucciones",
    "minhas instrucoes",
    "le mie istruzioni",
    "systemprompt",
    "prompt systeme",
    "prompt del sistema",
    "prompt do sistema",
    "prompt di sistema",
];

pub(super) fn check(draft: &str, facts: &[String]) -> Vec<Refusal> {
    let draft = same_text_key(draft);
    let facts: Vec<String> = facts.iter().map(|fact| same_text_key(fact)).collect();
    let mut refusals = Vec::new();
    for (kind, words) in PROMISES {
        let made = |text: &str| words.iter().find(|word| text.contains(&format!(" {word}"))).copied();
        if let Some(word) = made(&draft)
            && !facts.iter().any(|fact| made(fact).is_some())
        {
            refusals.push(Refusal::Promise { kind, word: word.to_owned() });
        }
    }
    let says =
        |phrases: &[&str]| phrases.iter().find(|phrase| draft.contains(&format!(" {phrase}"))).map(ToString::to_string);
    refusals.extend(says(PERSON).map(Refusal::PretendsToBeAPerson));
    refusals.extend(says(INSTRUCTIONS_TALK).map(Refusal::Leak));
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_phrase_is_written_as_it_is_looked_up() {
        let promises = PROMISES.iter().flat_map(|(_, words)| words.iter());
        for phrase in promises.chain(PERSON).chain(INSTRUCTIONS_TALK) {
            assert_eq!(same_text_key(phrase).trim(), *phrase);
        }
    }
}
