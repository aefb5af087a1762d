import * as z from 'zod';
import { FactoryError } from '../errors.ts';
import type { ScanResult } from '../state/documents.ts';
import type { Template } from '../runtime/template.ts';
import type { ScanSettings } from '../settings/scan-settings.ts';
import { countsOf } from './verdict.ts';

export interface GatheredImage {
  image: string;
  target: string;
  digest: string;
}

/** The response of GATHER_SCAN_TEMPLATE; see docs/templates.md. */
const answer = z.object({
  images: z.array(
    z.object({
      image: z.string(),
      verdict: z.enum(['passed', 'failed', 'pending']),
      reason: z.string().optional(),
      findings: z.array(z.object({ id: z.string().max(200), severity: z.string().max(40) })).optional(),
    }),
  ),
});

type Row = z.output<typeof answer>['images'][number];

const idsInReport = 50;
const reasonLimit = 500;

/** Calls the customer's scanner; `undefined` while it runs. Throws `TemplateFailed` and network failures. */
export async function gather(
  template: Template,
  call: { name: string; runId: string; images: readonly GatheredImage[]; settings: ScanSettings },
  signal?: AbortSignal,
): Promise<Map<string, ScanResult> | undefined> {
  const { name, runId, images, settings } = call;
  const { failOn, allow } = settings;
  const called = await template.call(name, { runId, images, failOn, allow }, signal);
  if (!('output' in called)) return undefined;
  const parsed = answer.safeParse(called.output);
  if (!parsed.success) {
    throw new FactoryError(
      'TemplateFailed',
      `GATHER_SCAN_TEMPLATE returned no list of verdicts: ${z.prettifyError(parsed.error)}`.slice(0, 1_000),
      {
        hint: 'Correct the template: docs/templates.md describes its result.',
      },
    );
  }
  const rows = new Map(parsed.data.images.map((row) => [row.image, row]));
  return new Map(images.map(({ image }) => [image, resultOf(image, rows.get(image))]));
}

function resultOf(image: string, row: Row | undefined): ScanResult {
  if (!row) {
    const error = new FactoryError('TemplateFailed', `GATHER_SCAN_TEMPLATE returned no verdict for ${image}`, {
      hint: 'Correct the template: it must return one verdict for each image in the request.',
    });
    return { status: 'failed', error: error.toJSON() };
  }
  const { verdict, findings, reason = 'no reason given' } = row;
  if (verdict === 'pending') return { status: 'pending', detail: reason.slice(0, reasonLimit) };
  const summary = findings && { findings: countsOf(findings) };
  if (verdict === 'passed') return { status: 'passed', ...summary };
  const message = `${image} was refused by GATHER_SCAN_TEMPLATE: ${reason.slice(0, reasonLimit)}`;
  const error = new FactoryError('ScanFailed', message, {
    hint: 'Look at the scanner behind GATHER_SCAN_TEMPLATE, or hold an older version with pins.',
  });
  const failing = findings?.slice(0, idsInReport).map(({ id }) => id);
  return { status: 'failed', ...summary, ...(failing && { failing }), error: error.toJSON() };
}
