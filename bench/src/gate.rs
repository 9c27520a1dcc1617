//! The gate alone: verdicts a second on one core.

use std::time::Instant;

use afterglow_domain::{
    AccountFacts, AccountId, BrandId, Cause, DAY_MS, DerivedId as _, Facts, HOUR_MS, Intent, InteractionId, Kind,
    LimitFacts, PlayFacts, PlayId, QuietHours, Rollout, SendLimits, Timestamp, Verdict, ViewerId, WindowRule, Written,
};
use afterglow_responder::{Policy, decide};

/// Measure the gate: verdicts a second on one core, with every limit set
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Verdicts
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    verdicts: u32,
}

const T: i64 = 1_780_000_000_000;

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) fn run(arguments: &Arguments) {
    let cause = InteractionId::derive(&["bench"]);
    let play = PlayId::new("thanks");
    let intent = Intent {
        id: Intent::derive_id(&play, cause, 0),
        brand: BrandId::new("bench"),
        account: AccountId::new("1"),
        viewer: ViewerId::new("2"),
        play,
        cause,
        cause_kind: Kind::StoryReply,
        cause_occurred: Timestamp::from_millis(T),
        comment_id: None,
        step: 0,
        say: None,
        due: None,
        language: None,
        person: None,
        created: Timestamp::from_millis(T),
    };
    let plain = Facts {
        cause: Some(Cause {
            kind: Kind::StoryReply,
            occurred: Timestamp::from_millis(T),
            contact: true,
            opens: WindowRule::Standard,
        }),
        account: Some(AccountFacts { has_token: true, paused: None }),
        play: Some(PlayFacts::saying(Rollout::On, "Thank you!")),
        ..Facts::default()
    };
    let limits = SendLimits {
        per_viewer_day: 3,
        per_viewer_week: 9,
        same_text_hours: 24,
        quiet_hours: Some(QuietHours { from: 22 * 60, to: 8 * 60 }),
        ..SendLimits::default()
    };
    let written =
        (1..6).map(|n| Written { at: Timestamp::from_millis(T - n * 20 * HOUR_MS), same_text: false }).collect();
    let limited = Facts {
        limits: LimitFacts { limits, time_zone: "Europe/Amsterdam".into(), idle_ms: 0 },
        written,
        ..plain.clone()
    };
    println!("| facts | verdicts/s, one core | of them send |\n| --- | ---: | ---: |");
    for (name, facts) in [("no limits", &plain), ("caps, quiet hours, repetition", &limited)] {
        let (begun, mut sends) = (Instant::now(), 0_u32);
        for n in 0..arguments.verdicts {
            let now = Timestamp::from_millis(T + i64::from(n) * (DAY_MS + HOUR_MS) / i64::from(arguments.verdicts));
            let decision = decide(&intent, facts, now, &Policy::default());
            sends += u32::from(std::hint::black_box(decision).verdict == Verdict::Send);
        }
        let rate = f64::from(arguments.verdicts) / begun.elapsed().as_secs_f64();
        println!("| {name} | {rate:.0} | {:.2} |", f64::from(sends) / f64::from(arguments.verdicts));
    }
}
