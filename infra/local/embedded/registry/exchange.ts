import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError } from './errors.ts';
import type { Faults, PlannedFault } from './faults.ts';
import type { RequestRecord } from './request-log.ts';

/** Thrown to unwind a handler whose connection a fault has taken away. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned';
}

/** A request and its response. All bytes pass through here, both ways: they are counted, and faults apply to them. */
export class Exchange {
  readonly method: string;
  readonly url: URL;
  /** Sent with every answer. */
  readonly answerHeaders: Record<string, string> = {};
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #record: RequestRecord;
  readonly #faults: Faults;
  readonly #fault: PlannedFault | undefined;
  readonly #closed: Promise<unknown>;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    context: { url: URL; record: RequestRecord; faults: Faults },
  ) {
    this.method = request.method ?? 'GET';
    this.url = context.url;
    this.#request = request;
    this.#response = response;
    this.#record = context.record;
    this.#faults = context.faults;
    this.#fault = context.faults.arm(this.method, context.url.pathname);
    // A connection that breaks shows as `close`; the error event itself has nothing to add.
    response.on('error', () => undefined);
    this.#closed = once(response, 'close').catch(() => undefined);
  }

  /** The first value of a request header, by lower-case name. */
  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Declared size of the request's body in bytes; `undefined` for a body of unknown length. */
  get contentLength(): number | undefined {
    const value = this.header('content-length');
    if (value !== undefined) return Number(value);
    return this.header('transfer-encoding') === undefined ? 0 : undefined;
  }

  /** Lets a fault that needs no body strike. Throws `Abandoned` when it did. */
  async begin(): Promise<void> {
    const fault = this.#fault;
    if (!fault || fault.act === 'corrupt' || fault.act === 'truncate') return;
    const waitsForBody = fault.afterBytes !== undefined && (this.method !== 'GET' || typeof fault.act === 'string');
    if (!waitsForBody && this.#strikes(fault)) await this.#act(fault);
  }

  /** The request's body as it gets through. Throws `Abandoned` when a fault or the client cut it. */
  async *body(): AsyncGenerator<Buffer> {
    const fault = this.method === 'GET' ? undefined : this.#fault;
    const at = fault?.afterBytes ?? 0;
    let seen = 0;
    let dropping = false;
    try {
      // The stream must outlive the loop: an error answer still travels on its connection.
      for await (const chunk of this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        this.#record.bytesIn += chunk.length;
        const start = seen;
        seen += chunk.length;
        if (dropping) continue;
        if (!fault || !reached(fault, start, seen) || !this.#strikes(fault)) {
          yield chunk;
        } else if (fault.act === 'corrupt') {
          yield flipped(chunk, at - start);
        } else {
          yield chunk.subarray(0, at - start);
          if (fault.act !== 'truncate') await this.#act(fault);
          dropping = true;
        }
      }
    } catch (error) {
      throw this.#request.errored ? new Abandoned() : error;
    }
  }

  /** The whole body. Throws 413 once it exceeds `limit` bytes. */
  async readBody(limit: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.body()) {
      size += chunk.length;
      if (size > limit) throw new RegistryError(413, 'SIZE_INVALID', `the body exceeds ${limit} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** Answers. For HEAD the chunks only give the length. */
  async reply(status: number, headers: Record<string, string> = {}, chunks: readonly Buffer[] = []): Promise<void> {
    // What is left of a refused body is read and dropped, so that the client gets to see the answer.
    this.#request.resume();
    const fault = this.#bodyFault(status);
    const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const keep = fault?.act === 'truncate' ? Math.min(size, fault.afterBytes ?? 0) : size;
    const truncated = fault !== undefined && keep < size && this.#strikes(fault);
    const length = status === 204 ? {} : { 'content-length': String(truncated ? keep : size) };
    this.#record.status = status;
    this.#response.writeHead(status, { ...length, ...this.answerHeaders, ...headers });
    if (this.method !== 'HEAD')
      await this.#send(truncated ? slice(chunks, 0, keep) : chunks, truncated ? undefined : fault);
    this.#response.end();
    await this.#closed;
  }

  async replyJson(status: number, value: unknown, headers: Record<string, string> = {}): Promise<void> {
    const body = Buffer.from(JSON.stringify(value));
    await this.reply(status, { 'content-type': 'application/json', ...headers }, [body]);
  }

  async replyError(error: RegistryError): Promise<void> {
    if (!error.plainText) return await this.replyJson(error.status, error, error.headers);
    await this.reply(error.status, { 'content-type': 'text/plain', ...error.headers }, [Buffer.from(error.message)]);
  }

  /** The fault that may strike the body of this answer: error answers are spared. */
  #bodyFault(status: number): PlannedFault | undefined {
    return this.method === 'GET' && status < 300 && typeof this.#fault?.act === 'string' ? this.#fault : undefined;
  }

  async #send(chunks: readonly Buffer[], fault: PlannedFault | undefined): Promise<void> {
    const at = fault?.afterBytes ?? 0;
    let sent = 0;
    for (const chunk of chunks) {
      const start = sent;
      sent += chunk.length;
      if (fault && reached(fault, start, sent) && this.#strikes(fault)) {
        if (fault.act !== 'corrupt') {
          await this.#write(chunk.subarray(0, at - start));
          await this.#act(fault);
        }
        await this.#write(flipped(chunk, at - start));
      } else {
        await this.#write(chunk);
      }
    }
  }

  async #write(chunk: Buffer): Promise<void> {
    if (chunk.length === 0) {
      this.#response.flushHeaders();
      return;
    }
    const written = new Promise<boolean>((resolve) => {
      this.#response.write(chunk, (error) => resolve(!error));
    });
    if (!(await Promise.race([written, this.#closed.then(() => false)]))) throw new Abandoned();
    this.#record.bytesOut += chunk.length;
  }

  #strikes(fault: PlannedFault): boolean {
    if (!this.#faults.strike(fault)) return false;
    this.#record.fault = fault.name;
    return true;
  }

  async #act(fault: PlannedFault): Promise<never> {
    const socket = this.#request.socket;
    if (typeof fault.act !== 'string') {
      const { status, headers = {}, body = '' } = fault.act;
      await this.reply(status, headers, [Buffer.from(body)]);
    } else if (fault.act === 'reset') {
      socket.resetAndDestroy();
    } else if (fault.act === 'finish-early') {
      // Unread bytes would turn the FIN into an RST.
      this.#request.resume();
      socket.end();
    } else {
      this.#request.pause();
      await this.#closed;
    }
    throw new Abandoned();
  }
}

/** Returns whether the fault's byte lies in the bytes from `start` to `end`. */
function reached(fault: PlannedFault, start: number, end: number): boolean {
  const at = fault.afterBytes ?? 0;
  if (typeof fault.act !== 'string' || (fault.act !== 'corrupt' && fault.act !== 'truncate')) {
    return fault.afterBytes !== undefined && at >= start && at <= end;
  }
  return at >= start && at < end;
}

function flipped(chunk: Buffer, index: number): Buffer {
  const copy = Buffer.from(chunk);
  copy[index] = (copy[index] ?? 0) ^ 0xff;
  return copy;
}

/** The bytes from `start` up to, not including, `end`, without copying. */
export function slice(chunks: readonly Buffer[], start: number, end: number): Buffer[] {
  const parts: Buffer[] = [];
  let offset = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(Math.max(0, start - offset), Math.max(0, end - offset));
    if (part.length > 0) parts.push(part);
    offset += chunk.length;
    if (offset >= end) break;
  }
  return parts;
}
