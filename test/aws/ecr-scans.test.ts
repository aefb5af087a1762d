import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CreateRepositoryCommand, ECRClient, PutImageCommand } from '@aws-sdk/client-ecr';
import { ecrScans } from '../../functions/aws/ecr-scans.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import type { ImageScans, LookOptions } from '../../functions/oci/registry/image-scans.ts';
import { available } from '../real-parts.ts';
import { account, type MotoServer, region } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';
import { type Answer, startScriptedAws } from './scripted-aws.ts';

const host = `${account}.dkr.ecr.${region}.amazonaws.com`;
const digest = `sha256:${'1'.repeat(64)}` as Digest;

(available('moto_server') ? describe : describe.skip)('the scans of ECR as moto has it', () => {
  let moto: MotoServer;
  let client: ECRClient;
  beforeAll(async () => {
    moto = await shareMotoServer();
    client = new ECRClient(moto.config);
  }, 60_000);
  afterAll(async () => {
    client?.destroy();
    await moto?.close();
  });

  it('starts a scan of an image without one, then reads it', async () => {
    const repositoryName = 'mirror/harness/ci-addon';
    await client.send(new CreateRepositoryCommand({ repositoryName }));
    const layers = [{ digest: `sha256:${createHash('sha256').update('layer').digest('hex')}` }];
    const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', layers };
    const { image } = await client.send(
      new PutImageCommand({ repositoryName, imageTag: '1', imageManifest: JSON.stringify(manifest) }),
    );
    const pushed = image?.imageId?.imageDigest as Digest;
    const scans = ecrScans(moto.config)(host) as ImageScans;
    expect(await scans.look(repositoryName, pushed)).toMatchObject({ state: 'pending' });
    expect(await scans.look(repositoryName, pushed)).toEqual({
      state: 'scanned',
      findings: [{ id: 'CVE-9999-9999', severity: 'HIGH' }],
      settlingMs: 15_000,
    });
    await expect(scans.look(repositoryName, digest)).rejects.toMatchObject({ name: 'ImageNotFound' });
    await expect(scans.look('absent', digest)).rejects.toMatchObject({ name: 'RegistryFailed' });
  });

  it('returns scans only for ECR', () => {
    expect(ecrScans(moto.config)('registry.example')).toBeUndefined();
  });
});

