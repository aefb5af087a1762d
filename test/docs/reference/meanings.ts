import type { InputKey } from '../../../functions/settings/input-schema.ts';
import { type DeploymentSetting, deploymentSettings } from '../../../infra/deployment-settings.ts';
import { variableOf } from '../../../infra/settings.ts';

/** The text beside an input key. Values and defaults come from the schema. */
export interface KeyMeaning {
  meaning: string;
  /** The variable that holds the default. */
  variable?: string;
  /** Path of the default in the settings of a run, where it is not the key in camel case. */
  setting?: string;
}

/** The text beside a variable. Values and defaults come from the schema. */
export interface VariableMeaning {
  meaning: string;
  /** The default in words, where it is not a constant of the schema. */
  default?: string;
}

/** Every input key, by topic. The type checker demands that none is left out. */
export const keyTopics = {
  'The job': [
    'action',
    'bundle',
    'restore_run',
    'modify_default',
    'on_partial_failure',
    'reset_scope',
    'override_values',
    'manage_connector',
    'allow_unmatched',
    'started_by',
  ],
  'What is copied': [
    'images',
    'infrastructure_type',
    'modules',
    'include_sets',
    'include_fields',
    'exclude_fields',
    'include_windows_rootless',
    'pins',
    'extra_images',
    'extra_sets',
    'platforms',
    'referrers',
  ],
  'Where from, where to, and how': [
    'registry',
    'source_registry',
    'max_concurrency',
    'recheck_days',
    'prune',
    'keep_versions',
  ],
  'When an image is used': ['soak_days', 'wait_for_scan', 'scan_fail_on', 'scan_allow', 'scan_deadline_minutes'],
} as const satisfies Record<string, readonly InputKey[]>;

