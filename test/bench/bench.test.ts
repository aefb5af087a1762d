import { execFileSync } from 'node:child_process';
import { createServer, connect } from 'node:net';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cache, command, installCommand } from '../local/factory-command.ts';
import { available } from '../real-parts.ts';
import { bench, type BenchResult } from './bench.ts';
import { startDelayProxy } from './delay-proxy.ts';
import { verdicts } from './gates.ts';
import { writeLayer } from './layer.ts';
import { program } from './registry.ts';
import type { Row } from './rows.ts';
import { tableOf } from './table.ts';

beforeAll(installCommand);

const present = available(program);
/** Clients use plain HTTP for `localhost`; TLS needs another name of the loopback address. */
const name = execFileSync(
  process.execPath,
  [
    '--input-type=module',
    '--eval',
    `import { loopbackName } from ${JSON.stringify(import.meta.resolve('./tls.ts'))}; console.log((await loopbackName())?.name ?? '');`,
  ],
  { encoding: 'utf8' },
).trim();

(present ? describe : describe.skip)(`the benchmark, small${present ? '' : ` (not on PATH: ${program})`}`, () => {
  let result: BenchResult;

  beforeAll(async () => {
    const small = { rtts: [1], repeat: 1, scale: 0.001, plain: true, trial: true, command, cache };
    result = await bench({ ...small, workloads: ['W3'], peers: ['ours', 'engine', 'bare', 'floor'] });
    const more = ['unchanged', 'memory-100MiB', 'memory-10GiB'] as const;
    result.rows.push(...(await bench({ ...small, rtts: [0], workloads: more, peers: ['ours', 'skopeo'] })).rows);
  }, 180_000);

  const rowOf = (workload: string, family: string) =>
    result.rows.find((row) => row.workload === workload && row.family === family);

  it('the benchmark measures the whole sync, the engine alone and what bounds them, and finds every image at the target', () => {
    expect(result.rows.map(({ workload, peer, failure }) => [workload, peer, failure])).toEqual([
      ['W3', 'ours', undefined],
      ['W3', 'ours (engine alone)', undefined],
      ['W3', 'ours (bare sync)', undefined],
      ['W3', 'floor (undici)', undefined],
      ['W3', 'floor (node:https)', undefined],
      ['W3', 'floor (workflow)', undefined],
      ['unchanged', 'ours', undefined],
      ...(available('skopeo') ? [['unchanged', 'skopeo sync', undefined]] : []),
      ['memory-100MiB', 'ours', undefined],
      ['memory-10GiB', 'ours', undefined],
    ]);
  });

  it('the benchmark compares the bytes moved with those of the blobs, each counted once', () => {
    const moved = result.rows.map(({ workload, missingBytes, measurement }) => [
      workload,
      (measurement?.bytesMoved ?? 0) - missingBytes,
    ]);
    expect(moved).toEqual(result.rows.map(({ workload }) => [workload, 0]));
    // One layer of zeros and its config.
    const layerBytes = Math.ceil(10 * 1024 ** 3 * 0.001);
    expect(rowOf('memory-10GiB', 'ours')?.missingBytes).toBeGreaterThan(layerBytes);
    expect(rowOf('memory-10GiB', 'ours')?.missingBytes).toBeLessThan(layerBytes + 1024);
  });

  it("the benchmark counts the client's requests and bytes from the registries' logs", () => {
    const { requests, bytesMoved = 0 } = rowOf('W3', 'engine')?.measurement ?? {};
    // A HEAD, 9 manifests, 24 blobs.
    expect(requests?.source).toBe(34);
    // Archives of 4 times 10 KiB in files of whole blocks; gzip, configs and attestations come on top.
    expect(bytesMoved).toBeGreaterThan(4 * 10 * 1024);
    expect(bytesMoved).toBeLessThan(4 * 20 * 1024);
  });

  it('the factory moves no blob when nothing has changed', () => {
    const { requests, bytesMoved } = rowOf('unchanged', 'ours')?.measurement ?? {};
    expect({ requests, bytesMoved }).toEqual({ requests: { source: 30, target: 30 }, bytesMoved: 0 });
  });

  it('the benchmark measures time and memory of the processes', () => {
    for (const { measurement } of result.rows) {
      expect(measurement?.cpuMs).toBeGreaterThan(0);
      expect(measurement?.peakBytes).toBeGreaterThan(16 * 1024 * 1024);
    }
  });

  it('the benchmark records the protocol of the client', () => {
    expect(result.rows.map(({ measurement }) => measurement?.protocols)).toEqual(result.rows.map(() => ['HTTP/1.1']));
  });

  it('the table has a row for each measurement', () => {
    const table = tableOf(result);
    for (const { workload, rttMs, peer } of result.rows)
      expect(table).toContain(`${workload.padEnd(13)}  ${rttMs}    ${peer} `);
  });
});

