import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { historyPage } from '../../functions/pages/history-page.ts';
import { reportPage } from '../../functions/pages/report-page.ts';
import { everyPart, everyRun } from './documents.ts';
import { textOf } from './markup.ts';
import { anyText } from '../text/any-text.ts';

const now = new Date('2026-11-28T08:00:00.000Z');
const restore = (runId: string) => `factory restore --run ${runId}`;

function pageOf(text: string): string {
  return reportPage(everyPart(text), {
    restore: 'factory restore',
    recent: everyRun(text),
    files: { report: 'report.json' },
  });
}

function historyOf(text: string): string {
  return historyPage(everyRun(text), { now, restore });
}

/** Counts elements and attributes by name. The boxes of code points, which hostile text adds, do not count. */
function shapeOf(page: string): Record<string, number> {
  const markup = page
    .replaceAll(/<(style|script)>[\s\S]*?<\/\1>/g, '<$1>')
    .replaceAll(/<span class="code-point">U\+[0-9A-F]{4,6}<\/span>/g, '');
  const counts: Record<string, number> = {};
  const count = (name: string) => (counts[name] = (counts[name] ?? 0) + 1);
  for (const [, name = '', attributes = ''] of markup.matchAll(
    /<([!/a-zA-Z][^\s>]*)((?:\s+[^\s=>]+(?:="[^"]*")?)*)\s*\/?>/g,
  )) {
    count(name);
    for (const [, attribute = ''] of attributes.matchAll(/\s([^\s=]+)(?:="[^"]*")?/g)) count(`@${attribute}`);
  }
  counts['<'] = markup.split('<').length;
  return counts;
}

const payloads = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</style><style>*{display:none}',
  '</script><script>alert(1)',
  '<!--',
  ']]>',
  '</title><svg onload=alert(1)>',
  'javascript:alert(1)',
  '\u202Egnp.exe\u2066',
  'a\u0000b\u001B[2Jc\u009B',
  '\uD800 half',
  '&lt;b&gt; &amp;#x3C;',
  '${7*7} {{7*7}} <+secrets>',
];

describe('hostile text in every place of a document', () => {
  const harmless = { page: shapeOf(pageOf('harmless')), history: shapeOf(historyOf('harmless')) };

  it('finds the markup of a harmless page', () => {
    expect(harmless.page).toMatchObject({ script: 1, style: 1, h1: 1 });
    expect(harmless.page['tr']).toBeGreaterThan(25);
    expect(shapeOf('<p>a<b onclick="1">')).not.toEqual(shapeOf('<p>a'));
  });

  it.each(payloads)('changes neither elements nor attributes: %j', (payload) => {
    expect(shapeOf(pageOf(payload))).toEqual(harmless.page);
    expect(shapeOf(historyOf(payload))).toEqual(harmless.history);
  });

  it('changes neither elements nor attributes, whatever the text is', () => {
    const piece = fc.oneof(fc.constantFrom(...payloads), anyText(), fc.string());
    // Blank texts have no place to be seen in, and may be left out.
    const text = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => `x${pieces.join('')}`);
    fc.assert(
      fc.property(text, (each) => {
        expect(shapeOf(pageOf(each))).toEqual(harmless.page);
        expect(shapeOf(historyOf(each))).toEqual(harmless.history);
      }),
      { numRuns: 150, seed: 20261129 },
    );
  });

  it('shows characters that are invisible or reorder others as their code points', () => {
    const page = pageOf('a\u202Eb\u0007c');
    expect(page).toContain('a<span class="code-point">U+202E</span>b<span class="code-point">U+0007</span>c');
    expect(page).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/);
  });

  it('cuts a long text, and counts what it leaves out', () => {
    const page = pageOf('y'.repeat(3_000));
    expect(textOf(page)).toContain('… and 2000 more characters');
    expect(Buffer.byteLength(page)).toBeLessThan(400_000);
  });

  it('shows no secret that a text repeats', () => {
    const page = pageOf('sat.account.0123456789abcdef.SECRETSECRET https://user:hunter2@host/?X-Amz-Signature=abc');
    // Addresses have the ids of runs, which are names of executions.
    expect(page.replaceAll(/ href="[^"]*"/g, '')).not.toMatch(/SECRETSECRET|hunter2|Signature=abc/);
  });
});

describe('a page', () => {
  it('shows nothing of other parties that the report does not have', () => {
    const words = (text: string) => new Set(text.match(/[\w.-]{4,}/g));
    const known = words(JSON.stringify(everyPart('zzqx-marker')));
    const shown = [...words(textOf(reportPage(everyPart('zzqx-marker'))))].filter((word) => word.includes('zzqx'));
    expect(shown.length).toBeGreaterThan(3);
    expect(shown.filter((word) => !known.has(word) && !known.has(word.replace(/\.$/, '')))).toEqual([]);
  });
});

describe('the size of a page', () => {
  it('stays below 600 bytes for each image, and below 4 MiB for 5,000', () => {
    const quiet = everyPart('1.11.0', 5_000);
    const images = quiet.images.map(({ requested: _, scan: _scan, error: _error, ...row }, index) => ({
      ...row,
      status: index % 3 === 0 ? ('copied' as const) : ('skipped' as const),
    }));
    const bytes = Buffer.byteLength(reportPage({ ...quiet, images }));
    expect((bytes - Buffer.byteLength(reportPage({ ...quiet, images: [] }))) / 5_000).toBeLessThan(600);
    expect(Buffer.byteLength(reportPage(quiet))).toBeLessThan(4 * 1_048_576);
  });

  it('lists 5,000 of 20,000 images that did not change, and every one that failed or changed', () => {
    const report = everyPart('harmless', 20_000);
    const page = reportPage(report);
    const rows = page.match(/<tr data-s=/g)?.length ?? 0;
    const changed = report.images.filter(
      ({ status, scan }) => status !== 'skipped' || (scan && scan.status !== 'passed'),
    ).length;
    expect(rows).toBe(changed);
    expect(textOf(page)).toContain(
      `${20_000 - changed} more images that the run did not change are in report.json only.`,
    );
    const same = {
      ...report,
      images: report.images.map(({ scan: _, ...row }) => ({ ...row, status: 'skipped' as const })),
    };
    expect(reportPage(same).match(/<tr data-s=/g)).toHaveLength(5_000);
  });
});
