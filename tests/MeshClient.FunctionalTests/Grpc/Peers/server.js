// A gRPC server to be called by the tests. Messages are plain bytes, so nothing has to be generated.
// Arguments: folder with ca.pem, cert.pem and key.pem. Prints "port N", then what happens to it, a line each.
// A line "go" on stdin lets a stream send its next message; the end of stdin ends it.
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');
const grpc = require('@grpc/grpc-js');

const folder = process.argv[2];
const read = (name) => fs.readFileSync(path.join(folder, name));
const say = (line) => process.stdout.write(line + '\n');

const waiting = [];
let permits = 0;
readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line !== 'go') { return; }
    if (waiting.length > 0) { waiting.shift()(); } else { permits++; }
  })
  .on('close', () => process.exit(0));
const permit = () => permits > 0 ? (permits--, Promise.resolve()) : new Promise((resolve) => waiting.push(resolve));

// Begins a call; gives what it ends with when all is well. The caller is asked for at once: later the connection may be gone.
const begin = (call, name) => {
  say(`call ${name}`);
  call.on('cancelled', () => say(`cancelled ${name}`));
  const trailers = new grpc.Metadata();
  trailers.set('answered-by', 'grpc-js');
  trailers.set('caller', call.getAuthContext().sslPeerCertificate.subjectaltname);
  return trailers;
};

let hasFailed = false;

const handlers = {
  Unary(call, callback) {
    const trailers = begin(call, 'Unary');
    callback(null, call.request, trailers);
  },

  // As many messages as the request says, each when the test lets it go.
  async ServerStream(call) {
    const trailers = begin(call, 'ServerStream');
    call.sendMetadata(new grpc.Metadata());
    const count = Number(call.request.toString());
    for (let i = 1; i <= count; i++) {
      await permit();
      call.write(Buffer.from(`message ${i}`));
    }
    await permit();
    call.end(trailers);
  },

  ClientStream(call, callback) {
    const trailers = begin(call, 'ClientStream');
    let messages = 0;
    let bytes = 0;
    call.on('data', (message) => {
      messages++;
      bytes += message.length;
      say(`received ${messages}`);
    });
    call.on('end', () => callback(null, Buffer.from(`${messages} messages, ${bytes} bytes`), trailers));
  },

  PingPong(call) {
    const trailers = begin(call, 'PingPong');
    call.on('data', (message) => call.write(Buffer.concat([Buffer.from('pong '), message])));
    call.on('end', () => call.end(trailers));
  },

  Fail(call, callback) {
    begin(call, 'Fail');
    callback({ code: grpc.status.NOT_FOUND, details: 'no such order: 100 % für näh' });
  },

  FailMidStream(call) {
    begin(call, 'FailMidStream');
    call.write(Buffer.from('message 1'));
    call.write(Buffer.from('message 2'));
    call.emit('error', { code: grpc.status.ABORTED, details: 'lost the thread' });
  },

  // Fails the first call this process gets, before any message; says of retries what the request says.
  FailFirst(call, callback) {
    const trailers = begin(call, 'FailFirst');
    if (hasFailed) { return callback(null, call.request, trailers); }
    hasFailed = true;
    const metadata = new grpc.Metadata();
    if (call.request.length > 0) { metadata.set('grpc-retry-pushback-ms', call.request.toString()); }
    callback({ code: grpc.status.UNAVAILABLE, details: 'not yet', metadata });
  },

  // How many milliseconds the caller leaves.
  TimeLeft(call, callback) {
    const trailers = begin(call, 'TimeLeft');
    const deadline = call.getDeadline();
    const left = deadline === Infinity ? 'none' : `${Math.round(Number(deadline) - Date.now())}`;
    callback(null, Buffer.from(left), trailers);
  },

  // Answers never.
  Hang(call) {
    begin(call, 'Hang');
  },

  Die() {
    // The line has to be out before the process is gone.
    process.stdout.write('call Die\n', () => process.exit(1));
  },
};

const same = (bytes) => bytes;
const method = (name, requestStream, responseStream) => [name, {
  path: `/pkg.Service/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
}];

const server = new grpc.Server();
server.addService(
  Object.fromEntries([
    method('Unary', false, false),
    method('ServerStream', false, true),
    method('ClientStream', true, false),
    method('PingPong', true, true),
    method('Fail', false, false),
    method('FailMidStream', false, true),
    method('FailFirst', false, false),
    method('TimeLeft', false, false),
    method('Hang', false, false),
    method('Die', false, false),
  ]),
  handlers);
const credentials = grpc.ServerCredentials.createSsl(
  read('ca.pem'), [{ private_key: read('key.pem'), cert_chain: read('cert.pem') }], true);
server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
  if (error) {
    console.error(error);
    process.exit(1);
  }
  say(`port ${port}`);
});
