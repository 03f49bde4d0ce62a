// multipart.mjs URL SECRET TOKEN FILE: a form with a file, by Node's fetch and FormData.
import { readFile } from "node:fs/promises";

const [, , url, secret, token, file] = process.argv;
const form = new FormData();
form.append("token", token);
form.append("format", "png");
form.append("file", new Blob([await readFile(file)], { type: "image/png" }), "naïve\n.png");
form.append("status", "OK");
form.append("callback_secret", secret);
const answer = await fetch(url, { method: "POST", body: form });
console.log(answer.status, await answer.text());
