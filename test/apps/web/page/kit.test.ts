import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { BrowserPage, browserMissing, launchBrowser } from "../../../support/browser.ts";
import { repository } from "../../../support/checkout.ts";
import { eventually } from "../../../support/eventually.ts";

/** A page of the kit's parts; what happens in it is written to `document.title`. */
const script = `
  import { render } from "preact";
  import { signal } from "@preact/signals";
  import { Boundary } from "./ui/boundary.tsx";
  import { Chart } from "./ui/chart.tsx";
  import { Choice } from "./ui/choice.tsx";
  import { ConfirmButton } from "./ui/confirm.tsx";

  const broken = signal(true);
  const choice = signal("one");
  const data = signal([[0, 1, 2], [1, 2, 3], [3, 2, 1]]);
  globalThis.mend = () => { broken.value = false; };
  globalThis.addPoints = (count) => {
    data.value = [0, 1, 2].map((column) => Array.from({ length: count }, (_, n) => n + column));
  };
  globalThis.leave = () => { render(null, document.getElementById("place")); };

  function Broken() {
    if (broken.value) throw new Error("deliberate: <b>1</b>");
    return <p>mended</p>;
  }
  function Page() {
    return (
      <>
        <Boundary><Broken /></Boundary>
        <p>beside it</p>
        <ConfirmButton label="Kill" name="Kill ws.0" question="Kill ws.0?" confirm="Kill it"
          onConfirm={() => { document.title += "killed "; }} />
        <button>Elsewhere</button>
        <Choice legend="One of" value={choice.value}
          options={[{ value: "one", label: "First" }, { value: "two", label: "Second" }]}
          onChange={(value) => { choice.value = value; }} />
        <Chart title="Confirmation" unit="ms" summary="The last took 3 ms." data={data}
          series={[{ label: "commit", color: "--series-1" }, { label: "all", color: "--series-2" }]} />
      </>
    );
  }
  document.title = "";
  render(<Page />, document.getElementById("place"));
`;
const html = `<!doctype html><html lang="en"><title>kit</title><link rel="stylesheet" href="/kit.css">
  <link rel="icon" href="data:,"><main id="place"></main><script type="module" src="/kit.js"></script>`;
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; require-trusted-types-for 'script'";

