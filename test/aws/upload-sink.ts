import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The time until a part is accepted. A writer that does not wait has filled several more by then. */
const partMs = 50;

/** Starts an S3 that takes uploads in parts, and keeps only their sizes: moto takes seconds for hundreds of MiB. */
export async function startUploadSink() {
  const parts: number[] = [];
  const server = createServer(async (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://s3');
    let bytes = 0;
    for await (const chunk of request) bytes += (chunk as Buffer).length;
    const answer = (name: string, content = '') => response.end(`<${name}>${content}</${name}>`);
    if (searchParams.has('partNumber')) {
      parts.push(bytes);
      await sleep(partMs);
      response.setHeader('etag', '"etag"').end();
    } else if (request.method === 'POST' && searchParams.has('uploads')) {
      answer('InitiateMultipartUploadResult', '<UploadId>upload</UploadId>');
    } else if (request.method === 'POST') {
      answer('CompleteMultipartUploadResult', '<ETag>etag</ETag>');
    } else if (searchParams.has('uploads')) {
      answer('ListMultipartUploadsResult', '<IsTruncated>false</IsTruncated>');
    } else {
      response.statusCode = 404;
      answer('Error', '<Code>NoSuchKey</Code>');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Bytes of each part that came. */
    parts,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
