import * as z from 'zod';
import { counts, number, text } from './values.ts';

export const registryCounts = z.object({
  /** `host[:port]`, as in image names. */
  host: text,
  /** Method → number of requests, retries included. */
  requests: counts,
  retries: number,
  /** Responses with status 429. */
  throttles: number,
  /** Number of pauses that the registry requested and that held back every request. */
  pauses: number,
  /** Blobs that the registry mounted from another of its repositories. */
  mounts: number,
  /** The pull limit of a registry that has one (Docker Hub), and the fewest pulls that remained. */
  pulls: z.object({ limit: number, remaining: number }).exactOptional(),
});
export type RegistryCounts = z.output<typeof registryCounts>;