describe('the scans of ECR as a test scripts it', () => {
  let aws: Awaited<ReturnType<typeof startScriptedAws>> | undefined;
  afterEach(async () => {
    await aws?.close();
    aws = undefined;
  });

  const refusal = (name: string): Answer => ({ status: 400, body: { __type: name, message: 'no' } });
  const ok = (body: object): Answer => ({ status: 200, body });
  type Script = Record<string, Answer | ((input: Record<string, unknown>) => Answer)>;

  async function looking(script: Script) {
    const started = await startScriptedAws((operation, input) => {
      const answer = script[operation] ?? refusal('ServerException');
      return typeof answer === 'function' ? answer(input as Record<string, unknown>) : answer;
    });
    aws = started;
    const scans = ecrScans(started.config)(host) as ImageScans;
    const look = (options?: LookOptions) => scans.look('mirror/plugins/cache', digest, options);
    return { calls: started.calls, look };
  }
  const inState = (status: string, more: object = {}) => ({
    DescribeImageScanFindings: ok({ imageScanStatus: { status, description: 'as it says' }, ...more }),
  });
  const operations = (calls: { operation: string }[]) => calls.map(({ operation }) => operation);

  it.each(['PENDING', 'IN_PROGRESS', 'FINDINGS_UNAVAILABLE', 'A_STATE_OF_TOMORROW'])(
    '%s is waited for',
    async (status) => {
      const { look } = await looking(inState(status));
      expect(await look()).toEqual({ state: 'pending', detail: status });
    },
  );

  it.each(['FAILED', 'UNSUPPORTED_IMAGE', 'SCAN_ELIGIBILITY_EXPIRED', 'LIMIT_EXCEEDED', 'IMAGE_ARCHIVED'])(
    '%s will have no findings, also when old ones are shown',
    async (status) => {
      const findings = [{ name: 'CVE-1', severity: 'LOW' }];
      const { look } = await looking(inState(status, { imageScanFindings: { findings } }));
      expect(await look()).toEqual({
        state: 'unscannable',
        id: status,
        detail: expect.stringMatching(/\w.*: as it says$/),
      });
    },
  );

  it('COMPLETE has the findings of basic scanning, over all pages', async () => {
    const pages = [['CVE-1', 'CVE-2'], ['CVE-3']];
    const { look, calls } = await looking({
      DescribeImageScanFindings: ({ nextToken }) => {
        const page = nextToken === undefined ? 0 : Number(nextToken);
        const findings = pages[page]?.map((name) => ({ name, severity: 'MEDIUM' }));
        return ok({
          imageScanStatus: { status: 'COMPLETE' },
          imageScanFindings: { findings },
          ...(page + 1 < pages.length && { nextToken: `${page + 1}` }),
        });
      },
    });
    expect(await look()).toEqual({
      state: 'scanned',
      findings: pages.flat().map((id) => ({ id, severity: 'MEDIUM' })),
      settlingMs: 15_000,
    });
    expect(calls[0]?.input).toEqual({
      registryId: account,
      repositoryName: 'mirror/plugins/cache',
      imageId: { imageDigest: digest },
      maxResults: 1_000,
    });
  });

  it('ACTIVE has the findings of enhanced scanning, but for what is closed or suppressed there', async () => {
    const finding = (vulnerabilityId: string, severity: string, status?: string) => ({
      packageVulnerabilityDetails: { vulnerabilityId },
      severity,
      status,
    });
    const enhancedFindings = [
      finding('CVE-1', 'CRITICAL', 'ACTIVE'),
      finding('CVE-2', 'CRITICAL', 'SUPPRESSED'),
      finding('CVE-3', 'HIGH', 'CLOSED'),
      { findingArn: 'arn:x', severity: 'UNTRIAGED' },
    ];
    const { look } = await looking(inState('ACTIVE', { imageScanFindings: { enhancedFindings } }));
    expect(await look()).toEqual({
      state: 'scanned',
      findings: [
        { id: 'CVE-1', severity: 'CRITICAL' },
        { id: 'arn:x', severity: 'UNTRIAGED' },
      ],
      settlingMs: 15_000,
    });
  });

  const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1_000) - seconds;
  const day = 24 * 60 * 60;

  it.each(['COMPLETE', 'ACTIVE'])(
    '%s without anything found, and without its time, must stay so for ten minutes',
    async (status) => {
      for (const imageScanFindings of [undefined, {}, { findings: [] }, { findings: [], enhancedFindings: [] }]) {
        const { look } = await looking(inState(status, { imageScanFindings }));
        expect(await look()).toEqual({ state: 'scanned', findings: [], settlingMs: 600_000 });
        await aws?.close();
      }
      aws = undefined;
    },
  );

  it.each(['COMPLETE', 'ACTIVE'])('%s with its time has found nothing, as far as is known', async (status) => {
    const { look } = await looking(inState(status, { imageScanFindings: { imageScanCompletedAt: secondsAgo(10) } }));
    expect(await look()).toEqual({ state: 'scanned', findings: [], settlingMs: 15_000 });
  });

  const some = [{ name: 'CVE-1', severity: 'LOW' }];
  const enhanced = [{ packageVulnerabilityDetails: { vulnerabilityId: 'CVE-1' }, severity: 'LOW' }];
  it.each([
    ['basic scan of some minutes ago are all', 'COMPLETE', { findings: some }, 360, 0],
    ['basic scan of now may not be all', 'COMPLETE', { findings: some }, 60, 15_000],
    ['basic scan of unknown time may not be all', 'COMPLETE', { findings: some }, undefined, 15_000],
    ['scan by Inspector may not be all', 'COMPLETE', { enhancedFindings: enhanced }, 360, 15_000],
    ['continuous scan may not be all', 'ACTIVE', { findings: some }, 360, 15_000],
  ])('the findings of a %s', async (_, status, found, age, settlingMs) => {
    const imageScanFindings = { ...found, ...(age !== undefined && { imageScanCompletedAt: secondsAgo(age) }) };
    const { look } = await looking(inState(status, { imageScanFindings }));
    expect(await look()).toEqual({
      state: 'scanned',
      findings: [{ id: 'CVE-1', severity: 'LOW' }],
      settlingMs,
    });
  });

  describe('findings that are out of date', () => {
    const old = inState('COMPLETE', {
      imageScanFindings: { findings: some, imageScanCompletedAt: secondsAgo(day + 60) },
    });
    const failed = inState('FAILED');

    it.each([
      ['older than a day', old],
      ['failed', failed],
    ])('requests findings again that are %s', async (_, script) => {
      const { look, calls } = await looking({ ...script, StartImageScan: ok({}) });
      expect(await look({ renew: true })).toEqual({ state: 'pending', detail: 'PENDING' });
      expect(operations(calls)).toEqual(['DescribeImageScanFindings', 'StartImageScan']);
      expect((await look()).state).not.toBe('pending');
      expect(operations(calls)).toHaveLength(3);
    });

    it.each(['LimitExceededException', 'ValidationException', 'AccessDeniedException'])(
      'uses the old findings when the request for a scan returns %s',
      async (code) => {
        const was = { state: 'scanned', findings: [{ id: 'CVE-1', severity: 'LOW' }], settlingMs: 0 };
        const { look } = await looking({ ...old, StartImageScan: refusal(code) });
        expect(await look({ renew: true })).toEqual(was);
        await aws?.close();
        const other = await looking({ ...failed, StartImageScan: refusal(code) });
        expect(await other.look({ renew: true })).toMatchObject({ state: 'unscannable', id: 'FAILED' });
      },
    );

    it.each([
      ['a day is not over', 'COMPLETE', { findings: some }, day - 60],
      ['its time is not known', 'COMPLETE', { findings: some }, undefined],
      ['Inspector renews them', 'ACTIVE', { enhancedFindings: enhanced }, 2 * day],
      ['Inspector made them', 'COMPLETE', { enhancedFindings: enhanced }, 2 * day],
    ])('does not request findings again when %s', async (_, status, found, age) => {
      const imageScanFindings = { ...found, ...(age !== undefined && { imageScanCompletedAt: secondsAgo(age) }) };
      const { look, calls } = await looking({ ...inState(status, { imageScanFindings }), StartImageScan: ok({}) });
      expect(await look({ renew: true })).toMatchObject({ state: 'scanned' });
      expect(operations(calls)).not.toContain('StartImageScan');
    });
  });

  describe('an image without a scan', () => {
    const none = refusal('ScanNotFoundException');
    const configured = (scanType: string, rules: object[] = [], registryId = account) =>
      ok({ registryId, scanningConfiguration: { scanType, rules } });
    const rule = (filter: string, scanFrequency: string) => ({
      scanFrequency,
      repositoryFilters: [{ filter, filterType: 'WILDCARD' }],
    });
    const scan = (GetRegistryScanningConfiguration: Answer, StartImageScan: Answer) =>
      looking({ DescribeImageScanFindings: none, GetRegistryScanningConfiguration, StartImageScan });

    it('starts a scan when scanning is basic', async () => {
      const { look, calls } = await scan(configured('BASIC'), ok({}));
      expect(await look()).toMatchObject({ state: 'pending' });
      expect(calls.at(-1)).toEqual({
        operation: 'StartImageScan',
        input: { registryId: account, repositoryName: 'mirror/plugins/cache', imageId: { imageDigest: digest } },
      });
    });

    it.each([
      ['LimitExceededException', 'of today is under way'],
      ['ValidationException', 'begins by itself'],
      ['AccessDeniedException', 'may come by the push'],
    ])('waits for findings when the request for a scan returns %s: it %s', async (name) => {
      const { look } = await scan(configured('BASIC'), refusal(name));
      expect(await look()).toMatchObject({ state: 'pending' });
    });

    it.each([
      ['UnsupportedImageTypeException', 'UNSUPPORTED_IMAGE'],
      ['ImageArchivedException', 'IMAGE_ARCHIVED'],
    ])('expects no findings when the request for a scan returns %s', async (name, id) => {
      const { look } = await scan(configured('BASIC'), refusal(name));
      expect(await look()).toMatchObject({ state: 'unscannable', id });
    });

    it.each([
      [rule('*', 'CONTINUOUS_SCAN'), 'pending'],
      [rule('mirror/*', 'SCAN_ON_PUSH'), 'pending'],
      [rule('plugins', 'SCAN_ON_PUSH'), 'pending'],
      [rule('mirror', 'MANUAL'), 'unscannable'],
      [rule('prod/*', 'CONTINUOUS_SCAN'), 'unscannable'],
      [rule('plugins/*', 'CONTINUOUS_SCAN'), 'unscannable'],
    ])('reports an image without a scan, under the enhanced rule %j, as %s', async (only, state) => {
      const { look, calls } = await scan(configured('ENHANCED', [only]), ok({}));
      expect(await look()).toMatchObject({ state });
      expect(operations(calls)).not.toContain('StartImageScan');
    });

    it.each([
      ['of another account', configured('ENHANCED', [], '999999999999')],
      ['that may not be read', refusal('AccessDeniedException')],
    ])('asks for a basic scan, whatever the configuration %s may say', async (_, configuration) => {
      const { look, calls } = await scan(configuration, ok({}));
      expect(await look()).toMatchObject({ state: 'pending' });
      expect(operations(calls)).toContain('StartImageScan');
    });

    it.each([
      ['of another account, which a role of that account alone can see', '999999999999', true],
      ['of its own', account, false],
    ])('may be those %s', async (_, registryId, named) => {
      const { look } = await scan(configured('BASIC', [], registryId), refusal('ValidationException'));
      expect(JSON.stringify(await look()).includes('ECR_ROLE_ARN')).toBe(named);
    });
  });

  it.each(['DescribeImageScanFindings', 'GetRegistryScanningConfiguration', 'StartImageScan'])(
    'a fault of ECR itself in %s may pass',
    async (operation) => {
      const { look } = await looking({
        DescribeImageScanFindings: refusal('ScanNotFoundException'),
        GetRegistryScanningConfiguration: ok({}),
        [operation]: { status: 500, body: { __type: 'ServerException', message: 'internal' } },
      });
      await expect(look()).rejects.toMatchObject({ name: 'RegistryFailed', status: 500, transient: true });
    },
  );

  it.each([
    ['ThrottlingException', 'RegistryThrottled', 'quota'],
    ['AccessDeniedException', 'RegistryForbidden', 'ecr:DescribeImageScanFindings'],
    ['AccessDeniedException', 'RegistryForbidden', 'inspector2:ListFindings and inspector2:ListCoverage'],
  ])('%s is %s', async (code, name, hint) => {
    const { look } = await looking({ DescribeImageScanFindings: refusal(code) });
    await expect(look()).rejects.toMatchObject({ name, hint: expect.stringContaining(hint) });
  });
});