export const keyMeanings: Record<InputKey, KeyMeaning> = {
  action: {
    meaning:
      '`sync` copies what is missing, switches Harness and verifies. `plan` reports what `sync` would do and writes nothing. `verify` checks that Harness uses the copies and that they are complete. `reset` removes the overrides. `restore` writes the overrides back as they were before `restore_run`. `export` writes the images to `bundle`, and `import` does what `sync` does with a bundle as the source.',
  },
  bundle: {
    meaning:
      'Where `export` writes the bundle, and `import` reads it: a folder, a file `NAME.tar`, or `s3://BUCKET/KEY`. With `plan`: what `import` would do, and `none` reports all that Harness needs. With `verify`: check the bundle alone.',
  },
  images: {
    meaning:
      'With `export`: the images, without reading Harness. Each is a name, or an object of `needs.json` with the fields that need it. A range stands for the newest version at the source.',
  },
  restore_run: {
    meaning: 'With `restore`: the run to undo. Its snapshot is written back.',
  },
  modify_default: {
    variable: 'MODIFY_DEFAULT',
    meaning: 'Switch Harness after copying. `false` copies only.',
  },
  on_partial_failure: {
    meaning:
      'When an image fails: `abort` switches nothing. `update-succeeded` switches the fields whose images succeeded.',
  },
  override_values: {
    meaning:
      '`absolute` writes `registry/namespace/name:tag`. `relative` writes `namespace/name:tag`, and the connector of each stage adds its registry: see [image connectors](connectors.md#connectors-of-stages).',
  },
  manage_connector: {
    meaning:
      "Give the connector of Harness's images the address of `registry`, in the same run as the switch. Images without an override then come from the copies too: see [image connectors](connectors.md#let-the-factory-change-the-connector).",
  },
  reset_scope: {
    meaning: 'With `reset`: `ours` removes the overrides that point at `registry`, `all` removes every override.',
  },
  allow_unmatched: {
    meaning:
      'Report a pin, glob, set, platform or `images` of `scan_allow` that matches nothing as a warning. By default it ends the run before anything is written, because it would protect nothing. Use it for one input shared by several accounts.',
  },
  started_by: {
    meaning:
      'Who or what started the run, for the report and the notification. Nobody verifies it. The webhook with `WEBHOOK=iam` enters the ARN of the caller, which AWS has verified, and callers cannot set the key.',
  },
  infrastructure_type: {
    setting: 'infrastructureTypes',
    meaning:
      'The infrastructure whose images are copied and switched: one, or a list of both. Container steps on Harness Cloud use the images of `VM` too, so it must reach `registry`.',
  },
  modules: {
    meaning:
      'A list of the Harness modules to serve. `VM` exists for `ci` only. The lite engine and the addon of `dbops` steps (Database DevOps) are those of `ci`. `iacm` lists the fields of `ci` too, and those that it does not let anyone write are `rejected`.',
  },
  include_sets: {
    meaning:
      'Only fields of these purposes: `core` (addon, lite engine, git clone), `build-push` (build, push, upload), `cache`, `sto`, `supply-chain`, `iacm`, `idp`, `dbops`: see [the fields of each](#sets-of-fields). With `include_fields`, the fields of both. A field that Harness added later is in no set: a warning names it.',
  },
  include_fields: {
    meaning:
      'Only fields whose name or image matches, such as `"buildAndPush*"` or `"plugins/*"`. Globs have `*`, `**`, `?`, `[a-z]` and `{a,b}`.',
  },
  exclude_fields: {
    meaning:
      'No field whose name or image matches, and no image of `extra_sets` that matches. Globs as in `include_fields`.',
  },
  include_windows_rootless: {
    meaning: 'Also copy the rootless Windows images, and `drone-git` without the suffix.',
  },
  pins: {
    meaning:
      'Versions to hold. Their `-rootless` variants follow. A pin also holds an extra image that names no version.',
  },
  extra_images: {
    meaning:
      'Images to copy beside those of the fields. No field is set to them. A range of npm (`plugins/email:^1`, `~1.2`, `>=1.2 <2`, `*`) stands for the [newest version](#versions-in-ranges) at the source.',
  },
  extra_sets: {
    meaning:
      '[Lists of images](#sets-of-images) that Harness pulls and no field names. `exclude_fields` leaves images out, and pins hold their versions. One that no source has is a warning.',
  },
  platforms: {
    meaning: 'Platforms to keep. Without it, all. Leaving platforms out changes the digest of an index.',
  },
  referrers: {
    meaning:
      'Signatures, SBOMs and attestations to copy with each image. One that cannot be copied is a warning and does not stop the switch.',
  },
  registry: {
    variable: 'REGISTRY_NAME',
    meaning: 'The registry that gets the copies. `https://` in front is accepted. A host of one word needs its port.',
  },
  source_registry: {
    variable: 'SOURCE_REGISTRY',
    meaning:
      'Registries to copy from: one, or a list tried in order. When one refuses or fails, the next that has the same digest is used. `registry` alone: nothing is copied, and Harness is switched to what is there.',
  },
  max_concurrency: {
    variable: 'MAX_CONCURRENCY',
    meaning: "Images copied at once. On AWS, each takes one of the account's concurrent Lambda executions.",
  },
  recheck_days: {
    meaning:
      'With `sync` and `plan`: days after which everything below an existing image is looked up again. `0`: in every run. What a cleanup removed is copied again under the same digests, and the image is reported as `repaired`.',
  },
  prune: {
    meaning:
      'With `sync`: remove overrides of fields that Harness dropped, and copies that neither Harness nor the last runs use. What a used image or a tag of yours refers to is kept. An image that no field names [stays for 90 days](troubleshooting.md#copies-that-were-kept) after the last `sync` or `import` that lists it. Do not use it for a prefix that a factory with another state shares.',
  },
  keep_versions: {
    meaning:
      'With `prune`: the number of runs whose versions are kept, counted for each module and infrastructure type. Also the number of versions kept of each field, and of each range of `extra_images` and `extra_sets`.',
  },
  soak_days: {
    meaning:
      'Copy at once, but use only [versions](triggers.md#versions-that-have-soaked) that were first seen this many days ago. A floating tag that moved counts as a new version. Harness recommends a month: `30`.',
  },
  wait_for_scan: {
    meaning:
      'Switch only to images that passed their [scan](ecr.md#scans), and move a tag in use only then. Needs a registry at ECR, or `GATHER_SCAN_TEMPLATE`.',
  },
  scan_fail_on: {
    setting: 'scan.failOn',
    meaning: 'The lowest severity that fails an image.',
  },
  scan_allow: {
    setting: 'scan.allow',
    meaning:
      'Findings to accept up to a day: `[{"id": "CVE-2025-12345", "until": "2026-01-31", "reason": "…", "images": ["plugins/*"]}]`. `reason` and `images` are optional.',
  },
  scan_deadline_minutes: {
    setting: 'scan.deadlineMinutes',
    meaning: 'Minutes to wait for scans. An image that is not scanned by then has failed.',
  },
};

const ofDeployments = Object.fromEntries(
  Object.entries<DeploymentSetting<unknown>>(deploymentSettings).map(([name, { meaning, default: text }]) => [
    variableOf(name),
    { meaning, ...(text !== undefined && { default: text }) },
  ]),
);

