import { FactoryError } from '../../../errors.ts';
import { isObject, parseJson } from '../../../text/json.ts';
import { printable } from '../../../text/printable.ts';
import { isDockerHub } from '../../spec/reference.ts';
import type { CredentialProvider, Credentials, Login } from './credentials.ts';
import { decodeAuth, foreignShapeOf, isUnexpanded, notJson } from './docker-config-shape.ts';

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

/** Runs a credential helper for a server. Returns the helper's output. */
type HelperRunner = (program: string, server: string) => Promise<string>;

/**
 * Logins from the text of a `config.json`: `auths`, `credHelpers`, `credsStore`, identity and registry tokens. The most
 * specific goes first: keys of `auths` that name a path of the registry, the longest that holds the repository before
 * others (containers-auth.json, "FORMAT"). As in Docker, a helper named for the registry goes before the store, and the
 * store before the registry's own key. Helpers run in `environment`. Throws `InvalidConfiguration` when the text is not
 * such a file.
 */
export function dockerConfigCredentials(
  text: string,
  origin: string,
  environment: NodeJS.ProcessEnv = process.env,
): CredentialProvider {
  const run: HelperRunner = (program, server) => runHelper(program, server, environment);
  const config = parse(text, origin);
  return {
    async logins(registry, repository) {
      const servers = serverNames(registry);
      const named = servers.find((server) => Object.hasOwn(config.credHelpers, server));
      const helpers = new Set([named === undefined ? undefined : config.credHelpers[named], config.credsStore]);
      const keys = matchingKeys(Object.keys(config.auths), servers, repository);
      const entry = ({ key }: MatchingKey): Login => ({
        name: `${JSON.stringify(key)} in ${origin}`,
        credentials: async () => credentialsOf(config.auths[key] ?? {}, key, origin),
      });
      return [
        ...keys.filter(({ depth }) => depth > 0).map(entry),
        ...[...helpers].flatMap((helper) => (helper === undefined ? [] : helperLogin(helper, servers, origin, run))),
        ...keys.filter(({ depth }) => depth === 0).map(entry),
      ];
    },
  };
}

function helperLogin(helper: string, servers: string[], origin: string, run: HelperRunner): Login {
  return {
    name: `docker-credential-${helper} of ${origin}`,
    credentials: () => fromHelper(helper, servers, run),
  };
}

function parse(text: string, origin: string): DockerConfig {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    // The parser's message quotes the text, which holds passwords.
    throw misconfigured(origin, notJson(text));
  }
  if (!isObject(value)) throw misconfigured(origin, 'it is not a JSON object');
  const foreign = foreignShapeOf(value);
  if (foreign !== undefined) throw misconfigured(origin, foreign);
  // Go's encoder, and so `docker login`, writes `null` for an empty map.
  const [auths, credHelpers] = [value['auths'] ?? {}, value['credHelpers'] ?? {}];
  const { credsStore } = value;
  if (!isObject(auths) || !Object.values(auths).every(isObject))
    throw misconfigured(origin, '"auths" is not a map of entries');
  if (!isObject(credHelpers) || !Object.values(credHelpers).every(isHelperName)) {
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

/** A helper's name becomes part of a program's name, so it must not be a path. */
function isHelperName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value);
}

function misconfigured(origin: string, what: string): FactoryError {
  return new FactoryError('InvalidConfiguration', `cannot use the registry credentials in ${origin}: ${what}`, {
    hint: 'Write it with `docker login`, or as {"auths": {"registry.example.com": {"username": "…", "password": "…"}}}.',
  });
}

/** The names under which Docker files credentials of a registry; Docker Hub's is historic. */
function serverNames(registry: string): string[] {
  return isDockerHub(registry)
    ? ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io']
    : [registry];
}

interface MatchingKey {
  key: string;
  /** Components of the path that it shares with the repository. */
  depth: number;
  /** Its place among the names of the registry. */
  rank: number;
}

/** The keys of `auths` that are for a repository, the most specific first. */
function matchingKeys(keys: readonly string[], servers: readonly string[], repository: string): MatchingKey[] {
  const components = repository.split('/');
  const matches = keys.flatMap((key): MatchingKey[] => {
    const { host, path, isUrl } = placeOf(key);
    const spelt = servers.indexOf(key);
    const rank = spelt === -1 ? servers.length : spelt;
    if (!servers.some((server) => placeOf(server).host === host)) return [];
    if (path.every((component, i) => component === components[i])) return [{ key, depth: path.length, rank }];
    // Docker takes a URL for its host, whatever its path; there it comes after all others.
    return isUrl ? [{ key, depth: 0, rank: servers.length + 1 }] : [];
  });
  return matches.toSorted((a, b) => b.depth - a.depth || a.rank - b.rank);
}

