import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import type { Notification } from '../state/documents.ts';
import { clientConfig } from './client-config.ts';

const timeoutMs = 10_000;
/** SNS takes up to 100 characters of ASCII, without line breaks. */
const subjectLimit = 100;

/** An SNS topic. The role needs `sns:Publish`, and the use of its key. */
export class NotificationTopic {
  readonly #arn: string;
  readonly #client: SNSClient;

  constructor(arn: string, client: SNSClient = new SNSClient(clientConfig())) {
    this.#arn = arn;
    this.#client = client;
  }

  /** Throws what the SDK throws. */
  async publish({ subject, text, attributes }: Notification): Promise<void> {
    const attributeValues = Object.entries(attributes).map(
      ([name, value]) => [name, { DataType: 'String', StringValue: value }] as const,
    );
    await this.#client.send(
      new PublishCommand({
        TopicArn: this.#arn,
        Subject: subject
          .replaceAll(/[^\x20-\x7e]+/g, ' ')
          .trim()
          .slice(0, subjectLimit),
        Message: text,
        MessageAttributes: Object.fromEntries(attributeValues),
      }),
      { abortSignal: AbortSignal.timeout(timeoutMs) },
    );
  }
}
