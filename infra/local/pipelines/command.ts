import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { FactoryError } from '../../../functions/errors.ts';
import { HarnessConnection } from '../../../functions/harness/connection.ts';
import { parseObjectRef } from '../../../functions/harness/object-ref.ts';
import { describeRef, type HarnessObject, type HarnessObjectRef } from '../../../functions/harness/objects/object.ts';
import { HarnessObjects } from '../../../functions/harness/objects/objects.ts';
import { SecretValue } from '../../../functions/harness/objects/secret-value.ts';
import { Transport } from '../../../functions/http/transport.ts';
import { type Environment, isGiven, parseConfiguration } from '../../../functions/settings/configuration.ts';
import { isObject, parseJson } from '../../../functions/text/json.ts';
import { confirm } from '../confirm.ts';
import { cureOf, reasonOf } from '../file-failure.ts';
import { makeFolder } from '../make-folder.ts';
import { homeForAwsSdk } from '../user-folder.ts';
import { lineDiff } from './line-diff.ts';
import { ownRefs, renderObjects } from './objects.ts';
import { planRegistration, planRemoval, register, type Registration, type Removal, unregister } from './register.ts';
import { invalidOption, type PipelineOptions, type PipelineSettings, pipelineSettings } from './settings.ts';
import type { Templates } from './stages.ts';
import { contracts, stageTemplate } from './template-contract.ts';
import { isTemplateReference } from './template-reference.ts';

export interface CommandOptions extends PipelineOptions {
  out?: string;
  register?: boolean;
  unregister?: boolean;
  dryRun?: boolean;
  adopt?: boolean;
  renewSecret?: boolean;
  yes?: boolean;
}

/** The result for people, and that of `--json`. */
export interface Outcome {
  text: string;
  document:
    | { objects: (HarnessObjectRef & { yaml: string })[] }
    | { files: string[] }
    | { changes: Change[]; changed: boolean };
}

/** The change of one object: of `--dry-run` too, and of a person who declined. */
type Change = HarnessObjectRef & { change: Registration['kind'] | 'delete' | 'keep' };

export interface CommandContext {
  input: Readonly<Record<string, unknown>>;
  environment: Environment;
  /** Prints progress for people. */
  note: (line: string) => void;
  signal: AbortSignal;
}

/** Renders the pipelines, or registers or unregisters them. */
export async function pipelines(options: CommandOptions, context: CommandContext): Promise<Outcome> {
  assertCombined(options);
  if (options.unregister) return withHarness(context, (harness) => remove(options, harness, context));
  const settings = pipelineSettings(options, context.input, context.environment);
  if (options.register)
    return withHarness(context, async (harness) => {
      const objects = renderObjects(settings, await readTemplates(settings, harness, context.signal));
      return add(objects, options, { ...context, harness, settings });
    });
  const objects = renderObjects(settings, await templatesFor(settings, context));
  if (options.out !== undefined) return writeObjects(objects, options.out);
  return {
    text: objects.map(({ ref, yaml }) => `# ${describeRef(ref)}\n${yaml}`).join('---\n'),
    document: { objects: objects.map(({ ref, yaml }) => ({ ...ref, yaml })) },
  };
}

function assertCombined({ register: isRegistered, unregister: isUnregistered, dryRun, out }: CommandOptions): void {
  if (isRegistered && isUnregistered) throw invalidOption('--unregister', 'also --register', 'one of the two');
  if (dryRun && !isRegistered && !isUnregistered)
    throw invalidOption('--dry-run', 'neither --register nor --unregister', 'one of the two');
  if (out !== undefined && (isRegistered || isUnregistered))
    throw invalidOption('--out', 'also --register or --unregister', 'neither: it is for rendering');
}

