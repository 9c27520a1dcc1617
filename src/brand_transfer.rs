//! `afterglow brand export|import|delete`: a brand as a whole.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use afterglow_domain::BrandId;
use afterglow_runtime::TraceContext;
use afterglow_store::{ExportHeader, ExportRow, Store};
use anyhow::{Context as _, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::brand::known;
use crate::installation::clock;

/// Rows that are read, written or removed at once.
const TOGETHER: u32 = 1_000;
/// Under this name the hashes of the forgotten travel: no table of the brand's.
const FORGOTTEN: &str = "forgotten";

/// A line of an export.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Header { header: ExportHeader },
    Row(ExportRow),
    End { end: u64 },
}

fn bar(rows: u64, doing: &'static str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {bar:30} {human_pos}/{human_len} rows, {eta} left")?;
    Ok(ProgressBar::new(rows).with_style(style).with_message(doing))
}

/// Writes a brand to a file; with `resume`, goes on where an interrupted export stopped.
pub(crate) async fn export(store: &Store, brand: &str, file: &Path, resume: bool) -> anyhow::Result<()> {
    let id = BrandId::new(brand);
    let Some(header) = store.export_header(&id, clock()()).await? else {
        bail!("there is no brand {brand}: see `afterglow brand list`")
    };
    let (mut written, mut last, mut out) = if resume { reopen(file, &header)? } else { (0, None, create(file)?) };
    if written == 0 && last.is_none() && !resume {
        put(&mut out, &Line::Header { header })?;
    }
    let bar = bar(store.count_rows_of(&id).await?, "writing")?;
    bar.set_position(written);
    let begun = last.as_ref().map(|row: &ExportRow| row.table.clone());
    let tables: Vec<&str> = Store::carried_tables().collect();
    let from = begun.as_deref().and_then(|table| tables.iter().position(|known| *known == table));
    let from = if begun.as_deref() == Some(FORGOTTEN) { tables.len() } else { from.unwrap_or(0) };
    for table in tables.into_iter().skip(from) {
        loop {
            let after = last.as_ref().filter(|row| row.table == table).map(|row| &row.row);
            let rows = store.export_rows(&id, table, after, TOGETHER).await?;
            let Some(newest) = rows.last().cloned() else { break };
            for row in rows {
                put(&mut out, &Line::Row(ExportRow { table: table.into(), row }))?;
                written += 1;
            }
            bar.set_position(written);
            last = Some(ExportRow { table: table.into(), row: newest });
        }
    }
    loop {
        let after = last.as_ref().filter(|row| row.table == FORGOTTEN).and_then(|row| row.row["hash"].as_str());
        let rows = store.export_forgotten(after.unwrap_or(""), TOGETHER).await?;
        let Some(newest) = rows.last().cloned() else { break };
        for row in rows {
            put(&mut out, &Line::Row(ExportRow { table: FORGOTTEN.into(), row }))?;
            written += 1;
        }
        last = Some(ExportRow { table: FORGOTTEN.into(), row: newest });
    }
    put(&mut out, &Line::End { end: written })?;
    out.flush()?;
    out.get_ref().sync_all()?;
    bar.finish_and_clear();
    crate::output::line(json!({ "brand": brand, "rows": written, "file": file }))
}

fn put(out: &mut BufWriter<File>, line: &Line) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    Ok(out.write_all(b"\n")?)
}

/// A new file, for its owner alone: it holds people's data, and the keys to Meta's fragments.
fn create(file: &Path) -> anyhow::Result<BufWriter<File>> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let made =
        made.with_context(|| format!("cannot make {}: is it there already? --resume goes on", file.display()))?;
    Ok(BufWriter::new(made))
}

/// Opens a file that an interrupted export left, without what it left half-written.
fn reopen(file: &Path, header: &ExportHeader) -> anyhow::Result<(u64, Option<ExportRow>, BufWriter<File>)> {
    let open = OpenOptions::new().read(true).append(true).open(file);
    let open = open.with_context(|| format!("cannot open {}", file.display()))?;
    let (mut whole, mut written, mut last) = (0_u64, 0, None);
    let mut lines = BufReader::new(&open);
    let mut text = String::new();
    while lines.read_line(&mut text)? > 0 {
        let Some(line) = text.strip_suffix('\n') else { break };
        match serde_json::from_str::<Line>(line) {
            Ok(Line::Header { header: theirs }) if theirs.brand == header.brand && theirs.schema == header.schema => {}
            Ok(Line::Header { .. }) => bail!("{} is of another brand or schema", file.display()),
            Ok(Line::Row(row)) => {
                written += 1;
                last = Some(row);
            }
            Ok(Line::End { .. }) => bail!("{} is complete: nothing is left to write", file.display()),
            Err(error) => bail!("{}, line {}: {error}", file.display(), written + 2),
        }
        whole += text.len() as u64;
        text.clear();
    }
    ensure!(whole > 0, "{} is no export: its first line is missing", file.display());
    open.set_len(whole)?;
    Ok((written, last, BufWriter::new(open)))
}