/** Parses a key: `host`, `host/path`, or the form of old tools, `https://host/v1/`. */
function placeOf(key: string): { host: string; path: string[]; isUrl: boolean } {
  const place = key.replace(/^https?:\/\//, '');
  const [host = '', ...path] = place.split('/').filter((component) => component !== '');
  const isVersion = path.length === 1 && (path[0] === 'v1' || path[0] === 'v2');
  return { host: host.toLowerCase(), path: isVersion ? [] : path, isUrl: place !== key };
}

function credentialsOf(entry: AuthEntry, key: string, origin: string): Credentials | undefined {
  if (isText(entry.identitytoken)) return { identityToken: entry.identitytoken };
  if (isText(entry.registrytoken)) return { registryToken: entry.registrytoken };
  if (isText(entry.auth)) {
    const login = decodeAuth(entry.auth);
    if (typeof login === 'string') throw misconfigured(origin, `"auth" of ${key} ${login}`);
    return login;
  }
  if (!isText(entry.username)) return undefined;
  if (!isText(entry.password)) throw misconfigured(origin, `the entry of ${key} has a user without a password`);
  if (isUnexpanded(entry.username) || isUnexpanded(entry.password))
    throw misconfigured(origin, `the entry of ${key} holds an unexpanded placeholder`);
  return { username: entry.username, password: entry.password };
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
      answer = output === '' ? undefined : parseJson(output);
    } catch {
      throw helperFailed(program, 'its output is not JSON');
    }
    if (!isObject(answer)) continue;
    const { Username: username, Secret: secret } = answer;
    if (!isText(username) || !isText(secret)) continue;
    return username === '<token>' ? { identityToken: secret } : { username, password: secret };
  }
  return undefined;
}

const helperTimeoutMs = 30_000;
const helperOutputLimit = 64 * 1024;
/** Length of the end of a helper's standard error that is kept, in characters. */
const complaintsLimit = 2_000;
const complaintsMs = 500;

/** Parses the output of a helper. Without a name and secret, the helper has no credentials for the server. */
async function runHelper(program: string, server: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const { spawn } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'pipe'], env: environment });
    // Not `spawn`'s own timeout: when the program is missing, its timer keeps the process alive.
    const timer = setTimeout(() => child.kill(), helperTimeoutMs);
    const chunks: Buffer[] = [];
    let length = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > helperOutputLimit) child.kill();
      else chunks.push(chunk);
    });
    let complaints = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      // What a program says last is why it failed.
      complaints = (complaints + chunk).slice(-complaintsLimit);
    });
    child.on('exit', (code, signal) => {
      // A killed helper may leave a child of its own behind that keeps the pipe open.
      if (signal) child.stdout.destroy();
      // As may any that starts an agent; after a failure, what it said may still be on its way.
      setTimeout(() => child.stderr.destroy(), code === 0 || signal ? 0 : complaintsMs);
    });
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
      // Helpers exit with 1 and this sentence when they have no credentials; that is not a failure.
      else if (/credentials not found/i.test(output)) resolve('');
      else reject(helperFailed(program, signal ? `it was killed by ${signal}` : `it exited with ${code}`, complaints));
    });
    // A helper that does not read its input must not take the process down.
    child.stdin.on('error', () => undefined);
    child.stdin.end(server);
  });
}

/** Quotes the standard error of a helper, never its standard output, which holds secrets. */
function helperFailed(program: string, what: string, complaints = ''): FactoryError {
  const said = printable(withoutSecrets(complaints).replaceAll(/\s+/g, ' '));
  return new FactoryError(
    'CredentialHelperFailed',
    `${program} returned no credentials: ${what}${said && ` (${said})`}`,
    {
      hint: `Run \`${program} get\` by hand, or remove the helper from config.json.`,
    },
  );
}

/** Removes secrets: a script that traces itself (`set -x`) writes them to standard error. */
function withoutSecrets(text: string): string {
  return text.replaceAll(
    /("?\b\w{0,40}(?:secret|passw(?:or)?d|token|auth)"?\s{0,9}[:=]\s{0,9})(?:"[^"]*"|'[^']*'|\S+)/gi,
    '$1…',
  );
}
