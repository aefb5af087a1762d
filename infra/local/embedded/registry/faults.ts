/** An answer that a fault gives in the registry's place. */
interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/**
 * - `reset`: the connection is cut with RST
 * - `finish-early`: the connection is closed with FIN, short of the promised length
 * - `stall`: nothing more is sent or read; the connection stays open
 * - `corrupt`: one byte is flipped, the one at `afterBytes`
 * - `truncate`: only the first `afterBytes` bytes get through, in a message that is complete as HTTP sees it
 * - an `Answer`: it is given instead
 */
export type Act = 'reset' | 'finish-early' | 'stall' | 'corrupt' | 'truncate' | Answer;

export interface Fault {
  match?: {
    method?: string;
    /** Tested against the path, without the query. */
    path?: RegExp;
    /** Number of times it strikes. Default: 1. */
    times?: number;
    /** Matching requests that are let through before it, default 0. */
    skip?: number;
  };
  act: Act;
  /**
   * Position in the body at which it strikes: the response's body for GET, else the request's. Without it, `reset`,
   * `finish-early`, `stall` and an `Answer` strike before the request is read. A shorter body is spared, and the fault
   * waits for the next.
   */
  afterBytes?: number;
}

export class PlannedFault {
  readonly act: Act;
  readonly afterBytes: number | undefined;
  /** Number of times it has struck. */
  hits = 0;
  readonly #match: NonNullable<Fault['match']>;
  #times: number;
  #skip: number;

  constructor(fault: Fault) {
    this.act = fault.act;
    this.afterBytes = fault.afterBytes;
    this.#match = fault.match ?? {};
    this.#times = this.#match.times ?? 1;
    this.#skip = this.#match.skip ?? 0;
  }

  get name(): string {
    return typeof this.act === 'string' ? this.act : `status ${this.act.status}`;
  }

  get left(): number {
    return this.#times - this.hits;
  }

  /** Returns whether it applies to this request. Counts `skip` down, so call it once per request. */
  applies(method: string, path: string): boolean {
    const { method: wanted, path: pattern } = this.#match;
    if (this.left <= 0 || (wanted !== undefined && wanted !== method) || (pattern && !pattern.test(path))) return false;
    return this.#skip-- <= 0;
  }
}

export class Faults {
  /** Number of times any fault has struck. */
  hits = 0;
  readonly #planned: PlannedFault[] = [];

  add(fault: Fault): PlannedFault {
    const planned = new PlannedFault(fault);
    this.#planned.push(planned);
    return planned;
  }

  /** Lifts every fault; the count stays. */
  clear(): void {
    this.#planned.length = 0;
  }

  /** The first fault that applies to a request. It strikes only when its byte is reached: see `strike`. */
  arm(method: string, path: string): PlannedFault | undefined {
    return this.#planned.find((fault) => fault.applies(method, path));
  }

  /** Takes one of the fault's times; false when a parallel request took the last. */
  strike(fault: PlannedFault): boolean {
    if (fault.left <= 0) return false;
    fault.hits++;
    this.hits++;
    return true;
  }
}
