// Opens report pages in headless Chromium and prints, as JSON, what a reader would meet. Usage: drive.mjs CHROMIUM PAGES.json
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const [executablePath, list] = process.argv.slice(2);
// Root has no sandbox to start; the rest keeps the browser from asking for anything by itself.
const args = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

async function open(browser, page, options) {
  const context = await browser.newContext({ viewport: { width: options.width, height: 900 }, colorScheme: options.scheme });
  context.setDefaultTimeout(120_000);
  const tab = await context.newPage();
  const met = { dialogs: [], requests: [], errors: [] };
  tab.on("dialog", (dialog) => { met.dialogs.push(dialog.message()); dialog.dismiss(); });
  tab.on("request", (request) => { if (!request.url().startsWith("file:") || request.resourceType() !== "document") met.requests.push(request.url()); });
  tab.on("pageerror", (error) => met.errors.push(String(error)));
  tab.on("console", (line) => { if (line.type() === "error") met.errors.push(line.text()); });
  await tab.goto(pathToFileURL(page.path).href);
  return { context, tab, met };
}

async function look(browser, page, options) {
  const { context, tab, met } = await open(browser, page, options);
  const seen = await tab.evaluate(() => ({
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    scripts: document.scripts.length,
    handlers: Array.from(document.querySelectorAll("*")).filter((e) => Array.from(e.attributes).some((a) => a.name.startsWith("on"))).length,
    parts: Array.from(document.querySelectorAll("[data-part]")).map((e) => ({
      name: e.dataset.part,
      top: e.getBoundingClientRect().top + window.scrollY,
      heading: (e.querySelector("h1, h2") || e).getBoundingClientRect().bottom + window.scrollY,
    })),
    band: (() => { const e = document.querySelector(".band"); return e && { width: e.getBoundingClientRect().width, text: e.textContent }; })(),
    width: window.innerWidth,
  }));
  let violations = null;
  if (page.axe) {
    await tab.evaluate(() => document.querySelectorAll("details").forEach((e) => { e.open = true; }));
    await tab.evaluate(readFileSync(axe, "utf8"));
    violations = await tab.evaluate(async () => (await window.axe.run()).violations.map(
      (v) => ({ id: v.id, help: v.help, nodes: v.nodes.slice(0, 4).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message || "")) })));
  }
  await tab.emulateMedia({ media: "print" });
  const printedBand = await tab.locator(".band").isVisible();
  await context.close();
  return { ...options, ...met, ...seen, violations, printedBand };
}

async function use(browser, page) {
  const { context, tab, met } = await open(browser, page, { width: 1440, scheme: "light" });
  const shown = () => tab.locator("table.findings tbody tr:visible").count();
  const output = () => tab.locator("#filter output").textContent();
  // A slow machine applies the filter to the first letters alone before the last are typed: no text but this says it is done.
  const settled = () => tab.waitForFunction(() => !document.querySelector("#filter output").ariaBusy);
  const steps = { all: await shown() };
  await tab.keyboard.press("Tab");
  steps.firstStop = await tab.evaluate(() => document.activeElement.textContent);
  await tab.locator("#filter [name=text]").focus();
  await tab.keyboard.type(page.search, { delay: 300 });
  await settled();
  steps.found = await shown();
  steps.said = await output();
  await tab.locator("#filter button[type=reset]").press("Enter");
  await settled();
  steps.reset = await shown();
  await tab.locator("#filter [name=state]").selectOption("waived");
  await settled();
  steps.waived = await shown();
  await tab.locator("a[data-filter]").click();
  steps.blocking = await shown();
  await tab.locator(".blockers a[href='#f-1']").press("Enter");
  await tab.waitForFunction(() => document.querySelector("#f-1 details").open);
  steps.source = await tab.locator("#f-1 pre .hit").textContent();
  await tab.emulateMedia({ media: "print" });
  steps.printedForm = await tab.locator("#filter").isVisible();
  steps.pdf = (await tab.pdf({ preferCSSPageSize: true })).length;
  await context.close();
  return { ...met, ...steps };
}


const browser = await chromium.launch({ executablePath, headless: true, args });
const answer = {};
try {
  for (const page of JSON.parse(readFileSync(list, "utf8"))) {
    answer[page.name] = { looks: [] };
    for (const options of page.looks) answer[page.name].looks.push(await look(browser, page, options));
    if (page.search) answer[page.name].use = await use(browser, page);
    if (page.screenshot) {
      const { context, tab } = await open(browser, page, { width: 1440, scheme: "light" });
      await tab.screenshot({ path: page.screenshot });
      await context.close();
    }
  }
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(answer));
