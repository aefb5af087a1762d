import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { type CommandResult, startSetting } from './factory-command.ts';

/** `setting.hosted` runs the command where its process is not the point. */
let setting: Awaited<ReturnType<typeof startSetting>>;
beforeEach(async () => {
  setting = await startSetting();
});
afterEach(() => setting.close());

function documentOf({ stdout }: CommandResult): Report {
  return JSON.parse(stdout) as Report;
}

describe('sync', () => {
  it('copies, switches, prints one JSON document on stdout and its progress on stderr, and exits with 0', async () => {
    const result = await setting.factory(['sync', '--json', '--out', 'reports']);
    expect(result.stderr).toContain('copied harness/ci-addon:1.18.22');
    expect(result.code).toBe(0);
    const document = documentOf(result);
    expect(Object.keys(document).toSorted()).toEqual([
      'accountId',
      'action',
      'config',
      'endedAt',
      'factory',
      'harness',
      'images',
      'input',
      'phases',
      'pulls',
      'registries',
      'registry',
      'runId',
      'startedAt',
      'status',
      'totals',
      'trigger',
      'warnings',
    ]);
    expect(document).toMatchObject({
      status: 'SUCCEEDED',
      action: 'sync',
      totals: { images: 4, copied: 4, skipped: 0, failed: 0 },
    });
    expect(document.images[0]).toMatchObject({
      image: 'harness/ci-addon:1.18.22',
      source: `${setting.source.host}/harness/ci-addon:1.18.22`,
      target: `${setting.target.host}/mirror/harness/ci-addon:1.18.22`,
      status: 'copied',
    });
    expect(document.config).toContainEqual({
      module: 'ci',
      infrastructureType: 'K8',
      field: 'cacheS3Tag',
      from: null,
      to: `${setting.target.host}/mirror/plugins/cache:1.10.12`,
      status: 'updated',
    });
    expect(setting.overrides()).toHaveProperty('addonTag', `${setting.target.host}/mirror/harness/ci-addon:1.18.22`);
    expect(JSON.parse(await readFile(join(setting.folder, 'reports/report.json'), 'utf8'))).toEqual(document);
    expect(await readFile(join(setting.folder, 'reports/report.txt'), 'utf8')).toContain(
      '4 images copied, 5 fields switched',
    );
  });

  it('prints a summary for people without --json', async () => {
    const { stdout, code } = await setting.hosted(['sync']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^sync \S+: SUCCEEDED \(4 images copied, 5 fields switched\)/);
    expect(stdout).toMatch(/plugins\/cache:1\.10\.12\s+copied\s+.*cacheGCSTag, cacheS3Tag/);
  });

  it('finds nothing to do the second time', async () => {
    await setting.hosted(['sync']);
    const { stdout, code } = await setting.hosted(['sync']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/SUCCEEDED \(nothing to do\)/);
  });

  it('reads the execution input from a file and from standard input', async () => {
    const input = JSON.stringify({ modify_default: false, include_fields: ['addonTag'] });
    await writeFile(join(setting.folder, 'input.json'), input);
    const fromFile = documentOf(await setting.hosted(['sync', '--json', '--input', 'input.json']));
    const fromStdin = documentOf(await setting.factory(['sync', '--json', '--input', '-'], { stdin: input }));
    expect(fromFile.images.map(({ image }) => image)).toEqual(['harness/ci-addon:1.18.22']);
    expect(fromStdin.totals).toMatchObject({ images: 1, skipped: 1 });
    expect(setting.overrides()).toEqual({});
  });
});

