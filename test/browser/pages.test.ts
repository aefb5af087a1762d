import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { historyPage } from '../../functions/pages/history-page.ts';
import { reportPage } from '../../functions/pages/report-page.ts';
import { everyPart, everyRun } from '../pages/documents.ts';
import { realRuns, scenarios } from '../pages/scenarios.ts';
import { startChromium } from './browser.ts';

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const schemes = ['light', 'dark'] as const;
const widths = [320, 768, 1280];
const hostile =
  '"><img src=https://attacker.example/x onerror="document.title=1"><style>*{display:none}</style>\u202Etxt';

let browser: Browser;
let folder: string;
const pages = new Map<string, string>();

beforeAll(async () => {
  browser = await startChromium();
  folder = await mkdtemp(join(tmpdir(), 'factory-pages-'));
  const { pages: real, historyPage: history } = await realRuns();
  for (const name of scenarios) await store(name, real[name]);
  await store('history', history);
  const context = { restore: 'factory restore --run 1', recent: everyRun(), files: { report: 'report.json' } };
  await store('every part', reportPage(everyPart('harmless', 500), context));
  await store('many runs', historyPage(everyRun(), { now: new Date('2026-11-28T08:00:00.000Z'), restore: (id) => id }));
  await store('hostile', reportPage(everyPart(hostile), { ...context, recent: everyRun(hostile) }));
}, 180_000);

