import { FactoryError } from '../../errors.ts';
import { lackingPermissions, type PermissionCheck } from '../access.ts';
import { expected, type HarnessConnection } from '../connection.ts';
import { PathNotFound, roleWith, type Call } from '../failure.ts';
import { isObject } from '../../text/json.ts';
import { cureFor, isDuplicate, isMissing } from './answers.ts';
import { endpointOf, permissionFor, type Verb } from './endpoints.ts';
import { describeRef, type HarnessObject, type HarnessObjectRef } from './object.ts';
import { isStored, type StoredObject, storedObject, updatedDocument } from './stored-object.ts';

/** The change that makes Harness have an object. */
export type Change =
  { kind: 'create' } | { kind: 'update'; stored: StoredObject } | { kind: 'none'; stored: StoredObject };

export type UpsertResult = 'created' | 'updated' | 'unchanged';

/** An intended request, for the check of permissions. */
export interface Intent {
  ref: HarnessObjectRef;
  verb: Verb;
}

/**
 * Pipelines, input sets, triggers, templates, connectors and secrets of a Harness account. Every method throws
 * `FactoryError`, as those of `HarnessClient` do.
 */
export class HarnessObjects {
  readonly #connection: HarnessConnection;

  constructor(connection: HarnessConnection) {
    this.#connection = connection;
  }

  /** Returns the object, or `undefined` when Harness has none at this address. */
  async read(ref: HarnessObjectRef, signal?: AbortSignal): Promise<StoredObject | undefined> {
    const call = this.#call({ ref, verb: 'read' });
    const response = await this.#connection.find(call, signal, isMissing(ref.kind));
    return response && expected(storedObject(ref, response.data), call, `without ${describeRef(ref)}`);
  }

  /** Compares an object with what Harness has, as parsed YAML: Harness returns the text that it was given. */
  async compare(object: HarnessObject, signal?: AbortSignal): Promise<Change> {
    const stored = await this.read(object.ref, signal);
    if (!stored) return { kind: 'create' };
    return isStored(object, stored) ? { kind: 'none', stored } : { kind: 'update', stored };
  }

