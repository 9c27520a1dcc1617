// Walks through the console of a running demo as its people do, in Chromium. Each page is given to axe-core (WCAG 2.2 A and
// AA) in light and dark, wide and narrow; one screenshot each goes to the folder named last.
//
//   node walk.mjs path/to/afterglow path/to/chromium folder/for/screenshots
import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const [binary, chromium, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const home = mkdtempSync(join(tmpdir(), "afterglow-walk-"));
mkdirSync(folder, { recursive: true });

const passed = [];
const failures = [];
async function step(name, walk) {
  try {
    const note = await walk();
    passed.push(name);
    console.log(`ok      ${name}${note ? ` (${note})` : ""}`);
  } catch (error) {
    failures.push(name);
    console.log(`FAILED  ${name}: ${error.message}`);
    if (page) await page.screenshot({ path: join(folder, `failed-${failures.length}.png`) }).catch(() => {});
  }
}
function check(holds, text) {
  if (!holds) throw new Error(text);
}

const demo = spawn(binary, ["demo", "--rate", "30", "--for", "8m"], { stdio: ["ignore", "ignore", "pipe"] });
let told = "";
const link = await new Promise((found, lost) => {
  demo.stderr.on("data", (data) => {
    told += data;
    const match = /sign in\s+(http\S+)/.exec(told);
    if (match) found(match[1]);
  });
  demo.on("exit", () => lost(new Error(`the demo ended: ${told}`)));
});
const origin = new URL(link).origin;
const browser = await puppeteer.launch({
  executablePath: chromium, userDataDir: home, args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
const page = await browser.newPage();
const complaints = [];
page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
page.on("pageerror", (error) => complaints.push(String(error)));
await page.setViewport({ width: 1440, height: 900 });

const text = (selector) => page.$eval(selector, (element) => element.innerText);
const go = (path) => page.goto(origin + path, { waitUntil: "domcontentloaded" });
const until = (test, ...given) => page.waitForFunction(test, { timeout: 20_000, polling: 100 }, ...given);
const press = async (selector) => Promise.all([page.waitForNavigation({ waitUntil: "domcontentloaded" }), page.click(selector)]);

/** What axe-core finds, and a picture. */
async function look(name) {
  const found = [];
  for (const [scheme, width] of [["light", 1440], ["dark", 1440], ["light", 360], ["dark", 360]]) {
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    const session = await page.createCDPSession();
    await session.send("Page.setBypassCSP", { enabled: true });
    await page.evaluate(axe);
    const result = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
    for (const violation of result.violations) {
      found.push(`${scheme} ${width}: ${violation.id}: ${violation.nodes.map((node) => node.target).slice(0, 3).join(" ")}`);
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (overflow > 0) found.push(`${width}: the page is ${overflow} px too wide`);
    await page.screenshot({ path: join(folder, `${name}-${width}-${scheme}.png`) });
  }
  await page.setViewport({ width: 1440, height: 900 });
  await page.emulateMediaFeatures([]);
  check(found.length === 0, found.join("; "));
}

await step("the link signs in once", async () => {
  await page.goto(link);
  await look("sign-in");
  await press("button");
  check((await text("h1")) === "Brands", "not on the brands' page");
  const again = await browser.createBrowserContext();
  const stranger = await again.newPage();
  await stranger.goto(link);
  await Promise.all([stranger.waitForNavigation(), stranger.click("button")]);
  check((await stranger.$eval("h1", (h) => h.innerText)) === "Sign in", "a used link let somebody in");
  await again.close();
});
let brand;
await step("brands", async () => {
  await look("brands");
  brand = await page.$eval(".brands a", (a) => a.getAttribute("href"));
});
await step("triage, live", async () => {
  await go(`${brand}?show=hot`);
  await until(() => document.body.dataset.listening === "yes");
  await until(() => document.querySelectorAll("tr[data-row]").length > 1);
  // Something happens thirty times a second: from any moment until the page shows news is the longest that one of them waits.
  const waits = [];
  for (let n = 0; n < 10; n++) {
    waits.push(await page.evaluate(() => new Promise((done) => {
      const begun = performance.now();
      document.addEventListener("htmx:afterSwap", () => done(Math.round(performance.now() - begun)), { once: true });
    })));
  }
  waits.sort((a, b) => a - b);
  await look("triage");
  return `news came after ${waits[5]} ms, at most ${waits[9]} ms`;
});
await step("a viewer by keyboard", async () => {
  await go(`${brand}?show=hot`);
  await until(() => document.querySelectorAll("tr[data-row]").length > 1);
  for (const key of ["j", "j"]) await page.keyboard.press(key);
  check(await page.$("tr.current"), "no row is current");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  check(await page.$(".conversation"), "not on a viewer's page");
  await look("viewer");
  await page.keyboard.press("r");
  check(await page.evaluate(() => document.activeElement.id === "text"), "r does not lead to the message");
});
await step("a reply goes out, and the conversation is a person's", async () => {
  await page.type("#text", "Hello, this is a person. How can we help?");
  check((await text("#bytes")).startsWith("41 of"), `bytes are miscounted: ${await text("#bytes")}`);
  await press("form[action$='/reply'] button");
  await until(() => /was sent|was not sent|waits|held/.test(document.querySelector("#said")?.innerText ?? ""));
  const fate = await text("#said");
  check(fate.includes("was sent"), fate);
  check((await text(".facts")).includes("a person"), "automation still leads");
  await look("replied");
});
await step("a stop wins over a person who types", async () => {
  // Whoever says stop is told once that it was heard: that decision names them, and none other is sure to. (A message that a
  // stop refuses needs somebody whose stop overtook an answer.) Who said stop may have said start since: another one is taken.
  let stopped = false;
  let seen = 0;
  for (let tries = 0; tries < 90 && !stopped; tries++) {
    await go(`${brand}/decisions?q=opt-out+confirmation`);
    const paths = new Set(await page.$$eval("td a[href*='/v/']", (all) => all.map((a) => a.getAttribute("href"))));
    seen = Math.max(seen, paths.size);
    for (const path of [...paths].slice(0, 10)) {
      await go(path);
      stopped = (await text(".facts")).includes("they said stop");
      if (stopped) break;
    }
    if (!stopped) await new Promise((done) => setTimeout(done, 1000));
  }
  check(stopped, `of ${seen} who said stop no page says so`);
  await page.type("#text", "One last message");
  await press("form[action$='/reply'] button");
  await until(() => /was not sent/.test(document.querySelector("#said")?.innerText ?? ""));
  return (await text("#said")).trim();
});
await step("what waits is approved, and goes out as the person's own", async () => {
  await until(async () => {
    const page = await (await fetch(`${location.pathname.split("/").slice(0, 3).join("/")}/held`)).text();
    return page.includes("Approve and send");
  });
  await go(`${brand}/held`);
  await look("held");
  const before = await page.$$eval("article.card", (cards) => cards.length);
  await press("article.card button.primary");
  await until(() => /was sent|was not sent|waits|held/.test(document.querySelector("#said")?.innerText ?? ""));
  const fate = await text("#said");
  check(/was sent/.test(fate), fate);
  check((await text(".facts")).includes("a person"), "automation still leads");
  return `${before} waited`;
});
await step("figures", async () => {
  await go(`${brand}/insights`);
  await until(() => /Response time, machine, median/.test(document.body.innerText));
  await look("figures");
  await go(`${brand}/insights?by=play`);
  check((await text("main")).includes("story-reply"), "no figures by play");
  await go(`${brand}/insights/week`);
  await look("week");
  await go(`${brand}/insights/stories`);
  await until(() => /From a Story to a sale/.test(document.body.innerText));
  await look("funnel");
});
await step("experiments, and a hypothesis", async () => {
  await go(`${brand}/experiments`);
  await page.click("details summary");
  await page.type("#text", "A question is answered more often than thanks.");
  await press("details form.stack button.primary");
  await until(() => /Open \(1\)/.test(document.body.innerText));
  await look("experiments");
});
await step("moderation", async () => { await go(`${brand}/moderation`); await look("moderation"); });
await step("names are pasted, and wrong ones come back", async () => {
  await go(`${brand}/stories`);
  await page.type("#names", "mila.k #vip\nnot a name!\n");
  await press("form[action$='/observe'] button");
  check((await text(".good")).startsWith("1 names recorded"), await text(".good"));
  check((await page.$eval("#names", (area) => area.value)).includes("not a name!"), "the wrong line is gone");
  await look("stories");
});
await step("rules are checked in place, tried, and put in force", async () => {
  await go(`${brand}/rules`);
  await look("rules");
  const good = await page.$eval("#document", (area) => area.value);
  const write = (value) => page.$eval("#document", (area, value) => { area.value = value; }, value);
  await write(`${good}\nsegments: { nonsense: 1 }\n`);
  await press("button[value=check]");
  check((await text("#result")).includes("Nothing was put in force"), "a wrong document is taken");
  check((await text("#result")).includes("line"), "without its line");
  await write(good);
  await press("button[value=whatif]");
  check((await text("#result")).includes("nothing was sent"), `no what-if: ${await text("#result")}`);
  await look("what-if");
  await press("button[value=apply]");
  check((await text("main")).includes("Version 2 is where you began"), "not in force");
});
await step("a play is tried on some viewers, from its page", async () => {
  const row = "tr:has(input[value=new-collection])";
  check((await page.$eval(row, (row) => row.cells[1].innerText)).trim() === "shadow", "it was not in the shadow");
  await page.select(`${row} select`, "pilot 20%");
  await press(`${row} button`);
  check((await page.$eval(row, (row) => row.cells[1].innerText)).trim() === "pilot 20%", "not in force");
  check((await text("main")).includes("Version 3 is where you began"), "without a version of its own");
  check((await page.$eval("#document", (area) => area.value)).includes("rollout: pilot 20%"), "not in the document");
});
await step("a kill switch asks once and acts at once", async () => {
  await page.click("details summary");
  await page.type("#reason", "a drill");
  await press("button[value=on]");
  check((await text("main")).includes("a drill"), "not set");
  await press("button[value=anew]");
  check(!(await text("main")).includes("a drill"), "not lifted");
});
for (const [name, path] of [["decisions", "/decisions"], ["audit", "/audit"]]) {
  await step(name, async () => { await go(brand + path); await look(name); });
}
for (const name of ["ops", "people"]) {
  await step(name, async () => { await go(`/${name}`); await look(name); });
}
// RFC 6238, as an app does it.
const code = (secret, at) => {
  const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const hash = createHmac("sha1", Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))).update(counter).digest();
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
};
await step("a second factor is set up, and asked for", async () => {
  await go("/me");
  await look("second-factor");
  const person = await text("main p.soft");
  const secret = (await text("#secret")).replaceAll(" ", "");
  await page.type("#code", code(secret, Date.now()));
  await press("button[value=on]");
  check((await page.$$(".codes li")).length === 10, "no recovery codes");
  await press("header form button");
  check((await text("h1")) === "Sign in", "not signed out");
  const data = /data +(\S+)/.exec(told)[1];
  const other = execFileSync(binary, ["--data-dir", data, "person", "link", person.trim()], { encoding: "utf8" });
  await go(new URL(other.trim()).pathname);
  await press("button");
  check((await text("h1")) === "Second factor", "let in without it");
  await look("sign-in-second");
  await page.type("#code", "000000");
  await press("button");
  check((await text(".problem")).includes("not good"), "a wrong code is taken");
  // The next step's code: this one's was used to set it up.
  await page.type("#code", code(secret, Date.now() + 30_000));
  await press("button");
  check((await text("h1")) === "Brands", "not let in");
});
await step("pages are light", async () => {
  const weights = {};
  for (const path of [brand, `${brand}/decisions`, `${brand}/stories`]) {
    let bytes = 0;
    const count = async (response) => { bytes += (await response.buffer().catch(() => Buffer.alloc(0))).length; };
    page.on("response", count);
    await page.setCacheEnabled(false);
    await go(path);
    await until(() => document.readyState === "complete");
    page.off("response", count);
    weights[path] = bytes;
    check(bytes < 150_000, `${path} weighs ${bytes} bytes`);
  }
  return Object.values(weights).map((bytes) => `${Math.round(bytes / 1024)} KiB`).join(", ");
});
await step("a lost connection shows, and nothing else complained", async () => {
  const strange = complaints.filter((complaint) => !/422|status of 4/.test(complaint));
  check(strange.length === 0, strange.join("; "));
  await go(brand);
  await until(() => document.body.dataset.listening === "yes");
  demo.kill("SIGINT");
  await until(() => !document.getElementById("connection").hidden);
});

await browser.close();
const verdict = await new Promise((ended) => demo.exitCode === null ? demo.on("exit", ended) : ended(demo.exitCode));
if (verdict !== 0) failures.push("the demo");
console.log(told.slice(told.lastIndexOf("\r") + 1).trim());
rmSync(home, { recursive: true, force: true });
console.log(`test result: ${failures.length ? "FAILED" : "ok"}. ${passed.length} passed; ${failures.length} failed (console in Chromium)`);
process.exit(failures.length ? 1 : 0);