/// Takes a brand in from a file. What is there already stays as it is, so that it can be run again.
pub(crate) async fn import(store: &Store, file: &Path, without_forgotten: bool) -> anyhow::Result<()> {
    let there = |number: usize| format!("{}, line {number}", file.display());
    let open = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let header = complete(file)?;
    let (schema, ours) = (header.0.schema, afterglow_store::SCHEMA_VERSION);
    ensure!(schema == ours, "the export is of schema {schema}, this program of {ours}: bring both to the same version");
    let theirs = header.0.forgetting;
    if !without_forgotten && theirs.is_some() && theirs != store.forgetting_fingerprint() {
        bail!(
            "people were forgotten there under another keys.forgetting: set the same one here, or they are not recognised. \
             --without-forgotten leaves their hashes out"
        );
    }
    let brand = header.0.brand;
    let bar = bar(header.1, "taking in")?;
    let (mut table, mut rows, mut new): (String, Vec<Value>, u64) = (String::new(), Vec::new(), 0);
    for (number, line) in BufReader::new(open).lines().enumerate() {
        let line: Line = serde_json::from_str(&line?).with_context(|| there(number + 1))?;
        let row = match line {
            Line::Header { .. } => continue,
            Line::End { .. } => None,
            Line::Row(row) => Some(row),
        };
        let next = row.as_ref().map_or("", |row| row.table.as_str());
        if next != table || rows.len() == TOGETHER as usize {
            new += taken(store, &brand, &table, &rows, without_forgotten).await.with_context(|| there(number))?;
            bar.inc(rows.len() as u64);
            rows.clear();
            next.clone_into(&mut table);
        }
        rows.extend(row.map(|row| row.row));
    }
    bar.finish_and_clear();
    crate::output::line(json!({ "brand": brand, "rows": header.1, "new": new }))
}

async fn taken(store: &Store, brand: &BrandId, table: &str, rows: &[Value], without: bool) -> anyhow::Result<u64> {
    Ok(match table {
        "" => 0,
        FORGOTTEN if without => 0,
        FORGOTTEN => {
            store.import_forgotten(rows).await?;
            0
        }
        table => store.import_rows(brand, table, rows).await?,
    })
}

/// The header and the number of rows of a file that has its end: nothing is taken in from half of one.
fn complete(file: &Path) -> anyhow::Result<(ExportHeader, u64)> {
    let mut lines = BufReader::new(File::open(file)?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let Ok(Line::Header { header }) = serde_json::from_str(&first) else {
        bail!("{} is no export: its first line is none of `afterglow brand export`", file.display())
    };
    let (mut count, mut last) = (0_u64, String::new());
    for line in lines {
        (count, last) = (count + 1, line?);
    }
    match serde_json::from_str(&last) {
        Ok(Line::End { end }) if end + 1 == count => Ok((header, end)),
        _ => bail!("{} has no end: the export was interrupted; `brand export --resume` finishes it", file.display()),
    }
}

/// Removes a brand with everything that is kept of its viewers, and leaves a receipt, and the stops.
pub(crate) async fn delete(store: &Store, brand: &str, confirmed: Option<&str>) -> anyhow::Result<()> {
    let id = BrandId::new(brand);
    known(store, brand).await?;
    let rows = store.count_rows_of(&id).await?;
    ensure!(
        confirmed == Some(brand),
        "this removes {brand} with its {rows} rows, for good; `afterglow brand export` first keeps them. To do it: --confirm {brand}"
    );
    ensure!(store.can_forget(), "keys.forgetting is not set: who said stop would not be remembered");
    let now = clock()();
    let mut last = None;
    while let Some(key) = store.remember_stops(&id, last.as_ref(), now, TOGETHER).await? {
        last = Some(key);
    }
    let bar = bar(rows, "removing")?;
    let mut removed = 0;
    loop {
        let more = store.remove_rows_of(&id, TOGETHER).await?;
        if more == 0 {
            break;
        }
        removed += more;
        bar.set_position(removed);
    }
    bar.finish_and_clear();
    let code = TraceContext::random(now.millis().unsigned_abs()).trace_id();
    let receipt = store.leave_receipt(&code, &id, removed, now).await?;
    crate::output::line(json!({
        "code": receipt.code, "brand": receipt.brand, "done": receipt.done.to_rfc3339(), "rows": receipt.rows,
    }))
}

/// Where an export goes.
#[derive(clap::Args)]
pub(crate) struct ExportOptions {
    /// The brand
    brand: String,
    /// The file, one JSON object a line; made for its owner alone
    #[arg(long, short)]
    output: PathBuf,
    /// Go on where an interrupted export stopped
    #[arg(long)]
    resume: bool,
}

impl ExportOptions {
    pub(crate) async fn run(&self, store: &Store) -> anyhow::Result<()> {
        export(store, &self.brand, &self.output, self.resume).await
    }
}