describe('the other commands', () => {
  it('plan says what sync would do, and writes nothing', async () => {
    const result = await setting.hosted(['plan', '--json']);
    expect(result.code).toBe(0);
    const { images, config, totals } = documentOf(result);
    expect(new Set(images.map(({ status }) => status))).toEqual(new Set(['planned']));
    expect(new Set(config.map(({ status }) => status))).toEqual(new Set(['planned']));
    expect(totals.bytesTransferred).toBeGreaterThan(0);
    expect(setting.overrides()).toEqual({});
    expect(setting.target.storage.repositories()).toEqual([]);
  });

  it('verify exits with 1 and lists the drift, with 0 after a sync', async () => {
    const before = await setting.hosted(['verify']);
    expect(before.code).toBe(1);
    expect(before.stdout).toContain('DriftFound');
    expect(before.stdout).toContain('ci K8 addonTag is not overridden');
    await setting.hosted(['sync']);
    expect((await setting.hosted(['verify'])).code).toBe(0);
  });

  it('reset switches Harness back to its own images, and reports when there is nothing to reset', async () => {
    await setting.hosted(['sync']);
    const first = await setting.hosted(['reset']);
    expect(first.stdout).toMatch(/SUCCEEDED \(5 fields reset\)/);
    expect(setting.overrides()).toEqual({});
    const second = await setting.hosted(['reset']);
    expect(second.code).toBe(0);
    expect(second.stdout).toMatch(/SUCCEEDED \(nothing to reset\)/);
  });

  it('restore restores the configuration from before a run, which history lists', async () => {
    const { runId } = documentOf(await setting.hosted(['sync', '--json']));
    const listed = await setting.factory(['history']);
    const changed = `5 fields of ci K8 → ${setting.target.host}/mirror\n`;
    expect(listed.stdout).toMatch(new RegExp(`${runId}\\s+sync\\s+SUCCEEDED\\s+4\\s+5\\s+yes\\s+${changed}`));
    const [entry] = JSON.parse((await setting.hosted(['history', '--json'])).stdout) as { changes: object[] }[];
    expect(entry).toMatchObject({ runId, action: 'sync', status: 'SUCCEEDED', copied: 4, restorable: true });
    expect(entry?.changes).toHaveLength(5);
    expect(entry?.changes[0]).toEqual({
      module: 'ci',
      infrastructureType: 'K8',
      field: 'addonTag',
      from: null,
      to: `${setting.target.host}/mirror/harness/ci-addon:1.18.22`,
      status: 'updated',
    });
    // A process of its own, which ends.
    const result = await setting.factory(['restore', '--run', runId]);
    expect(result.code).toBe(0);
    expect(setting.overrides()).toEqual({});
  });

  it('keep their state in the folder of --state', async () => {
    await setting.hosted(['sync', '--state', 'here']);
    expect((await setting.hosted(['history', '--state', 'here', '--json'])).stdout).toContain('"action": "sync"');
    expect((await setting.hosted(['history'])).stdout).toBe('No runs yet.\n');
  });

  it('print --help and --version', async () => {
    const help = await setting.factory(['--help']);
    expect(help.code).toBe(0);
    for (const command of ['sync', 'plan', 'verify', 'reset', 'restore', 'history'])
      expect(help.stdout).toContain(command);
    expect((await setting.factory(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('text from outside', () => {
  const hostile = 'evil.example/x\u001b]52;c;cHduZWQ=\u0007\u009b2K\u202e\nWarning: forged:1';

  it('cannot control a terminal as a field, a value or the type of a connector', async () => {
    setting.harness.setDefault('ci', 'K8', 'x\u001b[2J\u202ey', 'harness/ci-addon:1.18.22');
    setting.overrides()['addonTag'] = hostile;
    for (const connector of setting.harness.state[setting.harness.accountId]?.connectors ?? [])
      connector.type = 'X\u001b[2J\nWarning: forged';
    const runs = [['sync'], ['plan', '--json'], ['reset'], ['history']];
    for (const args of runs) {
      const { stdout, stderr } = await setting.hosted(args);
      expect((stdout + stderr).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(stdout + stderr).not.toMatch(/^Warning: forged/m);
    }
  });

  it('returns to Harness unchanged', async () => {
    setting.overrides()['addonTag'] = hostile;
    await writeFile(join(setting.folder, 'input.json'), '{"reset_scope": "all"}');
    const reset = documentOf(await setting.hosted(['reset', '--json', '--input', 'input.json']));
    expect(reset.config.map(({ from, status }) => [from, status])).toEqual([[hostile, 'reset']]);
    expect(setting.overrides()).toEqual({});
    expect(await setting.hosted(['restore', '--run', reset.runId])).toMatchObject({ code: 0 });
    expect(setting.overrides()).toEqual({ addonTag: hostile });
  });
});

describe('a run while another holds the lock of the account', () => {
  /** Starts a sync that does not end by itself; resolves to its process when it has begun to copy. */
  async function startEndless(): Promise<{ pid: number; ended: Promise<CommandResult> }> {
    setting.target.faults.add({ match: { method: 'PUT', path: /\/manifests\//, times: 1 }, act: 'stall' });
    let ended: Promise<CommandResult> | undefined;
    const pid = await new Promise<number>((resolve) => {
      ended = setting.factory(['sync'], { when: { printed: /copying/, act: resolve } });
    });
    return { pid, ended: ended as Promise<CommandResult> };
  }

  it('ends as skipped with exit code 0 and names the other run', async () => {
    const { pid, ended } = await startEndless();
    const { code, stdout } = await setting.hosted(['sync']);
    process.kill(pid, 'SIGINT');
    expect((await ended).code).toBe(1);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^sync \S+: SKIPPED \(run \S+ \(sync\) has held the lock since \S+ \S+ UTC; the lock expires at /,
    );
  });

  it('waits with --wait, reports that, and continues after the other run', async () => {
    const { pid, ended } = await startEndless();
    const { code, stdout, stderr } = await setting.hosted(
      ['sync', '--wait', '5'],
      {},
      {
        printed: /waiting for it/,
        act: () => {
          setting.target.faults.clear();
          process.kill(pid, 'SIGINT');
        },
      },
    );
    expect((await ended).code).toBe(1);
    expect(stderr).toMatch(/run \S+ \(sync\) has held the lock since .*: waiting for it/);
    expect(code).toBe(0);
    expect(stdout).toMatch(/SUCCEEDED \(\d images? copied, 5 fields switched\)/);
  });

  it('can be interrupted while it waits', async () => {
    const { pid, ended } = await startEndless();
    const { code, stdout } = await setting.factory(['sync', '--wait'], {
      when: { printed: /waiting for it/, act: (waiting) => process.kill(waiting, 'SIGINT') },
    });
    process.kill(pid, 'SIGINT');
    await ended;
    expect(stdout).toContain('Interrupted: the run was interrupted');
    expect(code).toBe(1);
  });

  it('continues immediately when the other was killed, and history lists the killed run', async () => {
    const { pid, ended } = await startEndless();
    process.kill(pid, 'SIGKILL');
    await ended;
    setting.target.faults.clear();
    const { code, stdout } = await setting.hosted(['sync']);
    expect(stdout).toMatch(/Warning: run \S+, which had the lock since \S+, ended without a report/);
    expect(code).toBe(0);
    expect((await setting.hosted(['history'])).stdout).toMatch(/sync\s+SUCCEEDED[^]+sync\s+UNFINISHED\s+0\s+0/);
  });
});

describe('bad input ends with exit code 2, before any network call', () => {
  afterEach(() => {
    expect(setting.harness.requests).toEqual([]);
    expect(setting.target.requests).toEqual([]);
  });

  it('names every problem of the input at once, with path, what was found and what is allowed', async () => {
    const stdin = JSON.stringify({
      max_concurrency: 99,
      modules: ['cd'],
      registry: '../x',
      colour: 'blue',
      pins: { 'a/b': 'sha256:12' },
    });
    const { code, stderr, stdout } = await setting.factory(['sync', '--input', '-'], { stdin });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('InvalidInput: the execution input has 5 problems');
    expect(stderr).toContain('$.max_concurrency: found 99; allowed: a whole number from 1 to 40');
    expect(stderr).toContain('$.modules[0]: found "cd" (it has no configuration that is known; ');
    expect(stderr).toContain('$.registry: found "../x"');
    expect(stderr).toContain('$.colour: found an unknown key');
    expect(stderr).toContain('$.pins["a/b"]: found "sha256:12"');
    expect(stderr).toContain('Hint: ');
  });

  it('names problems of the environment and of the input together', async () => {
    await writeFile(join(setting.folder, 'input.json'), '{"prune": 1}');
    const environment = { HARNESS_API_KEY: '', MAX_CONCURRENCY: 'many' };
    const { code, stderr } = await setting.hosted(['sync', '--input', 'input.json'], environment);
    expect(code).toBe(2);
    for (const path of ['HARNESS_API_KEY', 'MAX_CONCURRENCY', '$.prune']) expect(stderr).toContain(`${path}: `);
  });

  it('prints the error as JSON with --json', async () => {
    await writeFile(join(setting.folder, 'input.json'), '{"prune": 1}');
    const { code, stdout } = await setting.hosted(['sync', '--json', '--input', 'input.json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'FAILED',
      error: { name: 'InvalidInput', problems: [{ path: '$.prune', found: '1', allowed: 'true or false' }] },
    });
  });

  it.each([
    ['text that is not JSON', ['sync', '--input', '-'], '{"a"', 'standard input is not JSON'],
    ['a list', ['sync', '--input', 'input.json'], '[]', 'is not a JSON object'],
    [
      'a missing file',
      ['sync', '--input', 'none.json'],
      '',
      'cannot read none.json: no such file or directory (ENOENT)',
    ],
    [
      'the action of the input is not that of the command',
      ['plan', '--input', 'input.json'],
      '{"action":"reset"}',
      'the action of the input is not that of the command',
    ],
    ['restore without a run', ['restore'], '', '--run'],
    ['an unknown command', ['sink'], '', "unknown command 'sink'"],
    ['to wait for no number of minutes', ['sync', '--wait', 'long'], '', 'Pass a whole number of minutes'],
    ['an unknown option', ['sync', '--force'], '', "unknown option '--force'"],
  ])('refuses %s', async (_, args, input, message) => {
    await writeFile(join(setting.folder, 'input.json'), input);
    const { code, stderr } = args.includes('-')
      ? await setting.factory(args, { stdin: input })
      : await setting.hosted(args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('refuses a broken Docker config.json without quoting it', async () => {
    await writeFile(join(setting.folder, 'config.json'), '{"auths": {"secret-host": ');
    const { code, stderr } = await setting.hosted(['sync'], { DOCKER_CONFIG: setting.folder });
    expect(code).toBe(2);
    expect(stderr).toContain('config.json: it is not JSON');
    expect(stderr).not.toContain('secret-host');
  });
});

it('takes a registry that was pasted as an address', async () => {
  const input = { registry: `https://${setting.target.host}/pasted/`, include_fields: ['addonTag'] };
  await writeFile(join(setting.folder, 'input.json'), JSON.stringify(input));
  expect(await setting.hosted(['sync', '--input', 'input.json'])).toMatchObject({ code: 0 });
  expect(setting.overrides()).toEqual({ addonTag: `${setting.target.host}/pasted/harness/ci-addon:1.18.22` });
});

describe('a failed run exits with 1, reports the failure with a hint, and leaves Harness unchanged', () => {
  afterEach(() => {
    expect(setting.overrides()).toEqual({});
  });

  it('fails for a wrong key without printing it', async () => {
    const wrong = 'sat.embedded.wrong.topsecret';
    const { code, stdout, stderr } = await setting.hosted(['sync'], { HARNESS_API_KEY: wrong });
    expect(code).toBe(1);
    expect(stdout).toContain('HarnessUnauthorized');
    expect(stdout).toContain('Hint: ');
    expect(stdout + stderr).not.toContain('topsecret');
  });

  it('fails for an unreachable Harness', async () => {
    const { code, stdout } = await setting.hosted(['sync'], { HARNESS_URL: 'https://harness.invalid' });
    expect(code).toBe(1);
    expect(stdout).toContain('HarnessUnreachable');
    expect(stdout).toContain('harness.invalid');
  });

  it('fails for an image that no source has', async () => {
    setting.harness.setDefault('ci', 'K8', 'gcsUploadTag', 'plugins/gcs:9.9.9');
    const { code, stdout } = await setting.hosted(['sync']);
    expect(code).toBe(1);
    expect(stdout).toContain('ImagesFailed: 1 of 5 images could not be copied: plugins/gcs:9.9.9');
    expect(stdout).toContain(`${setting.source.host}/plugins/gcs:9.9.9 does not exist`);
  });

  it('fails for a registry that refuses the push', async () => {
    setting.target.quirks.createRepositories = false;
    const { code, stdout } = await setting.hosted(['sync']);
    expect(code).toBe(1);
    expect(stdout).toContain('ImagesFailed');
    expect(stdout).toContain('NAME_UNKNOWN');
  });

  it('fails when it is interrupted during a copy', async () => {
    setting.target.faults.add({ match: { method: 'PUT', path: /\/manifests\//, times: 100 }, act: 'stall' });
    const { code, stdout, stderr } = await setting.factory(['sync'], {
      when: { printed: /copying/, act: (pid) => process.kill(pid, 'SIGINT') },
    });
    expect(stderr).toContain('Interrupted');
    expect(stdout).toContain('Interrupted: the run was interrupted');
    expect(code).toBe(1);
  });

  it('gives up the rollback after a second interruption, and reports what is left and how to restore it', async () => {
    // The plan and the snapshot read the overrides, nobody after them. A refusal is not sent again, as a 503 is.
    const path = 'get-customer-config';
    setting.harness.quirks.failNext = [
      { count: 2, status: 200, body: { status: 'SUCCESS', data: {} }, path },
      { count: 10_000, status: 401, path },
    ];
    const { code, stdout, stderr } = await setting.factory(['sync', '--state', 'here'], {
      when: {
        printed: /rollback: retrying until \S+ \(press Ctrl-C twice to give up\)/,
        act: (pid) => {
          process.kill(pid, 'SIGINT');
          // Another signal, for two of a kind may come as one.
          process.kill(pid, 'SIGTERM');
        },
      },
    });
    setting.harness.quirks.failNext = [];
    expect(stderr).toContain('Giving up the rollback');
    expect(code).toBe(1);
    expect(stdout).toContain('RollbackFailed: the old values of these fields were written, not checked');
    expect(stdout).toMatch(/run "factory restore --run \S+ --state here"/);
  }, 60_000);
});

describe('doctor', () => {
  it('exits with 0 when all is well, and prints a line for each check', async () => {
    const { code, stdout } = await setting.factory(['doctor']);
    expect(stdout).toMatch(/^doctor \S+: SUCCEEDED \(14 checks, no warning\)\n\nok {7}Node\.js: /);
    expect(code).toBe(0);
  });

  it('exits with 1 and the cure for each failed check, even without a configuration', async () => {
    const environment = { HARNESS_API_KEY: '', REGISTRY_NAME: '' };
    const { code, stdout, stderr } = await setting.hosted(['doctor'], environment);
    expect(stdout).toMatch(
      /\nfailed {3}key: InvalidConfiguration: no usable API key is set\n {9}Cure: Set HARNESS_API_KEY/,
    );
    expect(stdout).toMatch(/\nskipped {2}target: no registry is set\n/);
    expect([code, stderr]).toEqual([1, '']);
  });

  it('prints one JSON document with --json', async () => {
    const { code, stdout } = await setting.hosted(['doctor', '--json'], { SOURCE_REGISTRY: '127.0.0.1:1' });
    expect(JSON.parse(stdout)).toMatchObject({ status: 'FAILED', action: 'doctor', error: { name: 'ChecksFailed' } });
    expect(code).toBe(1);
  });
});
