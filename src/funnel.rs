//! `afterglow funnel`: from a Story to a sale.

use std::process::ExitCode;

use afterglow_insights::{StoryFunnel, StoryLabel, days_before, funnel_of, funnel_to_csv, series_of};
use afterglow_runtime::Settings;
use afterglow_store::Deed;
use anyhow::{Context as _, bail};

use crate::brand::known;
use crate::installation::{clock, ready_store};
use crate::person::operator;

/// From a Story to a sale: reach, exits, completion, and what followed; or say what a Story is for
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The brand
    #[arg(long)]
    brand: String,
    /// Stories from this day on, `YYYY-MM-DD` in the brand's time zone [default: 6 days before the last]
    #[arg(long)]
    since: Option<String>,
    /// Up to this day, included [default: today]
    #[arg(long)]
    until: Option<String>,
    /// One JSON object for each Story
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// CSV: a line for each Story
    #[arg(long)]
    csv: bool,
    /// Say what a Story is for: `STORY=teaser`, `value`, `cta`, or `STORY=` to take it back
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    label: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let brand = known(&store, &options.brand).await?;
    let now = clock()();
    if let Some(label) = &options.label {
        let (of, label) = label.split_once('=').context("expected STORY=teaser, STORY=value, STORY=cta or STORY=")?;
        if !label.is_empty() && StoryLabel::parse(label).is_none() {
            bail!("{label:?} is no label: expected teaser, value or cta");
        }
        let by = operator();
        store.brand(&brand.id).label_story(of, Some(label).filter(|label| !label.is_empty()), &by, now).await?;
        let detail = format!("{of}: {label}");
        let deed = Deed { person: &by, brand: Some(&brand.id), action: "story_label", viewer: None, detail: &detail };
        store.note_deed(&deed, now).await?;
        store.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    let until = options.until.clone().unwrap_or_else(|| now.day_in(&brand.time_zone));
    let no_day = || format!("{until:?} is no day: expected YYYY-MM-DD");
    let usual = days_before(&until, 6).with_context(no_day)?;
    let since = options.since.clone().unwrap_or(usual);
    let stories = funnel_of(&store.brand(&brand.id), &brand, (&since, &until), now).await?;
    let stories = stories.with_context(|| format!("{since:?} is no day: expected YYYY-MM-DD"))?;
    if options.csv {
        crate::output::line(funnel_to_csv(&stories).trim_end())?;
    } else if options.json {
        for story in &stories {
            crate::output::line(serde_json::to_string(story)?)?;
        }
    } else {
        tell(&stories)?;
        if stories.is_empty() {
            eprintln!("no Story was heard of from {since} to {until}");
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn tell(stories: &[StoryFunnel]) -> anyhow::Result<()> {
    for story in stories {
        let label = story.label.map_or("-", StoryLabel::as_str);
        crate::output::line(format_args!(
            "{} frame {} {label} {} ({})",
            story.day,
            story.frame,
            story.story,
            story.stage.title()
        ))?;
        crate::output::line(format_args!(
            "  reach {}; views {}; exits {}; completion {}",
            story.reach, story.views, story.exits, story.completion
        ))?;
        let followed = &story.followed;
        crate::output::line(format_args!(
            "  {} replies, {} taps, {} link clicks; then {} wrote, {} bought ({} sales)",
            followed.replies, followed.taps, followed.clicks, followed.dms, followed.sold, followed.sales
        ))?;
    }
    for series in series_of(stories) {
        let lost = series
            .lost_most
            .map_or_else(String::new, |(frame, share)| format!("; most left at frame {frame}: {share}"));
        crate::output::line(format_args!(
            "{}: {} frames, the last reached {}{lost}",
            series.day, series.frames, series.carried
        ))?;
    }
    Ok(())
}