  /**
   * Creates an object, or replaces it when it differs. A secret with a value is always written: no response shows the
   * value that Harness has.
   *
   * @throws {FactoryError} `HarnessRejected` also when Harness responds with success but stored nothing.
   */
  async upsert(object: HarnessObject, signal?: AbortSignal): Promise<UpsertResult> {
    const change = await this.compare(object, signal);
    if (change.kind === 'none') return 'unchanged';
    if (change.kind === 'update') {
      await this.#replace(object, change.stored, signal);
      return 'updated';
    }
    if (await this.#create(object, signal)) return 'created';
    // Somebody created it after the comparison.
    const other = await this.read(object.ref, signal);
    if (other && isStored(object, other)) return 'unchanged';
    await this.#replace(object, other, signal);
    return 'updated';
  }

  /** Deletes an object. Returns false when there is none. */
  async remove(ref: HarnessObjectRef, signal?: AbortSignal): Promise<boolean> {
    const stored = await this.read(ref, signal);
    if (!stored) return false;
    assertNotInGit(stored, 'delete');
    // A retry after a lost response finds nothing, and that is success too.
    await this.#connection.find(this.#call({ ref, verb: 'delete' }, stored), signal, isMissing(ref.kind));
    return true;
  }

  /**
   * Checks that the key may do all this. Returns a warning when this Harness cannot say.
   *
   * @throws {FactoryError} `HarnessForbidden` with every permission that the key lacks.
   */
  async assertPermitted(intents: readonly Intent[], signal?: AbortSignal): Promise<string | undefined> {
    const checks = new Map(
      intents.map(({ ref, verb }) => {
        const check = permissionFor(ref, verb);
        return [JSON.stringify(check), check] as const;
      }),
    );
    if (checks.size === 0) return undefined;
    let lacking: PermissionCheck[];
    try {
      lacking = await lackingPermissions(this.#connection, [...checks.values()], signal);
    } catch (error) {
      if (!(error instanceof PathNotFound)) throw error;
      return `the permissions of the key could not be checked before the changes: ${error.message}`;
    }
    if (lacking.length === 0) return undefined;
    const permissions = [...new Set(lacking.map(({ permission }) => permission))];
    throw new FactoryError('HarnessForbidden', `the key lacks ${lacking.map(describeCheck).join(', ')}`, {
      hint: permissions.map(roleWith).join(' '),
    });
  }

  /** Creates an object. Returns false when Harness has one at this address already. */
  async #create(object: HarnessObject, signal?: AbortSignal): Promise<boolean> {
    const { ref } = object;
    if (ref.kind === 'secret' && !object.value && valueTypeOf(object) === 'Inline')
      throw new FactoryError(
        'InvalidConfiguration',
        `${describeRef(ref)} does not exist, and no value was given for it`,
        {
          hint: 'Give the value, or create the secret in Harness.',
        },
      );
    const call = this.#call({ ref, verb: 'create' }, undefined, bodyOf(object));
    let duplicate = false;
    const expects: Call['expects'] = (envelope, status) => (duplicate = isDuplicate(envelope, status));
    let sent = false;
    return this.#connection.retry(async () => {
      // A request whose response was lost may have been carried out. Read before another one.
      const stored = sent ? await this.read(ref, signal) : undefined;
      if (stored) return isStored(object, stored);
      sent = true;
      const envelope = await this.#connection.sendOnce({ ...call, expects }, signal);
      if (duplicate) return false;
      this.#assertWritten(ref, this.#connection.accepted(envelope, call), call);
      return true;
    }, signal);
  }

  async #replace(object: HarnessObject, stored: StoredObject | undefined, signal?: AbortSignal): Promise<void> {
    if (stored) assertNotInGit(stored, 'update');
    const call = this.#call({ ref: object.ref, verb: 'update' }, stored, bodyOf(object, stored));
    const envelope = await this.#connection.send(call, signal);
    this.#assertWritten(object.ref, this.#connection.accepted(envelope, call), call);
  }

  /** Throws unless the response names the object: without it, Harness stored nothing. */
  #assertWritten(ref: HarnessObjectRef, data: unknown, call: Call): void {
    const wrapper = isObject(data) ? data : {};
    const written = {
      template: wrapper['templateResponseDTO'],
      connector: wrapper['connector'],
      secret: wrapper['secret'],
    };
    const object =
      ref.kind === 'template' || ref.kind === 'connector' || ref.kind === 'secret' ? written[ref.kind] : data;
    const identifier = isObject(object) ? object['identifier'] : undefined;
    expected(identifier === ref.identifier || undefined, call, `without ${describeRef(ref)}`);
  }

  #call({ ref, verb }: Intent, stored?: StoredObject, body?: { type: string; text: string }): Call {
    const { method, path, query } = endpointOf(ref, verb);
    return this.#connection.call(
      {
        method,
        url: this.#connection.url(path, query),
        purpose: `${verb} ${describeRef(ref)}`,
        permission: permissionFor(ref, verb).permission,
        hintFor: cureFor,
        headers: {
          ...(body && { 'content-type': body.type }),
          // Harness ignores a quoted version in silence (harness/harness-core, `isNumeric(ifMatch)`).
          ...(stored?.version !== undefined && { 'if-match': String(stored.version) }),
        },
        ...(body && { body: body.text }),
      },
      verb !== 'read',
    );
  }
}

/** Returns the body that creates an object, or replaces what is stored. */
function bodyOf(object: HarnessObject, stored?: StoredObject): { type: string; text: string } {
  const { ref, yaml, value } = object;
  if (ref.kind !== 'connector' && ref.kind !== 'secret') return { type: 'application/yaml', text: yaml };
  const document = stored ? updatedDocument(object, stored) : { ...object.document };
  const { spec } = document;
  const filled = value && isObject(spec) ? { ...document, spec: { ...spec, value: value.reveal() } } : document;
  return { type: 'application/json', text: JSON.stringify({ [ref.kind]: filled }) };
}

function valueTypeOf({ document: { spec } }: HarnessObject): unknown {
  return isObject(spec) ? spec['valueType'] : undefined;
}

function assertNotInGit({ ref, inGit }: StoredObject, verb: Verb): void {
  if (!inGit) return;
  throw new FactoryError('InvalidConfiguration', `cannot ${verb} ${describeRef(ref)}: its YAML is stored in Git`, {
    hint: 'Change it in its repository, or move it to inline storage in Harness.',
  });
}

function describeCheck({
  permission,
  resourceType,
  identifier,
  orgIdentifier,
  projectIdentifier,
}: PermissionCheck): string {
  const place = [orgIdentifier, projectIdentifier].filter((part) => part !== undefined).join('/') || 'the account';
  const what =
    identifier === undefined ? `${resourceType.toLowerCase()}s` : `${resourceType.toLowerCase()} ${identifier}`;
  return `${permission} on ${what} of ${place}`;
}
