import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Digest, digestOf } from '../../functions/oci/spec/digest.ts';
import { formatReference, parseImageName, parseReference, relocate } from '../../functions/oci/spec/reference.ts';
import { syncChanges } from '../../functions/plan/changes.ts';
import type { Found } from '../../functions/plan/images.ts';
import type { SelectedField } from '../../functions/plan/selection.ts';
import { chooseVersions, sightingsOf } from '../../functions/plan/soak.ts';
import { noteFirstSeen, readFirstSeen } from '../../functions/state/first-seen.ts';
import { MemoryStore } from '../state/memory-store.ts';

const registry = { registry: 'reg.example', prefix: 'mirror' };
const scope = { module: 'ci', infrastructureType: 'K8' } as const;
const day = (n: number) => new Date(Date.UTC(2026, 0, 0, 2) + n * 86_400_000);
const dateOf = (n: number) => day(n).toISOString().slice(0, 10);
const digestFor = (image: string) => digestOf(Buffer.from(image));

/** An account, its registry and its memory, on simulated days. */
class Account {
  readonly store = new MemoryStore();
  /** Field → official image now. */
  readonly defaults: Record<string, string> = {};
  /** Image → digest, for tags that moved. */
  readonly digests: Record<string, Digest> = {};
  readonly overrides: Record<string, string> = {};
  /** Versions that neither the registry nor a source has. */
  readonly lost = new Set<string>();
  readonly pins: Record<string, string> = {};
  readonly lookups: string[] = [];

  /** Plans a sync on a day, and carries it out. Returns the changes as `field image`. */
  async night(n: number, soakDays: number) {
    const now = day(n);
    const fields = Object.entries(this.defaults).map(([field, official]): SelectedField => {
      const pin = this.pins[field];
      const image = parseImageName(pin ?? official);
      return { ...scope, field, image, ...(pin !== undefined && { pinned: true }), override: this.overrides[field] };
    });
    const settings = { action: 'sync' as const, registry, formerRegistry: undefined, sources: [], soakDays };
    const names = [...new Set(fields.map(({ image }) => formatReference(image)))];
    const found = names.map((image) => this.#found(image, this.digests[image] ?? digestFor(image)));
    const seen = await noteFirstSeen(this.store, sightingsOf(fields, found, settings, 'account'), now);
    const soak = await chooseVersions(fields, found, {
      settings,
      seen,
      accountId: 'account',
      now,
      find: async ({ image, digest }) => {
        this.lookups.push(image);
        return this.lost.has(image) ? undefined : this.#found(image, digest);
      },
      resolve: async () => undefined,
    });
    const changes = syncChanges(fields, [], {
      ...settings,
      ...soak,
      prune: false,
      heldTags: new Set(),
      excludeFields: [],
    });
    for (const { field, to } of changes.changes) this.overrides[field] = to ?? '';
    return { ...soak, ...changes, switched: changes.changes.map(({ field, to }) => `${field} ${this.#short(to)}`) };
  }

  /** Returns the image that a field uses, without the registry. */
  uses(field: string): string | undefined {
    return this.#short(this.overrides[field]);
  }

  #short(value: string | null = ''): string | undefined {
    return value?.slice('reg.example/mirror/'.length) || undefined;
  }

  #found(image: string, digest: Digest): Found {
    const target = relocate(parseImageName(image), registry);
    const source = parseReference(`source.example/${image}`);
    return { planned: { image, target, source, sourceDigest: digest, digest, status: 'copy' } };
  }
}

let account: Account;
beforeEach(() => {
  account = new Account();
});

/** Harness offers a version for the pair. */
function release(version: string): void {
  account.defaults['addonTag'] = `harness/ci-addon:${version}`;
  account.defaults['liteEngineTag'] = `harness/ci-lite-engine:${version}`;
}

describe.each([7, 14, 30])('over 180 days with soak_days %i', (soakDays) => {
  it.each([7, 14])(
    'switches with every release after the first soak, when releases come every %i days',
    async (every) => {
      const switches: [day: number, version: string | undefined][] = [];
      for (let n = 0; n <= 180; n++) {
        if (n % every === 0) release(`1.18.${n / every}`);
        const { switched } = await account.night(n, soakDays);
        const version = account.uses('addonTag')?.split(':')[1];
        expect(account.uses('liteEngineTag')?.split(':')[1]).toBe(version);
        if (switched.length > 0) switches.push([n, version]);
      }
      const releases = Array.from({ length: Math.floor((180 - soakDays) / every) + 1 }, (_, index) => index);
      expect(switches).toEqual(releases.map((index) => [index * every + soakDays, `1.18.${index}`]));
      // A version that is in use already costs no request.
      expect(account.lookups.length).toBeLessThanOrEqual(2 * switches.length);
    },
  );
});