/** Registers the objects, and returns what was done. */
async function add(
  objects: readonly HarnessObject[],
  { dryRun, adopt = false, renewSecret = false, yes, via }: CommandOptions,
  {
    harness,
    settings,
    environment,
    note,
    signal,
  }: CommandContext & { harness: HarnessObjects; settings: PipelineSettings },
): Promise<Outcome> {
  const registrations = await planRegistration(objects, harness, { adopt, renewSecret }, signal);
  const changes = registrations.map(({ kind: change, object: { ref } }) => ({ ...ref, change }));
  const outcome = (text: string, changed = false): Outcome => ({ text, document: { changes, changed } });
  const isIdle = registrations.every(({ kind }) => kind === 'unchanged');
  const text = registrations.flatMap(describeRegistration).join('\n');
  if (dryRun) return outcome(`${text}\n\n${countOf(registrations, true)}; nothing was changed\n`);
  if (isIdle) return outcome(`${text}\n\nnothing to do\n`);
  if (!(await isConfirmed(text, yes, signal))) return outcome('nothing was changed\n');
  const secretValue = () => valueOf(via, environment);
  await register(registrations, harness, { secretValue, onDone: note, signal });
  const { orgIdentifier, projectIdentifier } = settings.scope;
  return outcome(`registered in ${orgIdentifier}/${projectIdentifier}: ${countOf(registrations)}\n`, true);
}

/** Unregisters what the factory made, and returns what was done. */
async function remove(
  { dryRun, imageConnector, yes }: CommandOptions,
  harness: HarnessObjects,
  { environment, note, signal }: CommandContext,
): Promise<Outcome> {
  const { orgId = '', projectId = '' } = parseConfiguration(withoutTemplates(environment));
  if (orgId === '' || projectId === '')
    throw new FactoryError('InvalidConfiguration', 'ORG_ID and PROJECT_ID are not both set', {
      hint: 'Set them to the organization and the project of the pipelines.',
    });
  const refs = ownRefs({ orgIdentifier: orgId, projectIdentifier: projectId }, { imageConnector });
  const removals = await planRemoval(refs, harness, signal);
  const changes = removals.flatMap(({ kind, ref }): Change[] =>
    kind === 'absent' ? [] : [{ ...ref, change: kind === 'delete' ? 'delete' : 'keep' }],
  );
  const outcome = (text: string, changed = false): Outcome => ({ text, document: { changes, changed } });
  const text = removals.flatMap(describeRemoval).join('\n');
  const count = removals.filter(({ kind }) => kind === 'delete').length;
  if (count === 0) return outcome(`${text === '' ? '' : `${text}\n\n`}nothing to unregister\n`);
  if (dryRun) return outcome(`${text}\n\n${count} to delete; nothing was changed\n`);
  if (!(await isConfirmed(text, yes, signal))) return outcome('nothing was changed\n');
  await unregister(removals, harness, { onDone: note, signal });
  return outcome(`unregistered from ${orgId}/${projectId}: ${count} deleted\n`, true);
}

function describeRegistration(registration: Registration): string[] {
  const { kind, object } = registration;
  const head = `${kind === 'new-value' ? 'new value of' : kind} ${describeRef(object.ref)}`;
  if (registration.kind === 'create')
    return [
      head,
      ...object.yaml
        .trimEnd()
        .split('\n')
        .map((line) => `  + ${line}`),
    ];
  if (registration.kind === 'update')
    return [head, ...lineDiff(registration.stored.yaml, object.yaml).map((line) => `  ${line}`)];
  return [head];
}

function describeRemoval({ kind, ref }: Removal): string[] {
  if (kind === 'absent') return [];
  return [kind === 'delete' ? `delete ${describeRef(ref)}` : `keep ${describeRef(ref)}: the factory did not make it`];
}

function countOf(changes: readonly Registration[], isDry = false): string {
  const words = {
    create: isDry ? 'to create' : 'created',
    update: isDry ? 'to update' : 'updated',
    'new-value': isDry ? 'to get a new value' : 'with a new value',
    unchanged: 'unchanged',
  } as const;
  const counts = Object.entries(words).map(
    ([kind, word]) => [changes.filter((change) => change.kind === kind).length, word] as const,
  );
  return counts.flatMap(([count, word]) => (count > 0 ? [`${count} ${word}`] : [])).join(', ');
}

/** Shows the changes on a terminal, and asks. Elsewhere, the command was the confirmation. */
async function isConfirmed(text: string, yes: boolean | undefined, signal: AbortSignal): Promise<boolean> {
  if (yes || !process.stderr.isTTY) return true;
  return confirm(`\n${text}\n`, signal);
}

