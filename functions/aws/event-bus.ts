import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { clientConfig } from './client-config.ts';

interface Event {
  source: string;
  detailType: string;
  detail: object;
}

const timeoutMs = 10_000;

/** The default event bus of the account. The role needs `events:PutEvents`. */
export class EventBus {
  readonly #client: EventBridgeClient;

  constructor(client: EventBridgeClient = new EventBridgeClient(clientConfig())) {
    this.#client = client;
  }

  /** Throws what the SDK throws, and `Error` when EventBridge refuses the event. */
  async put({ source, detailType, detail }: Event): Promise<void> {
    const entry = { Source: source, DetailType: detailType, Detail: JSON.stringify(detail) };
    const { Entries: [result] = [] } = await this.#client.send(new PutEventsCommand({ Entries: [entry] }), {
      abortSignal: AbortSignal.timeout(timeoutMs),
    });
    // The response to a refused event is a success, too.
    if (result?.EventId === undefined) throw new Error(`${result?.ErrorCode}: ${result?.ErrorMessage}`);
  }
}
