import type { Hint } from '../../hint.ts';
import type { Purpose } from './purpose.ts';

/**
 * A permanent refusal of a push, recognized by the text of the registry. Registries agree neither on the status
 * nor on the code: a moved tag of an immutable repository alone is 400 TAG_INVALID at ECR, 403 DENIED at Docker Hub,
 * 409 at Google's and 412 PRECONDITION at Harbor.
 */
interface KnownRefusal {
  says: RegExp;
  cure: (registry: string, purpose: Purpose) => Hint;
}

/** The first that matches counts. Patterns are matched against one bounded line, see `ReasonText`. */
const knownRefusals: readonly KnownRefusal[] = [
  {
    // ECR and Google "immutable"/"immutability", Alibaba "cannot be overwritten", Nexus "does not allow updating
    // assets", Artifactory "delete/overwrite", ECR's API ImageTagAlreadyExistsException, Harbor "tag … already exists".
    says: /immutab|overwrit|does not allow updating|cannot be updated|redeploy|TagAlreadyExists|\btag\b.{0,200}already exists/i,
    cure: (_, purpose) => immutableTag(purpose),
  },
  {
    // https://learn.microsoft.com/azure/container-registry/container-registry-image-lock
    says: /REGISTRY_DISALLOWED_OPERATION|operation is disallowed/i,
    cure: (registry, { repository }) => ({
      hint: `Unlock ${repository} and its images at ${registry} (write-enabled), and check that its storage is not full.`,
    }),
  },
  {
    // Harbor "will exceed the configured upper limit", Quay and GitLab "quota".
    says: /quota|exceed|storage (?:limit|is full)|insufficient storage|LimitExceeded/i,
    cure: (registry) => ({ hint: `Raise the quota at ${registry}.`, topic: 'quota' }),
  },
  {
    says: /read[- ]?only|maintenance mode/i,
    cure: (registry) => ({ hint: `Run again when ${registry} accepts pushes again.` }),
  },
  {
    says: /SIZE_INVALID|too large/i,
    cure: limitedBody,
  },
  {
    says: /NAME_UNKNOWN|RepositoryNotFound|(?:repository|project)\b.{0,200}(?:does not exist|not found)/i,
    cure: missingRepository,
  },
  {
    says: /NAME_INVALID/i,
    cure: (registry, { repository }) => ({
      hint: `Choose another repository name: ${registry} does not accept ${repository}.`,
      topic: 'repository-name',
    }),
  },
];

/** Returns the cure for a refusal with a known text; `undefined` for others. */
export function cureOf(said: string, registry: string, purpose: Purpose): Hint | undefined {
  return knownRefusals.find(({ says }) => says.test(said))?.cure(registry, purpose);
}

/** Returns whether a registry refused to move a tag. */
export function isImmutable(said: string): boolean {
  return knownRefusals[0]?.says.test(said) ?? false;
}

/** Returns the cure for a tag that the registry does not move. */
export function immutableTag({ repository, manifest }: Purpose): Hint {
  const hint = `Exclude the prefix "${firstOf(repository)}" from immutable tags.`;
  return { hint, topic: manifest && 'immutable-tag' };
}

/** Returns the cure for a body that is too large. */
export function limitedBody(registry: string): Hint {
  return { hint: `Raise the limit for request bodies at ${registry}, or at a reverse proxy in front of it.` };
}

/** Returns the cure for a repository that does not exist. */
export function missingRepository(registry: string, { repository }: Purpose): Hint {
  return {
    hint: `Create the repository ${repository} at ${registry}, or let the registry create repositories on push.`,
  };
}

export function refusesFormat(status: number, codes: readonly string[], said: string): boolean {
  return (
    status === 415 ||
    codes.some((code) => formatCodes.has(code)) ||
    /invalid URL on layer|foreign layer|non-?distributable|(?:unsupported|unknown|invalid|not supported).{0,60}(?:media ?type|manifest|schema)|(?:media ?type|manifest|schema).{0,60}(?:unsupported|not supported|not allowed)/i.test(
      said,
    )
  );
}

const formatCodes: ReadonlySet<string> = new Set([
  'MANIFEST_INVALID',
  'MANIFEST_UNVERIFIED',
  'UNSUPPORTED',
  'UnsupportedImageTypeException',
]);

function firstOf(repository: string): string {
  return repository.split('/', 1)[0] ?? repository;
}
