/** The page in a headless Chromium, where one is installed. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { type PageFiles, readPageFiles } from "../../../lib/server/page/index.js";
import { buildPage } from "../../../scripts/build/page.mjs";
import { makeTempDir } from "../../support/temp-dir.js";
import { type FakeServer, startFakeServer } from "./fake-server.js";

/** A program that the environment names, or one of a system's packages. */
function findChromium(): string | undefined {
  const given = process.env.OVERFILL_TEST_CHROMIUM;
  if (given) return given;
  const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(existsSync);
}

const executablePath = findChromium();

/** A test that needs a browser: skipped, and named so, where there is none. */
export function browserTest(title: string, run: (t: ExecutionContext, given: OpenPage) => Promise<void>): void {
  if (executablePath === undefined) {
    test.skip(`${title} (needs Chromium in PATH, or OVERFILL_TEST_CHROMIUM)`, () => {});
    return;
  }
  // One at a time: each has the browser's one clipboard and focus, and machines that test are small.
  test.serial(title, async (t) => {
    const given = await openPage();
    try {
      await run(t, given);
      t.deepEqual(given.complaints, [], "the browser's console complains of nothing");
      t.deepEqual(given.foreign, [], "nothing is asked of another site");
    } finally {
      await given.close();
    }
  });
}

export interface OpenPage {
  readonly page: Page;
  readonly server: FakeServer;
  /** Errors of the page and lines of its console, among them what the Content-Security-Policy refuses. */
  readonly complaints: string[];
  /** Addresses outside of the server that were asked for. */
  readonly foreign: string[];
  /** Opens the page anew, as another kind of browser, or for another server. */
  open(options?: BrowserContextOptions, url?: string): Promise<Page>;
  close(): Promise<void>;
}

interface Fixtures {
  readonly browser: Promise<Browser>;
  readonly files: Promise<PageFiles>;
}

const folder = makeTempDir();
let shared: Fixtures | undefined;

/** The browser and the built page, for all tests of a file. */
function fixtures(): Fixtures {
  shared ??= {
    browser: chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox"] }),
    files: buildPage(folder.path).then(() => readPageFiles(folder.path)),
  };
  return shared;
}

test.after.always(async () => {
  await (await shared?.browser)?.close();
  await folder.remove();
});

async function openPage(): Promise<OpenPage> {
  const { browser, files } = fixtures();
  const server = await startFakeServer(await files);
  const complaints: string[] = [];
  const foreign: string[] = [];
  const contexts: { close(): Promise<void> }[] = [];

  async function open(options: BrowserContextOptions = {}, url = server.url): Promise<Page> {
    const context = await (await browser).newContext({ viewport: { width: 1280, height: 800 }, ...options });
    contexts.push(context);
    context.setDefaultTimeout(20_000);
    await context.route("**", (route) => {
      const address = route.request().url();
      if (address.startsWith(url) || address.startsWith("blob:")) return route.continue();
      foreign.push(address);
      return route.abort();
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (line) => {
      const isComplaint = line.type() === "error" || line.type() === "warning";
      // Chromium itself tells of each response with this status, which the page knows how to answer.
      if (isComplaint && !line.text().includes("status of 401")) complaints.push(line.text());
    });
    return page;
  }

  const page = await open();
  const close = async () => {
    for (const context of contexts) await context.close();
    await server.close();
  };
  return { page, server, complaints, foreign, open, close };
}
