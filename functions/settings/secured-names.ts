/**
 * Namespace of the images of the self-managed platform: `harness/NAME` and `plugins/NAME` of SaaS are both
 * `harnesssecure/NAME` there (harness/helm-charts, images.txt).
 */
const secured = 'harnesssecure/';

/** Names that SaaS has in the namespace `harness`. All other names are in `plugins`. */
const ofHarness =
  /^(?:ci-addon|ci-lite-engine|drone-git|harness-cache-server|buildkit|sto-plugin|s(?:sca|lsa)-.+|.+-job-runner|delegate|upgrader|aws-sam-plugin|download-(?:aws-s3|google-cloud-storage|harness-store))$/;

/** Returns the name that SaaS has for an image. Returns names of other namespaces unchanged. */
export function saasName(repository: string): string {
  if (!repository.startsWith(secured)) return repository;
  const name = repository.slice(secured.length);
  return `${ofHarness.test(name) ? 'harness' : 'plugins'}/${name}`;
}

/** Returns the name that the self-managed platform has for an image of SaaS. Returns others unchanged. */
export function securedName(repository: string): string {
  return repository.replace(/^(?:harness|plugins)\//, secured);
}

export function isSecured(repository: string): boolean {
  return repository.startsWith(secured);
}

/** Returns both names of an image, that in use first. */
export function namesOfImage(repository: string): string[] {
  return [...new Set([repository, isSecured(repository) ? saasName(repository) : securedName(repository)])];
}
