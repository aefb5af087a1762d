import { describe, expect, it } from '@jest/globals';
import { officialDefaults } from '../../../infra/local/embedded/harness-api/profiles.ts';
import { account, call, config, harness, overrides, reset, update, useHarness } from './harness-under-test.ts';

useHarness();

const uuid = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

describe('the envelope', () => {
  it('wraps data with a status and a correlation id', async () => {
    const { status, body } = await update([{ field: 'addonTag', value: 'r/a:1' }]);
    expect(status).toBe(200);
    expect(body).toEqual({ status: 'SUCCESS', data: true, metaData: null, correlationId: expect.stringMatching(uuid) });
  });
});

describe('infra', () => {
  it.each(['K8', 'k8', '%20K8%20'])('reads the infrastructure leniently: %s', async (infra) => {
    account().ci.K8 = { addonTag: 'r/a:1' };
    expect(await overrides(`infra=${infra}`)).toEqual({ addonTag: 'r/a:1' });
  });

  it.each(['vm', 'Vm'])('reads the infrastructure leniently: %s', async (infra) => {
    account().ci.VM = { gitCloneTag: 'r/g:1' };
    expect(await overrides(`infra=${infra}`)).toEqual({ gitCloneTag: 'r/g:1' });
  });

  it.each(['k8s', 'KUBERNETES'])('refuses %s with the values it allows', async (infra) => {
    const { status, body } = await call('GET', config('get-default-config', `infra=${infra}`));
    expect(status).toBe(400);
    expect(body).toEqual({ code: 400, message: 'query param infra must be one of [K8, VM, DLITE_VM]' });
  });

  it.each(['', 'infra=', 'infra=%20'])('must be there: %j', async (query) => {
    const { status, body } = await call('GET', config('get-customer-config', query));
    expect(status).toBe(400);
    expect(body).toMatchObject({
      status: 'FAILURE',
      code: 'INVALID_REQUEST',
      message: 'infra: must not be null',
      errors: [{ fieldId: 'infra', error: 'must not be null' }],
    });
  });

  it.each([
    ['ci', 'dlite-vm'],
    ['ci', 'DLITE_VM'],
    ['iacm-manager', 'VM'],
    ['idp', 'VM'],
  ])('has no configuration in %s for %s', async (mount, infra) => {
    expect((await call('GET', config('get-default-config', `infra=${infra}`, mount))).status).toBe(500);
    harness.quirks.unknownFieldStatus = 400;
    const { status, body } = await update([], `infra=${infra}`, mount);
    expect(status).toBe(400);
    expect(body).toMatchObject({ message: expect.stringContaining('Config not supported for infra type: ') });
  });
});

describe('reading', () => {
  it('publishes a new default, and takes one away', async () => {
    const read = async () =>
      ((await call('GET', config('get-default-config', 'infra=K8'))).body as { data: object }).data;
    harness.setDefault('ci', 'K8', 'brandNewTag', 'plugins/new:1.0.6');
    expect(await read()).toHaveProperty('brandNewTag', 'plugins/new:1.0.6');
    harness.setDefault('ci', 'K8', 'brandNewTag', undefined);
    expect(await read()).not.toHaveProperty('brandNewTag');
  });

  it('answers with overrides alone unless asked otherwise', async () => {
    account().ci.K8 = { addonTag: 'r/a:1' };
    expect(await overrides()).toEqual({ addonTag: 'r/a:1' });
    expect(await overrides('infra=K8&overridesOnly=TRUE')).toEqual({ addonTag: 'r/a:1' });
    expect(await overrides('infra=K8&overridesOnly=false')).toEqual({ ...officialDefaults().ci.K8, addonTag: 'r/a:1' });
  });

  it('leaves the supply chain out of the merged view, where that quirk is on', async () => {
    harness.quirks.overlaySkipsSupplyChain = true;
    account().ci.K8 = {
      addonTag: 'r/a:1',
      sscaOrchestrationTag: 'r/s:1',
      provenanceTag: 'r/p:1',
      slsaVerificationTag: 'r/v:1',
    };
    expect(await overrides('infra=K8&overridesOnly=false')).toEqual({ ...officialDefaults().ci.K8, addonTag: 'r/a:1' });
    expect(await overrides()).toHaveProperty('sscaOrchestrationTag', 'r/s:1');
  });

  it('says {} for no overrides, or null where that quirk is on', async () => {
    expect(await overrides()).toEqual({});
    harness.quirks.dataNull = true;
    expect(await overrides()).toBeNull();
  });
});

