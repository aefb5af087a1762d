import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  ListExecutionsCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Executions } from '../../functions/aws/executions.ts';
import { type GuardedKey, guardedKeys, parseConfiguration } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { beyondTrust } from '../../functions/settings/webhook-guards.ts';
import type { RunStatus } from '../../functions/webhook/run-status.ts';
import { Tokens } from '../../functions/webhook/tokens.ts';
import { answer } from '../../functions/webhook/webhook.ts';
import type { WebhookParts } from '../../functions/webhook/webhook-parts.ts';
import { account, type MotoServer } from '../aws/moto-server.ts';
import { shareMotoServer } from '../aws/shared-moto-server.ts';
import { available } from '../real-parts.ts';
import { type CapturedLog, captureLog } from '../telemetry/log-lines.ts';
import { notification, request, type RequestOptions, token } from './request.ts';

const configuration = parseConfiguration({
  HARNESS_API_KEY_SECRET: 'key',
  REGISTRY_NAME: 'registry.example/mirror',
});

type Answer = Omit<RunStatus, 'error'> & { error?: { name: string; problems?: { path: string }[] } };

(available('moto_server') ? describe : describe.skip)('the webhook', () => {
  let moto: MotoServer;
  let client: SFNClient;
  let stateMachineArn: string;
  let parts: WebhookParts;
  let machines = 0;
  let secretReads = 0;
  let log: CapturedLog;

  beforeAll(async () => {
    moto = await shareMotoServer();
    client = new SFNClient(moto.config);
  }, 60_000);
  afterAll(async () => {
    client?.destroy();
    await moto?.close();
  });
  beforeEach(async () => {
    const { stateMachineArn: arn = '' } = await client.send(
      new CreateStateMachineCommand({
        name: `factory-${++machines}`,
        definition: '{"StartAt":"End","States":{"End":{"Type":"Succeed"}}}',
        roleArn: `arn:aws:iam::${account}:role/workflow`,
      }),
    );
    stateMachineArn = arn;
    secretReads = 0;
    const tokens = new Tokens(async () => {
      secretReads++;
      return token;
    });
    parts = { configuration, tokens, executions: new Executions(arn, client), findReport: async () => undefined };
    log = captureLog();
  });
  afterEach(() => {
    log.release();
    jest.restoreAllMocks();
  });

  const send = async (options?: RequestOptions, moreParts?: Partial<WebhookParts>) => {
    const { statusCode, headers, body } = await answer(request(options), { ...parts, ...moreParts });
    return { status: statusCode, headers, body: JSON.parse(body) as Answer };
  };
  const post = (input: unknown, headers: Record<string, string> = {}) => send({ body: JSON.stringify(input), headers });
  const show = (runId: string) => send({ method: 'GET', path: `/runs/${runId}` });
  const executions = async () => (await client.send(new ListExecutionsCommand({ stateMachineArn }))).executions ?? [];
  const arnOf = (name: string) => `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`;
  const stop = (name: string) => client.send(new StopExecutionCommand({ executionArn: arnOf(name) }));
  const inputOf = async (name: string) => {
    const { input = '' } = await client.send(new DescribeExecutionCommand({ executionArn: arnOf(name) }));
    return JSON.parse(input) as unknown;
  };
  describe('starting a run', () => {
    it('passes the body on as the execution input, and says where to ask for the outcome', async () => {
      const input = { action: 'sync', modules: ['ci'], pins: { 'harness/ci-addon': '1.2.3' } };
      const { status, headers, body } = await post(input);
      expect(status).toBe(202);
      expect(headers['content-type']).toBe('application/json');
      expect(body).toEqual({
        runId: expect.stringMatching(/^webhook-[0-9a-f]{64}$/),
        status: 'RUNNING',
        url: `https://abc.lambda-url.eu-west-1.on.aws/runs/${body.runId}`,
      });
      expect((await executions()).map(({ name }) => name)).toEqual([body.runId]);
      expect(await inputOf(body.runId)).toEqual(input);
    });

    it.each([
      ['nothing', undefined],
      ['white space', ' \n'],
      ['null', 'null'],
      ['a notification of a pipeline', notification()],
      ['a notification without an execution', notification({ planExecutionId: undefined, eventType: 'TriggerFailed' })],
    ])('starts one with the defaults when sent %s', async (_, body) => {
      const { status, body: run } = await send(body === undefined ? {} : { body });
      expect(status).toBe(202);
      expect(await inputOf(run.runId)).toEqual({});
    });

    it('reads bodies that Lambda has encoded', async () => {
      const body = Buffer.from('{"action":"plan","soak_days":3}').toString('base64');
      expect(await inputOf((await send({ body, base64: true })).body.runId)).toEqual({ action: 'plan', soak_days: 3 });
    });

    it('answers a bad input with every problem, and starts nothing', async () => {
      const { status, body } = await post({ action: 'sink', max_concurrency: 99, unknown: 1 });
      expect(status).toBe(400);
      expect(body.error?.name).toBe('InvalidInput');
      const paths = body.error?.problems?.map(({ path }) => path);
      expect(paths?.toSorted()).toEqual(['$.action', '$.max_concurrency', '$.unknown']);
      expect(await executions()).toEqual([]);
    });

    it.each([
      ['broken JSON', '{'],
      ['a list', '[]'],
      ['a text', '"sync"'],
      ['a notification of nothing', '{"eventData": "none"}'],
      ['64 KiB of noise', '\0'.repeat(64 * 1024)],
      ['64 KiB of text', `"${'x'.repeat(64 * 1024 - 2)}"`],
    ])('refuses %s', async (_, body) => {
      const response = await send({ body });
      expect(response.status).toBe(400);
      expect(JSON.stringify(response.body).length).toBeLessThan(2_000);
      expect(await executions()).toEqual([]);
    });
  });

  describe('input beyond what the deployment trusts', () => {
    const official = `sha256:${'a'.repeat(64)}`;
    const beyond: [string, Record<string, unknown>][] = [
      ['registry', { registry: 'evil.example/mirror' }],
      ['registry', { registry: 'registry.example' }],
      ['registry', { registry: 'registry.example/mirrored' }],
      ['registry', { registry: 'registry.example/other/mirror' }],
      ['registry', { registry: 'registry.example:8443/mirror' }],
      ['source_registry', { source_registry: 'evil.example' }],
      ['source_registry', { source_registry: ['gar', 'evil.example/x'] }],
      ['extra_images', { extra_images: ['plugins/cache:1', 'evil.example/x:1'] }],
      ['pins', { pins: { 'harness/ci-addon': '1.2.3', 'plugins/cache': official } }],
      ['platforms', { platforms: ['linux/s390x'] }],
      ['reset_scope', { action: 'reset', reset_scope: 'all' }],
      ['prune', { prune: true }],
      ['override_values', { override_values: 'relative' }],
    ];

    it.each(beyond)('refuses input beyond the trusted %s: %j', async (key, input) => {
      const { status, body } = await post(input);
      expect(status).toBe(400);
      expect(body.error).toMatchObject({
        name: 'InvalidInput',
        hint: expect.stringContaining('WEBHOOK_ALLOW'),
        problems: [
          { path: `$.${key}`, allowed: expect.stringContaining(`WEBHOOK_ALLOW of the deployment can open ${key}`) },
        ],
      });
      expect(await executions()).toEqual([]);
    });

    it.each(beyond)('accepts input beyond the trusted %s if WEBHOOK_ALLOW lists it: %j', async (key, input) => {
      const allowing = { ...configuration, webhookAllow: [key as GuardedKey] };
      expect((await send({ body: JSON.stringify(input) }, { configuration: allowing })).status).toBe(202);
      const others = { ...configuration, webhookAllow: guardedKeys.filter((other) => other !== key) };
      expect((await send({ body: JSON.stringify(input) }, { configuration: others })).status).toBe(400);
    });

    it('refuses input with all its problems, and opens only the keys of WEBHOOK_ALLOW', async () => {
      const { body } = await post({
        prune: true,
        registry: 'evil.example',
        reset_scope: 'ours',
        pins: { a: official },
      });
      expect(body.error?.problems?.map(({ path }) => path)).toEqual(['$.prune', '$.registry', '$.pins']);
    });

    it.each([
      { registry: 'registry.example/mirror' },
      { registry: 'registry.example/mirror/team' },
      { extra_images: ['plugins/cache:1'] },
      { pins: { 'docker.io/harness/ci-addon': '1.2.3' } },
      { action: 'reset', reset_scope: 'ours' },
      { prune: false, keep_versions: 3, platforms: [] },
      { action: 'plan', modules: ['ci', 'idp'], infrastructure_type: 'K8', modify_default: false, soak_days: 3 },
      {
        referrers: 'signatures',
        include_fields: ['a*'],
        exclude_fields: ['b*'],
        recheck_days: 0,
        allow_unmatched: true,
      },
    ])('accepts %j', async (input) => {
      expect((await post(input)).status).toBe(202);
    });

    it('never comes by a notification, whatever else that holds', async () => {
      const body = JSON.stringify({ ...(JSON.parse(notification()) as object), prune: true, registry: 'evil.example' });
      expect(await inputOf((await send({ body })).body.runId)).toEqual({});
    });

    it('starts the run with the values that it judged', async () => {
      const texts = { action: 'Sync', modules: '["ci"]', infrastructure_type: 'k8,VM', prune: 'false', registry: ' ' };
      const understood = { action: 'sync', modules: ['ci'], infrastructure_type: ['K8', 'VM'], prune: false };
      const first = await post(texts);
      expect(await inputOf(first.body.runId)).toEqual(understood);
      expect((await post(understood)).body.runId).toBe(first.body.runId);
      expect((await post({ prune: 'true' })).status).toBe(400);
    });

    it('refuses every key that is not listed', () => {
      const parsed = parseExecutionInput({}, configuration);
      expect(beyondTrust({ ...parsed, input: { a_later_key: 1, constructor: 1 } }, configuration)).toEqual([
        { path: '$.a_later_key', found: '1', allowed: 'nothing from a webhook' },
        { path: '$.constructor', found: '1', allowed: 'nothing from a webhook' },
      ]);
    });
  });

  describe('a delivery that comes again', () => {
    it.each([
      ['with a key', () => post({ action: 'sync' }, { 'idempotency-key': 'Zq3VbXkPT9iPSyVXz1dFZg' })],
      ['without a key, within minutes', () => post({ action: 'sync' })],
      ['as a notification', () => send({ body: notification() })],
    ])('%s starts one run, and gets the same answer', async (_, deliver) => {
      const [first, ...again] = [await deliver(), await deliver(), await deliver()];
      for (const other of again) expect(other).toEqual(first);
      const both = await Promise.all([deliver(), deliver()]);
      for (const other of both) expect(other).toEqual(first);
      expect(await executions()).toHaveLength(1);
    });

    it('starts no second run for another event of the same pipeline', async () => {
      for (const eventType of ['PipelineSuccess', 'PipelineEnd'])
        await send({ body: notification({ eventType, endTs: Date.now() }) });
      expect(await executions()).toHaveLength(1);
      await send({ body: notification({ planExecutionId: 'another' }) });
      expect(await executions()).toHaveLength(2);
    });

    it('returns the outcome to a repeated delivery after the run', async () => {
      const deliver = () => post({}, { 'idempotency-key': 'k' });
      const { runId, url } = (await deliver()).body;
      await stop(runId);
      expect(await deliver()).toMatchObject({ status: 202, body: { runId, status: 'FAILED', url } });
      expect(await executions()).toHaveLength(1);
    });

    it('a day later, with the same body, starts another run', async () => {
      const now = () => Date.now() + 86_400_000;
      await send({ body: '{}' });
      await send({ body: '{}' }, { now });
      expect(await executions()).toHaveLength(2);
    });

    it.each(['<+pipeline.executionId>', 'null', '', 'x'.repeat(257), 'é'])(
      'refuses the key %j, which cannot distinguish deliveries',
      async (key) => {
        const { status, body } = await post({}, { 'idempotency-key': key });
        expect(status).toBe(400);
        expect(body.error).toMatchObject({ problems: [{ path: 'Idempotency-Key' }] });
        expect(await executions()).toEqual([]);
      },
    );
  });

  describe('asking for a run', () => {
    it('tells that it is under way', async () => {
      const { runId, url } = (await post({})).body;
      const { status, body } = await show(runId);
      expect(status).toBe(200);
      expect(body).toEqual({ runId, url, status: 'RUNNING', startedAt: expect.any(String) });
    });

    it('tells that somebody stopped it', async () => {
      const { runId } = (await post({})).body;
      await stop(runId);
      expect((await show(runId)).body).toMatchObject({
        status: 'FAILED',
        harness: 'restoring',
        error: { name: 'RunStopped', message: 'the execution ended as ABORTED' },
      });
    });

    it('knows no run that was never started', async () => {
      expect((await show('nobody')).status).toBe(404);
    });

    it.each(['release-1.2+hotfix', '_=(ü)!', '-x'])('finds one that was started by hand as %s', async (name) => {
      await client.send(new StartExecutionCommand({ stateMachineArn, name }));
      const encoded = await show(encodeURIComponent(name));
      expect(encoded).toMatchObject({ status: 200, body: { runId: name, status: 'RUNNING' } });
      expect(encoded.body.url).toBe(`https://abc.lambda-url.eu-west-1.on.aws/runs/${encodeURIComponent(name)}`);
      // As API Gateway hands a path on.
      expect(await show(name)).toEqual(encoded);
    });

    it.each(['a:b', '..', '%2e%2e', 'x'.repeat(81), 'a*', 'a%20b', '%zz', 'a%2Fb', '\u{1F600}'])(
      'does not even ask AWS for %s',
      async (runId) => {
        // It would call the ARN invalid, which is no answer to whoever asked.
        const find = jest.spyOn(parts.executions, 'find');
        expect((await show(runId)).status).toBe(404);
        expect(find).not.toHaveBeenCalled();
      },
    );
  });

  describe('requests that cannot be served', () => {
    it.each<[number, string, RequestOptions]>([
      [404, 'another path', { path: '/' }],
      [404, 'a longer path', { method: 'GET', path: '/runs/a/b' }],
      [405, 'a list of runs', { method: 'GET' }],
      [405, 'a change of a run', { path: '/runs/a' }],
      [404, 'another verb of a run', { path: '/runs/a/start' }],
      [404, 'something below a verb', { path: '/runs/a/stop/now' }],
      [405, 'a look at a stop', { method: 'GET', path: '/runs/a/stop' }],
      [405, 'a deletion', { method: 'DELETE', path: '/runs/a' }],
      [413, 'a body above 64 KiB', { body: `"${'x'.repeat(64 * 1024)}"` }],
      [413, 'an encoded body above 64 KiB', { body: Buffer.alloc(64 * 1024 + 1).toString('base64'), base64: true }],
      [415, 'a form', { body: 'action=sync', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
      [415, 'a body without a type', { body: '{}', headers: { 'content-type': undefined } }],
      [415, 'a type that only begins so', { body: '{}', headers: { 'content-type': 'application/jsonlines' } }],
    ])('get %i: %s', async (status, _, options) => {
      const response = await send(options);
      expect(response.status).toBe(status);
      expect(response.body.error).toEqual({ name: expect.any(String), message: expect.any(String) });
      if (status === 405) expect(response.headers['allow']).toMatch(/^(?:GET|POST)$/);
      expect(await executions()).toEqual([]);
    });

    it('take JSON by any spelling of its type', async () => {
      for (const type of ['application/json;charset=UTF-8', 'Application/JSON ; charset=utf-8', 'application/json'])
        expect((await post({ action: 'plan' }, { 'content-type': type })).status).toBe(202);
    });
  });

  describe('requests without a good token', () => {
    const bad: [string, string | undefined][] = [
      ['none', undefined],
      ['a masked one, as in a probe', 'Bearer <<<token>>>'],
      ['another scheme', `Basic ${token}`],
      ['a wrong one', 'Bearer not-the-token-at-all'],
      ['the beginning of a good one', `Bearer ${token.slice(0, -1)}`],
    ];
    const targets: RequestOptions[] = [
      { body: '{}' },
      { method: 'GET', path: '/runs/x' },
      { path: '/runs/x/stop' },
      { method: 'GET', path: '/' },
      { method: 'PUT', path: '/x', body: 'x'.repeat(70_000) },
    ];

    it.each(bad)('get 401 and learn nothing: %s', async (_, authorization) => {
      const responses = await Promise.all(targets.map((target) => send({ ...target, headers: { authorization } })));
      for (const response of responses) expect(response).toEqual(responses[0]);
      expect(responses[0]).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } });
      expect(await executions()).toEqual([]);
    });

    it('cost no reading of the secret when there is nothing like a token, and leave no line in the log', async () => {
      for (const [, authorization] of bad.slice(0, 3)) await send({ headers: { authorization } });
      expect(secretReads).toBe(0);
      for (const [, authorization] of bad) await send({ headers: { authorization } });
      expect(secretReads).toBe(1);
      expect(log.lines).toEqual([]);
    });
  });

  it('shows no token in answers and logs', async () => {
    const answers = [await post({}), await post({ token }, { 'idempotency-key': 'k' }), await show('unknown')];
    expect(log.lines).toMatchObject([{ message: 'run started' }]);
    const said = JSON.stringify([...answers.map(({ headers }) => headers), ...log.lines]);
    expect(said).not.toContain(token);
  });
});