describe('a version that soaks', () => {
  it('appears in the report with its last day and its fields, the first day first', async () => {
    release('1.18.1');
    await account.night(1, 14);
    release('1.18.2');
    const { versions, kept } = await account.night(8, 14);
    const row = (image: string, n: number, field: string) => ({
      image,
      digest: digestFor(image),
      until: dateOf(n),
      fields: [`ci K8 ${field}`],
    });
    expect(versions).toEqual([
      row('harness/ci-addon:1.18.1', 15, 'addonTag'),
      row('harness/ci-lite-engine:1.18.1', 15, 'liteEngineTag'),
      row('harness/ci-addon:1.18.2', 22, 'addonTag'),
      row('harness/ci-lite-engine:1.18.2', 22, 'liteEngineTag'),
    ]);
    expect(kept).toMatchObject([
      { field: 'addonTag', reason: `harness/ci-addon:1.18.2 soaks until ${dateOf(22)}` },
      { field: 'liteEngineTag', reason: `harness/ci-lite-engine:1.18.2 soaks until ${dateOf(22)}` },
    ]);
  });

  it('does not appear in the report when it is in use, or older than that', async () => {
    release('1.18.1');
    await account.night(1, 0);
    release('1.18.2');
    await account.night(2, 0);
    release('1.18.3');
    const { versions } = await account.night(3, 7);
    expect(versions.map(({ image }) => image)).toEqual(['harness/ci-addon:1.18.3', 'harness/ci-lite-engine:1.18.3']);
  });

  it('becomes the one in use at once without soak_days', async () => {
    release('1.18.1');
    expect((await account.night(1, 0)).switched).toHaveLength(2);
  });

  it('becomes ripe on its day, even when the run starts some minutes earlier than the one that saw it', async () => {
    release('1.18.1');
    await account.night(1.01, 7);
    expect((await account.night(7.9, 7)).soaking.size).toBe(2);
    expect((await account.night(8, 7)).switched).toHaveLength(2);
  });

  it('counts the days since it was first seen, also in runs that do not wait', async () => {
    release('1.18.1');
    account.overrides['addonTag'] = 'other.example/mine:1';
    await account.night(1, 0);
    delete account.overrides['addonTag'];
    expect((await account.night(4, 3)).soaking.size).toBe(0);
  });
});