/** Every variable that the schema reads, by topic. A test demands that none is left out. */
export const variableTopics: Record<string, Record<string, VariableMeaning>> = {
  Harness: {
    HARNESS_API_KEY: { meaning: 'The API key, for runs outside AWS.' },
    HARNESS_API_KEY_SECRET: {
      default: '`harness-ci-image-factory/api-key` on AWS',
      meaning: 'Secret of Secrets Manager that holds the API key.',
    },
    HARNESS_URL: { meaning: 'Address of Harness, with or without `/gateway`.' },
    HARNESS_ACCOUNT_ID: { default: 'from the key', meaning: 'The Harness account.' },
    CONTAINER_REGISTRY_CONNECTOR: {
      default: '`account.harnessImage`',
      meaning: 'Connector through which Harness pulls its images. It is checked before anything is copied.',
    },
    ORG_ID: { meaning: 'Organization of that connector, and of the pipeline of a callback.' },
    PROJECT_ID: { meaning: 'Project of that connector, and of the pipeline of a callback.' },
    CALLBACK_URL_SECRET: {
      meaning: 'Secret with the Harness trigger or pipeline to [call when a run ends](triggers.md#the-callback).',
    },
  },
  Registries: {
    REGISTRY_NAME: {
      default: "on AWS: the prefix `harness-ci` of the account's ECR registry",
      meaning: 'Default of `registry`. On AWS, the functions may use no other ECR repositories.',
    },
    FORMER_REGISTRY: {
      default: 'on AWS without `REGISTRY_NAME`: the ECR registry without a prefix',
      meaning:
        'Registry that stored the copies before. A `sync` replaces overrides that name a copy there, and a `reset` removes them: see [another registry](deployment.md#another-registry).',
    },
    SOURCE_REGISTRY: { meaning: 'Default of `source_registry`.' },
    REGISTRY_CREDENTIALS_SECRET: {
      meaning: 'On AWS: secret with a Docker `config.json`. ECR needs none.',
    },
    INSECURE_REGISTRIES: { meaning: 'Registries without TLS. Loopback addresses need no entry.' },
    TRUSTED_TOKEN_HOSTS: {
      meaning: "Token services on another host or port that may receive a registry's credentials.",
    },
    TRUSTED_PRIVATE_HOSTS: {
      meaning: 'Hosts in your network to which a registry outside it may redirect. Entries as in `NO_PROXY`.',
    },
    REGISTRY_CERTS: {
      meaning:
        "Folder laid out as Docker's `certs.d`: `<host[:port]>/ca.crt`, `client.cert`, `client.key`. On Windows, the name has no colon.",
    },
  },
  'Defaults of inputs': {
    MODIFY_DEFAULT: { meaning: 'Default of `modify_default`.' },
    AUTO_SWITCH: {
      meaning:
        'On AWS: `afterFirstSync`: [scheduled runs](triggers.md#the-first-switch) switch Harness once a sync that a person started has. `always`: they do not wait for that.',
    },
    MAX_CONCURRENCY: { meaning: 'Default of `max_concurrency`.' },
    ALLOW_PRUNE: {
      default: '`false` on AWS, else `true`',
      meaning:
        '`false`: an input with `prune` is refused. On AWS, the functions then have no permission to delete images.',
    },
  },
  'Deployment on AWS': {
    ...ofDeployments,
    WEBHOOK_TOKEN_SECRET: { default: 'a new secret', meaning: 'With `WEBHOOK=token`: secret with the tokens.' },
    WEBHOOK_ALLOW: {
      meaning:
        'Input keys that the webhook accepts beyond [what the deployment trusts](triggers.md#what-a-caller-can-do), and `stop`.',
    },
    GATHER_SCAN_TEMPLATE: {
      meaning:
        '[Template](templates.md) that judges images, in place of the scans of ECR. For `factory pipelines` also [one of Harness](harness-pipelines.md#templates-of-harness).',
    },
    BUILD_PUSH_TEMPLATE: {
      meaning:
        '[Template](templates.md) that builds and pushes images, in place of the copy. For `factory pipelines` also [one of Harness](harness-pipelines.md#templates-of-harness).',
    },
  },
  ECR: {
    ECR_ROLE_ARN: { meaning: "Role to assume for an ECR registry of the role's account: [ECR](ecr.md)." },
    ECR_CREATE_REPOSITORIES: {
      meaning: '`off`: repositories are created by ECR on push, or by you.',
    },
    ECR_TAG_MUTABILITY: { meaning: 'Tag mutability of [repositories that the factory creates](ecr.md#repositories).' },
    ECR_TAG_MUTABILITY_EXCLUDE: { meaning: 'Tags that `ECR_TAG_MUTABILITY` leaves out.' },
    ECR_KMS_KEY: { default: "ECR's own key", meaning: 'Key that encrypts repositories that the factory creates.' },
    ECR_KEEP_VERSIONS: { default: 'no rule', meaning: 'Tags of a repository beyond which ECR expires the oldest.' },
    ECR_TOKEN_SECRET: {
      meaning:
        'Secret in which a function keeps a [valid ECR password](ecr.md#pulls-by-your-clusters), refreshed every 6 hours. Outside AWS: `refresh-token`.',
    },
    ECR_TAGS: { meaning: 'Tags of repositories that the factory creates.' },
  },
};

/** Variables of Docker's that are read outside the schema, with their values. */
export const dockerVariables: Record<string, VariableMeaning & { values: string }> = {
  DOCKER_CONFIG: {
    values: 'a folder',
    default: '`~/.docker`',
    meaning: "Outside AWS: the folder of Docker's `config.json`.",
  },
  DOCKER_AUTH_CONFIG: {
    values: 'the text of a `config.json`',
    meaning: 'Outside AWS: credentials as CI systems keep them. They are tried first.',
  },
  'HTTPS_PROXY`, `HTTP_PROXY': {
    values: 'the URL of a proxy',
    meaning: 'As Docker reads them, also in lower case. Never used for loopback addresses.',
  },
  NO_PROXY: { values: 'a comma-separated list of hosts', meaning: 'Hosts that are reached without a proxy.' },
};