(present && name !== '' ? it : it.skip)(
  `the benchmark measures over TLS by default, and records the protocol${name === '' ? ' (the hosts file has no name for the loopback address)' : ''}`,
  async () => {
    const peers = ['ours', 'engine', 'skopeo'];
    const small = { rtts: [1], repeat: 1, scale: 0.001, trial: true, command, cache };
    const { rows, scheme } = await bench({ ...small, workloads: ['W3'], peers });
    expect(scheme).toBe('https');
    expect(rows.map(({ peer, failure }) => [peer, failure])).toEqual([
      ['ours', undefined],
      ['ours (engine alone)', undefined],
      ...(available('skopeo') ? [['skopeo sync', undefined]] : []),
    ]);
    for (const { measurement } of rows) expect(measurement?.protocols.join()).toMatch(/^HTTP\/(?:1\.1|2\.0)$/);
  },
  60_000,
);

(present ? describe : describe.skip)(`a peer${present ? '' : ` (not on PATH: ${program})`}`, () => {
  const path = process.env.PATH ?? '';
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'factory-bench-peer-'));
    process.env.PATH = `${folder}${delimiter}${path}`;
  });
  afterAll(async () => {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  });

  async function benchWith(script: string): Promise<BenchResult> {
    await writeFile(join(folder, 'crane'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return bench({ workloads: ['W3'], rtts: [0], repeat: 1, scale: 0.001, peers: ['crane'], plain: true });
  }

  it('a peer fails if it exits with 0 but the images are not at the target', async () => {
    const { rows } = await benchWith('echo 1.2.3');
    expect(rows).toEqual([
      expect.objectContaining({ peer: 'crane', failure: expect.stringMatching(/w3:1\.0\.0 is absent/) }),
    ]);
  });

  it('a peer fails if it exits with another code, and its output is reported', async () => {
    const result = await benchWith('test "$1" = version && echo 1.2.3 && exit; echo no such image; exit 1');
    expect(result.rows).toEqual([expect.objectContaining({ failure: expect.stringMatching(/no such image/) })]);
    expect(tableOf(result)).toMatch(/^W3 +0 +crane +failed$/m);
    expect(result.legend).toEqual(['crane: crane 1.2.3']);
  });
});

