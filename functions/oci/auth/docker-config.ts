import { FactoryError } from '../../errors.ts';
import type { CredentialProvider, Credentials } from './credentials.ts';

/** The parts of Docker's `config.json` that hold credentials (docker/cli, cli/config/configfile/file.go). */
interface DockerConfig {
  auths: Record<string, AuthEntry>;
  credHelpers: Record<string, string>;
  credsStore: string | undefined;
}

interface AuthEntry {
  auth?: unknown;
  username?: unknown;
  password?: unknown;
  identitytoken?: unknown;
  registrytoken?: unknown;
}

/** Runs a credential helper: gets the name of the program and the server, returns what it printed. */
export type HelperRunner = (program: string, server: string) => Promise<string>;

/**
 * Credentials from the text of a `config.json`: `auths`, `credHelpers`, `credsStore`, identity and registry tokens.
 * As in Docker, a helper named for a registry goes before the store, and the store before `auths`.
 * Throws `InvalidConfiguration` when the text is not such a file.
 */
export function dockerConfigCredentials(
  text: string,
  origin: string,
  run: HelperRunner = runHelper,
): CredentialProvider {
  const config = parse(text, origin);
  return {
    async credentials(registry) {
      const servers = serverNames(registry);
      const server = servers.find((name) => Object.hasOwn(config.credHelpers, name));
      const helper = server === undefined ? undefined : config.credHelpers[server];
      if (helper !== undefined) return fromHelper(helper, servers, run);
      const stored = config.credsStore === undefined ? undefined : await fromHelper(config.credsStore, servers, run);
      return stored ?? fromAuths(config.auths, servers, origin);
    },
  };
}

function parse(text: string, origin: string): DockerConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds passwords.
    throw misconfigured(origin, 'it is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw misconfigured(origin, 'it is not a JSON object');
  const document = value as Record<string, unknown>;
  // Go's encoder, and so `docker login`, writes `null` for an empty map.
  const [auths, credHelpers] = [document['auths'] ?? {}, document['credHelpers'] ?? {}];
  const { credsStore } = document;
  if (!isMap(auths) || !Object.values(auths).every(isMap))
    throw misconfigured(origin, '"auths" is not a map of entries');
  if (!isMap(credHelpers) || !Object.values(credHelpers).every(isHelperName)) {
    throw misconfigured(origin, '"credHelpers" is not a map of helper names');
  }
  if (credsStore !== undefined && credsStore !== '' && !isHelperName(credsStore)) {
    throw misconfigured(origin, '"credsStore" is not a helper name');
  }
  return {
    auths: auths as Record<string, AuthEntry>,
    credHelpers: credHelpers as Record<string, string>,
    credsStore: credsStore === '' ? undefined : credsStore,
  };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A helper's name becomes part of a program's name, so it must not be a path. */
function isHelperName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value);
}

function misconfigured(origin: string, what: string): FactoryError {
  return new FactoryError('InvalidConfiguration', `cannot use the registry credentials in ${origin}: ${what}`, {
    hint: 'Write the file with `docker login`, or see "Registry credentials" in the README.',
  });
}

/** The names under which Docker files credentials of a registry; Docker Hub's is historic. */
function serverNames(registry: string): string[] {
  const hub = registry === 'docker.io' || registry === 'index.docker.io' || registry === 'registry-1.docker.io';
  return hub ? ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io'] : [registry];
}

function fromAuths(auths: Record<string, AuthEntry>, servers: string[], origin: string): Credentials | undefined {
  // Keys written by old tools are URLs: https://registry.example.com/v1/
  const hostOf = (key: string) =>
    key
      .replace(/^https?:\/\//, '')
      .replace(/\/.*$/, '')
      .toLowerCase();
  const key =
    servers.find((server) => Object.hasOwn(auths, server)) ??
    Object.keys(auths).find((candidate) => servers.some((server) => hostOf(server) === hostOf(candidate)));
  const entry = key === undefined ? undefined : auths[key];
  if (entry === undefined) return undefined;
  if (isText(entry.identitytoken)) return { identityToken: entry.identitytoken };
  if (isText(entry.registrytoken)) return { registryToken: entry.registrytoken };
  if (isText(entry.auth)) {
    const decoded = Buffer.from(entry.auth, 'base64').toString();
    const colon = decoded.indexOf(':');
    if (colon < 1) throw misconfigured(origin, `"auth" of ${key} is not base64 of user:password`);
    // Docker strips trailing NULs, which some tools pad with.
    return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
  }
  if (isText(entry.username) && isText(entry.password)) return { username: entry.username, password: entry.password };
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** The protocol of docker/docker-credential-helpers: the server on standard input, JSON on standard output. */
async function fromHelper(helper: string, servers: string[], run: HelperRunner): Promise<Credentials | undefined> {
  const program = `docker-credential-${helper}`;
  for (const server of servers) {
    const output = await run(program, server);
    let answer: unknown;
    try {
      answer = output === '' ? undefined : JSON.parse(output);
    } catch {
      throw helperFailed(program, 'it did not answer with JSON');
    }
    if (!isMap(answer)) continue;
    const { Username: username, Secret: secret } = answer;
    if (!isText(username) || !isText(secret)) continue;
    return username === '<token>' ? { identityToken: secret } : { username, password: secret };
  }
  return undefined;
}

const helperTimeoutMs = 30_000;
const helperOutputLimit = 64 * 1024;

/** An empty answer means that the helper has no credentials for the server. */
async function runHelper(program: string, server: string): Promise<string> {
  const { spawn } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], env: process.env });
    // Not `spawn`'s own timeout: when the program is missing, its timer keeps the process alive.
    const timer = setTimeout(() => child.kill(), helperTimeoutMs);
    const chunks: Buffer[] = [];
    let length = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > helperOutputLimit) child.kill();
      else chunks.push(chunk);
    });
    // A killed helper may leave a child of its own behind that keeps the pipe open.
    child.on('exit', (_, signal) => signal && child.stdout.destroy());
    child.on('error', (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(
        helperFailed(
          program,
          cause.code === 'ENOENT' ? 'it is not on the PATH' : `it could not be run (${cause.code})`,
        ),
      );
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const output = Buffer.concat(chunks).toString().trim();
      if (code === 0) resolve(output);
      // Helpers exit with 1 and this sentence when they know nothing; that is not a failure.
      else if (/credentials not found/i.test(output)) resolve('');
      else reject(helperFailed(program, signal ? `it was ended by ${signal}` : `it exited with ${code}`));
    });
    // A helper that does not read its input must not take the process down.
    child.stdin.on('error', () => undefined);
    child.stdin.end(server);
  });
}

function helperFailed(program: string, what: string): FactoryError {
  return new FactoryError('CredentialHelperFailed', `${program} gave no credentials: ${what}`, {
    hint: `Run \`${program} get\` by hand, or remove the helper from config.json.`,
  });
}
