//! How often the language of a labelled message is guessed, and how often wrongly.

use afterglow_moderation::Language;

use crate::corpus::read;

#[test]
fn a_guess_is_seldom_wrong() {
    let (mut right_in_all, mut wrong_in_all, mut all) = (0, 0, 0);
    for language in Language::ALL {
        let (mut right, mut wrong, mut of) = (0, 0, 0);
        for task in ["handover", "moderation"] {
            for part in ["", ".held-out", ".after"] {
                for message in read(task, language, part) {
                    of += 1;
                    match Language::guess(&message.text) {
                        Some(guess) if guess == language => right += 1,
                        Some(guess) => {
                            wrong += 1;
                            println!("  {} taken for {}: {}", language.code(), guess.code(), message.text);
                        }
                        None => {}
                    }
                }
            }
        }
        println!(
            "language {}: {right} right, {wrong} wrong, {} left open, of {of}",
            language.code(),
            of - right - wrong
        );
        right_in_all += right;
        wrong_in_all += wrong;
        all += of;
    }
    println!("language: {right_in_all} right, {wrong_in_all} wrong, of {all}");
    assert!(wrong_in_all * 50 <= all, "more than 2 % are wrong: {wrong_in_all} of {all}");
    assert!(right_in_all * 2 >= all, "fewer than half are guessed: {right_in_all} of {all}");
}
