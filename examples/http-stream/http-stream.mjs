// An HTTP server that streams answers: node http-stream.mjs full.gguf small.gguf
//   curl -N -d "Why is the sky blue?" http://localhost:8080
// Who hangs up stops the answer. Beyond eight at once, questions wait.
import { createServer } from "node:http";
import { loadPair, QueueError } from "overfill";

const [prefill, decode = prefill] = process.argv.slice(2);
const pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode }, maxSessions: 8 });

const server = createServer(async (request, response) => {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const chat = pair.chat();
  try {
    let question = "";
    for await (const chunk of request.setEncoding("utf8")) question += chunk;
    for await (const part of chat.send(question, { maxTokens: 512, signal: gone.signal }))
      if (part.type === "text") response.write(part.text);
  } catch (error) {
    if (!gone.signal.aborted && !response.headersSent) response.statusCode = QueueError.isInstance(error) ? 503 : 500;
    if (!gone.signal.aborted) response.write(String(error));
  } finally {
    await chat.dispose();
  }
  response.end();
});
server.listen(Number(process.env.PORT ?? 8080), () => console.log(`http://localhost:${server.address().port}`));