describe('gates', () => {
  const row = (family: string, wallMs: number): Row => ({
    workload: 'W2',
    rttMs: 0,
    peer: family,
    family,
    images: 30,
    missingBytes: 100,
    measurement: { wallMs, cpuMs: 1, peakBytes: 1, requests: { source: 1, target: 1 }, bytesMoved: 100, protocols: [] },
  });

  it('gates on time compare with the best peer', () => {
    expect(
      verdicts([row('ours', 40), row('crane', 100), row('oras', 80), row('regctl', 90), row('skopeo', 100)], 'https'),
    ).toEqual(expect.arrayContaining(['holds: W2, 0 ms, ours: time over the best peer 0.50, at most 0.5']));
    expect(verdicts([row('ours', 41), row('oras', 80)], 'https')).toContain(
      'FAILS: W2, 0 ms, ours: time over the best peer 0.51, at most 0.5',
    );
  });

  it('gates on time are left out without a peer, and over plain HTTP', () => {
    const times = (lines: string[]) => lines.filter((line) => line.includes('time over'));
    expect(times(verdicts([row('ours', 40), row('engine', 30)], 'https'))).toEqual([]);
    expect(times(verdicts([row('ours', 40), row('oras', 80)], 'http'))).toEqual([]);
  });

  it('gates on time are for the whole sync only', () => {
    expect(verdicts([row('engine', 81), row('oras', 80)], 'https').join()).not.toContain('time over');
  });

  it('a gate limits the memory of the factory', () => {
    expect(verdicts([row('ours', 40)], 'http')).toContain('holds: W2, 0 ms, ours: peak RSS in MiB 0, at most 200');
  });

  it('a gate limits the bytes moved to those of the blobs that are missing', () => {
    const moving = (bytesMoved: number, missingBytes: number): Row => {
      const { measurement, ...rest } = row('ours', 40);
      return { ...rest, missingBytes, ...(measurement && { measurement: { ...measurement, bytesMoved } }) };
    };
    const verdict = (bytesMoved: number, missingBytes: number) =>
      verdicts([moving(bytesMoved, missingBytes)], 'http').find((line) => line.includes('bytes moved'));
    expect(verdict(102, 100)).toBe('holds: W2, 0 ms, ours: bytes moved over unique bytes 1.020, at most 1.02');
    expect(verdict(103, 100)).toBe('FAILS: W2, 0 ms, ours: bytes moved over unique bytes 1.030, at most 1.02');
    expect(verdict(0, 0)).toBe('holds: W2, 0 ms, ours: bytes moved 0, at most 0');
    expect(verdict(1, 0)).toBe('FAILS: W2, 0 ms, ours: bytes moved 1, at most 0');
  });

  it('a gate limits the growth of memory from a small layer to a large one', () => {
    const sized = (workload: Row['workload'], peakBytes: number): Row => {
      const { measurement, ...rest } = row('ours', 40);
      return { ...rest, workload, ...(measurement && { measurement: { ...measurement, peakBytes } }) };
    };
    const verdict = (large: number) =>
      verdicts([sized('memory-100MiB', 100), sized('memory-10GiB', large)], 'http').find((line) =>
        line.includes('over that'),
      );
    const about = 'memory-10GiB, 0 ms, ours: peak RSS over that of memory-100MiB';
    expect(verdict(125)).toBe(`holds: ${about} 1.25, at most 1.25`);
    expect(verdict(126)).toBe(`FAILS: ${about} 1.26, at most 1.25`);
  });

  it('the table names the peers that are not on PATH', () => {
    const rows = [row('ours', 40)];
    expect(tableOf({ rows, scheme: 'https', legend: [], missing: ['crane', 'oras'] })).toContain(
      'Not on PATH: crane, oras; see --help.',
    );
  });
});

describe('a layer', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'factory-bench-layer-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('a layer is a compressed archive with the digests of both, and the same for the same seed', async () => {
    const first = await writeLayer(join(folder, 'a'), 'seed', 9 * 1024 * 1024);
    const again = await writeLayer(join(folder, 'b'), 'seed', 9 * 1024 * 1024);
    const other = await writeLayer(join(folder, 'c'), 'other seed', 9 * 1024 * 1024);
    const blob = await readFile(join(folder, 'a'));
    const archive = gunzipSync(blob);
    expect(first).toEqual({ digest: sha256(blob), size: blob.length, diffId: sha256(archive) });
    // Two files, and nothing after the two empty blocks that end it.
    expect(archive.subarray(257, 262).toString()).toBe('ustar');
    expect(archive.length).toBe(9 * 1024 * 1024 + 2 * 512 + 1024);
    expect(again).toEqual(first);
    expect(other.digest).not.toBe(first.digest);
    expect(await readdir(folder)).toHaveLength(3);
  });
});

describe('the delay proxy', () => {
  it('the delay proxy forwards every byte in both directions in order, and then the end', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const proxy = await startDelayProxy(`127.0.0.1:${port}`, 2);
    try {
      const sent = createHash('shake256', { outputLength: 5_000_000 }).update('bytes').digest();
      const client = connect({ host: '127.0.0.1', port: Number(proxy.host.split(':')[1]) });
      client.end(sent);
      const echoed: Buffer[] = [];
      for await (const piece of client as AsyncIterable<Buffer>) echoed.push(piece);
      expect(sha256(Buffer.concat(echoed))).toBe(sha256(sent));
    } finally {
      await proxy[Symbol.asyncDispose]();
      server.close();
    }
  });
});

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
