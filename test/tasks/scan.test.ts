import { afterEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { FactoryError } from '../../functions/errors.ts';
import { gate } from '../../functions/gate/gate.ts';
import { Deadline } from '../../functions/oci/copy/deadline.ts';
import type { Finding, LookOptions, ScanAnswer } from '../../functions/oci/registry/image-scans.ts';
import { RegistryFailure } from '../../functions/oci/registry/registry-failure.ts';
import { plan } from '../../functions/plan/plan.ts';
import { report } from '../../functions/report/report.ts';
import type { Plan, Report, Scans } from '../../functions/state/documents.ts';
import { scan } from '../../functions/scan/scan.ts';
import type { Template } from '../../functions/runtime/template.ts';
import { type Factory, imageStatuses, k8, k8Images, startFactory, statuses } from './factory.ts';
import { scriptedTemplate } from './scripted-template.ts';

let factory: Factory;
afterEach(() => factory.close());

const runId = 'run-1';
const addon = k8['addonTag'] as string;
const clean: ScanAnswer = { state: 'scanned', findings: [], settlingMs: 0 };
const critical: ScanAnswer = { state: 'scanned', findings: [{ id: 'CVE-1', severity: 'CRITICAL' }], settlingMs: 0 };
/** Returns the answer about a scan that has just ended. */
const so = (...found: [string, string][]): ScanAnswer => ({
  state: 'scanned',
  findings: found.map(([id, severity]): Finding => ({ id, severity })),
  settlingMs: 15_000,
});

type Look = (repository: string, digest: string, options?: LookOptions) => ScanAnswer;

/** A registry that scans, as ECR does, and what was asked of it. */
function scanning(look: Look) {
  const looks: string[] = [];
  const scans = () => ({
    look: async (repository: string, digest: string, options?: LookOptions) => {
      looks.push(repository);
      return look(repository, digest, options);
    },
  });
  return { scans, looks };
}

/** Plans and copies, as a run with these settings does that comes to its scans. */
async function copied(settings: object = {}, input: object = {}): Promise<Plan> {
  const { waves } = await factory.task(plan, { runId, input });
  const key = `runs/${runId}/plan.json`;
  const document = await factory.document<Plan>(key);
  const scanSettings = { failOn: 'CRITICAL', allow: [], deadlineMinutes: 30, ...settings };
  const planned = { ...document, scan: scanSettings } as Plan;
  await factory.store.put(key, Buffer.from(JSON.stringify(planned)));
  for (const image of waves.flat()) await factory.task(copy, { runId, image });
  return planned;
}

const look = () => factory.task(scan, { runId });
/** Moves the start and the last looks back by `seconds`. */
async function pass(seconds: number): Promise<void> {
  const key = `runs/${runId}/scans.json`;
  const scans = await factory.document<Scans>(key);
  const earlier = (time: string) => new Date(Date.parse(time) - seconds * 1_000).toISOString();
  scans.startedAt = earlier(scans.startedAt);
  for (const { seen } of scans.images) if (seen) seen.since = earlier(seen.since);
  await factory.store.put(key, Buffer.from(JSON.stringify(scans)));
}
const decide = () => factory.task(gate, { runId, copies: [] });
const written = (): Promise<Report> => factory.task(report, { runId, state: {} });

describe('the scan gate', () => {
  it('waits for every image that is to be switched to, those too that were there', async () => {
    let done = false;
    const { scans, looks } = scanning(() => (done ? clean : { state: 'pending', detail: 'IN_PROGRESS' }));
    factory = await startFactory({ samples: {}, scans });
    await factory.sync({ modify_default: false });
    factory.publish(['harness/delegate:1']);
    await copied({}, { extra_images: ['harness/delegate:1'] });
    const first = await look();
    expect(first.status).toBe('continue');
    expect(first.waitSeconds).toBeGreaterThanOrEqual(15);
    expect(new Set(looks)).toEqual(new Set(k8Images.map((image) => `mirror/${image.split(':')[0]}`)));
    done = true;
    expect(await look()).toEqual({ status: 'done', waitSeconds: 0 });
    expect(await decide()).toEqual({ route: 'configure' });
    const { images } = await written();
    expect(images.find(({ image }) => image === addon)?.scan).toEqual({ status: 'passed', findings: {} });
    expect(images.find(({ image }) => image === 'harness/delegate:1')).not.toHaveProperty('scan');
  });

  it('requests only pending scans again', async () => {
    let waiting = true;
    const { scans, looks } = scanning((repository) =>
      waiting && repository.endsWith('/ci-addon') ? { state: 'pending', detail: 'PENDING' } : clean,
    );
    factory = await startFactory({ samples: {}, scans });
    await copied();
    await look();
    looks.length = 0;
    waiting = false;
    expect(await look()).toMatchObject({ status: 'done' });
    expect(new Set(looks)).toEqual(new Set(['mirror/harness/ci-addon']));
  });

  it('fails the run when an image fails, which is copied all the same', async () => {
    const { scans } = scanning((repository) => (repository.endsWith('/ci-addon') ? critical : clean));
    factory = await startFactory({ samples: {}, scans });
    await copied();
    expect(await look()).toMatchObject({ status: 'done' });
    await expect(decide()).rejects.toMatchObject({
      name: 'ImagesFailed',
      message: `1 of ${k8Images.length} images did not pass its scan: ${addon}`,
    });
    const { images, totals } = await written();
    expect(images.find(({ image }) => image === addon)).toMatchObject({
      status: 'failed',
      scan: { status: 'failed', findings: { CRITICAL: 1 }, failing: ['CVE-1'] },
      error: { name: 'ScanFailed' },
    });
    expect(totals.failed).toBe(1);
    expect(factory.arrived(addon)).toBe(factory.official(addon));
    // The factory may delete its own copies.
    expect(await factory.document('inventory.json')).toHaveProperty(['copies', factory.copyOf(addon)]);
  });

  it('switches the images that passed with update-succeeded, but not the counterpart of one that failed', async () => {
    const { scans } = scanning((repository) => (repository.endsWith('/ci-addon') ? critical : clean));
    factory = await startFactory({ samples: {}, scans });
    await copied({}, { on_partial_failure: 'update-succeeded' });
    await look();
    expect(await decide()).toEqual({ route: 'configure' });
    const { config } = await written();
    const reasons = config.flatMap(({ field, reason }) => (reason === undefined ? [] : [[field, reason]]));
    expect(reasons).toEqual([
      ['addonTag', `${addon} did not pass its scan`],
      ['liteEngineTag', expect.stringContaining('moves together with addonTag')],
    ]);
  });

  it('fails what is not scanned by the deadline, with the state it was left in', async () => {
    const { scans } = scanning(() => ({ state: 'pending', detail: 'FINDINGS_UNAVAILABLE' }));
    factory = await startFactory({ samples: {}, scans });
    await copied({ deadlineMinutes: 10 });
    await look();
    await pass(11 * 60);
    expect(await look()).toEqual({ status: 'done', waitSeconds: 0 });
    const { images } = await written();
    expect(images.find(({ image }) => image === addon)?.error).toMatchObject({
      name: 'ScanTimedOut',
      message: expect.stringMatching(/was not scanned within 10 minutes: .* is FINDINGS_UNAVAILABLE/),
    });
  });

  const fault = (transient: boolean) =>
    new RegistryFailure('RegistryFailed', 'scripted', { hint: 'none', status: 500, transient });
  const failure = (name: 'RegistryThrottled' | 'RegistryUnreachable' | 'RegistryForbidden') =>
    new FactoryError(name, 'scripted', { hint: 'none' });
  it.each([
    ['throttling', failure('RegistryThrottled'), 'continue'],
    ['silence', failure('RegistryUnreachable'), 'continue'],
    ['passing fault', fault(true), 'continue'],
    ['lasting fault', fault(false), 'done'],
    ['prohibition', failure('RegistryForbidden'), 'done'],
  ] as const)('takes a %s of the registry for what it is', async (_, error, status) => {
    const { scans } = scanning(() => {
      throw error;
    });
    factory = await startFactory({ samples: {}, scans });
    await copied();
    expect(await look()).toMatchObject({ status });
    const { images } = await factory.document<Scans>(`runs/${runId}/scans.json`);
    expect(images[0]?.result).toMatchObject(
      status === 'done' ? { error: { name: error.name } } : { status: 'pending' },
    );
  });

  describe('findings of a scan that has just ended', () => {
    const outcome = async () => {
      const { images } = await factory.document<Scans>(`runs/${runId}/scans.json`);
      return new Set(images.map(({ result }) => result.status));
    };
    const scanned = async (look: Look) => {
      factory = await startFactory({ samples: {}, scans: scanning(look).scans });
      await copied();
    };

    it.each([
      ['none at first', so(), so(['CVE-1', 'CRITICAL'])],
      ['a part at first', so(['CVE-2', 'LOW']), so(['CVE-1', 'CRITICAL'], ['CVE-2', 'LOW'])],
      ['another severity at first', so(['CVE-1', 'UNTRIAGED']), so(['CVE-1', 'CRITICAL'])],
    ])('believes no findings before they are all there: %s', async (_, early, late) => {
      let answer = early;
      await scanned(() => answer);
      const { status, waitSeconds } = await look();
      expect(status).toBe('continue');
      expect(waitSeconds).toBeGreaterThanOrEqual(15);
      answer = late;
      await pass(waitSeconds);
      expect(await look()).toMatchObject({ status: 'done' });
      expect(await outcome()).toEqual(new Set(['failed']));
    });

    it('passes an image of which the same is found twice, in whatever order, 15 seconds apart', async () => {
      let answer = so(['CVE-1', 'LOW'], ['CVE-2', 'LOW']);
      await scanned(() => answer);
      await look();
      answer = so(['CVE-2', 'LOW'], ['CVE-1', 'LOW']);
      await pass(10);
      expect(await look()).toMatchObject({ status: 'continue' });
      await pass(5);
      expect(await look()).toMatchObject({ status: 'done' });
      expect(await outcome()).toEqual(new Set(['passed']));
    });

    it('starts the time over when findings are added, a severity changes, or the scan continues', async () => {
      const answers: ScanAnswer[] = [
        so(),
        so(['CVE-1', 'LOW']),
        so(['CVE-1', 'MEDIUM']),
        { state: 'pending', detail: 'IN_PROGRESS' },
        so(['CVE-1', 'MEDIUM']),
      ];
      let index = 0;
      await scanned(() => answers[index] as ScanAnswer);
      for (; index < answers.length; index++) {
        expect(await look()).toMatchObject({ status: 'continue' });
        await pass(20);
      }
      index = answers.length - 1;
      expect(await look()).toMatchObject({ status: 'done' });
    });

    it('fails at once what fails', async () => {
      await scanned(() => critical);
      expect(await look()).toMatchObject({ status: 'done' });
      expect(await outcome()).toEqual(new Set(['failed']));
    });
  });

  it('waits for nothing when nothing is to be switched', async () => {
    const { scans, looks } = scanning(() => so());
    factory = await startFactory({ samples: {}, scans });
    await factory.sync();
    await copied();
    expect(await look()).toEqual({ status: 'done', waitSeconds: 0 });
    expect(looks).toEqual([]);
  });

  it('renews outdated scans in the first look that gets a response, and in no other', async () => {
    const renewals: Set<unknown>[] = [];
    const { scans } = scanning((repository, _, options) => {
      if (!repository.endsWith('/ci-addon')) return clean;
      renewals.at(-1)?.add(options?.renew);
      if (renewals.length === 1) throw failure('RegistryThrottled');
      return { state: 'pending', detail: 'PENDING' };
    });
    factory = await startFactory({ samples: {}, scans });
    await copied();
    for (let n = 0; n < 4; n++) {
      renewals.push(new Set());
      await look();
    }
    expect(renewals).toEqual([true, true, false, false].map((renew) => new Set([renew])));
  });

  it('warns of allowed findings that have run out', async () => {
    const { scans } = scanning(() => critical);
    factory = await startFactory({ samples: {}, scans });
    await copied({ allow: [{ id: 'CVE-1', until: '2020-01-31' }] });
    await look();
    const { warnings, images } = await written();
    expect(warnings).toContain('scan_allow: CVE-1 was allowed until 2020-01-31, and counts again');
    expect(new Set(images.map(({ status }) => status))).toEqual(new Set(['failed']));
  });

  it('leaves for the next look what it does not get to in the time of this one', async () => {
    const { scans, looks } = scanning(() => clean);
    factory = await startFactory({ samples: {}, scans });
    await copied();
    const over = new Deadline(0, Date.now() + 60_000);
    expect(await factory.task((event, run) => scan(event, { ...run, deadline: over }), { runId })).toMatchObject({
      status: 'continue',
    });
    expect(looks).toEqual([]);
    expect(await look()).toMatchObject({ status: 'done' });
  });

  it('switches to nothing without a verdict', async () => {
    factory = await startFactory({ samples: {}, scans: scanning(() => clean).scans });
    await copied();
    await expect(decide()).rejects.toMatchObject({ name: 'ImagesFailed' });
  });

  it('leaves images alone that were not copied', async () => {
    const { scans, looks } = scanning(() => clean);
    factory = await startFactory({ samples: {}, scans });
    factory.target.faults.add({
      match: { method: 'PUT', path: /ci-addon\/manifests/ },
      act: { status: 403 },
    });
    await copied();
    await look();
    expect(looks.filter((repository) => repository.endsWith('/ci-addon'))).toEqual([]);
    await expect(decide()).rejects.toMatchObject({ message: expect.stringMatching(/could not be copied: .*ci-addon/) });
  });
});

describe('the gate', () => {
  it('treats a copy without a result as failed, and reports it', async () => {
    factory = await startFactory({ samples: {} });
    await factory.task(plan, { runId, input: { on_partial_failure: 'update-succeeded' } });
    const { images } = await factory.document<Plan>(`runs/${runId}/plan.json`);
    const lost = images.findIndex(({ image }) => image === addon);
    for (const image of images.keys()) if (image !== lost) await factory.task(copy, { runId, image });
    expect(await decide()).toEqual({ route: 'configure' });
    const { changes } = await factory.document<{ changes: { field: string }[] }>(`runs/${runId}/changes.json`);
    expect(changes.map(({ field }) => field)).not.toContain('addonTag');
    const document = await written();
    expect(imageStatuses(document)[addon]).toBe('failed');
    expect(document.images[lost]?.error).toMatchObject({ name: 'StoreFailed' });
  });
});

describe('GATHER_SCAN_TEMPLATE', () => {
  const arn = 'arn:aws:states:eu-west-1:123456789012:stateMachine:scan';
  const environment = { GATHER_SCAN_TEMPLATE: arn };
  type Call = { name: string; input: { images: { image: string; target: string; digest: string }[] } };
  const templated = async (answer: (call: Call, count: number) => unknown) => {
    const { calls, template } = scriptedTemplate(answer);
    factory = await startFactory({ samples: {}, environment, template });
    return calls;
  };
  const all = ({ input }: Call, verdict: string, more: object = {}) => ({
    images: input.images.map(({ image }) => ({ image, verdict, ...more })),
  });

  it('judges images in the place of a registry that cannot', async () => {
    const calls = await templated((call) => all(call, 'passed', { findings: [{ id: 'X-1', severity: 'HIGH' }] }));
    const document = await factory.sync({ wait_for_scan: true, scan_fail_on: 'HIGH' });
    expect(document.status).toBe('SUCCEEDED');
    expect(statuses(document)['ci K8 addonTag']).toBe('updated');
    expect(calls).toHaveLength(1);
    expect(calls[0]?.input).toMatchObject({ runId: document.runId, failOn: 'HIGH', allow: [] });
    expect(calls[0]?.input.images).toContainEqual({
      image: addon,
      target: factory.copyOf(addon),
      digest: factory.official(addon),
    });
    expect(document.images.find(({ image }) => image === addon)?.scan).toEqual({
      status: 'passed',
      findings: { HIGH: 1 },
    });
  });

  it('fails an image with its reason, and Harness stays as it was', async () => {
    await templated((call) => all(call, 'failed', { reason: 'malware found' }));
    const document = await factory.sync({ wait_for_scan: true });
    expect(document).toMatchObject({ status: 'FAILED', error: { name: 'ImagesFailed' } });
    expect(document.images[0]?.error).toMatchObject({
      name: 'ScanFailed',
      message: expect.stringContaining('malware found'),
    });
    expect(factory.writes()).toEqual([]);
  });

  it('calls the template by the same name while it runs, and by a new one about pending images', async () => {
    const calls = await templated((call, count) =>
      count === 1 ? undefined : all(call, count === 2 ? 'pending' : 'passed'),
    );
    await copied();
    expect(await look()).toMatchObject({ status: 'continue' });
    expect(await look()).toMatchObject({ status: 'continue' });
    expect(await look()).toMatchObject({ status: 'done' });
    const [first, second, third] = calls.map(({ name }) => name);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it('waits for a scanner that runs longer than one look', async () => {
    const template = (): Template => ({
      call: (_name, _input, signal) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error))),
    });
    factory = await startFactory({ samples: {}, environment, template });
    await copied();
    const short = new Deadline(Date.now(), Date.now() + 20);
    expect(await factory.task((event, run) => scan(event, { ...run, deadline: short }), { runId })).toMatchObject({
      status: 'continue',
    });
  });

  it.each([
    ['nonsense', 'no list of verdicts', () => ({ images: 'all fine' })],
    ['a verdict of its own making', 'no list of verdicts', (call: Call) => all(call, 'fine')],
    ['too few verdicts', 'no verdict for', () => ({ images: [] })],
  ])('passes no image when the template answers %s', async (_, message, answer) => {
    await templated(answer);
    const document = await factory.sync({ wait_for_scan: true });
    expect(document.status).toBe('FAILED');
    expect(document.images[0]?.error).toMatchObject({
      name: 'TemplateFailed',
      message: expect.stringContaining(message),
    });
    expect(factory.writes()).toEqual([]);
  });
});
