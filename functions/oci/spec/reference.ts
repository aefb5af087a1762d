import { trimEnd } from '../../text/trim-end.ts';
import { type Digest, isDigest } from './digest.ts';
import { TextSyntaxError } from '../../text/text-syntax-error.ts';

/**
 * Names of images and of the places they live in, by the grammar of
 * https://github.com/distribution/reference/blob/main/reference.go. Text is parsed once, here; the rest of the code
 * handles values.
 */

const holdsCredentials = 'it holds credentials: put them into a Docker config.json';
const host =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;
const pathComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** Maximum length of a repository name at registries (distribution/reference `RepositoryNameTotalLengthMax`). */
export const maxNameLength = 255;
/** Maximum length of a name with registry, tag and digest, in characters. A longer one is refused unread. */
export const maxTextLength = 1_024;

/** An image as Harness names it: usually without a registry (`harness/ci-addon:1.18.22`). */
export interface ImageName {
  readonly registry: string | undefined;
  /** `harness/ci-addon` */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

/** A manifest in a registry: always with a registry, and with a tag, a digest or both. */
export interface Reference extends ImageName {
  readonly registry: string;
}

/** A place that holds repositories: `host[:port][/prefix]`. */
export interface RegistryLocation {
  readonly registry: string;
  /** Path without slashes at its ends; may be empty. */
  readonly prefix: string;
}

/**
 * Parses `[host[:port]/]path[:tag][@digest]`. As Docker does, the first component is a registry when it holds a dot or
 * a colon or is `localhost`; unlike Docker, it adds neither a registry nor `library/`.
 * Throws `TextSyntaxError`.
 */
export function parseImageName(text: string): ImageName {
  refuseOddText(text);
  const [beforeDigest = '', digest, ...more] = text.split('@');
  if (more.length > 0) throw new TextSyntaxError('more than one "@"');
  if (digest !== undefined && !isDigest(digest)) throw notADigest(digest);
  const slash = beforeDigest.indexOf('/');
  const first = slash === -1 ? '' : beforeDigest.slice(0, slash);
  const registry = looksLikeRegistry(first) ? parseHost(first) : undefined;
  const path = registry === undefined ? beforeDigest : beforeDigest.slice(slash + 1);
  const colon = path.lastIndexOf(':');
  const tag = colon === -1 ? undefined : path.slice(colon + 1);
  if (tag !== undefined && !isTag(tag)) throw notATag(tag);
  const repository = parsePath(colon === -1 ? path : path.slice(0, colon));
  return { registry, repository, tag, digest };
}

/**
 * Parses `host[:port]/path[:tag][@digest]`: the name of an image at a registry.
 *
 * @throws {TextSyntaxError} Also for a name without a registry.
 */
export function parseReference(text: string): Reference {
  const { registry, ...name } = parseImageName(text);
  if (registry === undefined) throw new TextSyntaxError(`"${text}" does not name a registry (host[:port]/path)`);
  return { registry, ...name };
}

/** Parses `host[:port][/prefix]`. Throws `TextSyntaxError`. */
export function parseRegistryLocation(text: string): RegistryLocation {
  refuseOddText(text);
  if (text.includes('@')) throw new TextSyntaxError(holdsCredentials);
  const trimmed = trimEnd(text, '/');
  const slash = trimmed.indexOf('/');
  const registry = parseHost(slash === -1 ? trimmed : trimmed.slice(0, slash));
  return { registry, prefix: slash === -1 ? '' : parsePath(trimmed.slice(slash + 1)) };
}

/** Returns the same image in another place: `<location>/<repository>:<tag>`. */
export function relocate(image: ImageName, location: RegistryLocation): Reference {
  const repository = location.prefix ? `${location.prefix}/${image.repository}` : image.repository;
  return { registry: location.registry, repository, tag: image.tag, digest: image.digest };
}

export function isInside(image: ImageName, location: RegistryLocation): boolean {
  if (image.registry !== location.registry) return false;
  return location.prefix === '' || image.repository.startsWith(`${location.prefix}/`);
}

export function formatReference(image: ImageName): string {
  const registry = image.registry === undefined ? '' : `${image.registry}/`;
  const tag = image.tag === undefined ? '' : `:${image.tag}`;
  const digest = image.digest === undefined ? '' : `@${image.digest}`;
  return `${registry}${image.repository}${tag}${digest}`;
}

export function formatLocation(location: RegistryLocation): string {
  return location.prefix ? `${location.registry}/${location.prefix}` : location.registry;
}

/** Returns the last component of a repository: `ci-addon` of `harness/ci-addon`. */
export function lastComponent(repository: string): string {
  return repository.slice(repository.lastIndexOf('/') + 1);
}

/** Returns the digest, or else the tag: a tag may move. */
export function tagOrDigest(image: ImageName): string {
  return image.digest ?? image.tag ?? 'latest';
}

/** Parses the part after an image's name: a tag, or a digest without its "@". Throws `TextSyntaxError`. */
export function parseTagOrDigest(text: string): string {
  if (isTag(text) || isDigest(text)) return text;
  throw text.includes(':') ? notADigest(text) : notATag(text);
}

function notADigest(text: string): TextSyntaxError {
  return new TextSyntaxError(`"${text}" is not a digest (sha256:<64 hex> or sha512:<128 hex>)`);
}

function notATag(text: string): TextSyntaxError {
  return new TextSyntaxError(`"${text}" is not a tag (letters, digits, ".", "_", "-"; at most 128)`);
}

export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

export function isRepositoryName(text: string): boolean {
  return text.length <= maxNameLength && text.split('/').every((component) => pathComponent.test(component));
}

/** Returns whether a host is Docker Hub, under any of its names. */
export function isDockerHub(registry: string): boolean {
  return registry === 'docker.io' || registry === 'index.docker.io' || registry === 'registry-1.docker.io';
}

/**
 * Returns the reference with the repository name of Docker Hub, which has two parts: `alpine` is `library/alpine`.
 * References to other registries are returned unchanged.
 */
export function atDockerHub(reference: Reference): Reference {
  if (!isDockerHub(reference.registry)) return reference;
  const parts = reference.repository.split('/');
  if (parts.length === 1) return { ...reference, repository: `library/${reference.repository}` };
  // Only official images are below `library`: the name has a namespace of its own.
  return parts.length > 2 && parts[0] === 'library'
    ? { ...reference, repository: parts.slice(1).join('/') }
    : reference;
}

/** Distinguishes a registry's host from the first component of a path (distribution/reference, `splitDockerDomain`). */
export function looksLikeRegistry(component: string): boolean {
  return component === 'localhost' || component.includes('.') || component.includes(':');
}

function parseHost(text: string): string {
  const match = host.exec(text);
  // An address must be valid: `256.1.1.1` and `[:]` pass the pattern only.
  if (!match || !URL.canParse(`http://${text.replace(/:\d+$/, '')}`)) {
    throw new TextSyntaxError(`"${text}" is not a registry host (host[:port])`);
  }
  if (match[1] !== undefined && (Number(match[1]) < 1 || Number(match[1]) > 65535)) {
    throw new TextSyntaxError(`port ${match[1]} is not between 1 and 65535`);
  }
  // Host names are case-insensitive. One spelling keeps comparisons and caches correct.
  return text.toLowerCase();
}

function parsePath(text: string): string {
  if (isRepositoryName(text)) return text;
  if (text.length > maxNameLength) throw new TextSyntaxError(`the name is longer than ${maxNameLength} characters`);
  const bad = text.split('/').find((component) => !pathComponent.test(component));
  throw new TextSyntaxError(
    `"${bad}" is not a path component (lower-case letters and digits, joined by ".", "_", "__" or "-")`,
  );
}

function refuseOddText(text: string): void {
  if (text === '') throw new TextSyntaxError('it is empty');
  // Before any pattern, and so that no message repeats it.
  if (text.length > maxTextLength) throw new TextSyntaxError(`it is longer than ${maxTextLength} characters`);
  if (/[^!-~]/.test(text)) throw new TextSyntaxError('it holds a space, a control character or a letter beyond ASCII');
  if (text.includes('://')) throw new TextSyntaxError('it is a URL: leave the scheme out');
  const slash = text.indexOf('/');
  if (slash !== -1 && text.slice(0, slash).includes('@')) throw new TextSyntaxError(holdsCredentials);
}
