//! A brand's figures, counted as things happen: the same as counted from the beginning.

use std::time::Instant;

use afterglow_sim::Pace;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, in_both_forms};
use crate::processes::run;

in_both_forms!(figures_are_what_counting_from_the_beginning_gives);

fn afterglow(installation: &Installation, arguments: &[&str]) -> String {
    let output = run(arguments, &installation.environment, "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

async fn figures_are_what_counting_from_the_beginning_gives(mut installation: Installation) {
    for name in ["AFTERGLOW_FEED__POLL_MS", "AFTERGLOW_FEED__FIGURES_MS"] {
        installation.environment.push((name.into(), "50".into()));
    }
    if installation.services() == ["all"] {
        assert!(installation.take("all").terminate().await.success());
        installation.spawn("all");
    } else {
        installation.spawn("crm");
    }
    installation.ready().await;
    let brand = installation.sim.accounts()[0].brand.clone();
    for seed in [91, 92] {
        let plan = installation.plan(seed, 200);
        let sim = installation.sim.clone();
        sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &CancellationToken::new()).await;
    }
    installation.at_rest().await;
    let begun = Instant::now();
    loop {
        let scoped = installation.store.brand(&brand);
        let marks = installation.store.brands_with_marks(9).await.unwrap();
        if marks.is_empty() && scoped.kpi_head().await.unwrap() == scoped.feed_tail().await.unwrap().head {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the figures are behind\n{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let name = brand.as_str();
    let shown = |by: &str, rebuild: bool| {
        let mut arguments = vec!["kpis", "--brand", name, "--by", by, "--json"];
        arguments.extend(rebuild.then_some("--rebuild"));
        afterglow(&installation, &arguments)
    };
    let by = ["all", "account", "play", "snippet", "operator"];
    let counted: Vec<String> = by.iter().map(|by| shown(by, false)).collect();
    let anew = shown("all", true);
    assert_eq!(counted[0], anew);
    assert_eq!(counted, by.iter().map(|by| shown(by, false)).collect::<Vec<_>>());
    for figure in ["\"at_most\":", "\"delivery_rate\":{\"among\":"] {
        assert!(anew.contains(figure), "{figure} in {anew}");
    }
    assert!(counted[2].contains("story-reply"), "{}", counted[2]);
    assert!(afterglow(&installation, &["report", "--brand", name]).contains("## Plays"));
}
