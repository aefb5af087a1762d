import * as z from 'zod';
import type { Digest } from '../oci/spec/digest.ts';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { versioned } from './schema.ts';

const key = 'looks/images.json';
const dayMs = 86_400_000;
/** Older checks are dropped: `recheck_days` is never larger. This bounds the document. */
const memoryDays = 90;

/** Reference → its digest, and the day (UTC) on which everything below the digest was at the registry. */
type Images = Record<string, { digest: string; day: string }>;

/** A document that cannot be read counts as none: then every image is checked again. */
const schema = versioned<Images>({
  content: z.record(z.string(), z.object({ digest: z.string(), day: z.iso.date() })),
  under: 'images',
});

/** The result of a check of everything below an image. */
export interface Look {
  reference: string;
  digest: Digest;
  whole: boolean;
}

/** The days on which images were last found complete. */
export class Looks {
  readonly #images: Images;

  constructor(images: Images) {
    this.#images = images;
  }

  /**
   * Returns whether the last look at an image is `recheckDays` old, or older, or was at another digest. Days are
   * counted by the calendar (UTC), so that a nightly run that begins some seconds earlier than usual is not early.
   */
  isDue(reference: string, digest: Digest | undefined, recheckDays: number, now: Date): boolean {
    const last = Object.hasOwn(this.#images, reference) ? this.#images[reference] : undefined;
    if (!last || (digest !== undefined && last.digest !== digest)) return true;
    const age = ageOf(last.day, now);
    // A day to come was written by a clock that was wrong.
    return age < 0 || age >= recheckDays;
  }
}

export async function readLooks(store: ObjectStore): Promise<Looks> {
  return new Looks((await getJson(store, key, schema)) ?? {});
}

/**
 * Records checks. A check that found something missing removes the record of the image, so that the next sync checks it
 * again and repairs it. Runs without a lock record checks too, hence the conditional write.
 */
export async function noteLooks(store: ObjectStore, looks: readonly Look[], now: Date): Promise<void> {
  if (looks.length === 0) return;
  await updateJson(store, key, schema, (known = {}) => {
    const images = new Map(Object.entries(known).filter(([, { day }]) => ageOf(day, now) <= memoryDays));
    for (const { reference, digest, whole } of looks) {
      if (whole) images.set(reference, { digest, day: dayOf(now) });
      else images.delete(reference);
    }
    return Object.fromEntries(images);
  });
}

function ageOf(day: string, now: Date): number {
  return (Date.parse(dayOf(now)) - Date.parse(day)) / dayMs;
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
