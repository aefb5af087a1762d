import { describe, expect, it } from '@jest/globals';
import type { Finding, ScanAnswer } from '../../functions/oci/registry/image-scans.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { expiryWarnings, judge } from '../../functions/scan/verdict.ts';
import type { ScanSettings } from '../../functions/settings/scan-settings.ts';

const image = 'harness/ci-addon:1.18.22';
const today = '2026-02-01';
const digest = (n: number) => `sha256:${String(n).padStart(64, '0')}` as Digest;
const answers = (...list: ScanAnswer[]) => new Map(list.map((answer, i) => [digest(i), answer]));
const scanned = (...findings: [string, string][]): ScanAnswer => ({
  state: 'scanned',
  findings: findings.map(([id, severity]): Finding => ({ id, severity })),
  settlingMs: 0,
});
const settings = (more: Partial<ScanSettings> = {}) => ({ failOn: 'CRITICAL' as const, allow: [], ...more });

describe('an image', () => {
  it.each([
    ['CRITICAL', ['CVE-C']],
    ['HIGH', ['CVE-C', 'CVE-H']],
    ['MEDIUM', ['CVE-C', 'CVE-H', 'CVE-M']],
    ['LOW', ['CVE-C', 'CVE-H', 'CVE-M', 'CVE-L']],
  ] as const)('fails for what is %s or worse, the worst first', (failOn, failing) => {
    const found = scanned(
      ['CVE-L', 'LOW'],
      ['CVE-U', 'UNDEFINED'],
      ['CVE-I', 'INFORMATIONAL'],
      ['CVE-H', 'HIGH'],
      ['CVE-M', 'MEDIUM'],
      ['CVE-T', 'UNTRIAGED'],
      ['CVE-C', 'CRITICAL'],
    );
    const result = judge(image, answers(found), settings({ failOn }), today);
    expect(result).toMatchObject({ status: 'failed', failing, error: { name: 'ScanFailed' } });
    expect(result.findings).toEqual({
      CRITICAL: 1,
      HIGH: 1,
      MEDIUM: 1,
      LOW: 1,
      UNDEFINED: 1,
      INFORMATIONAL: 1,
      UNTRIAGED: 1,
    });
  });

  it('passes with findings that are milder', () => {
    const result = judge(image, answers(scanned(['CVE-1', 'HIGH'], ['CVE-2', 'LOW'])), settings(), today);
    expect(result).toEqual({ status: 'passed', findings: { HIGH: 1, LOW: 1 } });
  });

  it('judges an image by its worst platform, and counts each finding once', () => {
    const both = answers(scanned(['CVE-1', 'LOW']), scanned(['CVE-1', 'CRITICAL'], ['CVE-2', 'LOW']));
    expect(judge(image, both, settings(), today)).toMatchObject({
      status: 'failed',
      findings: { CRITICAL: 1, LOW: 1 },
      failing: ['CVE-1'],
    });
  });

  it('waits while one of its platforms does, whatever the others have', () => {
    const waiting = answers(scanned(['CVE-1', 'CRITICAL']), { state: 'pending', detail: 'IN_PROGRESS' });
    expect(judge(image, waiting, settings(), today)).toEqual({
      status: 'pending',
      detail: `${digest(1)} is IN_PROGRESS`,
    });
  });

  it('fails when one of its platforms has no findings to be judged by', () => {
    const unsupported = answers(scanned(), { state: 'unscannable', id: 'UNSUPPORTED_IMAGE', detail: 'unknown OS' });
    expect(judge(image, unsupported, settings(), today)).toMatchObject({
      status: 'failed',
      error: { name: 'ScanFailed', message: expect.stringContaining(`${digest(1)} is UNSUPPORTED_IMAGE (unknown OS)`) },
    });
  });

  it('fails when nothing of it can be scanned', () => {
    expect(judge(image, new Map(), settings(), today)).toMatchObject({ status: 'failed' });
  });

  it('names few findings in its message and not too many in the report', () => {
    const many = Array.from({ length: 200 }, (_, i): [string, string] => [`CVE-2026-${i}`, 'CRITICAL']);
    const result = judge(image, answers(scanned(...many)), settings(), today);
    expect(result.error?.message).toContain('200 findings of CRITICAL or worse: CVE-2026-0 (CRITICAL)');
    expect(result.error?.message).toContain('and 195 more');
    expect(result.failing).toHaveLength(50);
    expect(result.findings).toEqual({ CRITICAL: 200 });
  });
});

describe('an allowed finding', () => {
  const found = answers(scanned(['CVE-1', 'CRITICAL'], ['CVE-2', 'CRITICAL']));
  const both = [
    { id: 'CVE-1', until: '2026-02-01' },
    { id: 'CVE-2', until: '2027-01-01' },
  ];

  it('allows a finding until the end of its last day, and shows it', () => {
    expect(judge(image, found, settings({ allow: both }), today)).toEqual({
      status: 'passed',
      findings: { CRITICAL: 2 },
      allowed: ['CVE-1', 'CVE-2'],
    });
  });

  it('counts again the day after, with a warning', () => {
    expect(judge(image, found, settings({ allow: both }), '2026-02-02')).toMatchObject({
      status: 'failed',
      failing: ['CVE-1'],
      allowed: ['CVE-2'],
    });
    expect(expiryWarnings([{ ...both[0], reason: 'no fix yet' } as never, both[1] as never], '2026-02-02')).toEqual([
      'scan_allow: CVE-1 (no fix yet) was allowed until 2026-02-01, and counts again',
    ]);
    expect(expiryWarnings(both, today)).toEqual([]);
  });

  it.each([
    [['harness/*'], 'passed'],
    [['plugins/*', 'harness/ci-addon:1.18.*'], 'passed'],
    [['plugins/*'], 'failed'],
    [[], 'failed'],
  ])('allows a finding of %j only: %s', (images, status) => {
    const allow = both.map((entry) => ({ ...entry, images }));
    expect(judge(image, found, settings({ allow }), today).status).toBe(status);
  });

  it('allows a state in which nothing was scanned, by its name', () => {
    const unsupported = answers(scanned(), { state: 'unscannable', id: 'UNSUPPORTED_IMAGE', detail: 'Windows' });
    const allow = [{ id: 'UNSUPPORTED_IMAGE', until: '2026-12-31' }];
    expect(judge(image, unsupported, settings({ allow }), today)).toMatchObject({
      status: 'passed',
      allowed: ['UNSUPPORTED_IMAGE'],
    });
  });
});