describe('writing', () => {
  const before = { gitCloneTag: 'r/g:0' };

  it.each([
    ['an unknown field', 'nosuchTag'],
    ['a field in the wrong case', 'addontag'],
    ['a name every object has', 'constructor'],
  ])('stores nothing of a batch with %s', async (_, field) => {
    account().ci.K8 = { ...before };
    const { status, body } = await update([
      { field: 'addonTag', value: 'r/a:1' },
      { field, value: 'r/x:1' },
    ]);
    expect(status).toBe(500);
    expect(body).toEqual({
      status: 'ERROR',
      code: 'UNKNOWN_ERROR',
      message: 'Oops, something went wrong on our end. Please contact Harness Support.',
      correlationId: expect.stringMatching(uuid),
      detailedMessage: null,
      responseMessages: [],
      metadata: null,
    });
    expect((await reset([{ field: 'gitCloneTag' }, { field }])).status).toBe(500);
    expect(await overrides()).toEqual(before);
  });

  it('calls an unknown field a bad request, where that quirk is on', async () => {
    harness.quirks.unknownFieldStatus = 400;
    const { status, body } = await update([{ field: 'nosuchTag', value: 'x' }]);
    expect(status).toBe(400);
    expect(body).toMatchObject({ message: 'Field nosuchTag does not exist for infra type: K8' });
  });

  it('stores any text, "" too, and takes an override away for null or no value', async () => {
    account().ci.K8 = { ...before, s3UploadTag: 'r/s:0' };
    await update([
      { field: 'addonTag', value: '' },
      { field: 'liteEngineTag', value: ':TeethyTiger', extra: true },
      { field: 'gitCloneTag', value: null },
      { field: 's3UploadTag' },
    ]);
    expect(await overrides()).toEqual({ addonTag: '', liteEngineTag: ':TeethyTiger' });
  });

  it('applies the operations of a batch in order', async () => {
    await update([
      { field: 'addonTag', value: 'r/a:1' },
      { field: 'addonTag', value: 'r/a:2' },
    ]);
    expect(await overrides()).toEqual({ addonTag: 'r/a:2' });
  });

  it('resets what is overridden and what is not, and ignores values', async () => {
    account().ci.K8 = { ...before, addonTag: 'r/a:1' };
    expect(await reset([{ field: 'gitCloneTag', value: 'r/ignored:1' }, { field: 'liteEngineTag' }])).toMatchObject({
      status: 200,
      body: { data: true },
    });
    expect(await overrides()).toEqual({ addonTag: 'r/a:1' });
  });

  it('does nothing, with success, for an empty list', async () => {
    expect(await update([])).toMatchObject({ status: 200, body: { data: true } });
  });

  it('keeps K8, VM and the modules apart', async () => {
    await update([{ field: 'gitCloneTag', value: 'k' }]);
    await update([{ field: 'gitCloneTag', value: 'v' }], 'infra=VM');
    await update([{ field: 'cookieCutter', value: 'i' }], 'infra=k8', 'idp');
    await update([{ field: 'iacmTerraform', value: 't' }], 'infra=k8', 'iacm-manager');
    expect(account()).toMatchObject({
      ci: { K8: { gitCloneTag: 'k' }, VM: { gitCloneTag: 'v' } },
      idp: { K8: { cookieCutter: 'i' }, VM: {} },
      iacm: { K8: { iacmTerraform: 't' }, VM: {} },
    });
  });

  it('loses one of two parallel writes to the same document, K8 or VM, where that quirk is on', async () => {
    harness.quirks.lostUpdateRaceMs = 300;
    await Promise.all([
      update([{ field: 'addonTag', value: 'r/a:1' }]),
      update([{ field: 'gitCloneTag', value: 'r/g:1' }], 'infra=VM'),
    ]);
    harness.quirks.lostUpdateRaceMs = 0;
    expect(Object.keys({ ...account().ci.K8, ...account().ci.VM })).toHaveLength(1);
  });

  it('refuses to write some of the fields it shows', async () => {
    harness.quirks.nonWritableFields = ['ci/VM/slsaVerificationTag'];
    expect(await call('GET', config('get-default-config', 'infra=VM'))).toMatchObject({
      body: { data: { slsaVerificationTag: expect.any(String) } },
    });
    expect((await update([{ field: 'slsaVerificationTag', value: 'x' }], 'infra=VM')).status).toBe(500);
    expect((await update([{ field: 'slsaVerificationTag', value: 'x' }])).status).toBe(200);
    expect((await update([{ field: 'iacmTerraform', value: 'x' }])).status).toBe(200);
    harness.quirks.nonWritableFields.push('ci/K8/iacm*');
    expect((await update([{ field: 'iacmTerraform', value: 'x' }])).status).toBe(500);
    expect((await update([{ field: 'iacmTerraform', value: 'x' }], 'infra=K8', 'iacm-manager')).status).toBe(200);
  });

  it('answers data: false and stores nothing, where that quirk is on', async () => {
    harness.quirks.writesAnswerFalse = ['idp'];
    expect(await update([{ field: 'createRepo', value: 'x' }], 'infra=K8', 'idp')).toMatchObject({
      status: 200,
      body: { status: 'SUCCESS', data: false },
    });
    expect(account().idp.K8).toEqual({});
  });

  it.each([
    ['JSON cut off', '[{"field":'],
    ['an object', { field: 'addonTag', value: 'x' }],
    ['a list of texts', ['addonTag']],
    ['a value that is an object', [{ field: 'addonTag', value: {} }]],
  ])('cannot process %s', async (_, body) => {
    const reply = await update(body);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({ code: 400, message: 'Unable to process JSON' });
    expect(await overrides()).toEqual({});
  });

  it('wants a field in each operation', async () => {
    const { status, body } = await update([{ value: 'x' }]);
    expect(status).toBe(400);
    expect(body).toMatchObject({ status: 'FAILURE', errors: [{ fieldId: 'operations[0].field' }] });
  });

  it('wants JSON', async () => {
    const path = config('update-config', 'infra=K8');
    expect((await call('POST', path, { body: '[]', headers: { 'content-type': 'text/plain' } })).status).toBe(415);
  });

  it('deletes the whole document', async () => {
    account().ci = { K8: { addonTag: 'a' }, VM: { gitCloneTag: 'g' } };
    expect(await call('DELETE', '/ci/execution-config?accountIdentifier=acct1')).toMatchObject({
      body: { data: true },
    });
    expect(account().ci).toEqual({ K8: {}, VM: {} });
  });
});
