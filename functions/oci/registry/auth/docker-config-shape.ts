import { misplacedIn } from '../../../text/plain-text.ts';
import { trimEnd } from '../../../text/trim-end.ts';

/** The members of Docker's `config.json` that hold credentials. */
const members = ['auths', 'credHelpers', 'credsStore'];

/** Its other members (docker/cli, cli/config/configfile/file.go). */
const settings = new Set(
  `HttpHeaders psFormat imagesFormat networksFormat pluginsFormat volumesFormat statsFormat detachKeys
  serviceInspectFormat servicesFormat tasksFormat secretFormat configFormat nodesFormat pruneFilters proxies experimental
  stackOrchestrator kubernetes currentContext cliPluginsExtraDirs plugins aliases features auditLog`.split(/\s+/),
);

/** Patterns of other documents that hold credentials. */
const otherShapes: readonly (readonly [is: (key: string, value: unknown) => boolean, shown: string])[] = [
  [(key) => /^\.?docker(?:config(?:json)?|cfg)$/i.test(key), 'a Kubernetes secret around one'],
  [(key) => key === 'apiVersion' || key === 'kind', 'a Kubernetes manifest'],
  [(key) => /^(?:user(?:name)?|login|pass(?:word)?|token)$/i.test(key), 'a login without the name of its registry'],
  [(_, value) => isLogin(value), 'an old .dockercfg, a map of registries: put it below "auths"'],
];

/** Describes a document that is not a Docker `config.json`; `undefined` when it may be one. */
export function foreignShapeOf(document: Readonly<Record<string, unknown>>): string | undefined {
  const keys = Object.keys(document);
  const misspelt = keys.find((key) => !members.includes(key) && isNearly(key));
  if (misspelt !== undefined) return `it has ${JSON.stringify(misspelt)}, which is not one of ${members.join(', ')}`;
  // A file without credentials may hold settings of other kinds, and those of plugins.
  if (keys.length === 0 || keys.some((key) => members.includes(key) || settings.has(key))) return undefined;
  const shape = otherShapes.find(([is]) => keys.some((key) => is(key, document[key])))?.[1];
  return `it has none of ${members.join(', ')}${shape === undefined ? '' : `; it looks like ${shape}`}`;
}

function isLogin(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ['auth', 'username', 'password'].some((key) => key in value);
}

/** `auth`, `Auths`, `credStore`, `credsHelpers`, `cred_helpers`. */
function isNearly(key: string): boolean {
  return /^(?:auths?|(?:cred(?:ential)?s?)(?:stores?|helpers?))$/i.test(key.replaceAll(/[-_]/g, ''));
}

/** Describes a text that is not JSON, without quoting it. */
export function notJson(text: string): string {
  const misplaced = misplacedIn(text.trim());
  if (misplaced !== undefined) return `it is ${misplaced}`;
  // Base64 of what begins with a brace.
  if (/^e[w-z0-9+/][A-Za-z0-9+/=\s]+$/.test(text)) return 'it is base64 of the document, not the document';
  return 'it is not JSON';
}

/** Returns the user and password of an `auth`, or a text that describes its error. */
export function decodeAuth(auth: string): { username: string; password: string } | string {
  const misplaced = misplacedIn(auth);
  if (misplaced !== undefined) return `is ${misplaced}`;
  const decoded = /^[A-Za-z0-9+/_-]+={0,2}\s*$/.test(auth) ? Buffer.from(auth, 'base64').toString() : '';
  const colon = decoded.indexOf(':');
  if (colon < 1) return 'is not base64 of user:password';
  // Docker strips trailing NULs, which some tools pad with.
  const password = trimEnd(decoded.slice(colon + 1), '\0');
  // `echo user:password | base64` encodes the end of the line, too.
  if (/[\r\n]/.test(decoded)) return 'holds a line break after decoding: encode with printf, not with echo';
  return { username: decoded.slice(0, colon), password };
}

/** Returns whether a password is a placeholder that was not expanded. */
export function isUnexpanded(value: string): boolean {
  return /^(?:\$\{[^{}]*\}|\$\([^()]*\)|<\+.*>|\{\{.*\}\})$/.test(value);
}
