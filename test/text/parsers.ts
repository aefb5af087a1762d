import { dockerConfigCredentials } from '../../functions/oci/registry/auth/docker-config.ts';
import { decodeAuth, isUnexpanded, notJson } from '../../functions/oci/registry/auth/docker-config-shape.ts';
import { parseChallenges } from '../../functions/oci/registry/auth/challenge.ts';
import { parseDigest } from '../../functions/oci/spec/digest.ts';
import { nextLink } from '../../functions/oci/registry/link-header.ts';
import { parseManifest } from '../../functions/oci/spec/manifest.ts';
import { parsePlatform } from '../../functions/oci/spec/platform.ts';
import { profileOf } from '../../functions/oci/registry/profile.ts';
import { parsePullBudget } from '../../functions/oci/registry/pull-budget.ts';
import {
  isRepositoryName,
  isTag,
  parseImageName,
  parseReference,
  parseRegistryLocation,
} from '../../functions/oci/spec/reference.ts';
import { parseEcrHost } from '../../functions/oci/registry/ecr-host.ts';
import { accountIdFromKey } from '../../functions/harness/account.ts';
import { ApiKey } from '../../functions/harness/api-key.ts';
import { parseBaseUrl } from '../../functions/harness/base-url.ts';
import { parseEnvelope } from '../../functions/harness/envelope.ts';
import { connectorRegistry, resolveImage } from '../../functions/harness/image-resolution.ts';
import { isLoopback, matchesHost } from '../../functions/http/host-patterns.ts';
import { proxyFor } from '../../functions/http/proxy.ts';
import { isPageType, reasonText } from '../../functions/http/reason-text.ts';
import { redacted } from '../../functions/http/redact.ts';
import { parseRetryAfter } from '../../functions/http/retry.ts';
import { fieldFilter, selectFields } from '../../functions/plan/selection.ts';
import { parseErrorCause } from '../../functions/workflow-error.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { runIdPattern } from '../../functions/settings/input-schema.ts';
import { sourceLocation } from '../../functions/settings/official-sources.ts';
import { describeProblems, render } from '../../functions/settings/problems.ts';
import { globMatcher } from '../../functions/text/glob.ts';
import { parseJson } from '../../functions/text/json.ts';
import { nearest } from '../../functions/text/nearest.ts';
import { misplacedIn } from '../../functions/text/plain-text.ts';
import { printable, printableJson } from '../../functions/text/printable.ts';
import { trimEnd } from '../../functions/text/trim-end.ts';
import { isLike } from '../../functions/text/wildcard.ts';
import { assertKey } from '../../functions/state/object-store.ts';
import { readDelivery } from '../../functions/webhook/delivery.ts';
import { bearerToken } from '../../functions/webhook/tokens.ts';
import { parseCron, parseTimeZone } from '../../functions/settings/cron.ts';
import { parseDeploymentSettings } from '../../infra/deployment-settings.ts';
import { table } from '../../infra/local/table.ts';

const configuration = parseConfiguration({ HARNESS_API_KEY: 'sat.account.id.secret', REGISTRY_NAME: 'r.example/m' });
const key = new ApiKey('sat.account.id.secret');
const header = (value: string) => ({ header: () => value });
const bytes = (text: string) => new TextEncoder().encode(text);

/** An execution input with the text in one place. */
const input = (of: (text: string) => object) => (text: string) => parseExecutionInput(of(text), configuration);

/** An environment with the text in one variable. */
const variable = (name: string) => (text: string) =>
  parseDeploymentSettings({ HARNESS_API_KEY: 'sat.account.id.secret', [name]: text });

const variables = [
  'HARNESS_URL',
  'HARNESS_ACCOUNT_ID',
  'HARNESS_API_KEY_SECRET',
  'CONTAINER_REGISTRY_CONNECTOR',
  'REGISTRY_NAME',
  'SOURCE_REGISTRY',
  'INSECURE_REGISTRIES',
  'TRUSTED_PRIVATE_HOSTS',
  'GATHER_SCAN_TEMPLATE',
  'ECR_ROLE_ARN',
  'ECR_KMS_KEY',
  'ECR_TAGS',
  'CALLBACK_URL_SECRET',
  'SCHEDULE',
  'SCHEDULE_TIME_ZONE',
];

const settings = { includeWindowsRootless: false, includeSets: [], includeFields: [], excludeFields: [], pins: {} };