/** Reads the value of the secret. It is in no error and no output. */
async function valueOf(via: PipelineOptions['via'], environment: Environment): Promise<SecretValue> {
  const configuration = parseConfiguration(withoutTemplates(environment));
  if (via === 'delegate') return new SecretValue(await apiKey(environment));
  const { webhookTokenSecret } = configuration;
  if (webhookTokenSecret === undefined)
    throw new FactoryError('InvalidConfiguration', 'the token of the webhook is not known', {
      hint: 'Set WEBHOOK_TOKEN_SECRET to the output WebhookTokenSecretName of the stack, or name a Harness secret with --secret.',
    });
  const text = await secretsManager(webhookTokenSecret);
  const stored = text.startsWith('{') ? parseJson(text) : { current: text };
  const token = isObject(stored) ? stored['current'] : undefined;
  if (typeof token === 'string' && token !== '') return new SecretValue(token);
  throw new FactoryError('InvalidConfiguration', `the secret ${webhookTokenSecret} holds no current token`, {
    hint: 'Store {"current": "…"} in it; docs/triggers.md describes the token.',
  });
}

async function apiKey(environment: Environment): Promise<string> {
  const { harnessApiKey, harnessApiKeySecret = '' } = parseConfiguration(withoutTemplates(environment));
  return harnessApiKey ?? secretsManager(harnessApiKeySecret);
}

async function secretsManager(name: string): Promise<string> {
  homeForAwsSdk();
  // Load the AWS SDK only now: most uses do not need it.
  const { readSecret } = await import('../../../functions/aws/secrets.ts');
  return readSecret(name);
}

async function withHarness<T>(
  { environment }: CommandContext,
  work: (harness: HarnessObjects) => Promise<T>,
): Promise<T> {
  const configuration = parseConfiguration(withoutTemplates(environment));
  const { harnessUrl, harnessAccountId, registryCerts, trustedPrivateHosts } = configuration;
  const transport = new Transport({ registryCerts, trustedPrivateHosts });
  try {
    const connection = new HarnessConnection({
      url: harnessUrl,
      apiKey: await apiKey(environment),
      transport,
      ...(harnessAccountId !== undefined && { accountId: harnessAccountId }),
    });
    return await work(new HarnessObjects(connection));
  } finally {
    await transport.destroy();
  }
}

/** Returns the environment without templates of Harness, which are for pipelines alone. */
function withoutTemplates(environment: Environment): Environment {
  const isOfHarness = (name: string) => isTemplateReference(environment[name]?.trim() ?? '');
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !(name.endsWith('_TEMPLATE') && isOfHarness(name))),
  );
}

/** Reads the templates, where there are any, and checks that they keep their contracts. */
async function templatesFor(settings: PipelineSettings, context: CommandContext): Promise<Templates> {
  if (Object.keys(settings.templates).length === 0) return {};
  if (!isGiven(context.environment, 'HARNESS_API_KEY') && !isGiven(context.environment, 'HARNESS_API_KEY_SECRET'))
    throw new FactoryError('InvalidConfiguration', 'templates of Harness are read, and there is no API key for it', {
      hint: 'Set HARNESS_API_KEY. The key needs core_template_view.',
    });
  return withHarness(context, (harness) => readTemplates(settings, harness, context.signal));
}

async function readTemplates(
  { templates, scope }: PipelineSettings,
  harness: HarnessObjects,
  signal: AbortSignal,
): Promise<Templates> {
  const found: Templates = {};
  for (const name of ['gatherScan', 'buildPush'] as const) {
    const reference = templates[name];
    if (!reference) continue;
    const ref = parseObjectRef(reference.templateRef, scope.orgIdentifier, scope.projectIdentifier);
    const stored = await harness.read({ kind: 'template', versionLabel: reference.versionLabel ?? '', ...ref }, signal);
    if (!stored?.document)
      throw new FactoryError(
        'InvalidConfiguration',
        `Harness has no template ${reference.templateRef}, which ${contracts[name].variable} names`,
        { hint: 'Create the template first, or correct its identifier, scope and version.' },
      );
    found[name] = stageTemplate(name, reference, stored.document);
  }
  return found;
}

async function writeObjects(objects: readonly HarnessObject[], folder: string): Promise<Outcome> {
  const files: string[] = [];
  try {
    await makeFolder(folder);
    for (const { ref, yaml } of objects) {
      const file = join(folder, `${ref.kind}-${ref.identifier}.yaml`);
      await writeFile(file, yaml);
      files.push(file);
    }
  } catch (cause) {
    throw new FactoryError('InvalidInput', `cannot write to ${folder}: ${reasonOf(cause)}`, {
      hint: `${cureOf(cause, folder)}, or name another folder with --out.`,
      cause,
    });
  }
  return { text: files.map((file) => `${file}\n`).join(''), document: { files } };
}
