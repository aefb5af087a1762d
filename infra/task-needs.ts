/** The permissions of a task's function, beside its log, the state of runs, and its writes to `runs/`. */
export interface TaskNeeds {
  /** Memory in MiB; CPU comes with it. Default 512. */
  memory?: number;
  /** Minutes until Lambda stops it. Default 5. */
  minutes?: number;
  harnessApiKey?: boolean;
  registryCredentials?: boolean;
  /** ECR actions on the target's repositories. Default none. */
  ecr?: readonly string[];
  /** ECR actions that support no resources. Default: none. */
  ecrRegistry?: readonly string[];
  /** ECR actions on the repositories that images come from; the token that goes with them is added. Default none. */
  ecrSource?: readonly string[];
  /** The customer's function or state machine that it calls, when there is one. */
  template?: 'gatherScanTemplate' | 'buildPushTemplate';
  /** Keys in the state bucket that it reads and writes beside those of runs. Default none. */
  writes?: readonly string[];
  /** Keys there that it writes and never reads: pages for people. Default none. */
  pages?: readonly string[];
  /** Keys there that it reads beside those that it writes. Default none. */
  reads?: readonly string[];
  /** Its access to bundles in their bucket, when there is one. */
  bundles?: 'read' | 'write';
  /** It looks up executions of the workflow. */
  executions?: boolean;
  /** It tells of each outcome: the topic, the event bus, and who is called back. */
  notifies?: boolean;
}

/** For all of a registry's endpoint that speaks OCI. */
export const token = 'ecr:GetAuthorizationToken';

/**
 * For pulls from ECR Public that are not counted as a stranger's
 * (https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/API_GetAuthorizationToken.html).
 */
export const publicToken = ['ecr-public:GetAuthorizationToken', 'sts:GetServiceBearerToken'] as const;

// By https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-pull-iam.html, image-push-iam.html, and for the
// referrers of an image https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImageReferrers.html.
const manifests = ['ecr:BatchGetImage'] as const;

/** The actions that pull an image. */
export const pull = [...manifests, 'ecr:BatchCheckLayerAvailability', 'ecr:GetDownloadUrlForLayer'] as const;

/**
 * Brings what a pull-through cache does not hold yet; its repositories are made by a registry policy or by hand.
 * https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-iam.html
 */
const throughCache = 'ecr:BatchImportUpstreamImage';

const push = [
  ...pull,
  'ecr:CompleteLayerUpload',
  'ecr:InitiateLayerUpload',
  'ecr:PutImage',
  'ecr:UploadLayerPart',
] as const;

export const createRepository = [
  'ecr:CreateRepository',
  'ecr:DescribeRepositories',
  'ecr:PutLifecyclePolicy',
  'ecr:TagResource',
] as const;

/** The action that deletes images. Only deployments that allow `prune` have it. */
export const deleteImages = 'ecr:BatchDeleteImage';

/** The actions that change repositories. They are granted below the prefix of the registry only. */
export const writing: ReadonlySet<string> = new Set([
  ...push.filter((action) => !pull.some((reading) => reading === action)),
  ...createRepository,
  deleteImages,
]);

const locks = 'locks/*';
const manifestCache = 'manifests/*';
const built = 'built/*';
const inventory = 'inventory.json';
const refusedFields = 'refused-fields.json';
const writtenValues = 'written-values.json';
const looks = 'looks/*';
const firstSeen = 'first-seen.json';
const lastSync = 'last-sync.json';
const history = 'history.json';
const received = 'received.json';

/** A task that is not listed gets the defaults. */
export const taskNeeds: Readonly<Record<string, TaskNeeds>> = {
  plan: {
    memory: 1024,
    executions: true,
    minutes: 15,
    harnessApiKey: true,
    registryCredentials: true,
    ecr: pull,
    ecrRegistry: [token, 'ecr:GetAccountSetting'],
    ecrSource: [...pull, throughCache, 'ecr:ListImages'],
    bundles: 'read',
    writes: [locks, manifestCache, firstSeen, looks],
    reads: [inventory, refusedFields, built, writtenValues, received],
  },
  copy: {
    memory: 1024,
    minutes: 15,
    registryCredentials: true,
    ecr: [...push, ...createRepository],
    ecrRegistry: [token],
    ecrSource: [...pull, throughCache],
    template: 'buildPushTemplate',
    bundles: 'read',
    writes: [locks, manifestCache, built, 'checkpoints/*'],
  },
  export: {
    memory: 1024,
    minutes: 15,
    registryCredentials: true,
    ecr: pull,
    ecrRegistry: [token],
    ecrSource: [...pull, throughCache],
    bundles: 'write',
    writes: [locks, manifestCache],
  },
  scan: {
    memory: 1024,
    minutes: 15,
    ecr: [...manifests, 'ecr:DescribeImageScanFindings', 'ecr:StartImageScan'],
    // Enhanced findings are Inspector's, and ECR asks it for them as its own caller
    // (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html).
    ecrRegistry: [token, 'ecr:GetRegistryScanningConfiguration', 'inspector2:ListCoverage', 'inspector2:ListFindings'],
    template: 'gatherScanTemplate',
    writes: [locks, manifestCache],
  },
  snapshot: {
    memory: 1024,
    harnessApiKey: true,
    registryCredentials: true,
    ecr: pull,
    ecrRegistry: [token],
    writes: [manifestCache, looks],
  },
  'update-config': { harnessApiKey: true, writes: [locks, refusedFields, writtenValues] },
  'reset-config': { harnessApiKey: true, writes: [locks, refusedFields] },
  verify: {
    memory: 1024,
    minutes: 15,
    harnessApiKey: true,
    registryCredentials: true,
    ecr: pull,
    ecrRegistry: [token],
    bundles: 'read',
    writes: [locks, manifestCache, looks, received],
  },
  rollback: { minutes: 15, harnessApiKey: true, writes: [locks, refusedFields] },
  prune: {
    harnessApiKey: true,
    registryCredentials: true,
    ecr: [...manifests, deleteImages, 'ecr:ListImages'],
    ecrRegistry: [token],
    writes: [locks, inventory, manifestCache],
    reads: [firstSeen],
  },
  report: { notifies: true, writes: [locks, inventory, lastSync, looks, history], pages: ['history.html'] },
};