describe("the parts that views are made of", { skip: browserMissing() ?? false }, () => {
  let browser: Browser;
  let server: Server;
  let url = "";

  before(async () => {
    const folder = join(repository, "apps/web/page");
    const options = { bundle: true, write: false, format: "esm", absWorkingDir: folder } as const;
    const [scripts, styles] = await Promise.all([
      build({
        ...options,
        stdin: { contents: script, loader: "tsx", resolveDir: folder },
        jsx: "automatic",
        jsxImportSource: "preact",
        outfile: "kit.js",
      }),
      build({ ...options, entryPoints: ["./console.css"], outfile: "kit.css" }),
    ]);
    const files: Record<string, { type: string; body: Uint8Array | string }> = {
      "/": { type: "text/html; charset=utf-8", body: html },
      "/kit.js": { type: "text/javascript", body: scripts.outputFiles[0]?.contents ?? "" },
      "/kit.css": { type: "text/css", body: styles.outputFiles[0]?.contents ?? "" },
    };
    server = createServer(({ url: path = "" }, response) => {
      const { type, body } = files[path] ?? { type: "text/plain", body: "" };
      response.setHeader("content-security-policy", policy);
      response.setHeader("content-type", type).end(body);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await launchBrowser();
  });

  after(async () => {
    await browser.close();
    server.closeAllConnections();
    server.close();
  });

  it("show what a part throws as text in its place, leave the rest, and show the part again", async () => {
    await using opened = await BrowserPage.open(browser, url);
    const { page, complaints } = opened;
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match(await alert.innerText(), /has failed[^]*deliberate: <b>1<\/b>/);
    assert.equal(await page.getByText("beside it").count(), 1);
    await page.getByRole("button", { name: "Show it again" }).click();
    assert.equal(await alert.count(), 1, "it fails again");
    await opened.run("mend()");
    await page.getByRole("button", { name: "Show it again" }).click();
    await page.getByText("mended").waitFor();
    assert.equal(await alert.count(), 0);
    assert.ok(complaints.length > 0 && complaints.every((line) => line.includes("deliberate")));
  });

  it("ask before what cannot be taken back, and give the keyboard's focus back", async () => {
    await using opened = await BrowserPage.open(browser, url);
    const { page } = opened;
    const kill = page.getByRole("button", { name: "Kill ws.0" });
    const question = page.getByRole("group", { name: "Kill ws.0?" });
    const focused = (): Promise<string> => opened.run("document.activeElement.textContent");
    const title = (): Promise<string> => opened.run("document.title");

    await kill.focus();
    await page.keyboard.press("Enter");
    await question.waitFor();
    await eventually("no is what Enter would say", async () => (await focused()) === "Cancel");
    await page.keyboard.press("Enter");
    await eventually("the focus is back", async () => (await focused()) === "Kill");
    await page.keyboard.press("Enter");
    await question.waitFor();
    await page.keyboard.press("Escape");
    await eventually("the focus is back", async () => (await focused()) === "Kill");
    assert.equal(await question.count(), 0);

    await page.keyboard.press("Enter");
    await question.waitFor();
    await page.getByRole("button", { name: "Elsewhere" }).click();
    await question.waitFor({ state: "detached" });
    assert.equal(await focused(), "Elsewhere", "who goes elsewhere stays there");
    assert.equal(await title(), "");

    await kill.focus();
    await page.keyboard.press("Enter");
    await question.waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "Kill it", "one key from no to yes");
    await page.keyboard.press("Enter");
    await eventually("it is done", async () => (await title()) === "killed");
    await eventually("the focus is back", async () => (await focused()) === "Kill");
  });

  it("let one of a few be chosen by the arrow keys", async () => {
    await using opened = await BrowserPage.open(browser, url);
    const { page } = opened;
    const group = page.getByRole("group", { name: "One of" });
    await group.getByRole("radio", { name: "First" }).focus();
    await page.keyboard.press("ArrowRight");
    await group.getByRole("radio", { name: "Second", checked: true }).waitFor();
  });

  it("draw a chart that follows its data, the width and the scheme, and say it in words", async () => {
    await using opened = await BrowserPage.open(browser, url, { width: 700 });
    const { page } = opened;
    await page.getByRole("button", { name: "Show it again" }).waitFor();
    const figure = page.getByRole("figure", { name: "Confirmation (ms)" });
    assert.match(await figure.innerText(), /The last took 3 ms\./);
    assert.deepEqual(await figure.getByRole("listitem").allInnerTexts(), ["commit", "all"]);
    const changed = async (expression: string, change: () => Promise<unknown>): Promise<void> => {
      const before = await opened.run(expression);
      await change();
      await eventually(`${expression} is another`, async () => {
        return (await opened.run(expression)) !== before;
      });
    };
    const line = "document.querySelector('.chart-line')";
    await page.locator(".chart-line").first().waitFor({ state: "attached" });
    await changed(`${line}.getAttribute("d")`, () => opened.run("addPoints(50)"));
    await changed(`getComputedStyle(${line}).stroke`, () =>
      page.emulateMedia({ colorScheme: "dark" }),
    );
    await page.setViewportSize({ width: 360, height: 740 });
    await eventually("it is as narrow as the page", async () => {
      const width = await opened.run<number>(
        "document.querySelector('.chart-place > svg').getBoundingClientRect().width",
      );
      return width > 200 && width <= 360;
    });
    assert.ok(await opened.run<boolean>("document.documentElement.scrollWidth <= 360"));
    await opened.run("leave()");
    assert.equal(await page.locator(".chart").count(), 0);
    assert.ok(
      opened.complaints.every((line) => line.includes("deliberate")),
      "no policy is broken",
    );
  });
});
