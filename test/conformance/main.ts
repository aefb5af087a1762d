import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { available } from '../real-parts.ts';

/**
 * Runs the conformance suite of the OCI distribution-spec against the embedded registry. The suite is a Go module
 * without tags, so its version is that of a commit.
 */
const suite = 'github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111';

/** Everything that version 1.1 requires, and the options that the embedded registry supports. */
const settings = {
  OCI_VERSION: '1.1',
  OCI_TLS: 'disabled',
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_BLOBS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
};

if (!available('go')) {
  console.error('go is not on PATH. Install Go 1.24 or later: https://go.dev/doc/install');
  process.exit(2);
}

await using cleanup = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'factory-conformance-'));
cleanup.defer(() => rm(folder, { recursive: true }));
const registry = await startRegistry();
cleanup.defer(() => registry.close());

await run('go', ['install', suite], { GOBIN: folder, GOFLAGS: '-mod=mod' });
await run(join(folder, 'conformance'), [], { ...settings, OCI_REGISTRY: registry.host, OCI_RESULTS_DIR: folder });

// The suite also exits with 0 when it could not start. Its results say what ran.
const { apis, data } = parse(await readFile(join(folder, 'results.yaml'), 'utf8')) as Results;
const verdicts = Object.entries({ ...apis, ...data });
const left = verdicts.filter(([, verdict]) => verdict !== 'Pass').map(([area, verdict]) => `${area}: ${verdict}`);
if (verdicts.length === left.length) throw new Error('the suite ran no test');
console.log(
  `distribution-spec ${settings.OCI_VERSION}: ${verdicts.length - left.length} areas pass; ${left.join(', ')}`,
);

/** The verdict on each endpoint and on each kind of content. The suite itself ends with 1 if one of them failed. */
interface Results {
  apis: Record<string, string>;
  data: Record<string, string>;
}

async function run(command: string, args: readonly string[], environment: Record<string, string>): Promise<void> {
  const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...environment }, stdio: 'inherit' });
  const [code, killed] = (await once(child, 'exit')) as [number | null, string | null];
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code ?? killed}`);
}
