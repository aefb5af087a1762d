import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type AddressInfo } from 'node:net';
import { HarnessClient } from '../../functions/harness/client.ts';
import type { ConfigScope } from '../../functions/harness/scope.ts';
import { Transport, type Response } from '../../functions/http/transport.ts';
import { defaultQuirks, type CannedAnswer } from '../../infra/local/embedded/harness-api/quirks.ts';
import { startHarnessApi, type EmbeddedHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';

const k8: ConfigScope = { module: 'ci', infrastructureType: 'K8' };
const change = { field: 'addonTag', value: 'registry.example.com/harness/ci-addon:9.9.1' };
const retry = { attempts: 1, baseMs: 0, maxMs: 0 };
const viewer = 'sat.acct1.viewer.secret-of-viewer';
const admin = 'sat.acct1.admin.secret-of-admin';

let harness: EmbeddedHarnessApi;
const transport = new Transport();

beforeAll(async () => {
  harness = await startHarnessApi({
    keys: [
      { key: admin, accountId: 'acct1', permissions: ['core_account_view', 'core_account_edit'] },
      { key: viewer, accountId: 'acct1', permissions: ['core_account_view'] },
    ],
  });
});

beforeEach(() => {
  harness.requests.length = 0;
  Object.assign(harness.quirks, defaultQuirks());
});

afterAll(async () => {
  await transport.destroy();
  await harness.close();
});

function client(apiKey = admin, url = harness.url): HarnessClient {
  return new HarnessClient({
    url,
    apiKey,
    accountId: 'acct1',
    transport,
    retry,
    timeoutMs: { read: 5_000, write: 5_000 },
  });
}

/** The next request is answered like this. */
function answers(answer: Omit<CannedAnswer, 'count'>): void {
  harness.quirks.failNext.push({ count: 1, ...answer });
}

describe('HarnessUnauthorized', () => {
  it('reports that the key is not valid for the account', async () => {
    await expect(client('sat.acct1.id.wrong').overrides(k8)).rejects.toMatchObject({
      name: 'HarnessUnauthorized',
      message: expect.stringMatching(/returned 401: Invalid token or token expired .*\(INVALID_TOKEN, correlation id /),
      hint: expect.stringContaining('account acct1'),
    });
  });
});

describe('HarnessForbidden', () => {
  it('lets a viewer read', async () => {
    expect(await client(viewer).overrides(k8)).toEqual({});
  });

  it('names the permission that a write lacks, and the role that has it', async () => {
    await expect(client(viewer).updateConfig(k8, [change])).rejects.toMatchObject({
      name: 'HarnessForbidden',
      message: expect.stringContaining('the key lacks core_account_edit'),
      hint: expect.stringContaining('Edit Account'),
    });
  });

  it('names the permission that a connector needs', async () => {
    await expect(client(viewer).connector({ identifier: 'harnessImage' })).rejects.toMatchObject({
      name: 'HarnessForbidden',
      message: expect.stringContaining('core_connector_view'),
    });
  });

  it('names the permission when the response does not', async () => {
    answers({ status: 403 });
    await expect(client().overrides(k8)).rejects.toMatchObject({
      name: 'HarnessForbidden',
      message: expect.stringContaining('core_account_view'),
    });
  });
});

describe('HarnessRejected', () => {
  it.each([400, 500] as const)('lists the fields of a batch with an unknown one, answered with %d', async (status) => {
    harness.quirks.unknownFieldStatus = status;
    const batch = [change, { field: 'addontag', value: 'x:1' }];
    await expect(client().updateConfig(k8, batch)).rejects.toMatchObject({
      name: 'HarnessRejected',
      message: expect.stringMatching(new RegExp(`returned ${status}: .*correlation id .*fields: addonTag, addontag$`)),
    });
    expect(harness.state['acct1']?.ci.K8).toEqual({});
  });

  it('lets a caller narrow a batch down to the field that cannot be written', async () => {
    harness.quirks.nonWritableFields.push('ci/K8/iacm*');
    const batch = [change, { field: 'iacmTFLint', value: 'registry.example.com/plugins/harness_tf_lint:dev' }];
    await expect(client().updateConfig(k8, batch)).rejects.toMatchObject({ name: 'HarnessRejected' });
    const rejected: string[] = [];
    for (const single of batch) {
      await client()
        .updateConfig(k8, [single])
        .catch(() => rejected.push(single.field));
    }
    expect(rejected).toEqual(['iacmTFLint']);
    expect(await client().overrides(k8)).toEqual({ addonTag: change.value });
    await client().resetConfig(k8, ['addonTag']);
  });

  it('treats data: false as a failure', async () => {
    harness.quirks.writesAnswerFalse = ['idp'];
    const idp: ConfigScope = { module: 'idp', infrastructureType: 'K8' };
    await expect(client().updateConfig(idp, [{ field: 'cookieCutter', value: 'x:1' }])).rejects.toMatchObject({
      name: 'HarnessRejected',
      message: expect.stringContaining('data is false'),
    });
  });

  it.each(['FAILURE', 'ERROR'])('treats status %s under 200 as a failure', async (status) => {
    answers({ status: 200, body: { status, message: 'no such thing', data: {} } });
    await expect(client().overrides(k8)).rejects.toMatchObject({
      name: 'HarnessRejected',
      message: expect.stringContaining('no such thing'),
    });
  });

  it('shows a long message of the server short and on one line', async () => {
    answers({ status: 400, body: { status: 'ERROR', message: `first\nsecond\u0007${'x'.repeat(5_000)}` } });
    const error = await client()
      .updateConfig(k8, [change])
      .catch((e: Error) => e);
    expect(error).toMatchObject({ message: expect.stringContaining('first second xxx') });
    expect((error as Error).message.length).toBeLessThan(700);
  });
});

describe('the reason of a refusal', () => {
  it.each<[string, Omit<CannedAnswer, 'count'>]>([
    [
      'a message',
      {
        status: 403,
        body: { status: 'ERROR', code: 'ACCESS_DENIED', message: 'IP address 203.0.113.7 is not in the allowlist' },
      },
    ],
    ['a code', { status: 401, body: { status: 'ERROR', code: 'NOT_WHITELISTED_IP', message: 'Unauthorized' } }],
    [
      'a cause',
      {
        status: 403,
        body: { status: 'ERROR', message: 'denied', responseMessages: [{ message: 'Current IP is not whitelisted' }] },
      },
    ],
    ['text of a gateway', { status: 403, body: 'IP 203.0.113.7 not allowed' }],
  ])('recognizes an IP allowlist, and suggests no role, in %s', async (_, answer) => {
    answers(answer);
    const error = await client()
      .overrides(k8)
      .catch((e: unknown) => e);
    expect(error).toMatchObject({
      name: 'HarnessForbidden',
      message: expect.stringContaining('the address of this machine is not allowed: '),
      hint: expect.stringContaining('IP allowlist'),
    });
    expect((error as Error).message).not.toContain('core_account');
  });

  it.each([
    ['License expired for module CI', 403, "Check the account's licence"],
    ['Feature flag PL_X is not enabled for this account', 400, 'feature flag'],
    ['Missing permission core_license_view on account', 403, 'Give the key'],
  ])('%s has the cure that fits', async (message, status, hint) => {
    answers({ status, body: { status: 'ERROR', code: 'INVALID_REQUEST', message } });
    await expect(client().overrides(k8)).rejects.toMatchObject({
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
  });

  it('reports the causes and fields that a refusal names', async () => {
    answers({
      status: 400,
      body: {
        status: 'FAILURE',
        message: 'Invalid request',
        errors: [{ fieldId: 'value', error: 'must be an image' }],
        responseMessages: [{ message: 'Invalid request' }, { message: 'no such module' }],
      },
    });
    await expect(client().overrides(k8)).rejects.toMatchObject({
      message: expect.stringContaining('Invalid request; no such module; value: must be an image'),
    });
  });

  it.each<[string, Omit<CannedAnswer, 'count'>, string]>([
    [
      'another API',
      { status: 400, body: { error: 'bad_request', error_description: 'no such account' } },
      'no such account',
    ],
    ['plain text', { status: 400, body: 'no healthy upstream' }, 'no healthy upstream'],
    ['a page', { status: 503, body: '<html><title>Maintenance</title></html>' }, 'a web page, "Maintenance"'],
  ])('reports a reason in the form of %s', async (_, answer, reason) => {
    answers(answer);
    await expect(client().overrides(k8)).rejects.toMatchObject({ message: expect.stringContaining(reason) });
  });

  it('suspects a firewall before Harness when a web page arrives', async () => {
    const headers = { 'content-type': 'text/html', 'cf-ray': '8d1f-FRA' };
    answers({ status: 403, body: '<html><title>Attention Required!</title></html>', headers });
    await expect(client().overrides(k8)).rejects.toMatchObject({
      name: 'HarnessUnexpectedResponse',
      message: expect.stringContaining('403 with an HTML page, "Attention Required!" (Cloudflare, ray 8d1f-FRA)'),
      hint: expect.stringContaining('firewall'),
    });
  });
});

describe('HarnessUnexpectedResponse', () => {
  it.each<[string, Omit<CannedAnswer, 'count'>, string]>([
    [
      'a page',
      { status: 200, body: '<!doctype html><title>x</title>', headers: { 'content-type': 'text/html' } },
      'HTML page',
    ],
    ['an error page of a proxy', { status: 403, body: '<html>blocked</html>' }, 'returned 403 with an HTML page'],
    ['text', { status: 200, body: 'ok' }, 'without a Harness envelope'],
    ['an empty body', { status: 200 }, 'without a Harness envelope'],
    ['a list', { status: 200, body: [1] }, 'without a Harness envelope'],
    ['a bare object, as another API sends it', { status: 200, body: { addonTag: 'x' } }, 'without a Harness envelope'],
    ['a list of images', { status: 200, body: { status: 'SUCCESS', data: ['x'] } }, 'without a map of images'],
    ['a text for images', { status: 200, body: { status: 'SUCCESS', data: 'x' } }, 'without a map of images'],
    ['a wrong path', { status: 404, body: { code: 404, message: 'HTTP 404 Not Found' } }, 'HTTP 404 Not Found'],
    [
      'a redirect',
      { status: 302, headers: { location: 'https://sso.example.com/login?t=1' } },
      'redirect to https://sso.example.com/login',
    ],
    ['more than two mebibytes', { status: 200, body: ' '.repeat(2 * 1024 * 1024 + 1) }, 'larger than 2097152 bytes'],
  ])('reports %s as an unexpected response', async (_, answer, text) => {
    answers(answer);
    await expect(client().overrides(k8)).rejects.toMatchObject({
      name: 'HarnessUnexpectedResponse',
      message: expect.stringContaining(text),
      hint: expect.stringContaining('HARNESS_URL'),
    });
  });

  it('reports missing default images as an unexpected response', async () => {
    answers({ status: 200, body: { status: 'SUCCESS', data: null } });
    await expect(client().defaultConfig(k8)).rejects.toMatchObject({ name: 'HarnessUnexpectedResponse' });
  });

  it('reports a path below the wrong base as an unexpected response', async () => {
    await expect(client(admin, `${harness.url}/wrong`).overrides(k8)).rejects.toMatchObject({
      name: 'HarnessUnexpectedResponse',
      message: expect.stringContaining(
        `${harness.url}/wrong/gateway/ci/execution-config/get-customer-config returned 404`,
      ),
    });
  });

  it('reports a server that does not speak HTTP as an unexpected response', async () => {
    const server = createServer((socket) => socket.end('220 mail.example.com ESMTP\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await expect(client(admin, `http://127.0.0.1:${port}`).overrides(k8)).rejects.toMatchObject({
        name: 'HarnessUnexpectedResponse',
        message: expect.stringContaining('the response is not HTTP'),
      });
    } finally {
      server.close();
    }
  });
});

describe('HarnessUnreachable', () => {
  it('names the URL that refused the connection, without its query', async () => {
    const gone = await startHarnessApi();
    await gone.close();
    const error = await client(admin, gone.url)
      .overrides(k8)
      .catch((e: unknown) => e);
    expect(error).toMatchObject({
      name: 'HarnessUnreachable',
      message: `cannot read the overrides of ci/K8: ${gone.url}/gateway/ci/execution-config/get-customer-config: connection refused (ECONNREFUSED)`,
    });
  });

  it('reports a port that does not speak TLS', async () => {
    await expect(client(admin, harness.url.replace('http:', 'https:')).overrides(k8)).rejects.toMatchObject({
      name: 'HarnessUnreachable',
      message: expect.stringContaining('TLS'),
    });
  });

  it.each([
    ['ENOTFOUND', 'host name not found (ENOTFOUND)'],
    ['HOSTNAME_MISMATCH', 'HOSTNAME_MISMATCH'],
  ])('names %s, and does not try what cannot change', async (code, text) => {
    let asked = 0;
    class Failing extends Transport {
      override request(): Promise<Response> {
        asked++;
        return Promise.reject(Object.assign(new Error(code), { code }));
      }
    }
    const lost = new HarnessClient({
      url: 'https://harness.invalid',
      apiKey: admin,
      transport: new Failing(),
      retry: { attempts: 3, baseMs: 0, maxMs: 0 },
    });
    await expect(lost.overrides(k8)).rejects.toMatchObject({
      name: 'HarnessUnreachable',
      message: expect.stringContaining(text),
      hint: expect.stringContaining('HARNESS_URL'),
    });
    expect(asked).toBe(1);
  });

  it('times out on a server that never responds', async () => {
    harness.quirks.hang = 1;
    const impatient = new HarnessClient({
      url: harness.url,
      apiKey: admin,
      transport,
      retry,
      timeoutMs: { read: 50, write: 50 },
    });
    await expect(impatient.overrides(k8)).rejects.toMatchObject({
      name: 'HarnessUnreachable',
      message: expect.stringContaining('no response within 0.05 s'),
    });
  });
});

it('lets a bug through as it is', async () => {
  class Broken extends Transport {
    override request(): Promise<Response> {
      return Promise.reject(new TypeError('x is not a function'));
    }
  }
  const broken = new HarnessClient({ url: harness.url, apiKey: admin, transport: new Broken(), retry });
  await expect(broken.overrides(k8)).rejects.toThrow(new TypeError('x is not a function'));
});
