// Takes webhooks that the official verifier finds good: 204, or 401 with what it says.
// node receiver.mjs SECRET  prints its port, then the id of each one that it took.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const verifier = new Webhook(process.argv[2]);
const server = createServer((request, answer) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    try {
      verifier.verify(Buffer.concat(pieces).toString(), request.headers);
      console.log(request.headers["webhook-id"]);
      answer.writeHead(204).end();
    } catch (error) {
      answer.writeHead(401).end(String(error));
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
