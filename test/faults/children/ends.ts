/** Answers with what it is asked, or ends in the way it is asked to. */

process.on("message", ({ how }: { how: string }) => {
  if (how === "abort") process.abort();
  if (how === "exit") process.exit(3);
  if (how === "hang") while (true);
  console.error(`asked for ${how}`);
  process.send?.({ kind: "answer", how });
});