describe('a field', () => {
  it('stays at a version that is newer than every ripe one', async () => {
    release('1.18.1');
    await account.night(1, 7);
    release('1.18.2');
    await account.night(2, 0);
    release('1.18.3');
    const { switched, kept } = await account.night(8, 7);
    expect(switched).toEqual([]);
    expect(kept.map(({ reason }) => reason)).toEqual([
      `harness/ci-addon:1.18.3 soaks until ${dateOf(15)}`,
      `harness/ci-lite-engine:1.18.3 soaks until ${dateOf(15)}`,
    ]);
  });

  it('never gets a version that Harness withdrew, however long ago it was seen', async () => {
    release('1.18.1');
    await account.night(1, 7);
    release('1.18.2');
    await account.night(3, 7);
    release('1.18.1');
    await account.night(4, 7);
    release('1.18.3');
    await account.night(9, 7);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.1');
    await account.night(12, 7);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.1');
    await account.night(16, 7);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.3');
  });

  it('follows Harness back at once to a version that is ripe', async () => {
    release('1.18.1');
    await account.night(1, 7);
    release('1.18.2');
    await account.night(8, 7);
    await account.night(15, 7);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.2');
    release('1.18.1');
    await account.night(16, 7);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.1');
    expect(account.uses('liteEngineTag')).toBe('harness/ci-lite-engine:1.18.1');
  });

  it('waits where Harness goes back to a version that no plan saw', async () => {
    release('1.18.5');
    await account.night(1, 7);
    await account.night(8, 7);
    release('1.18.4');
    await account.night(9, 7);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.5');
    await account.night(16, 7);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.4');
  });

  it('soaks a withdrawn version again when Harness offers it again', async () => {
    release('1.18.1');
    await account.night(1, 7);
    release('1.18.2');
    await account.night(2, 7);
    release('1.18.1');
    await account.night(3, 7);
    release('1.18.2');
    expect((await account.night(10, 7)).soaking.get('harness/ci-addon:1.18.2')).toBe(dateOf(17));
  });

  it('gets the next older ripe version when the newest one is lost, together with its counterpart', async () => {
    for (const [index, version] of ['1.18.1', '1.18.2', '1.18.3'].entries()) {
      release(version);
      await account.night(1 + index, 10);
    }
    release('1.18.4');
    account.lost.add('harness/ci-lite-engine:1.18.3');
    const { switched, warnings } = await account.night(13, 10);
    expect(switched).toEqual(['addonTag harness/ci-addon:1.18.2', 'liteEngineTag harness/ci-lite-engine:1.18.2']);
    expect(warnings).toEqual([
      `harness/ci-lite-engine:1.18.3@${digestFor('harness/ci-lite-engine:1.18.3')} has soaked, but neither the registry nor a source has all of it`,
    ]);
  });

  it('stays as it is when every ripe version is lost', async () => {
    release('1.18.1');
    await account.night(1, 7);
    release('1.18.2');
    account.lost.add('harness/ci-addon:1.18.1');
    const { switched, kept } = await account.night(8, 7);
    expect(switched).toEqual([]);
    expect(kept).toHaveLength(2);
  });

  it('moves with its counterpart only to versions that Harness offered together', async () => {
    release('1.18.1');
    await account.night(1, 7);
    account.defaults['addonTag'] = 'harness/ci-addon:1.18.2';
    await account.night(2, 7);
    account.defaults['liteEngineTag'] = 'harness/ci-lite-engine:1.19.0';
    await account.night(5, 7);
    await account.night(10, 7);
    const { kept } = await account.night(11, 7);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.2');
    expect(account.uses('liteEngineTag')).toBe('harness/ci-lite-engine:1.18.1');
    expect(kept).toMatchObject([
      { field: 'addonTag', reason: `moves together with liteEngineTag, which soaks until ${dateOf(12)}` },
      { field: 'liteEngineTag', reason: `harness/ci-lite-engine:1.19.0 soaks until ${dateOf(12)}` },
    ]);
  });

  it('gets its pin and no other version, and a pin withdraws nothing', async () => {
    account.defaults['cacheS3Tag'] = 'plugins/cache:1.10.3';
    await account.night(1, 7);
    account.pins['cacheS3Tag'] = 'plugins/cache:1.10.1';
    expect((await account.night(8, 7)).switched).toEqual([]);
    expect((await account.night(15, 7)).switched).toEqual(['cacheS3Tag plugins/cache:1.10.1']);
    delete account.pins['cacheS3Tag'];
    expect((await account.night(16, 7)).switched).toEqual(['cacheS3Tag plugins/cache:1.10.3']);
  });

  it('orders versions by the day when their tags are no versions', async () => {
    for (const [index, tag] of ['amber', 'blue', 'cyan'].entries()) {
      account.defaults['cacheS3Tag'] = `plugins/cache:${tag}`;
      await account.night(1 + 7 * index, 7);
    }
    expect(account.uses('cacheS3Tag')).toBe('plugins/cache:blue');
  });
});

describe('the memory', () => {
  it('starts again when it is lost: no field goes back, and each is switched when the current version has soaked', async () => {
    for (let week = 0; week < 4; week++) {
      release(`1.18.${week}`);
      await account.night(1 + 7 * week, 14);
    }
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.18.1');
    account.store.objects.delete('first-seen.json');
    for (let n = 23; n < 37; n++) expect((await account.night(n, 14)).switched).toEqual([]);
    expect((await account.night(37, 14)).switched).toEqual([
      'addonTag harness/ci-addon:1.18.3',
      'liteEngineTag harness/ci-lite-engine:1.18.3',
    ]);
  });

  it('stays bounded over years, and keeps what fields can still be switched to', async () => {
    for (let week = 0; week < 150; week++) {
      release(`1.${week}.0`);
      await account.night(1 + 7 * week, 30);
    }
    const { images, fields } = await readFirstSeen(account.store);
    expect(fields['account ci K8 addonTag']?.versions.map(({ image }) => image)).toHaveLength(16);
    expect(Object.keys(images).length).toBeLessThan(2 * 27);
    expect(account.uses('addonTag')).toBe('harness/ci-addon:1.144.0');
  });

  it('does not start the clock for an image that no source has', async () => {
    const field: SelectedField = { ...scope, field: 'a', image: parseImageName('a:1'), override: undefined };
    const target = parseReference('reg.example/mirror/a:1');
    const planned = { image: 'a:1', target, status: 'failed', error: { name: '', message: '', hint: '' } } as const;
    const settings = { action: 'sync' as const, registry, formerRegistry: undefined, sources: [], soakDays: 3 };
    expect(sightingsOf([field], [{ planned }], settings, 'account')).toEqual({ images: [], offers: [], soakDays: 3 });
  });
});
