import { connect } from 'node:tls';
import { secureContextOf } from '../../functions/http/certificates.ts';

// Prints which of the ports in the arguments have a certificate that the folder in the first argument lets it trust.
const [folder = '', ...ports] = process.argv.slice(2);
const secureContext = secureContextOf(folder, 'registry.test');
for (const port of ports) {
  await new Promise<void>((resolve) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', servername: 'registry.test', secureContext });
    const print = (answer: string) => {
      console.log(answer);
      socket.destroy();
      resolve();
    };
    socket.once('secureConnect', () => print('trusted'));
    socket.once('error', () => print('not trusted'));
  });
}
