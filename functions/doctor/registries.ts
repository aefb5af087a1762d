import { resolveTag } from '../oci/registry/manifests.ts';
import { profileOf } from '../oci/registry/profile.ts';
import { probePush } from '../oci/registry/push-probe.ts';
import {
  formatLocation,
  formatReference,
  type ImageName,
  parseImageName,
  type RegistryLocation,
  relocate,
  tagOrDigest,
} from '../oci/spec/reference.ts';
import type { Check } from '../state/documents/checks.ts';
import { check, type Finding, ok, skipped, warning } from './check.ts';
import { anyImage, type Subject } from './subject.ts';

/** Looks an official image up at each source. One source that serves it is enough. */
export async function checkSources(subject: Subject, image: Promise<string>): Promise<Check[]> {
  const found = await Promise.all(
    subject.sources.map((source) =>
      check(`source ${formatLocation(source)}`, async () => checkSource(subject, source, await image), subject.signal),
    ),
  );
  const isServed = found.some(({ status }) => status === 'ok');
  return found.map((each) => (isServed && each.status === 'failed' ? { ...each, status: 'warning' } : each));
}

async function checkSource({ runtime, signal }: Subject, source: RegistryLocation, image: string): Promise<Finding> {
  const reference = relocate(withTag(image), source);
  const repository = runtime.repository(reference);
  const digest = await resolveTag(repository, tagOrDigest(reference), { signal });
  const { budget } = repository.registry.pulls;
  const pulls = budget ? `, ${budget.remaining} of ${budget.limit} pulls left` : '';
  if (digest !== undefined) return ok(`serves ${formatReference(reference)}${pulls}`);
  // An account that cannot be read names no image: the one that is looked up may not exist.
  if (image === anyImage) return ok('responds');
  return warning(
    `responds, but lacks ${formatReference(reference)}`,
    'Other sources may have it. List them in source_registry.',
  );
}

/** Checks that the target can be reached, accepts the login, and lets a push begin. */
export async function checkTarget({ runtime, registry, signal }: Subject, image: string): Promise<Finding> {
  if (!registry) return skipped('no registry is set');
  const reference = relocate(withTag(image), registry);
  const repository = runtime.repository(reference);
  const name = `${reference.registry}/${reference.repository}`;
  const digest = await resolveTag(repository, tagOrDigest(reference), { absence: 'likely', signal });
  const [first] = await runtime.parts.credentials.logins(reference.registry, reference.repository);
  const login = first ? `accepts the login of ${first.name}` : 'accepts requests without a login';
  const copy = digest === undefined ? 'has no copy of it yet' : 'has its copy';
  if (profileOf(registry.registry).name === 'ecr') {
    // A push may create a repository, and no session can be cancelled.
    if (runtime.configuration.confined)
      return ok(`${login}; ${name} ${copy}; the copy function pushes with its own permissions, which were not checked`);
    const tags = await runtime.repositories.tags?.(registry.registry, reference.repository);
    const rights = runtime.configuration.ecrCreateRepositories
      ? 'the first push needs ecr:CreateRepository'
      : 'with ECR_CREATE_REPOSITORIES=off, create the repository, or a creation template for it';
    if (!tags || tags.size === 0) return ok(`${login}; ${name} ${copy}: no push was tried, and ${rights}`);
  }
  const isCancelled = await probePush(repository, signal);
  const end = isCancelled ? 'was cancelled' : 'ends by itself';
  return ok(`${login}; ${name} ${copy}; a push is allowed (an upload was opened, and ${end})`);
}

/** Returns the image with a tag: a lookup needs one. */
function withTag(image: string): ImageName {
  const name = parseImageName(image);
  return name.tag === undefined && name.digest === undefined ? { ...name, tag: 'latest' } : name;
}
