/** What the function of a task may use, beside the state bucket and its own log, which every task has. */
export interface TaskNeeds {
  /** Memory in MiB; CPU comes with it. Default 512. */
  memory?: number;
  /** Minutes until Lambda stops it. Default 5. */
  minutes?: number;
  harnessApiKey?: boolean;
  registryCredentials?: boolean;
  /** ECR actions on the target's repositories; the token that goes with them is added. Default none. */
  ecr?: readonly string[];
}

// What the OCI protocol asks of ECR: HEAD and GET of blobs and manifests, and the list of tags.
const pull = [
  'ecr:BatchCheckLayerAvailability',
  'ecr:BatchGetImage',
  'ecr:GetDownloadUrlForLayer',
  'ecr:ListImages',
] as const;

const push = [
  ...pull,
  'ecr:CompleteLayerUpload',
  'ecr:InitiateLayerUpload',
  'ecr:PutImage',
  'ecr:UploadLayerPart',
] as const;

const createRepository = ['ecr:CreateRepository', 'ecr:DescribeRepositories'] as const;

/** A task that is not listed gets the defaults. */
export const taskNeeds: Readonly<Record<string, TaskNeeds>> = {
  plan: { memory: 1024, harnessApiKey: true, registryCredentials: true, ecr: pull },
  copy: { memory: 1024, minutes: 15, registryCredentials: true, ecr: [...push, ...createRepository] },
  snapshot: { harnessApiKey: true },
  'update-config': { harnessApiKey: true },
  'reset-config': { harnessApiKey: true },
  verify: { memory: 1024, harnessApiKey: true, registryCredentials: true, ecr: pull },
  rollback: { harnessApiKey: true },
  prune: { harnessApiKey: true, registryCredentials: true, ecr: [...pull, 'ecr:BatchDeleteImage'] },
};
