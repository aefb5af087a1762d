import { type ExtraImage, parseExtraImage } from './extra-image.ts';

/** Images that Harness pulls and no field names, as `extra_sets` names them. */
interface ListedImages {
  /** The day of the list: `2026-08-31`. Images come and go, and one that no source has any longer is a warning. */
  readonly asOf: string;
  /** The public pages that list the images. */
  readonly source: readonly string[];
  /** `namespace/name` with a tag, or with a range where pipelines choose the version. */
  readonly images: readonly string[];
}

const chart = 'https://github.com/harness/helm-charts/blob/main/src/harness/README.md';

const extraSets = {
  /**
   * Plugins on the list of Harness CI images that no field of module ci names. `plugins/drone-liquibase` is left out:
   * the fields of module dbops name it.
   */
  'ci-plugins': {
    asOf: '2026-08-31',
    source: [
      'https://developer.harness.io/docs/continuous-integration/use-ci/set-up-build-infrastructure/harness-ci#harness-ci-images-list',
    ],
    images: [
      'plugins/artifact-metadata-publisher:*',
      'plugins/aws-oidc:*',
      'plugins/buildah-docker:*',
      'plugins/download-artifactory:*',
      'plugins/email:*',
      'plugins/gcp-oidc:*',
      'plugins/githubaction:*',
      'plugins/image-migration:*',
      'plugins/test-analysis:*',
    ],
  },
  /** Scanners of Security Testing Orchestration. Harness pulls `latest`, and moves it every two weeks. */
  'sto-scanners': {
    asOf: '2026-08-31',
    source: [
      'https://developer.harness.io/docs/security-testing-orchestration/use-sto/set-up-sto-pipelines/sto-images',
      chart,
    ],
    images: [
      'harness/anchore-job-runner:latest',
      'harness/aqua-security-job-runner:latest',
      'harness/aqua-trivy-job-runner:latest',
      'harness/aws-ecr-job-runner:latest',
      'harness/aws-security-hub-job-runner:latest',
      'harness/bandit-job-runner:latest',
      'harness/blackduckhub-job-runner:latest',
      'harness/brakeman-job-runner:latest',
      'harness/burp-job-runner:latest',
      'harness/checkmarx-job-runner:latest',
      'harness/checkmarx-one-job-runner:latest',
      'harness/checkov-job-runner:latest',
      'harness/fossa-job-runner:latest',
      'harness/github-advanced-security-job-runner:latest',
      'harness/gitleaks-job-runner:latest',
      'harness/grype-job-runner:latest',
      'harness/modelscan-job-runner:latest',
      'harness/nexusiq-job-runner:latest',
      'harness/nikto-job-runner:latest',
      'harness/nmap-job-runner:latest',
      'harness/osv-job-runner:latest',
      'harness/owasp-dependency-check-job-runner:latest',
      'harness/prowler-job-runner:latest',
      'harness/semgrep-job-runner:latest',
      'harness/shiftleft-job-runner:latest',
      'harness/snyk-job-runner:latest',
      'harness/sonarqube-agent-job-runner:latest',
      'harness/sysdig-job-runner:latest',
      'harness/traceable-job-runner:latest',
      'harness/twistlock-job-runner:latest',
      'harness/veracode-agent-job-runner:latest',
      'harness/whitesource-agent-job-runner:latest',
      'harness/wiz-job-runner:latest',
      'harness/zap-job-runner:latest',
    ],
  },
  /** The delegate, and the image that upgrades it. Variants such as `.minimal` are for `extra_images`. */
  delegate: {
    asOf: '2026-08-31',
    source: [
      'https://developer.harness.io/docs/platform/delegates/install-delegates/delegate-upgrades-and-expiration',
      chart,
    ],
    images: ['harness/delegate:*', 'harness/upgrader:latest'],
  },
  /**
   * Images of container step groups in CD, which has default versions of its own for the addon, the lite engine and git
   * clone: no API lists them. The versions are those of chart 0.47.0, under "CD Deployment Plugins" and beside CI's. The
   * chart's README has them as `harnesssecure/NAME`; its images.json (chart 0.45.0) has the namespace on SaaS.
   */
  'cd-steps': {
    asOf: '2026-08-31',
    source: [
      chart,
      'https://github.com/harness/helm-charts/blob/main/src/harness/images.json',
      'https://developer.harness.io/docs/continuous-delivery/deploy-srv-diff-platforms/aws/aws-sam-deployments',
    ],
    images: [
      'harness/aws-sam-plugin:nodejs20.x-1.162.1-1.4.0-beta-linux-amd64',
      'harness/ci-addon:1.18.30',
      'harness/ci-lite-engine:1.18.30',
      'harness/download-aws-s3:1.3.0-rootless-linux',
      'harness/download-google-cloud-storage:0.0.4-linux-amd64',
      'harness/download-harness-store:1.0.0-rootless-linux',
      'harness/drone-git:1.4.1-rootless',
      'harness/drone-git:1.7.16-rootless',
    ],
  },
} as const satisfies Record<string, ListedImages>;

export type ExtraSet = keyof typeof extraSets;

export const extraSetNames = Object.keys(extraSets) as ExtraSet[];

export function listOf(set: ExtraSet): ListedImages {
  return extraSets[set];
}

export interface ListedImage {
  set: ExtraSet;
  image: ExtraImage;
}

/** Returns whether the version of a listed image moves, so that a pin can hold it. */
export function isMoving({ tag, range }: ExtraImage): boolean {
  return range !== undefined || tag === 'latest';
}

export function imagesOfSets(sets: readonly ExtraSet[]): ListedImage[] {
  return sets.flatMap((set) => extraSets[set].images.map((image) => ({ set, image: parseExtraImage(image) })));
}