/** Everything that reads text which others may have written. */
export const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  parseImageName,
  parseReference,
  parseRegistryLocation,
  isTag,
  isRepositoryName,
  isLoopback,
  sourceLocation,
  profileOf,
  parseEcrHost,
  parsePlatform,
  'parseDigest, a digest': (text) => parseDigest(`sha256:${text}`, 'x'),
  parseDigest: (text) => parseDigest(text, 'x'),
  nextLink,
  parseChallenges,
  'parseChallenges, in a parameter': (text) => parseChallenges(`Bearer realm="https://a.example/token",x=${text}`),
  'parseChallenges, in a quoted parameter': (text) => parseChallenges(`Bearer realm="${text}`),
  parsePullBudget: (text) => parsePullBudget(header(text)),
  parseRetryAfter,
  parseManifest: (text) => parseManifest(bytes(text), undefined),
  'parseManifest, its type': (text) => parseManifest(bytes('{}'), text),
  'parseManifest, a digest': (text) =>
    parseManifest(bytes(JSON.stringify({ manifests: [{ digest: text, mediaType: text, size: 1 }] })), undefined),
  parseJson,
  parseEnvelope,
  accountIdFromKey,
  'ApiKey.redact': (text) => key.redact(text),
  parseBaseUrl,
  'resolveImage, a connector': (text) => resolveImage('q/x:1', text),
  'resolveImage, an image': (text) => resolveImage(text, 'https://zz.example'),
  connectorRegistry,
  matchesHost: (text) => matchesHost(new URL('https://a.example'), [text]),
  proxyFor: (text) => proxyFor(new URL('https://a.example'), { HTTPS_PROXY: text }),
  'proxyFor, NO_PROXY': (text) => proxyFor(new URL('https://a.example'), { HTTPS_PROXY: 'http://p', NO_PROXY: text }),
  redacted,
  isPageType,
  reasonText: (text) => reasonText(text, undefined),
  'reasonText, a page': (text) => reasonText(`<html>${text}`, undefined),
  'reasonText, XML': (text) => reasonText(`<?xml ?><Error><Code>${text}`, undefined),
  'reasonText, JSON': (text) =>
    reasonText(JSON.stringify({ errors: [{ code: text, message: text, detail: { text } }] }), undefined),
  printable,
  'printable, all of it': (text) => printable(text, text.length),
  printableJson,
  misplacedIn,
  decodeAuth,
  isUnexpanded,
  notJson,
  nearest: (text) => nearest(text, ['gar', text]),
  render,
  'render, a key': (text) => render({ [text]: { [text]: text } }),
  describeProblems: (text) => describeProblems([{ path: text, found: text, allowed: text }]),
  trimEnd: (text) => trimEnd(text, '/'),
  isLike: (text) => isLike(text, '*a*/*-*:*'),
  'isLike, a filter': (text) => isLike('harness/ci-addon', text),
  'a glob': (text) => globMatcher([text])('harness/ci-addon'),
  'a name for a glob': (text) => globMatcher(['*?'.repeat(100)])(text.slice(0, text.length / 64)),
  fieldFilter: (text) =>
    fieldFilter({ includeFields: ['*a*b*c*Z'], excludeFields: ['**/x:*'] })(text, { repository: text, tag: text }),
  'selectFields, a field': (text) =>
    selectFields([{ module: 'ci', infrastructureType: 'K8', defaults: { [text]: 'a/b:1' }, overrides: {} }], settings),
  'selectFields, an image': (text) =>
    selectFields([{ module: 'ci', infrastructureType: 'K8', defaults: { aTag: text }, overrides: {} }], settings),
  parseErrorCause: (text) => parseErrorCause({ Error: text, Cause: text }),
  parseCron,
  parseTimeZone,
  'a run id': (text) => runIdPattern.test(text),
  assertKey,
  bearerToken: (text) => bearerToken(`Bearer ${text}`),
  readDelivery: (text) => readDelivery(bytes(text), undefined),
  'readDelivery, a key': (text) => readDelivery(bytes(''), text),
  'config.json': (text) => dockerConfigCredentials(text, 'x'),
  'config.json, a host': (text) =>
    dockerConfigCredentials(JSON.stringify({ auths: { [text]: { auth: text } } }), 'x').logins('r.example', text),
  'the input, an unknown key': input((text) => ({ [text]: 1 })),
  'the input, registry': input((text) => ({ registry: text })),
  'the input, globs': input((text) => ({ include_fields: [text] })),
  'the input, pins': input((text) => ({ pins: { [text]: text } })),
  'the input, extra_images': input((text) => ({ extra_images: [text] })),
  'the input, platforms': input((text) => ({ platforms: [text] })),
  'the input, restore_run': input((text) => ({ action: 'restore', restore_run: text })),
  ...Object.fromEntries(variables.map((name) => [name, variable(name)])),
  'a table': (text) => table(['x'], [[text]]),
};
