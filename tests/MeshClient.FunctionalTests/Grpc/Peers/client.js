// A gRPC client that calls what the tests serve. Messages are plain bytes, so nothing has to be generated.
// Arguments: port, folder with ca.pem, cert.pem and key.pem, the SPIFFE id the server has to prove, "with" or "without" a
// certificate of its own. Makes the calls it reads from stdin; prints messages as they come, and then "result JSON".
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');
const grpc = require('@grpc/grpc-js');

const [port, folder, serverId, certificate] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(folder, name));
const say = (line) => process.stdout.write(line + '\n');
const same = (bytes) => bytes;

// The server is known by its SPIFFE id, and by nothing else.
const checkServerIdentity = (_, shown) =>
  shown.subjectaltname === `URI:${serverId}` ? undefined : new Error(`the server is ${shown.subjectaltname}`);
const credentials = certificate === 'with'
  ? grpc.credentials.createSsl(read('ca.pem'), read('key.pem'), read('cert.pem'), { checkServerIdentity })
  : grpc.credentials.createSsl(read('ca.pem'), null, null, { checkServerIdentity });
const client = new grpc.Client(`127.0.0.1:${port}`, credentials, { 'grpc.default_authority': 'orders' });
const deadline = () => ({ deadline: Date.now() + 20000 });

const tell = (call, messages) => {
  let told = false;
  const ended = (status) => {
    if (told) { return; }
    told = true;
    const trailers = Object.fromEntries(Object.entries(status.metadata.getMap()).map(([name, value]) => [name, value.toString()]));
    say(`result ${JSON.stringify({ code: status.code, details: status.details, messages, trailers })}`);
  };
  call.on('status', ended);
  // Without a listener an error would end the process; what it says comes as the status, too.
  call.on('error', () => {});
};
const unary = (message) => {
  const messages = [];
  const call = client.makeUnaryRequest(
    '/pkg.Service/Unary', same, same, message, new grpc.Metadata(), deadline(),
    (_, answer) => { if (answer) { messages.push(`${answer.length} bytes: ${answer.toString().slice(0, 20)}`); } });
  tell(call, messages);
};

const commands = {
  unary: (text) => unary(Buffer.from(text)),
  large: (size) => unary(Buffer.alloc(Number(size), 'x')),

  // Sends the next message when the answer to the one before is there.
  pingpong(count) {
    const messages = [];
    const call = client.makeBidiStreamRequest('/pkg.Service/PingPong', same, same, new grpc.Metadata(), deadline());
    const next = () => messages.length < Number(count) ? call.write(Buffer.from(`${messages.length + 1}`)) : call.end();
    call.on('data', (message) => {
      messages.push(message.toString());
      next();
    });
    tell(call, messages);
    next();
  },

  // Waits for more than the first message, of which there is none.
  hang() {
    const messages = [];
    const call = client.makeBidiStreamRequest('/pkg.Service/AnswerAndHang', same, same, new grpc.Metadata(), deadline());
    call.on('data', (message) => messages.push(message.toString()));
    tell(call, messages);
    call.write(Buffer.from('1'));
  },

  // Gives up after the first message.
  cancel() {
    const messages = [];
    const call = client.makeBidiStreamRequest('/pkg.Service/AnswerAndHang', same, same, new grpc.Metadata(), deadline());
    call.on('data', (message) => {
      messages.push(message.toString());
      call.cancel();
    });
    tell(call, messages);
    call.write(Buffer.from('1'));
  },
};

readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, argument] = line.split(' ');
    commands[command](argument);
  })
  .on('close', () => process.exit(0));
