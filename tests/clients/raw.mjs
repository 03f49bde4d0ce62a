// raw.mjs URL SECRET TOKEN FILE: the file as the body, streamed by Node's fetch.
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";

const [, , url, secret, token, file] = process.argv;
const answer = await fetch(url, {
  method: "POST",
  duplex: "half",
  body: Readable.toWeb(createReadStream(file, { highWaterMark: 777 })),
  headers: { authorization: `Bearer ${secret}`, "x-id": token, "content-type": "image/png" },
});
console.log(answer.status, await answer.text());
