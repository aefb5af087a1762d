/** The rest of a pull limit. Docker Hub counts each GET of a manifest, and reports the rest in each response. */
export interface PullBudget {
  readonly limit: number;
  readonly remaining: number;
  readonly windowSeconds: number;
  /** The counted client: an address, or the id of a user. */
  readonly source?: string;
}

/** Share of a pull limit below which the rest is reported. */
const lowShare = 0.2;

export function isLow({ limit, remaining }: Pick<PullBudget, 'limit' | 'remaining'>): boolean {
  return remaining < limit * lowShare;
}

interface Headers {
  header: (name: string) => string | undefined;
}

/**
 * Reads `ratelimit-limit: 100;w=21600`, `ratelimit-remaining` of the same form and `docker-ratelimit-source`
 * (https://docs.docker.com/docker-hub/usage/pulls/). `undefined` for anything else: other registries mean requests per
 * second by headers of these names.
 */
export function parsePullBudget({ header }: Headers): PullBudget | undefined {
  const limit = parseQuota(header('ratelimit-limit'));
  const remaining = parseQuota(header('ratelimit-remaining'));
  if (!limit || !remaining || limit.count === 0) return undefined;
  const source = header('docker-ratelimit-source');
  return {
    limit: limit.count,
    remaining: Math.min(remaining.count, limit.count),
    windowSeconds: limit.windowSeconds,
    ...(source !== undefined && /^[\w.:-]{1,64}$/.test(source) && { source }),
  };
}

function parseQuota(value: string | undefined): { count: number; windowSeconds: number } | undefined {
  const [, count, windowSeconds] = /^\s*(\d{1,9})\s*;\s*w=(\d{1,9})\s*$/.exec(value ?? '') ?? [];
  return count === undefined ? undefined : { count: Number(count), windowSeconds: Number(windowSeconds) };
}

export interface Reservation {
  /** Records one pull. */
  spend: () => void;
  /** Returns the rest. */
  release: () => void;
}

/** The last known pull limit of a registry, and the reservations of parallel pulls. */
export class PullLimit {
  #budget: PullBudget | undefined;
  /** Pulls that can still be reserved. */
  #free = Infinity;
  #reservations = 0;

  learn(response: Headers): void {
    const told = parsePullBudget(response);
    if (!told) return;
    this.#budget = told;
    // The reported rest includes some reserved pulls and not others, so it counts only when it is lower.
    this.#free = this.#reservations > 0 ? Math.min(this.#free, told.remaining) : told.remaining;
  }

  get budget(): PullBudget | undefined {
    return this.#budget;
  }

  /** Reserves pulls if enough are left, or if no limit is known. */
  reserve(pulls: number): Reservation | undefined {
    return pulls === 0 || this.#free >= pulls ? this.overdraw(pulls) : undefined;
  }

  /** Reserves pulls even if too few are left. */
  overdraw(pulls: number): Reservation {
    let unspent = pulls;
    let released = false;
    this.#free -= pulls;
    this.#reservations++;
    return {
      spend: () => {
        unspent = Math.max(0, unspent - 1);
      },
      release: () => {
        if (released) return;
        released = true;
        this.#free += unspent;
        this.#reservations--;
      },
    };
  }
}