afterAll(async () => {
  await browser?.close();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

async function store(name: string, page: string): Promise<void> {
  const path = join(folder, `${name.replaceAll(' ', '-')}.html`);
  await writeFile(path, page);
  pages.set(name, pathToFileURL(path).href);
}

/** Opens a page from its file, without a network, and returns what it asked for and complained about. */
async function open(
  name: string,
  options: BrowserContextOptions = {},
): Promise<Page & { requests: string[]; errors: string[] }> {
  const context = await browser.newContext({ offline: true, ...options });
  const page = await context.newPage();
  const [requests, errors]: [string[], string[]] = [[], []];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => void (message.type() === 'error' && errors.push(message.text())));
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(pages.get(name) ?? '');
  return Object.assign(page, { requests, errors });
}

const names = [...scenarios, 'history', 'every part', 'many runs', 'hostile'];

describe.each(names)('the page "%s" in Chromium', (name) => {
  it.each(schemes)(
    'meets WCAG 2.2 AA in the %s scheme',
    async (colorScheme) => {
      const page = await open(name, { colorScheme, bypassCSP: true });
      // Everything a reader can unfold.
      await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
      await page.evaluate(axe.source);
      const violations = await page.evaluate(async (tags) => {
        const { axe } = globalThis as unknown as {
          axe: {
            run: (
              where: unknown,
              options: unknown,
            ) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
          };
        };
        const result = await axe.run(document, { runOnly: { type: 'tag', values: tags } });
        return result.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)} (${nodes.length})`);
      }, rules);
      expect(violations).toEqual([]);
      await page.context().close();
    },
    120_000,
  );

  it('makes one request, violates no policy, and does not scroll sideways at any width', async () => {
    for (const width of widths) {
      const page = await open(name, { viewport: { width, height: 900 } });
      expect(page.requests.filter((url) => !url.startsWith('data:'))).toEqual([pages.get(name)]);
      expect(page.errors).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      await page.context().close();
    }
  }, 60_000);
});

describe('a page with hostile text', () => {
  it('keeps its title, its style and its elements', async () => {
    const page = await open('hostile');
    expect(await page.title()).toBe('sync FAILED · Harness CI images');
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('style').count()).toBe(1);
    expect(await page.locator('h1').isVisible()).toBe(true);
    await page.context().close();
  });

  it('runs nothing foreign that gets into it, and loads nothing', async () => {
    const page = await open('sync');
    const refused: string[] = [];
    page.on('requestfailed', (request) => refused.push(`${request.url()} ${request.failure()?.errorText}`));
    await page.evaluate(() => {
      const place = document.createElement('div');
      place.innerHTML =
        '<p id="foreign" style="color:red" onclick="document.title=1">x</p><style>h1{display:none}</style>';
      document.body.append(place);
      const script = document.createElement('script');
      script.textContent = 'document.title = 2';
      document.body.append(script);
      const image = new Image();
      image.src = 'https://attacker.example/x';
      document.body.append(image);
    });
    await page.locator('#foreign').click();
    expect(await page.title()).toBe('sync SUCCEEDED · Harness CI images');
    expect(await page.locator('h1').isVisible()).toBe(true);
    expect(refused).toEqual(['https://attacker.example/x csp']);
    expect(page.errors.join()).toMatch(/Content Security Policy/);
    await page.context().close();
  });
});

describe('a page with the keyboard', () => {
  it('leads from the skip link to the content, the filter and a copied digest', async () => {
    const page = await open('every part', { viewport: { width: 1280, height: 900 } });
    const focused = () => page.evaluate(() => document.activeElement?.outerHTML.slice(0, 120) ?? '');
    await page.keyboard.press('Tab');
    expect(await focused()).toContain('class="skip"');
    await page.keyboard.press('Enter');
    expect(new URL(page.url()).hash).toBe('#main');
    const reach = async (wanted: RegExp) => {
      for (let n = 0; n < 400; n++) {
        await page.keyboard.press('Tab');
        if (wanted.test(await focused())) return;
      }
      throw new Error(`Tab does not lead to ${wanted}`);
    };
    await reach(/<summary>Details of/);
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.closest('details')?.open)).toBe(true);
    await reach(/type="search"/);
    await page.keyboard.type('image-7-');
    expect(await page.locator('search output').textContent()).toBe('1 of 500 shown');
    expect(await page.locator('#images tr[data-s]:visible').count()).toBe(1);
    await reach(/<button type="button" data-copies/);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'copied' }).waitFor();
    await page.context().close();
  }, 60_000);

  it('filters by status, and says how many rows it shows', async () => {
    const page = await open('every part');
    await page.getByLabel('failed', { exact: true }).check();
    expect(await page.locator('search output').textContent()).toBe('100 of 500 shown');
    expect(await page.locator('#images tr[data-s]:visible').count()).toBe(100);
    await page.context().close();
  });
});

describe('a page of 5,000 images', () => {
  const rows = 5_000;
  // Many times what a machine with two idle cores takes: 2 s and 0.5 s.
  const [mostToLoad, mostToFilter] = [30_000, 10_000];

  it('loads, filters and unfolds in seconds, and does not scroll sideways at any width', async () => {
    await store('large', reportPage(everyPart('harmless', rows), { recent: everyRun() }));
    const began = performance.now();
    const page = await open('large', { viewport: { width: 1280, height: 900 } });
    expect(await page.locator('#images tr[data-s]').count()).toBe(rows);
    expect(performance.now() - began).toBeLessThan(mostToLoad);
    expect(page.errors).toEqual([]);
    // From the key to the next frame that is painted.
    const taken = await page.evaluate(async () => {
      const field = document.querySelector<HTMLInputElement>('#images [type=search]');
      const start = performance.now();
      if (field) field.value = 'image-4321-';
      field?.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - start;
    });
    expect(taken).toBeLessThan(mostToFilter);
    expect(await page.locator('search output').textContent()).toBe(`1 of ${rows} shown`);
    expect(await page.locator('#images tr[data-s]:visible').count()).toBe(1);
    await page.getByLabel('Filter', { exact: true }).fill('');
    await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
    for (const width of widths) {
      await page.setViewportSize({ width, height: 900 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
    await page.context().close();
  }, 120_000);
});

describe('a page without script', () => {
  it('has all of its text, and no controls that would do nothing', async () => {
    const page = await open('sync', { javaScriptEnabled: false });
    expect(await page.locator('main').innerText()).toContain('Harness was switched to the copies');
    expect(await page.locator('button:visible, input:visible').count()).toBe(0);
    await page.context().close();
  });
});

describe('a printed page', () => {
  it.each(['A4', 'Letter'])('unfolds everything and shows whole digests, on %s', async (format) => {
    const page = await open('current');
    await page.emulateMedia({ media: 'print' });
    const digest = page.locator('#images code.d').first();
    const [shown, whole] = await digest.evaluate((element) => [element.clientWidth, element.scrollWidth]);
    expect(shown).toBe(whole);
    expect(await page.locator('nav, search, button').filter({ visible: true }).count()).toBe(0);
    const pdf = await page.pdf({ format });
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    const folded = await page.evaluate(() => {
      dispatchEvent(new Event('beforeprint'));
      const closed = document.querySelectorAll('details:not([open])').length;
      dispatchEvent(new Event('afterprint'));
      return [closed, document.querySelectorAll('details:not([open])').length];
    });
    expect(folded[0]).toBe(0);
    expect(folded[1]).toBeGreaterThan(0);
    await page.context().close();
  });
});
