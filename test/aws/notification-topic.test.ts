import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NotificationTopic } from '../../functions/aws/notification-topic.ts';
import { available } from '../real-parts.ts';
import { account, type MotoServer, region } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';

(available('moto_server') ? describe : describe.skip)('a topic', () => {
  let moto: MotoServer;
  let sns: SNSClient;
  let sqs: SQSClient;
  let topicArn: string;
  let failures: string;

  /** A queue that gets what passes the filter. */
  const subscribe = async (name: string, filter: object): Promise<string> => {
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
    const Endpoint = `arn:aws:sqs:${region}:${account}:${name}`;
    const Attributes = { FilterPolicy: JSON.stringify(filter) };
    await sns.send(new SubscribeCommand({ TopicArn: topicArn, Protocol: 'sqs', Endpoint, Attributes }));
    return QueueUrl;
  };
  const messagesOf = async (QueueUrl: string) => {
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
    return Messages.map(({ Body = '' }) => JSON.parse(Body) as Record<string, unknown>);
  };

  beforeAll(async () => {
    moto = await shareMotoServer();
    sns = new SNSClient(moto.config);
    sqs = new SQSClient(moto.config);
    topicArn = (await sns.send(new CreateTopicCommand({ Name: 'outcomes' }))).TopicArn ?? '';
    failures = await subscribe('failures', { status: ['FAILED'] });
  }, 60_000);
  afterAll(async () => {
    sns?.destroy();
    sqs?.destroy();
    await moto?.close();
  });

  it('hands a message on to those whose filter it passes', async () => {
    const topic = new NotificationTopic(topicArn, sns);
    await topic.publish({ subject: 'well', text: 'done', attributes: { status: 'SUCCEEDED', action: 'sync' } });
    await topic.publish({ subject: 'badly', text: 'see', attributes: { status: 'FAILED', action: 'sync' } });
    expect(await messagesOf(failures)).toMatchObject([
      { Subject: 'badly', Message: 'see', MessageAttributes: { action: { Type: 'String', Value: 'sync' } } },
    ]);
  });

  it('gets subjects as SNS takes them', async () => {
    const topic = new NotificationTopic(topicArn, sns);
    const subject = `Überraschung\nin ${'x'.repeat(200)}`;
    await topic.publish({ subject, text: 'ü', attributes: { status: 'FAILED' } });
    expect(await messagesOf(failures)).toMatchObject([
      { Subject: `berraschung in ${'x'.repeat(200)}`.slice(0, 100), Message: 'ü' },
    ]);
  });

  it('fails when the topic does not exist', async () => {
    const topic = new NotificationTopic(`${topicArn}-gone`, sns);
    await expect(topic.publish({ subject: 'well', text: 'done', attributes: {} })).rejects.toThrow(/not exist/);
  });
});
