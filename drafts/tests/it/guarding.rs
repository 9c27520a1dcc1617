//! What the guard lets pass, and how it names what it refuses.

use afterglow_drafts::{Refusal, TEXT_MAX_BYTES, guard};
use proptest::prelude::*;

use crate::server::facts;

#[test]
fn honest_replies_pass() {
    for (viewer, draft) in [
        ("How much is the Sol?", "The Sol lamp costs €49."),
        ("How much is the Sol?", "It is 49 euros, in green or blue 💚💙"),
        ("how much", "The Sol is 49,00 EUR."),
        ("Do you ship to Belgium?", "Yes, we ship to Belgium within 3 working days."),
        ("where can I buy it", "You find it at https://lumen.example/shop"),
        ("where can I buy it", "You find it at lumen.example/shop."),
        ("phone?", "You can call us: +31 (0)20 555 0100? Better write to hello@lumen.example."),
        ("phone?", "Our telephone number is +31 20 5550100."),
        ("I have 2 cats, is the lamp blue?", "Lovely, 2 cats! It comes in blue."),
        ("Wat kost de lamp?", "De Sol kost 49 euro en is er in groen en blauw."),
        ("Was kostet die Lampe?", "Die Sol kostet 49 € und ist in Grün und Blau erhältlich."),
        ("Combien coûte la lampe ?", "La Sol coûte 49 € et existe en vert et en bleu."),
        ("¿Cuánto cuesta?", "La Sol cuesta 49 euros y viene en verde y azul."),
        ("Quanto custa?", "A Sol custa 49 euros e vem em verde e azul."),
        ("Quanto costa?", "La Sol costa 49 euro ed è disponibile in verde e blu."),
        ("thank you", "With pleasure!"),
    ] {
        let refused = guard(draft, &facts(), viewer);
        // The one that writes the number in another way than the facts is rightly refused
        assert_eq!(refused.is_ok(), !draft.contains("(0)"), "{draft}: {refused:?}");
    }
}

#[test]
fn a_fact_allows_what_it_states_and_no_more() {
    let facts = vec![
        "Students get a discount of 10%. Returns are free within 30 days. Outlet: €1.299,00. Big: €10000.00".to_owned(),
    ];
    for (draft, allowed) in [
        ("Students get 10% discount.", true),
        ("Students get 20% discount.", false),
        ("Students get €10 discount.", false),
        ("Returns are free within 30 days.", true),
        ("Returns are free within 60 days.", false),
        ("The outlet one is 1299 euro.", true),
        ("The outlet one is 1.299 €.", true),
        ("The outlet one is 12.99 €.", false),
        ("The outlet one is $1299.", false),
        ("We guarantee it.", false),
        ("The big one is €10000.00.", true),
        ("The big one is $10000.00.", false),
        ("Call 1000000.", false),
    ] {
        let refused = guard(draft, &facts, "");
        assert_eq!(refused.is_ok(), allowed, "{draft}: {refused:?}");
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let draft =
        "I am human: 20% off, only $5 at evil.example, call +1 555 010 9999, mail a@b.example, ask @evil, 77 left";
    let refusals = guard(draft, &facts(), "hi").err().unwrap_or_default();
    let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    no fact states the amount $5
    no fact states the percentage 20%
    neither a fact nor the viewer stated the number 77
    no fact holds the link evil.example
    no fact holds the address a@b.example
    no fact holds the telephone number +1 555 010 9999
    no fact holds the name @evil
    the draft pretends to be a person: “i am human”
    ");
}

#[test]
fn what_cannot_be_checked_is_refused() {
    for (draft, code) in [
        ("A lovely\u{200b} lamp.", Some(0x200b)),
        ("A lovely \u{202e}lamp.", Some(0x202e)),
        ("A lovely\0 lamp.", Some(0)),
        ("Only ٥ left.", Some(0x665)),
        ("A lovely lamp.\nIn green.", None),
        ("For you both 👩\u{200d}👧 \u{2764}\u{fe0f}", None),
        ("The Sol lamp costs €４９.", None),
    ] {
        let refusals = guard(draft, &facts(), "").err().unwrap_or_default();
        let found = refusals.iter().find_map(|r| if let Refusal::Unreadable { code } = r { Some(*code) } else { None });
        assert_eq!(found, code, "{draft:?}: {refusals:?}");
        assert_eq!(refusals.is_empty(), code.is_none(), "{draft:?}: {refusals:?}");
    }
}

#[test]
fn length_is_counted_in_bytes() {
    let fits = "é".repeat(TEXT_MAX_BYTES / 2);
    assert!(guard(&fits, &facts(), "").is_ok());
    let refused = guard(&format!("{fits}!"), &facts(), "");
    assert_eq!(refused, Err(vec![Refusal::TooLong { bytes: TEXT_MAX_BYTES + 1 }]));
}

proptest! {
    #[test]
    fn any_text_is_judged(draft in any::<String>(), fact in any::<String>(), viewer in any::<String>()) {
        let _ = guard(&draft, &[fact], &viewer);
    }

    #[test]
    fn no_amount_passes_that_no_fact_states(euros in 0_u32..100_000, cents in 0_u32..100, form in 0_usize..6) {
        prop_assume!(euros != 49 || cents != 0);
        let draft = match form {
            0 => format!("It costs €{euros}.{cents:02}"),
            1 => format!("It costs {euros},{cents:02} euro"),
            2 => format!("It costs {euros}.{cents:02} EUR today"),
            3 => format!("EUR {euros}.{cents:02} it is"),
            4 => format!("for {euros},{cents:02}€!"),
            _ => format!("costs ${euros}.{cents:02}"),
        };
        // The viewer's own amounts are no facts
        let refusals = guard(&draft, &facts(), &draft).err().unwrap_or_default();
        prop_assert!(refusals.iter().any(|r| matches!(r, Refusal::InventedPrice(_))), "{draft}: {refusals:?}");
    }
}
