import * as z from 'zod';
import type { Problem } from '../errors.ts';
import { profileOf } from '../oci/registry/profile.ts';
import type { RegistryLocation } from '../oci/spec/reference.ts';
import type { Configuration } from './configuration.ts';
import { bool, choice, globs, text, wholeNumber } from './value-schemas.ts';

/** Severities that can fail an image, worst first. */
export const failingSeverities = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'] as const;
type FailingSeverity = (typeof failingSeverities)[number];

/** A finding that does not fail an image until a given day. */
export interface AllowedFinding {
  /**
   * Id as the scanner writes it: `CVE-2025-12345`. Or a state in which ECR does not scan an image: `UNSUPPORTED_IMAGE`.
   */
  id: string;
  /** The last day (UTC) on which it is allowed: `2026-01-31`. */
  until: string;
  reason?: string | undefined;
  /** Globs on image names. Default: all images. */
  images?: string[] | undefined;
}

export interface ScanSettings {
  /** The mildest severity that fails an image. Worse ones fail it too. */
  failOn: FailingSeverity;
  allow: AllowedFinding[];
  /** Minutes after which an image without a completed scan fails. */
  deadlineMinutes: number;
}

const allowedFinding = z.strictObject(
  {
    id: text('the id of a finding, such as CVE-2025-12345', (id) => /^[\x21-\x7e]{1,200}$/.test(id)),
    until: text('the last day on which it is allowed, such as 2026-01-31', isDay),
    reason: z.string({ error: 'a text' }).max(500, { error: 'a text of at most 500 characters' }).optional(),
    images: globs.optional(),
  },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? 'one of id, until, reason, images'
        : 'an object such as {"id": "CVE-2025-12345", "until": "2026-01-31"}',
  },
);

/** The keys of an execution input that concern scans. */
export const scanKeys = {
  wait_for_scan: bool.optional(),
  scan_fail_on: choice(failingSeverities).optional(),
  scan_allow: z.array(allowedFinding, { error: 'a list of findings with the last day of each' }).optional(),
  scan_deadline_minutes: wholeNumber(1, 1_440).optional(),
};

type Input = z.output<z.ZodObject<typeof scanKeys>>;

/** Returns `undefined` when the run does not wait for scans. */
export function scanSettings(input: Input): ScanSettings | undefined {
  if (!input.wait_for_scan) return undefined;
  return {
    failOn: input.scan_fail_on ?? 'CRITICAL',
    allow: input.scan_allow ?? [],
    deadlineMinutes: input.scan_deadline_minutes ?? 30,
  };
}

export function impossibleScans(
  input: Input,
  registry: RegistryLocation | undefined,
  { gatherScanTemplate }: Configuration,
): Problem[] {
  const problems: Problem[] = [];
  if (input.wait_for_scan) {
    if (registry && gatherScanTemplate === undefined && profileOf(registry.registry).name !== 'ecr')
      problems.push({
        path: '$.wait_for_scan',
        found: 'true',
        allowed: `false: ${registry.registry} is not ECR, and GATHER_SCAN_TEMPLATE names no other scanner`,
      });
    return problems;
  }
  for (const key of ['scan_fail_on', 'scan_allow', 'scan_deadline_minutes'] as const) {
    if (input[key] === undefined) continue;
    problems.push({
      path: `$.${key}`,
      found: JSON.stringify(input[key]).slice(0, 80),
      allowed: 'nothing without wait_for_scan: true',
    });
  }
  return problems;
}

function isDay(value: string): boolean {
  const day = /^\d{4}-\d\d-\d\d$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : NaN;
  return Number.isFinite(day) && new Date(day).toISOString().startsWith(value);
}
