import { FactoryError } from '../errors.ts';
import type { Finding, ScanAnswer } from '../oci/registry/image-scans.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { formatReference, parseImageName } from '../oci/spec/reference.ts';
import type { ScanResult } from '../state/documents.ts';
import { type AllowedFinding, failingSeverities, type ScanSettings } from '../settings/scan-settings.ts';
import { namesOfImage } from '../settings/secured-names.ts';
import { globMatcher } from '../text/glob.ts';

/** Maximum number of ids of one image in a report, and in a message. */
const idsInReport = 50;
const idsInMessage = 5;

/**
 * Judges an image by the scans of its manifests. Each finding counts once, no matter how many platforms have it, with
 * the worst of its severities. `today` is a day such as 2026-01-31 (UTC).
 */
export function judge(
  image: string,
  answers: ReadonlyMap<Digest, ScanAnswer>,
  settings: Pick<ScanSettings, 'failOn' | 'allow'>,
  today: string,
): ScanResult {
  if (answers.size === 0) return { status: 'failed', error: nothingToScan(image) };
  const isAllowed = (id: string) => settings.allow.some((entry) => entry.id === id && appliesTo(entry, image, today));
  const waiting = [...answers].flatMap(([digest, answer]) =>
    answer.state === 'pending' ? `${digest} is ${answer.detail}` : [],
  );
  if (waiting.length > 0) return { status: 'pending', detail: waiting.join('; ') };
  const found = merged([...answers.values()].flatMap((answer) => (answer.state === 'scanned' ? answer.findings : [])));
  const fails = ({ severity }: Finding) => rankOf(severity) <= rankOf(settings.failOn);
  const bad = found.filter(fails).toSorted((a, b) => rankOf(a.severity) - rankOf(b.severity));
  const failing = bad.filter(({ id }) => !isAllowed(id));
  const unscanned = [...answers].flatMap(([digest, answer]) =>
    answer.state === 'unscannable' ? [{ digest, ...answer }] : [],
  );
  const refused = unscanned.filter(({ id }) => !isAllowed(id));
  const allowed = [...bad, ...unscanned].map(({ id }) => id).filter(isAllowed);
  const summary = {
    findings: countsOf(found),
    ...(failing.length > 0 && { failing: failing.slice(0, idsInReport).map(({ id }) => id) }),
    ...(allowed.length > 0 && { allowed: [...new Set(allowed)].slice(0, idsInReport) }),
  };
  if (refused.length > 0) {
    const reasons = refused.map(({ digest, id, detail }) => `${digest} is ${id} (${detail})`).join('; ');
    const error = new FactoryError('ScanFailed', `${image} has no scan result: ${reasons}`, {
      hint: 'Scan it by other means, leave it out with exclude_fields, or allow the state for some time with scan_allow.',
    });
    return { status: 'failed', ...summary, error: error.toJSON() };
  }
  if (failing.length > 0) return { status: 'failed', ...summary, error: findingsError(image, failing, settings) };
  return { status: 'passed', ...summary };
}

/** Returns a warning for each entry that has expired. */
export function expiryWarnings(allow: readonly AllowedFinding[], today: string): string[] {
  return allow
    .filter(({ until }) => until < today)
    .map(({ id, until, reason }) => {
      const why = reason === undefined ? '' : ` (${reason})`;
      return `scan_allow: ${id}${why} was allowed until ${until}, and counts again`;
    });
}

export function countsOf(findings: readonly Finding[]): Record<string, number> {
  // Severities are text from the scanner: a name such as `__proto__` must be safe.
  const counts = Object.create(null) as Record<string, number>;
  for (const { severity } of findings.toSorted((a, b) => rankOf(a.severity) - rankOf(b.severity)))
    counts[severity] = (counts[severity] ?? 0) + 1;
  return counts;
}

function findingsError(image: string, failing: readonly Finding[], { failOn }: Pick<ScanSettings, 'failOn'>) {
  const more = failing.length - idsInMessage;
  const named = failing.slice(0, idsInMessage).map(({ id, severity }) => `${id} (${severity})`);
  const shown = named.join(', ') + (more > 0 ? ` and ${more} more` : '');
  const noun = failing.length === 1 ? 'finding' : 'findings';
  return new FactoryError('ScanFailed', `${image} has ${failing.length} ${noun} of ${failOn} or worse: ${shown}`, {
    hint: 'Wait for an image without them, hold an older version with pins, or allow them for some time with scan_allow.',
  }).toJSON();
}

function nothingToScan(image: string) {
  return new FactoryError('ScanFailed', `${image} has no platform that can be scanned`, {
    hint: 'Leave it out with exclude_fields, or run without wait_for_scan.',
  }).toJSON();
}

function appliesTo({ until, images }: AllowedFinding, image: string, today: string): boolean {
  if (until < today) return false;
  if (images === undefined) return true;
  const matches = globMatcher(images);
  const name = parseImageName(image);
  return namesOfImage(name.repository).some(
    (repository) => matches(repository) || matches(formatReference({ ...name, repository })),
  );
}

function merged(findings: readonly Finding[]): Finding[] {
  const worst = new Map<string, Finding>();
  for (const finding of findings) {
    const known = worst.get(finding.id);
    if (!known || rankOf(finding.severity) < rankOf(known.severity)) worst.set(finding.id, finding);
  }
  return [...worst.values()];
}

/** Ranks a severity; 0 is the worst. Severities without a rank (INFORMATIONAL, UNDEFINED, UNTRIAGED) fail no image. */
function rankOf(severity: string): number {
  const rank = (failingSeverities as readonly string[]).indexOf(severity);
  return rank === -1 ? failingSeverities.length : rank;
}
