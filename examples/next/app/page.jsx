"use client";
// A chat: what is asked goes to /api/chat with all that was said before, and the answer appears as it comes.
import { useState } from "react";

export default function Page() {
  const [messages, setMessages] = useState([]);
  const [isBusy, setBusy] = useState(false);

  async function send(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const asked = [...messages, { role: "user", content: new FormData(form).get("text") }];
    form.reset();
    setBusy(true);
    setMessages([...asked, { role: "assistant", content: "" }]);
    try {
      const response = await fetch("/api/chat", { method: "POST", body: JSON.stringify({ messages: asked }) });
      if (!response.ok) throw new Error(`${response.status}`);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let content = "";
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        content += next.value;
        setMessages([...asked, { role: "assistant", content }]);
      }
    } catch (error) {
      setMessages([...asked, { role: "assistant", content: `(${error.message})` }]);
    } finally {
      setBusy(false);
    }
  }

  return (
    <main>
      {messages.map(({ role, content }, index) => (
        <p key={`${index}-${role}`} style={{ whiteSpace: "pre-wrap", fontWeight: role === "user" ? 600 : 400 }}>
          {content}
        </p>
      ))}
      <form onSubmit={send}>
        <input name="text" aria-label="Message" required disabled={isBusy} style={{ width: "100%" }} />
      </form>
    </main>
  );
}
