// The page: shows the conversation as text, and never as HTML.
const [messages, form, text, send, stop] = ["messages", "form", "text", "send", "stop"].map((id) =>
  document.getElementById(id),
);
let answer;

function say(role, content) {
  const paragraph = document.createElement("p");
  paragraph.className = role;
  paragraph.textContent = content;
  messages.append(paragraph);
  return paragraph;
}

function answering(runs) {
  send.disabled = runs;
  stop.hidden = !runs;
}

window.addEventListener("message", ({ data, ports: [port] }) => {
  if (data !== "chat-port" || !port) return;
  answering(false);
  port.onmessage = ({ data: part }) => {
    if (part.type === "text") answer.textContent += part.text;
    if (part.type === "error") say("error", part.message);
    if (part.type === "end" || part.type === "error") answering(false);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (text.value === "" || send.disabled) return;
    say("user", text.value);
    answer = say("assistant", "");
    answering(true);
    port.postMessage({ send: text.value });
    text.value = "";
  });
  stop.addEventListener("click", () => port.postMessage({ stop: true }));
});
